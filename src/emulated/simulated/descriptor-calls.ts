/** The calls on descriptors of a simulated disk that are not AIO's. */
import type { BigIntStats, Mode, StatOptions, Stats, TimeLike } from 'node:fs';
import { ERRNO } from '../../common/abi/errno.ts';
import { errnoException } from '../../common/errors.ts';
import type { DescriptorCalls } from '../../common/kernel/kernel-files.ts';
import { invalidArgValue, outOfRange } from '../../common/validate.ts';
import type { FileSupport } from '../files/file.ts';
import type { FileTable } from '../files/file-table.ts';
import type { AddressSpace } from '../memory/mm.ts';
import type { Disk, Done } from './disk.ts';
import type { SimulatedFileSystem } from './file-system.ts';
import type { Attributes } from './inode.ts';
import { SimulatedFile } from './simulated-file.ts';
import { PERMISSIONS } from './stats.ts';

const SEEK_SET = 0;
const SEEK_CUR = 1;
const SEEK_END = 2;
const NSEC_PER_SEC = 1e9;
const NSEC_PER_MSEC = 1e6;
/** What FileHandle reads as a whole at most. */
const MAX_READ_FILE_BYTES = 2 ** 31 - 1;

type View = NodeJS.ArrayBufferView;

/** What the calls need of the kernel that they belong to. */
interface CallsSupport extends FileSupport {
  readonly files: FileTable;
  readonly mm: AddressSpace;
}

export class SimulatedCalls implements DescriptorCalls {
  readonly #kernel: CallsSupport;
  readonly #disk: Disk;
  readonly #fs: SimulatedFileSystem;

  constructor(kernel: CallsSupport, disk: Disk, fs: SimulatedFileSystem) {
    this.#kernel = kernel;
    this.#disk = disk;
    this.#fs = fs;
  }

  readonly read: DescriptorCalls['read'] = async (fd, buffer, offset, length, position) => {
    const bytes = partOf(buffer, offset, length);
    return { bytesRead: await this.#readInto(fd, [bytes], placeOf(position)), buffer };
  };

  readonly write: DescriptorCalls['write'] = async (fd, buffer, offset, length, position) => {
    const bytes = partOf(buffer, offset, length);
    return { bytesWritten: await this.#writeFrom(fd, [bytes], placeOf(position)), buffer };
  };

  readonly readv: DescriptorCalls['readv'] = async (fd, buffers, position) => ({
    bytesRead: await this.#readInto(fd, viewsOf(buffers), placeOf(position)),
    buffers,
  });

  readonly writev: DescriptorCalls['writev'] = async (fd, buffers, position) => ({
    bytesWritten: await this.#writeFrom(fd, viewsOf(buffers), placeOf(position)),
    buffers,
  });

  readonly fsync = (fd: number): Promise<void> => this.#sync(fd, false);

  readonly fdatasync = (fd: number): Promise<void> => this.#sync(fd, true);

  readonly fstat = (async (fd: number, options?: StatOptions): Promise<Stats | BigIntStats> => {
    const file = this.#file(fd, 'fstat');
    await this.#change('fstat', file, () => 0);
    return this.#fs.statsOf(file.inode, options);
  }) as DescriptorCalls['fstat'];

  readonly ftruncate = async (fd: number, length = 0): Promise<void> => {
    const file = this.#file(fd, 'ftruncate');
    const size = Math.max(0, length);
    if (!Number.isSafeInteger(size)) throw outOfRange('len', 'an integer', length);
    if (file.mayWrite() !== 0 || file.inode.kind === 'directory')
      throw errnoException(-ERRNO.EINVAL, 'ftruncate', { path: file.path });
    await this.#change('ftruncate', file, (id) => {
      file.inode.truncate(id, size, this.#disk.clock.nowNs());
      return 0;
    });
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
    return this.#kernel.files.install(
      new SimulatedFile(this.#kernel, this.#disk, inode, path, { ...mode, direct: false }),
    );
  };

  readonly close = async (fd: number): Promise<void> => {
    this.#file(fd, 'close');
    this.#kernel.files.close(fd);
  };

  readonly isOpen = (fd: number): boolean =>
    !this.#disk.isDead && this.#kernel.files.fget(fd) instanceof SimulatedFile;

  #file(fd: number, syscall: string): SimulatedFile {
    const file = this.#kernel.files.fget(fd);
    if (file instanceof SimulatedFile) return file;
    throw errnoException(-ERRNO.EBADF, syscall);
  }

  async #readInto(fd: number, views: readonly Uint8Array[], position: number | null): Promise<number> {
    const file = this.#file(fd, 'read');
    const { inode } = file;
    if (inode.kind === 'directory') throw errnoException(-ERRNO.EISDIR, 'read', { path: file.path });
    const error = file.mayRead();
    if (error !== 0) throw errnoException(error, 'read', { path: file.path });
    const place = (): number => position ?? file.position;
    if (place() < inode.content.size && file.isMisaligned(place(), this.#segments(views)))
      throw errnoException(-ERRNO.EINVAL, 'read', { path: file.path });
    const wanted = views.reduce((sum, { length }) => sum + length, 0);
    return this.#settled('read', file, (done) => {
      this.#disk.read(file, place, wanted, (result, bytes) => {
        let from = 0;
        for (const view of views) {
          const part = bytes.subarray(from, from + view.length);
          // Memory that was transferred away meanwhile has no room for anything.
          if (view.length >= part.length) view.set(part);
          from += part.length;
        }
        if (position === null && result > 0) file.position += result;
        done(result);
      });
    });
  }

  async #writeFrom(fd: number, views: readonly Uint8Array[], position: number | null): Promise<number> {
    const file = this.#file(fd, 'write');
    const error = file.mayWrite();
    if (error !== 0) throw errnoException(error, 'write', { path: file.path });
    const place = (): number => position ?? file.position;
    const bytes = Buffer.concat(views);
    if (bytes.length === 0) return 0;
    if (file.isMisaligned(place(), this.#segments(views)))
      throw errnoException(-ERRNO.EINVAL, 'write', { path: file.path });
    return this.#settled('write', file, (done) => {
      this.#disk.write(file, place, bytes, file.mode.sync, (result) => {
        if (position === null && result > 0)
          file.position = file.append ? file.inode.content.size : file.position + result;
        done(result);
      });
    });
  }

  async #sync(fd: number, datasync: boolean): Promise<void> {
    const syscall = datasync ? 'fdatasync' : 'fsync';
    const file = this.#file(fd, syscall);
    await this.#settled(syscall, file, (done) => this.#disk.sync(file, datasync, done));
  }

  async #setAttributes(syscall: string, fd: number, attributes: Partial<Attributes>): Promise<void> {
    for (const value of Object.values(attributes)) {
      if (!Number.isFinite(value)) throw invalidArgValue(syscall, value);
    }
    const file = this.#file(fd, syscall);
    await this.#change(syscall, file, () => {
      const { inode } = file;
      inode.attributes = { ...inode.attributes, ...attributes, ctimeNs: this.#disk.clock.nowNs() };
      return 0;
    });
  }

  async #change(syscall: string, file: SimulatedFile, perform: (id: number) => number): Promise<void> {
    await this.#settled(syscall, file, (done) =>
      this.#disk.metadata(`${syscall} ${file.path}`, perform, done),
    );
  }

  /** Holds the file until the operation has ended, as the kernel does for its own requests. */
  #settled(syscall: string, file: SimulatedFile, begin: (done: Done) => void): Promise<number> {
    file.get();
    return new Promise((resolve, reject) => {
      begin((result) => {
        file.put();
        if (result < 0) reject(errnoException(result, syscall, { path: file.path }));
        else resolve(result);
      });
    });
  }

  #segments(views: readonly Uint8Array[]): (readonly [number, number])[] {
    return views.map((view) => [this.#kernel.mm.addressOf(view), view.length] as const);
  }
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
  if (!ArrayBuffer.isView(buffer) || (buffer.byteLength === 0 && length !== 0)) {
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
