/** Which way a file's requests go: to the kernel, or to the thread pool. Probed per file and per direction. */
import { RWF_NOWAIT } from '../abi/constants.ts';
import type { AioContext } from '../context/aio-context.ts';
import { codeOf } from '../errors.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import type { DescriptorStat } from '../kernel/descriptor-stat.ts';
import { deviceQueue } from './device-queue.ts';
import { type DirectPoolReason, DirectRouting } from './direct-routing.ts';
import { KnownExtents } from './known-extents.ts';

/**
 * - `'kernel'`: `io_submit`; of direct requests what would hold the event loop goes to the thread pool all the same.
 * - `'nowait'`: `io_submit` with RWF_NOWAIT, and on EAGAIN the thread pool.
 * - `'threadpool'`: `node:fs`.
 */
export type Route = 'kernel' | 'nowait' | 'threadpool';

/** Why an operation went to the thread pool. */
export type ThreadPoolReason =
  | DirectPoolReason
  | 'buffered write'
  | 'many bytes at once'
  | 'not in the page cache'
  | 'probably not in the page cache'
  | 'no RWF_NOWAIT in this kernel'
  | 'not a regular file'
  | 'not whole blocks'
  | 'position of the descriptor'
  | 'no fsync by the kernel'
  | 'work queue of the kernel'
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
  readonly #isDirect: boolean;
  #direct: DirectRouting | undefined;
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
  #syncReason: ThreadPoolReason = 'no fsync by the kernel';

  /**
   * @param direct - Opened with O_DIRECT.
   * @param seekable - A regular file or a block device.
   */
  constructor(context: AioContext, fd: number, direct: boolean, seekable: boolean) {
    this.#context = context;
    this.#fd = fd;
    this.seekable = seekable;
    this.#isDirect = direct;
    const free = !blocksInSubmit(context.kernel);
    if (!seekable) {
      // A pipe would hold io_submit itself until somebody writes (BLOCK-02).
      this.#read = this.#write = this.#sync = 'threadpool';
      this.#readReason = this.#writeReason = 'not a regular file';
      return;
    }
    // Linux gives a sync to a work queue of the CPU that has submitted it (BLOCK-05), where it waits for its turn behind whatever keeps
    // that CPU busy; a thread of the pool goes to the CPU that is free.
    this.#sync = free ? 'kernel' : 'threadpool';
    if (!free) this.#syncReason = 'work queue of the kernel';
    if (direct || free) {
      this.#read = this.#write = 'kernel';
    } else {
      const nowait = knowsFlag(context.kernel, RWF_NOWAIT);
      this.#read = nowait ? 'nowait' : 'threadpool';
      if (!nowait) this.#readReason = 'no RWF_NOWAIT in this kernel';
      this.#write = 'threadpool';
    }
  }

  /**
   * Learns what direct requests depend on, before the first of them.
   *
   * @param stat - Of the file.
   */
  async prepareDirect(stat: DeviceStat): Promise<void> {
    const { kernel } = this.#context;
    if (!this.#isDirect || !this.seekable || !blocksInSubmit(kernel)) return;
    const isFile = stat.isFile();
    const extents = new KnownExtents(isFile ? kernel : {}, this.#fd);
    const [device] = await Promise.all([deviceQueue(isFile ? stat.dev : stat.rdev), extents.begin(stat)]);
    const end = isFile ? stat.size : Number.POSITIVE_INFINITY;
    this.#direct = new DirectRouting({ end, device, extents, nowait: knowsFlag(kernel, RWF_NOWAIT) });
  }

  /** How direct requests go; `undefined` for a buffered file, and where they hold nobody. */
  get direct(): DirectRouting | undefined {
    return this.#direct;
  }

  /** Whether the host judges where memory lies. */
  get judgesMemory(): boolean {
    return this.#isDirect && this.seekable;
  }

  /** Which way requests go at the moment. */
  get routes(): { readonly read: Route; readonly write: Route; readonly sync: Route } {
    const direct = this.#direct;
    return {
      read: direct?.route('read') ?? this.#read,
      write: direct?.route('write') ?? this.#write,
      sync: this.#sync,
    };
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
    const usual = { read: this.#readReason, write: this.#writeReason, sync: this.#syncReason }[operation];
    this.#context.countThreadPool(this.#fd, operation, reason ?? usual);
  }
}

/** What `stat` says of a file. */
type DeviceStat = Pick<DescriptorStat, 'dev' | 'rdev' | 'size' | 'blocks' | 'blksize' | 'isFile'>;

/** Whether buffered requests run inside `io_submit`, on the event loop's time. */
export function blocksInSubmit(kernel: AioKernel): boolean {
  return kernel.supports.features['runs-in-submit'] === true;
}

/** Whether the kernel knows an RWF_* bit. Where it has no room for the question, the thread pool does. */
export function knowsFlag({ supports }: AioKernel, flag: number): boolean {
  try {
    return (supports.rw_flags & flag) !== 0;
  } catch (error) {
    if (codeOf(error) === 'EAGAIN' || codeOf(error) === 'EMFILE') return false;
    throw error;
  }
}
