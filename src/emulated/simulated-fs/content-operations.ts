/** What `node:fs` does with the whole content of files, over a simulated disk. */
import { constants } from 'node:fs';
import { invalidArgType } from '../../common/validate.ts';
import type { FileCalls } from '../simulated/file-calls.ts';
import type { PathCalls } from '../simulated/path-calls.ts';
import type { SimulatedFile } from '../simulated/simulated-file.ts';
import { PERMISSIONS } from '../simulated/stats.ts';
import type { Steps, Subject } from '../simulated/steps.ts';
import { admit, admitDescriptor, ask, isDescriptor, NO_FD, realFs, syscallFor } from './admission.ts';
import type { Face } from './faces.ts';
import type { Ground } from './name-operations.ts';
import { encodingOf, flagsOf, isIterable, modeOf, optionsOf, signalOf, throwIfAborted } from './options.ts';
import { told } from './told.ts';

const FILE_MODE = 0o666;
const NOTHING = new Uint8Array(0);
/** For a path that Node does not look at any more. */
const ANY_PATH = '/';
const MAX_READ_FILE_BYTES = 2 ** 31 - 1;
/** What Node moves at once, between two looks at the signal. */
const CHUNK_BYTES = 512 * 1024;
/** With a callback, a file of a path is written by one job since Node 26, which writes nothing of nothing. */
const WRITES_FILES_AT_ONCE = String(realFs.writeFile).includes('WriteFileJob');
/** Since libuv 1.49 a copy has its source's owner, where that may be given, and its times until bytes are written (`uv__fs_copyfile`, libuv#4396). */
const COPIES_OWNER_AND_TIMES = isAtLeast(process.versions.uv, 1, 49);

type Chunks = AsyncIterable<unknown> | Iterable<unknown>;

export class ContentOperations {
  readonly #paths: PathCalls;
  readonly #files: FileCalls;

  constructor({ paths, files }: Ground) {
    this.#paths = paths;
    this.#files = files;
  }

  /** @param path - Or a descriptor, which is read from where it is. */
  *readFile(face: Face, path: unknown, options?: unknown): Steps<string | Buffer> {
    const signal = signalFor(face, options);
    if (face === 'promise' && !signal?.aborted) admit('accessSync', [path]);
    // To promises alone, a flag that is empty is none.
    const hasFlag = face !== 'promise' || optionsOf(options).flag !== '';
    const judged = hasFlag ? options : { ...optionsOf(options), flag: undefined };
    const at = isFd(face, path)
      ? admitDescriptor('readFileSync', [path, judged])
      : admit('readFileSync', [signal?.aborted ? ANY_PATH : path, judged])[0]!;
    yield* this.#turn();
    throwIfAborted(signal);
    const file =
      typeof at === 'number'
        ? yield* this.#files.of(at, syscallFor('readFileSync', options))
        : yield* this.#opened(at, flagsOf(optionsOf(options).flag || 'r'), FILE_MODE);
    const bytes =
      typeof at === 'number'
        ? yield* this.#content(file, null, signal)
        : yield* this.#using(file, this.#content(file, 0, signal));
    const encoding = encodingOf(options);
    return encoding === undefined ? bytes : bytes.toString(encoding as BufferEncoding);
  }

  /** @param data - Of promises, an iterable of chunks too. */
  *writeFile(face: Face, path: unknown, data: unknown, options?: unknown): Steps<void> {
    yield* this.#written(face, 'writeFileSync', path, data, options, optionsOf(options).flag || 'w');
  }

  *appendFile(face: Face, path: unknown, data: unknown, options?: unknown): Steps<void> {
    const flag = isFd(face, path) ? 'a' : optionsOf(options).flag || 'a';
    yield* this.#written(face, 'appendFileSync', path, data, options, flag);
  }

  *truncate(face: Face, path: unknown, length?: unknown): Steps<void> {
    const size = length === undefined ? 0 : length;
    if (isFd(face, path)) {
      // Only versions of Node that still take descriptors get beyond this. The others name what they were given.
      ask('truncateSync', [isDescriptor(path) ? NO_FD : path, size]);
      admitDescriptor('ftruncateSync', [path, size]);
      const file = yield* this.#files.of(path, 'ftruncate');
      yield* this.#files.truncate(file, Math.max(0, Number(size)));
      return;
    }
    // Synchronous calls of some versions take a descriptor here.
    admit('accessSync', [path]);
    const [at] = admit('truncateSync', [path, length]);
    if (face === 'callback') admitDescriptor('ftruncateSync', [0, size]);
    const file = yield* this.#opened(at!, constants.O_RDWR, FILE_MODE);
    yield* this.#using(file, this.#truncated(file, size));
  }

  *#truncated(file: SimulatedFile, size: unknown): Steps<void> {
    admitDescriptor('ftruncateSync', [0, size]);
    yield* this.#files.truncate(file, Math.max(0, Number(size)));
  }

  /** As `uv__fs_copyfile` of libuv. */
  *copyFile(_face: Face, source: unknown, target: unknown, mode?: unknown): Steps<void> {
    const [from, to] = admit('copyFileSync', [source, target, mode], [0, 1]);
    yield* this.copy(from!, to!, (mode as number | null | undefined) ?? 0);
  }

  *copy(from: string, to: string, mode: number): Steps<void> {
    const subject = { syscall: 'copyfile', path: from, dest: to };
    const source = yield* told(this.#files.open(from, constants.O_RDONLY, 0, false), subject);
    yield* this.#using(source, this.#copiedFrom(source, to, mode, subject));
  }

  *#copiedFrom(source: SimulatedFile, to: string, mode: number, subject: Subject): Steps<void> {
    const exclusive = (mode & constants.COPYFILE_EXCL) === 0 ? 0 : constants.O_EXCL;
    const flags = constants.O_WRONLY | constants.O_CREAT | exclusive;
    const bits = source.inode.attributes.mode & PERMISSIONS;
    const target = yield* told(this.#files.open(to, flags, bits, false), subject);
    try {
      yield* this.#using(target, this.#copied(source, target, mode, bits, subject));
    } catch (error) {
      yield* this.#paths.unlink(to);
      throw error;
    }
  }

  *#copied(
    source: SimulatedFile,
    target: SimulatedFile,
    mode: number,
    bits: number,
    subject: Subject,
  ): Steps<void> {
    if (source.inode === target.inode) return;
    yield* told(this.#files.truncate(target, 0), subject);
    const { uid, gid, atimeNs, mtimeNs } = source.inode.attributes;
    // In one step, so that a history is the same whatever is copied.
    const copied = { mode: bits, ...(COPIES_OWNER_AND_TIMES ? { uid, gid, atimeNs, mtimeNs } : {}) };
    yield* told(this.#files.setAttributes('fchmod', target, copied), subject);
    if ((mode & constants.COPYFILE_FICLONE_FORCE) !== 0)
      yield* told(this.#files.refused(source.inode.kind === 'directory' ? 'EISDIR' : 'EOPNOTSUPP'), subject);
    const bytes = yield* told(this.#content(source, 0, undefined), subject);
    yield* told(this.#all(target, bytes, 0), subject);
  }

  *#written(
    face: Face,
    name: string,
    path: unknown,
    data: unknown,
    options: unknown,
    flag: unknown,
  ): Steps<void> {
    const signal = signalFor(face, options);
    if (face === 'promise' && !signal?.aborted) admit('accessSync', [path]);
    const streams = face === 'promise' && isIterable(data);
    const judged = streams ? NOTHING : data;
    const at = isFd(face, path)
      ? admitDescriptor(name, [path, judged, options])
      : admit(name, [signal?.aborted ? ANY_PATH : path, judged, options])[0]!;
    const { mode, flush } = optionsOf(options);
    const encoding = (encodingOf(options) ?? 'utf8') as BufferEncoding;
    yield* this.#turn();
    throwIfAborted(signal);
    const bytes = streams ? undefined : bytesOf(data, encoding);
    // Of nothing, Node writes nothing, but with a callback.
    const isNothing = typeof at === 'number' && bytes?.length === 0 && face === 'sync';
    if (isNothing && flush !== true) return;
    const file =
      typeof at === 'number'
        ? yield* this.#files.of(at, isNothing ? 'fsync' : 'write')
        : yield* this.#opened(at, flagsOf(flag), modeOf(mode, FILE_MODE));
    const position = typeof at === 'number' || file.append ? null : 0;
    const isOneJob = WRITES_FILES_AT_ONCE && typeof at !== 'number' && flush !== true;
    // The write of nothing is left out where it shows only: elsewhere a history is the same with it.
    const writesNothing = face === 'callback' && !(isOneJob && !file.mode.writable);
    try {
      if (bytes === undefined) yield* this.#streamed(file, data as Chunks, encoding, signal);
      else if (bytes.length === 0 && writesNothing) yield* this.#files.write(file, [bytes], position);
      else yield* this.#all(file, bytes, position, signal);
      if (flush === true) yield* this.#files.sync(file, false);
    } finally {
      if (typeof at !== 'number') this.#files.release(file);
    }
  }

  *#streamed(
    file: SimulatedFile,
    data: Chunks,
    encoding: BufferEncoding,
    signal: AbortSignal | undefined,
  ): Steps<void> {
    const chunks = Symbol.asyncIterator in data ? data[Symbol.asyncIterator]() : data[Symbol.iterator]();
    for (;;) {
      let next: IteratorResult<unknown> | undefined;
      yield {
        promise: Promise.resolve(chunks.next()).then((result) => {
          next = result;
        }),
      };
      if (next!.done === true) return;
      throwIfAborted(signal);
      const { value } = next!;
      if (typeof value !== 'string' && !ArrayBuffer.isView(value)) {
        yield { promise: Promise.resolve(chunks.return?.()) };
        throw invalidArgType(
          'data',
          'of type string or an instance of Buffer, TypedArray, or DataView',
          value,
        );
      }
      yield* this.#all(file, bytesOf(value, encoding), null, signal);
    }
  }

  #opened(path: string, flags: number, mode: number): Steps<SimulatedFile> {
    const direct = constants.O_DIRECT !== undefined && (flags & constants.O_DIRECT) !== 0;
    return this.#files.open(path, flags, mode, direct);
  }

  /** Does something with a file that was opened for it, and lets go of it, whatever comes of that. */
  *#using<T>(file: SimulatedFile, steps: Steps<T>): Steps<T> {
    try {
      return yield* steps;
    } finally {
      this.#files.release(file);
    }
  }

  /** @param from - `null` for the descriptor's own position. */
  *#content(file: SimulatedFile, from: number | null, signal: AbortSignal | undefined): Steps<Buffer> {
    const { size } = file.inode.content;
    if (size > MAX_READ_FILE_BYTES && file.mode.readable) {
      yield* this.#files.stat(file);
      throw Object.assign(new RangeError(`File size (${size}) is greater than 2 GiB`), {
        code: 'ERR_FS_FILE_TOO_LARGE',
      });
    }
    const chunks: Buffer[] = [];
    let done = 0;
    do {
      throwIfAborted(signal);
      const chunk = Buffer.alloc(Math.max(1, Math.min(CHUNK_BYTES, size - done)));
      const count = yield* this.#files.read(file, [chunk], from === null ? null : from + done);
      if (count === 0) break;
      chunks.push(chunk.subarray(0, count));
      done += count;
      // A file that was empty is read until nothing comes: there are such files that have something.
    } while (size === 0 || done < size);
    throwIfAborted(signal);
    return Buffer.concat(chunks);
  }

  *#all(file: SimulatedFile, bytes: Uint8Array, from: number | null, signal?: AbortSignal): Steps<void> {
    for (let done = 0; done < bytes.length; ) {
      const chunk = bytes.slice(done, done + CHUNK_BYTES);
      done += yield* this.#files.write(file, [chunk], from === null ? null : from + done);
      throwIfAborted(signal);
    }
  }

  /** What comes after this is not thrown by the call that asks. */
  *#turn(): Steps<void> {
    yield* this.#files.turn();
  }
}

/** Promises take no bare descriptors. */
function isFd(face: Face, path: unknown): path is number {
  return typeof path === 'number' && face !== 'promise';
}

/** Synchronous calls do not look at signals. */
function signalFor(face: Face, options: unknown): AbortSignal | undefined {
  return face === 'sync' ? undefined : signalOf(options);
}

function bytesOf(data: unknown, encoding: BufferEncoding): Uint8Array {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : Buffer.from(data as string, encoding);
}

/** @param version - Of a library that Node.js brings; there is none on other runtimes, whose copies are like those of the newest. */
function isAtLeast(version: string | undefined, major: number, minor: number): boolean {
  if (version === undefined) return true;
  const [ours = 0, less = 0] = version.split('.').map(Number);
  return ours > major || (ours === major && less >= minor);
}
