/** The calls on descriptors of a simulated disk that are not AIO's. */
import type { BigIntStats, Mode, StatOptions, Stats, TimeLike } from 'node:fs';
import { ERRNO } from '../../common/abi/errno.ts';
import { errnoException } from '../../common/errors.ts';
import {
  type DescriptorCalls,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
} from '../../common/kernel/kernel-files.ts';
import { NSEC_PER_MSEC } from '../../common/time-units.ts';
import { invalidArgValue, outOfRange } from '../../common/validate.ts';
import type { CallsSupport, FileCalls } from './file-calls.ts';
import type { Attributes } from './inode.ts';
import { SimulatedFile } from './simulated-file.ts';
import { PERMISSIONS, statsOf } from './stats.ts';
import { promised, type Steps } from './steps.ts';

const PUNCH_HOLE = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
const SEEK_SET = 0;
const SEEK_CUR = 1;
const SEEK_END = 2;
const NSEC_PER_SEC = 1e9;
/** What FileHandle reads as a whole at most. */
const MAX_READ_FILE_BYTES = 2 ** 31 - 1;
const NODE_MAJOR = Number.parseInt(process.versions.node, 10);
/** To the FileHandles of versions before, whatever is no place is the descriptor's own. */
const JUDGES_PLACES = NODE_MAJOR > 20;
const JUDGES_PLACES_OF_NOTHING = NODE_MAJOR >= 24;

type View = NodeJS.ArrayBufferView;

export class SimulatedCalls implements DescriptorCalls {
  readonly #kernel: CallsSupport;
  readonly #files: FileCalls;

  constructor(kernel: CallsSupport, files: FileCalls) {
    this.#kernel = kernel;
    this.#files = files;
  }

  readonly read: DescriptorCalls['read'] = async (fd, buffer, offset, length, position) => {
    const bytes = partOf(buffer, offset, length);
    // Node looks no further where there is nothing to read, but newer versions at the place.
    if (bytes.length === 0) {
      if (JUDGES_PLACES_OF_NOTHING) placeOf(position);
      return { bytesRead: 0, buffer };
    }
    return {
      bytesRead: await this.#on(fd, 'read', (file) => this.#files.read(file, [bytes], readPlaceOf(position))),
      buffer,
    };
  };

  readonly write: DescriptorCalls['write'] = async (fd, buffer, offset, length, position) => {
    const bytes = partOf(buffer, offset, length);
    if (bytes.length === 0) return { bytesWritten: 0, buffer };
    return {
      bytesWritten: await this.#on(fd, 'write', (file) =>
        this.#files.write(file, [bytes], writePlaceOf(position)),
      ),
      buffer,
    };
  };

  readonly readv: DescriptorCalls['readv'] = async (fd, buffers, position) => ({
    bytesRead: await this.#on(fd, 'read', (file) =>
      this.#files.read(file, viewsOf(buffers), placeOf(position)),
    ),
    buffers,
  });

  readonly writev: DescriptorCalls['writev'] = async (fd, buffers, position) => ({
    bytesWritten: await this.#on(fd, 'write', (file) =>
      this.#files.write(file, viewsOf(buffers), writePlaceOf(position)),
    ),
    buffers,
  });

  readonly fsync = (fd: number): Promise<void> =>
    this.#on(fd, 'fsync', (file) => this.#files.sync(file, false));

  readonly fdatasync = (fd: number): Promise<void> =>
    this.#on(fd, 'fdatasync', (file) => this.#files.sync(file, true));

  readonly fstat = (async (fd: number, options?: StatOptions): Promise<Stats | BigIntStats> => {
    const file = this.#file(fd, 'fstat');
    await promised(this.#files.stat(file));
    return statsOf(file.inode, options?.bigint === true);
  }) as DescriptorCalls['fstat'];

  readonly ftruncate = async (fd: number, length = 0): Promise<void> => {
    const size = Math.max(0, length);
    if (!Number.isSafeInteger(size)) throw outOfRange('len', 'an integer', length);
    await this.#on(fd, 'ftruncate', (file) => this.#files.truncate(file, size));
  };

  readonly fallocate = async (fd: number, mode: number, offset: number, len: number): Promise<void> => {
    const file = this.#file(fd, 'fallocate');
    const error = judgeRoom(file, mode, offset, len);
    if (error !== 0) throw errnoException(error, 'fallocate', { path: file.path });
    const range = { position: offset, length: len };
    await promised(
      this.#files.allocate(
        file,
        mode === PUNCH_HOLE
          ? { kind: 'punch', ...range }
          : { kind: 'allocate', ...range, keepSize: mode === FALLOC_FL_KEEP_SIZE },
      ),
    );
  };

  readonly futimes = (fd: number, atime: TimeLike, mtime: TimeLike): Promise<void> =>
    this.#setAttributes('futimes', fd, { atimeNs: nsOf(atime), mtimeNs: nsOf(mtime) });

  readonly fchmod = (fd: number, mode: Mode): Promise<void> => {
    const bits = typeof mode === 'string' ? Number.parseInt(mode, 8) : mode;
    return this.#setAttributes('fchmod', fd, { mode: bits & PERMISSIONS });
  };

  readonly fchown = (fd: number, uid: number, gid: number): Promise<void> =>
    this.#setAttributes('fchown', fd, { uid, gid });

  /** Only what AioFile does not read by itself comes here: wrong options, and files that are too long. */
  readonly readFile = async (fd: number, options?: unknown): Promise<never> => {
    const { size } = this.#file(fd, 'read').inode.content;
    if (size > MAX_READ_FILE_BYTES) {
      throw Object.assign(new RangeError(`File size (${size}) is greater than 2 GiB`), {
        code: 'ERR_FS_FILE_TOO_LARGE',
      });
    }
    throw invalidArgValue('options', options);
  };

  /** As {@link readFile}. */
  readonly writeFile = async (fd: number, data: unknown, options?: unknown): Promise<never> => {
    this.#file(fd, 'write');
    throw options === undefined || options === null
      ? invalidArgValue('data', data)
      : invalidArgValue('options', options);
  };

  readonly lseek = (fd: number, offset: number, whence: number): number => {
    const file = this.#kernel.files.fget(fd);
    if (!(file instanceof SimulatedFile)) return -ERRNO.EBADF;
    if (file.inode.kind === 'directory') return -ERRNO.ESPIPE;
    const from = { [SEEK_SET]: 0, [SEEK_CUR]: file.position, [SEEK_END]: file.inode.content.size }[whence];
    if (from === undefined || from + offset < 0) return -ERRNO.EINVAL;
    file.position = from + offset;
    return file.position;
  };

  readonly openCached = async (fd: number): Promise<number> => {
    const { inode, path, mode } = this.#file(fd, 'write');
    if (!mode.writable) throw errnoException(-ERRNO.EBADF, 'write', { path });
    return this.#files.again({ inode, path, mode: { ...mode, direct: false } });
  };

  readonly close = async (fd: number): Promise<void> => {
    this.#file(fd, 'close');
    this.#kernel.files.close(fd);
  };

  readonly isOpen = (fd: number): boolean => this.#files.get(fd) !== undefined;

  #file(fd: number, syscall: string): SimulatedFile {
    const file = this.#kernel.files.fget(fd);
    if (file instanceof SimulatedFile) return file;
    throw errnoException(-ERRNO.EBADF, syscall);
  }

  async #on<T>(fd: number, syscall: string, operation: (file: SimulatedFile) => Steps<T>): Promise<T> {
    return promised(operation(this.#file(fd, syscall)));
  }

  async #setAttributes(syscall: string, fd: number, attributes: Partial<Attributes>): Promise<void> {
    for (const value of Object.values(attributes)) {
      if (!Number.isFinite(value)) throw invalidArgValue(syscall, value);
    }
    await this.#on(fd, syscall, (file) => this.#files.setAttributes(syscall, file, attributes));
  }
}

/** What `fs/open.c:vfs_fallocate` looks at, in its order. */
function judgeRoom(file: SimulatedFile, mode: number, offset: number, len: number): number {
  if (offset < 0 || len <= 0) return -ERRNO.EINVAL;
  if (![0, FALLOC_FL_KEEP_SIZE, PUNCH_HOLE].includes(mode)) return -ERRNO.EOPNOTSUPP;
  if (file.mayWrite() !== 0) return -ERRNO.EBADF;
  return Number.isSafeInteger(offset + len) ? 0 : -ERRNO.EFBIG;
}

/** Of a write, any number that is no place is the descriptor's own. */
function writePlaceOf(position: unknown): number | null {
  const isPlace = Number.isSafeInteger(position) && Number(position) >= 0;
  return typeof position === 'number' && !isPlace ? null : placeOf(position);
}

/** Of a read, versions of Node differ. */
function readPlaceOf(position: unknown): number | null {
  const isPlace = Number.isSafeInteger(position) && Number(position) >= 0;
  return JUDGES_PLACES || isPlace ? placeOf(position) : null;
}

function placeOf(position: unknown): number | null {
  if (position === null || position === undefined || position === -1 || position === -1n) return null;
  const place = typeof position === 'bigint' ? Number(position) : position;
  if (typeof place !== 'number' || !Number.isSafeInteger(place) || place < 0)
    throw outOfRange('position', '>= 0 && <= 2^53 - 1', position);
  return place;
}

/** @throws TypeError or RangeError, as `node:fs` does, for what is no part of a view. */
function partOf(buffer: unknown, offset?: number | null, length?: number | null): Uint8Array {
  if (!ArrayBuffer.isView(buffer) || (buffer.byteLength === 0 && (length ?? 0) !== 0)) {
    throw invalidArgValue('buffer', buffer);
  }
  const from = offset ?? 0;
  if (!Number.isInteger(from) || from < 0 || from > buffer.byteLength)
    throw outOfRange('offset', `>= 0 && <= ${buffer.byteLength}`, offset);
  const bytes = length ?? buffer.byteLength - from;
  if (!Number.isInteger(bytes) || bytes < 0 || bytes > buffer.byteLength - from)
    throw outOfRange('length', `>= 0 && <= ${buffer.byteLength - from}`, length);
  return new Uint8Array(buffer.buffer, buffer.byteOffset + from, bytes);
}

function viewsOf(buffers: readonly View[]): Uint8Array[] {
  if (!Array.isArray(buffers)) throw invalidArgValue('buffers', buffers);
  return buffers.map((view: View) => {
    if (!ArrayBuffer.isView(view)) throw invalidArgValue('buffers', view);
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  });
}

/** Nanoseconds from Node's ways to give a time: seconds, their digits, or a Date. */
function nsOf(time: TimeLike): number {
  return time instanceof Date
    ? Math.round(time.getTime() * NSEC_PER_MSEC)
    : Math.round(Number(time) * NSEC_PER_SEC);
}
