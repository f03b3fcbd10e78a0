/** What `node:fs` does with descriptors, over a simulated disk. */
import type { BigIntStats, Stats } from 'node:fs';
import type { FileCalls } from '../simulated/file-calls.ts';
import { PERMISSIONS, statsOf } from '../simulated/stats.ts';
import type { Steps } from '../simulated/steps.ts';
import { admitDescriptor, ask, NO_FD } from './admission.ts';
import { type Ground, owners, timesOf } from './name-operations.ts';
import { modeOf, optionsOf } from './options.ts';

type View = ArrayBufferView;

const READ_BYTES = 16_384;

export class DescriptorOperations {
  readonly #files: FileCalls;

  constructor({ files }: Ground) {
    this.#files = files;
  }

  *close(fd: unknown): Steps<void> {
    yield* this.#files.close(admitDescriptor('closeSync', [fd]));
  }

  *fsync(fd: unknown): Steps<void> {
    const number = admitDescriptor('fsyncSync', [fd]);
    yield* this.#files.sync(yield* this.#files.of(number, 'fsync'), false);
  }

  *fdatasync(fd: unknown): Steps<void> {
    const number = admitDescriptor('fdatasyncSync', [fd]);
    yield* this.#files.sync(yield* this.#files.of(number, 'fdatasync'), true);
  }

  *fstat(fd: unknown, options?: unknown): Steps<Stats | BigIntStats> {
    const file = yield* this.#files.of(admitDescriptor('fstatSync', [fd, options]), 'fstat');
    yield* this.#files.stat(file);
    return statsOf(file.inode, optionsOf(options).bigint === true);
  }

  *ftruncate(fd: unknown, length: unknown = 0): Steps<void> {
    const number = admitDescriptor('ftruncateSync', [fd, length]);
    yield* this.#files.truncate(
      yield* this.#files.of(number, 'ftruncate'),
      Math.max(0, (length as number | null) ?? 0),
    );
  }

  *fchmod(fd: unknown, mode: unknown): Steps<void> {
    const number = admitDescriptor('fchmodSync', [fd, mode]);
    const file = yield* this.#files.of(number, 'fchmod');
    yield* this.#files.setAttributes('fchmod', file, { mode: modeOf(mode, 0) & PERMISSIONS });
  }

  *fchown(fd: unknown, uid: unknown, gid: unknown): Steps<void> {
    const number = admitDescriptor('fchownSync', [fd, uid, gid]);
    yield* this.#files.setAttributes('fchown', yield* this.#files.of(number, 'fchown'), owners(uid, gid));
  }

  *futimes(fd: unknown, atime: unknown, mtime: unknown): Steps<void> {
    const number = admitDescriptor('futimesSync', [fd, atime, mtime]);
    const file = yield* this.#files.of(number, 'futime');
    yield* this.#files.setAttributes('futime', file, timesOf(atime, mtime));
  }

  /** The arguments of `readSync`, or those with the place in an object. */
  *read(fd: unknown, ...args: unknown[]): Steps<number> {
    const number = admitDescriptor('readSync', [fd, ...args]);
    const { buffer, offset, length, position } = readArguments(args, true);
    const from = (offset as number | null | undefined) ?? 0;
    const bytes = (length as number) | 0;
    if (bytes === 0) {
      yield* this.#files.turn();
      return 0;
    }
    const file = yield* this.#files.of(number, 'read');
    return yield* this.#files.read(file, [partOf(buffer as View, from, bytes)], readPlace(position));
  }

  /** The arguments of `writeSync`: a view with its part and place, or a string with its place and encoding. */
  *write(fd: unknown, data: unknown, ...rest: unknown[]): Steps<number> {
    const number = admitDescriptor('writeSync', [fd, data, ...rest]);
    const [bytes, position] = ArrayBuffer.isView(data)
      ? viewToWrite(data, rest)
      : textToWrite(String(data), rest);
    return yield* this.#files.write(yield* this.#files.of(number, 'write'), [bytes], writePlace(position));
  }

  *readv(fd: unknown, buffers: unknown, position?: unknown): Steps<number> {
    const number = admitDescriptor('readvSync', [fd, buffers, position]);
    const file = yield* this.#files.of(number, 'read');
    return yield* this.#files.read(file, viewsOf(buffers), vectorPlace(position));
  }

  *writev(fd: unknown, buffers: unknown, position?: unknown): Steps<number> {
    const number = admitDescriptor('writevSync', [fd, buffers, position]);
    const views = viewsOf(buffers);
    if (views.length === 0) {
      yield* this.#files.turn();
      return 0;
    }
    const file = yield* this.#files.of(number, 'write');
    return yield* this.#files.write(file, views, vectorPlace(position));
  }
}

/** What is read into, and what is read. */
export interface ReadArguments {
  readonly buffer: unknown;
  readonly offset: unknown;
  readonly length: unknown;
  readonly position: unknown;
}

/** Node's ways to say where: `(buffer, offset, length, position)`, `(buffer, options)`, `(options)`, `()`. @param objectIsOptions - As `readSync` has it, whatever follows. */
export function readArguments(args: readonly unknown[], objectIsOptions: boolean): ReadArguments {
  const [first] = args;
  const isOptions = args.length === 1 && typeof first === 'object' && !ArrayBuffer.isView(first);
  if (args.length === 0 || isOptions) {
    const options = optionsOf(first);
    return placed(options.buffer ?? Buffer.alloc(READ_BYTES), options);
  }
  const second = args[1];
  // An object is wanted there, and Node says so.
  if (args.length === 2 && second !== undefined && (typeof second !== 'object' || Array.isArray(second)))
    ask('readSync', [NO_FD, first, second]);
  const named = args.length <= 2 || (objectIsOptions && typeof second === 'object');
  if (named && (second === undefined || second === null || typeof second === 'object'))
    return placed(first, optionsOf(second));
  return { buffer: first, offset: second, length: args[2], position: args[3] };
}

function placed(buffer: unknown, options: Readonly<Record<string, unknown>>): ReadArguments {
  const { offset = 0, position = null } = options;
  const bytes = ArrayBuffer.isView(buffer) ? buffer.byteLength : 0;
  const { length = bytes - Number(offset) } = options;
  return { buffer, offset, length, position };
}

/** A negative place, as -1, is the descriptor's own. */
function readPlace(position: unknown): number | null {
  if (position === undefined || position === null) return null;
  const place = Number(position);
  return place < 0 ? null : place;
}

/** Whatever is no place is the descriptor's own. */
function writePlace(position: unknown): number | null {
  return Number.isSafeInteger(position) && Number(position) >= 0 ? Number(position) : null;
}

const vectorPlace = writePlace;

function viewToWrite(data: View, [second, third, fourth]: unknown[]): [Uint8Array, unknown] {
  // To Node `null` is options too, none of them given: what follows it counts for nothing.
  const isNamed = typeof second === 'object';
  const options = isNamed ? optionsOf(second) : { offset: second, length: third, position: fourth };
  const offset = (options.offset as number | null | undefined) ?? 0;
  const length = typeof options.length === 'number' ? options.length : data.byteLength - offset;
  return [partOf(data, offset, length), options.position];
}

function textToWrite(text: string, [position, encoding]: unknown[]): [Uint8Array, unknown] {
  // Node takes what it does not know for the usual one here.
  const known = typeof encoding === 'string' && Buffer.isEncoding(encoding) ? encoding : 'utf8';
  return [Buffer.from(text, known as BufferEncoding), position];
}

function partOf({ buffer, byteOffset }: View, offset: number, length: number): Uint8Array {
  return new Uint8Array(buffer, byteOffset + offset, length);
}

function viewsOf(buffers: unknown): Uint8Array[] {
  return (buffers as readonly View[]).map((view) => partOf(view, 0, view.byteLength));
}
