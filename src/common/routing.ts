/** Which way a file's requests go: to the kernel, or to the thread pool. Probed per file and per direction. */
import { RWF_NOWAIT } from './abi/constants.ts';
import type { AioContext } from './context.ts';
import type { AioKernel } from './kernel.ts';

/**
 * - `'kernel'`: `io_submit`.
 * - `'nowait'`: `io_submit` with RWF_NOWAIT, and on EAGAIN the thread pool.
 * - `'threadpool'`: `node:fs`.
 */
export type Route = 'kernel' | 'nowait' | 'threadpool';

/** Why an operation went to the thread pool. */
export type ThreadPoolReason =
  | 'buffered write'
  | 'not in the page cache'
  | 'no RWF_NOWAIT on this file system'
  | 'no RWF_NOWAIT in this kernel'
  | 'not a regular file'
  | 'position of the descriptor'
  | 'no fsync by the kernel';

/** The routes of one file. */
export class Routing {
  readonly #context: AioContext;
  readonly #fd: number;
  #read: Route;
  #write: Route;
  #sync: Route;
  #readReason: ThreadPoolReason = 'not in the page cache';
  #writeReason: ThreadPoolReason = 'buffered write';

  /**
   * @param direct - Opened with O_DIRECT.
   * @param seekable - A regular file or a block device.
   */
  constructor(context: AioContext, fd: number, direct: boolean, seekable: boolean) {
    this.#context = context;
    this.#fd = fd;
    const free = !blocksInSubmit(context.kernel);
    if (!seekable) {
      // A pipe would hold io_submit itself until somebody writes (BLOCK-02).
      this.#read = this.#write = this.#sync = 'threadpool';
      this.#readReason = this.#writeReason = 'not a regular file';
    } else if (direct || free) {
      this.#read = this.#write = this.#sync = 'kernel';
    } else {
      const nowait = (context.kernel.supports.rw_flags & RWF_NOWAIT) !== 0;
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
