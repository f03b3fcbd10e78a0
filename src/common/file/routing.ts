/** Which way a file's requests go: to the kernel, or to the thread pool. Probed per file and per direction. */
import { RWF_NOWAIT } from '../abi/constants.ts';
import type { AioContext } from '../context/aio-context.ts';
import { codeOf } from '../errors.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';

/**
 * - `'kernel'`: `io_submit`.
 * - `'nowait'`: `io_submit` with RWF_NOWAIT, and on EAGAIN the thread pool.
 * - `'threadpool'`: `node:fs`.
 */
export type Route = 'kernel' | 'nowait' | 'threadpool';

/** Why an operation went to the thread pool. */
export type ThreadPoolReason =
  | 'buffered write'
  | 'many bytes at once'
  | 'not in the page cache'
  | 'probably not in the page cache'
  | 'no RWF_NOWAIT on this file system'
  | 'no RWF_NOWAIT in this kernel'
  | 'not a regular file'
  | 'not whole blocks'
  | 'position of the descriptor'
  | 'no fsync by the kernel'
  | 'no room in the kernel'
  | 'refused by the kernel';

/**
 * How many reads may ask for NOWAIT at once.
 *
 * A miss costs the event loop what it takes to start reading ahead (Linux 6.18 does, inside `io_submit`), and the disk more than
 * was asked for. So a file begins with few, each hit doubles the number, and a miss lets the next reads go without.
 */
const FIRST_TRIES = 4;
const MOST_TRIES = 256;
const MOST_SKIPPED = 64;

/** The routes of one file. */
export class Routing {
  readonly #context: AioContext;
  readonly #fd: number;
  /** A regular file or a block device: it has its bytes, and keeps nobody waiting for them. */
  readonly seekable: boolean;
  #read: Route;
  #write: Route;
  #sync: Route;
  #tries = FIRST_TRIES;
  #trying = 0;
  #misses = 0;
  #toSkip = 0;
  #readReason: ThreadPoolReason = 'not in the page cache';
  #writeReason: ThreadPoolReason = 'buffered write';

  /**
   * @param direct - Opened with O_DIRECT.
   * @param seekable - A regular file or a block device.
   */
  constructor(context: AioContext, fd: number, direct: boolean, seekable: boolean) {
    this.#context = context;
    this.#fd = fd;
    this.seekable = seekable;
    const free = !blocksInSubmit(context.kernel);
    if (!seekable) {
      // A pipe would hold io_submit itself until somebody writes (BLOCK-02).
      this.#read = this.#write = this.#sync = 'threadpool';
      this.#readReason = this.#writeReason = 'not a regular file';
    } else if (direct || free) {
      this.#read = this.#write = this.#sync = 'kernel';
    } else {
      const nowait = knowsNowait(context.kernel);
      this.#read = nowait ? 'nowait' : 'threadpool';
      if (!nowait) this.#readReason = 'no RWF_NOWAIT in this kernel';
      this.#write = 'threadpool';
      // The kernel runs syncs on a worker of its own (BLOCK-05).
      this.#sync = 'kernel';
    }
  }

  get read(): Route {
    return this.#read;
  }

  get write(): Route {
    return this.#write;
  }

  get sync(): Route {
    return this.#sync;
  }

  /** Whether a read may ask the kernel with NOWAIT; {@link hit} or {@link missed} has to follow. */
  tryNowait(): boolean {
    if (this.#read !== 'nowait') return false;
    if (this.#toSkip > 0) {
      this.#toSkip--;
      return false;
    }
    if (this.#trying >= this.#tries) return false;
    this.#trying++;
    return true;
  }

  /** A read found its bytes in the page cache. */
  hit(): void {
    this.#trying--;
    this.#misses = 0;
    this.#toSkip = 0;
    this.#tries = Math.min(this.#tries * 2, MOST_TRIES);
  }

  /** A read did not, or ended otherwise. */
  missed(): void {
    this.#trying--;
    this.#misses++;
    this.#tries = 1;
    this.#toSkip = Math.min(2 ** this.#misses, MOST_SKIPPED);
  }

  /** The file system has refused RWF_NOWAIT: it is not asked again for this file. */
  refuseNowait(): void {
    this.#read = 'threadpool';
    this.#readReason = 'no RWF_NOWAIT on this file system';
  }

  /** The kernel has no fsync for this file. */
  refuseSync(): void {
    this.#sync = 'threadpool';
  }

  /** Counts an operation that takes the thread pool. */
  count(operation: 'read' | 'write' | 'sync', reason?: ThreadPoolReason): void {
    const usual = { read: this.#readReason, write: this.#writeReason, sync: 'no fsync by the kernel' }[
      operation
    ];
    this.#context.countThreadPool(this.#fd, operation, reason ?? usual);
  }
}

/** Whether buffered requests run inside `io_submit`, on the event loop's time. */
function blocksInSubmit(kernel: AioKernel): boolean {
  return kernel.supports.features['runs-in-submit'] === true;
}

/** Whether the kernel knows RWF_NOWAIT. Where it has no room for the question, the thread pool does. */
function knowsNowait({ supports }: AioKernel): boolean {
  try {
    return (supports.rw_flags & RWF_NOWAIT) !== 0;
  } catch (error) {
    if (codeOf(error) === 'EAGAIN' || codeOf(error) === 'EMFILE') return false;
    throw error;
  }
}
