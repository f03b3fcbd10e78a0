/** What a file of this package has beyond a FileHandle. */
import type { EventEmitter } from 'node:events';
import type { FileHandle, FileReadResult } from 'node:fs/promises';
import type { ReadableStream } from 'node:stream/web';
import type { AioContext } from '../context/aio-context.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import type { Alignment, OwnBuffer } from '../memory/aligned.ts';
import type { AllocateOptions } from './allocation.ts';
import type { BlockDevice } from './block-device.ts';
import type { AioWriteResult } from './file-results.ts';
import type { Route } from './routing.ts';

/** Options of a single transfer. */
export interface AioTransferOptions {
  /** Where in the buffer. Default 0. */
  readonly offset?: number | null | undefined;
  /** Bytes. Default: to the end of the buffer. */
  readonly length?: number | null | undefined;
  /** Where in the file. Default, and with `null`: the cursor; on Node.js 20, which does so, with a bigint too. */
  readonly position?: number | bigint | null | undefined;
  /** See {@link AioFile}. */
  readonly signal?: AbortSignal | undefined;
  /**
   * An I/O priority: see `ioprio()`. One that the kernel refuses fails the transfer: EPERM for realtime without the privilege, EINVAL for
   * what is none. What goes by the page cache or by the thread pool ({@link AioFileExtras.routes}) has none, and the value is not judged.
   */
  readonly priority?: number | undefined;
}

/** Options of a single write. */
export interface AioWriteOptions extends AioTransferOptions {
  /**
   * Settles when the bytes are durable, with what is needed to read them back: as `write()` and then `datasync()`, in one call. Writes
   * of a file that ask for it at once share their syncs (docs/durability.md). Default false.
   */
  readonly dsync?: boolean | undefined;
}

/** Options of a vector of reads or writes. */
export type AioVectorOptions = Pick<AioWriteOptions, 'priority' | 'dsync'>;

/** Options of a read that has its buffer among them; without one it gets one of 16 KiB. */
export interface AioReadOptions<T extends NodeJS.ArrayBufferView> extends AioTransferOptions {
  /** Memory to fill: the file's until the promise settles. */
  readonly buffer?: T | undefined;
}

/** Options of `readFully()`; `writeFully()` takes `dsync` too. */
export type WholeReadOptions = Pick<AioTransferOptions, 'signal' | 'priority'> & {
  /** Bytes from the start of the file. Default, and with `null`: the cursor. */
  readonly position?: number | null | undefined;
};

/** Which way the requests of a file go at the moment. */
export interface Routes {
  /** Of reads. */
  readonly read: Route;
  /** Of writes. */
  readonly write: Route;
  /** Of `sync()` and `datasync()`. */
  readonly sync: Route;
}

type Chunk = string | NodeJS.ArrayBufferView;
/** What `writeFile()` writes: a string or a view, or an iterable, asynchronous iterable or stream of either. */
export type FileData = Chunk | Iterable<Chunk> | AsyncIterable<Chunk>;

/** Options of `writeFile()` and `appendFile()`. */
export interface WriteFileOptions {
  /** Of strings. Default `'utf8'`. */
  readonly encoding?: BufferEncoding | null | undefined;
  /** See {@link AioFile}. What was written before stays written. */
  readonly signal?: AbortSignal | undefined;
  /** Makes the content durable at the end, where this version of Node.js does. */
  readonly flush?: boolean | undefined;
}

/** What an {@link AioFile} has beyond a FileHandle, and takes beyond what each version of its declarations says. */
export interface AioFileExtras {
  /** Which kernel serves it. */
  readonly backend: AioKernel['name'];
  /** Why that one. */
  readonly backendReason: string;
  /** Whether it bypasses the page cache: what was obtained, not what was asked for. */
  readonly direct: boolean;
  /**
   * Why, or why not, and how that is known: `the kernel says`, `verified`, `not verified`, what the kind of file system is known for. For
   * people: the words may change.
   */
  readonly directReason: string;
  /** What direct transfers need; all 1 for a buffered file. A page where direct I/O was preferred on a host without O_DIRECT. */
  readonly alignment: Alignment;
  /** Which way reads, writes and syncs go at the moment. */
  readonly routes: Routes;
  /**
   * Size and sectors of a block device, as they were at open(); `undefined` for any other file, and where there is no sysfs to ask (hosts
   * other than Linux, a container without `/sys`): such a device can be read and written all the same, to its end.
   *
   * @remarks Source: `size`, `ro` and `queue/` in `/sys/dev/block` (Documentation/ABI/stable/sysfs-block); `stat().size` is 0 there.
   * Reads at the end and beyond give 0 bytes; writes there fail with `ENOSPC` and across it are short (`block/fops.c`).
   */
  readonly blockDevice: BlockDevice | undefined;
  /**
   * The context that serves it. Its `stats` count what went to the thread pool, and why. One that files share stays open for the others:
   * its `close()` waits for what is under way, and no more.
   */
  readonly context: AioContext;

  /**
   * Reads some bytes.
   *
   * @returns How many, which may be less than asked for; 0 at the end of the file.
   * @throws What FileHandle throws; a RangeError `ERR_OUT_OF_RANGE` for a direct transfer out of {@link alignment}.
   */
  read<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<FileReadResult<T>>;
  /** The same, by options. */
  read<T extends NodeJS.ArrayBufferView>(buffer: T, options?: AioTransferOptions): Promise<FileReadResult<T>>;
  /** The same, into a buffer of its own unless the options have one. */
  read<T extends NodeJS.ArrayBufferView = OwnBuffer>(options?: AioReadOptions<T>): Promise<FileReadResult<T>>;

  /**
   * Writes some bytes.
   *
   * @returns How many, which may be less than asked for. {@link writeFully} goes on.
   */
  write<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    options?: AioWriteOptions,
  ): Promise<{
    /** How many bytes: perhaps not all. */
    bytesWritten: number;
    /** What was given. */
    buffer: T;
  }>;

  /** Reads into several buffers, one after the other. */
  readv<T extends readonly NodeJS.ArrayBufferView[]>(
    buffers: T,
    position?: number | null,
    options?: Pick<AioVectorOptions, 'priority'>,
  ): Promise<{
    /** How many bytes: perhaps not all; 0 at the end of the file. */
    bytesRead: number;
    /** What was given. */
    buffers: T;
  }>;

  /** Writes several buffers, one after the other. */
  writev<T extends readonly NodeJS.ArrayBufferView[]>(
    buffers: T,
    position?: number | null,
    options?: AioVectorOptions,
  ): Promise<{
    /** How many bytes: perhaps not all. */
    bytesWritten: number;
    /** What was given. */
    buffers: T;
  }>;

  /** Writes all of `data` from the current position on; what is there before and behind stays. */
  writeFile(data: FileData, options?: WriteFileOptions | BufferEncoding | null): Promise<void>;

  /** As {@link writeFile}. Where it goes is decided by how the file was opened. */
  appendFile(data: FileData, options?: WriteFileOptions | BufferEncoding | null): Promise<void>;

  /**
   * Makes room for a range before it is needed: writes to it then do not fail for want of room, and need not wait for the file system
   * to find some. What was written there stays; the rest is zeros.
   *
   * @remarks
   * *Blocking*: never the event loop: fallocate(2) runs on the thread pool, where it may take as long as the file system likes. The file
   * stays open meanwhile, and `close()` waits. It cannot be given up.
   *
   * *Durability*: as any change of a file's metadata, with the next `datasync()` or `sync()`.
   *
   * *Availability*: Linux, with koffi, or node:ffi and the addon, on either kernel, and the simulated disk. No zeros are written in its stead: that would be
   * no reservation, and as slow as what it is to spare. Which file systems can is in fallocate(2).
   *
   * @param position - Bytes from the start of the file, up to 2^53 - 1.
   * @param length - Bytes. Room comes in whole blocks of the file system; the size of the file, unless it is kept, to the byte.
   * @throws RangeError `ERR_OUT_OF_RANGE` or TypeError `ERR_INVALID_ARG_TYPE` for what is no place, length or option.
   * `ERR_AIO_UNSUPPORTED` where the host has no such call, with the reason. As fallocate(2) has it, with `syscall` `'fallocate'`:
   * `EBADF` closed or opened for reading; `EINVAL` a length of 0; `EOPNOTSUPP` not on this file system, and not on block devices;
   * `ENOSPC`; `EFBIG`; `ESPIPE` a pipe; `ENODEV` what else is no file; `EAGAIN` when too many calls of koffi were under way for a second.
   *
   * @example
   * ```ts
   * await file.allocate(0, 64 * 1024 * 1024);
   * await file.datasync();
   * ```
   */
  allocate(position: number, length: number, options?: AllocateOptions): Promise<void>;

  /**
   * Makes a range zeros, and gives the file system back the blocks that lie in it as a whole. The size stays.
   *
   * @remarks As {@link allocate}. A block device takes it by whole logical sectors, and forgets what was there.
   *
   * @throws As {@link allocate}.
   */
  punchHole(position: number, length: number): Promise<void>;

  /** A byte stream from the current position to the end, on every version of Node.js. */
  readableWebStream(options?: { readonly autoClose?: boolean | undefined }): ReadableStream;

  /**
   * Reads until the buffer is full or the file ends: a short transfer is not the end.
   *
   * @returns Less than the length at the end of the file only.
   * @throws The error of the transfer that failed, with `bytesDone`.
   */
  readFully<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    options?: WholeReadOptions,
  ): Promise<FileReadResult<T>>;

  /**
   * Writes all of the buffer: a short transfer is not the end.
   *
   * @throws The error of the transfer that failed, with `bytesDone`: how many bytes are in the file all the same.
   */
  writeFully<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    options?: WholeReadOptions & Pick<AioWriteOptions, 'dsync'>,
  ): Promise<AioWriteResult<T>>;
}

/** What `open()` gives: told there. */
export type AioFile = FileHandle & AioFileExtras & EventEmitter;

/** The class of files, for `instanceof`: `open()` and `fromDescriptor()` make them. */
export interface AioFileClass {
  readonly prototype: AioFile;
  [Symbol.hasInstance](value: unknown): value is AioFile;
}
