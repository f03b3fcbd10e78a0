/** The file system of a kernel that brings its own, and the calls on descriptors that are not AIO's. */
import type { BigIntStats, Mode, PathLike, StatOptions, Stats, TimeLike } from 'node:fs';

// `linux/falloc.h`.
/** Leaves the size of the file as it is. */
export const FALLOC_FL_KEEP_SIZE = 0x01;
/** Gives room back, and needs {@link FALLOC_FL_KEEP_SIZE} beside it. */
export const FALLOC_FL_PUNCH_HOLE = 0x02;

/**
 * What can be asked of a descriptor beside AIO: what `node:fs` has of that name, as promises.
 *
 * Transfers without a position go on from the descriptor's own, which is at the end for files that append.
 */
export interface DescriptorCalls {
  /** As `fs.read()`. */
  read(
    fd: number,
    buffer: NodeJS.ArrayBufferView,
    offset?: number | null,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<{
    /** How many bytes; 0 at the end of the file. */
    bytesRead: number;
  }>;
  /** As `fs.write()`. */
  write(
    fd: number,
    buffer: NodeJS.ArrayBufferView,
    offset?: number | null,
    length?: number | null,
    position?: number | null,
  ): Promise<{
    /** How many bytes: perhaps not all. */
    bytesWritten: number;
  }>;
  /** As `fs.readv()`. */
  readv(
    fd: number,
    buffers: readonly NodeJS.ArrayBufferView[],
    position?: number | null,
  ): Promise<{
    /** How many bytes; 0 at the end of the file. */
    bytesRead: number;
  }>;
  /** As `fs.writev()`. */
  writev(
    fd: number,
    buffers: readonly NodeJS.ArrayBufferView[],
    position?: number | null,
  ): Promise<{
    /** How many bytes: perhaps not all. */
    bytesWritten: number;
  }>;
  /** As `fs.fsync()`. */
  fsync(fd: number): Promise<void>;
  /** As `fs.fdatasync()`. */
  fdatasync(fd: number): Promise<void>;
  /** As `fs.fstat()`. */
  fstat(fd: number): Promise<Stats>;
  /** As `fs.fstat()`. */
  fstat(fd: number, options?: StatOptions): Promise<Stats | BigIntStats>;
  /** As `fs.ftruncate()`. */
  ftruncate(fd: number, length?: number): Promise<void>;
  /** As `fs.futimes()`. */
  futimes(fd: number, atime: TimeLike, mtime: TimeLike): Promise<void>;
  /** As `fs.fchmod()`. */
  fchmod(fd: number, mode: Mode): Promise<void>;
  /** As `fs.fchown()`. */
  fchown(fd: number, uid: number, gid: number): Promise<void>;
  /** As `fs.readFile()`. */
  readFile(fd: number, options?: unknown): Promise<Buffer | string>;
  /** As `fs.writeFile()`. */
  writeFile(fd: number, data: unknown, options?: unknown): Promise<void>;
  /** As `fs.close()`. */
  close(fd: number): Promise<void>;
  /**
   * Opens the file of a descriptor once more for writing, without O_DIRECT. Absent where the descriptor itself takes any write.
   *
   * @throws Error `EBADF` where the descriptor is not open for writing; what open(2) throws.
   */
  openCached?(fd: number): Promise<number>;
  /**
   * fallocate(2), which `node:fs` has not.
   *
   * @param mode - FALLOC_FL_* of `linux/falloc.h`.
   */
  fallocate?(fd: number, mode: number, offset: number, len: number): Promise<void>;
  /** lseek(2): the descriptor's own position, which transfers without one go on from. @returns It, or a negative errno. */
  lseek?(fd: number, offset: number, whence: number): number;
  /** Whether a descriptor still means something, where files can go without being closed: a machine can lose its power. */
  isOpen?(fd: number): boolean;
}

/**
 * What can be asked of names: what `fs.promises` has of that name. Separators are slashes on every host.
 *
 * A directory is made durable as on Linux: it is opened and synced.
 */
export interface KernelNames {
  /** As `fs.promises.stat()`. */
  stat(path: PathLike): Promise<Stats>;
  /** As `fs.promises.rename()`. */
  rename(oldPath: PathLike, newPath: PathLike): Promise<void>;
  /** As `fs.promises.unlink()`. */
  unlink(path: PathLike): Promise<void>;
  /** Bytes for a name that nobody has yet: by chance, or by what makes a history that can be repeated. */
  randomBytes(count: number): Uint8Array;
}

/** Files that exist inside a kernel, and nowhere on the host. */
export interface KernelFiles {
  /** What can be asked of its descriptors beside AIO. */
  readonly calls: DescriptorCalls;
  /** What can be asked of its names. */
  readonly names: KernelNames;
  /**
   * Opens a file.
   *
   * @param flags - The host's numbers: `fs.constants`.
   * @param direct - Whether to open it with O_DIRECT, which not every host has a number for.
   * @returns A descriptor for `aio_fildes` and {@link calls}; `calls.close()` closes it.
   * @throws AioError with the code that open(2) would give.
   */
  open(path: PathLike, flags: number, mode: number, direct: boolean): Promise<number>;
}
