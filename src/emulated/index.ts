/** The emulated kernel: the six AIO system calls in TypeScript, on any host that runs Node.js. */
import { availableParallelism } from 'node:os';
import { ERRNO } from '../common/abi/errno.ts';
import type {
  AioContextId,
  AioKernel,
  AioLimits,
  DirectAlignment,
  EventfdWatcher,
  Memory,
  Word,
} from '../common/kernel.ts';
import { type AioRing, MappedRing } from '../common/ring.ts';
import type { Supports } from '../common/supports.ts';
import { io_cancel } from './cancel.ts';
import { destroyInBackground, io_destroy } from './destroy.ts';
import { EFD_FLAGS, EventFd } from './eventfd.ts';
import { FileTable } from './files.ts';
import { io_getevents, io_pgetevents } from './getevents.ts';
import { IoctxTable } from './ioctx-table.ts';
import type { KernelState } from './kernel-state.ts';
import { AddressSpace } from './mm.ts';
import { PROFILES, type ProfileName } from './profiles.ts';
import { io_setup } from './setup.ts';
import { io_submit } from './submit.ts';
import { supports } from './supports.ts';
import { DEFAULT_AIO_MAX_NR, Sysctl } from './sysctl.ts';
import { Watcher } from './watcher.ts';
import { defaultConcurrency, threadpool } from './workqueue/threadpool.ts';
import { WorkQueue } from './workqueue/workqueue.ts';

export type { ProfileName } from './profiles.ts';

/** What an emulated kernel is made with. */
export interface EmulatedKernelOptions {
  /** The budget of requests; 65536 as on a fresh Linux. */
  readonly aio_max_nr?: number;
  /** CPUs that ring sizes are computed from; those of this machine. */
  readonly possibleCpus?: number;
  /** Which kernel to be. */
  readonly profile?: ProfileName;
  /** File operations on the thread pool at a time; one less than the pool has threads. */
  readonly concurrency?: number;
}

/**
 * A kernel of its own: address space, contexts, budget and eventfds are shared with no other.
 *
 * @remarks It belongs to the thread that made it.
 */
export class EmulatedKernel implements AioKernel {
  readonly name = 'emulated';
  readonly release: string;
  readonly supports: Supports;
  readonly memory: Memory;
  readonly limits: AioLimits;
  readonly #destroying = new Set<Promise<number>>();
  readonly #state: KernelState;

  constructor(options: EmulatedKernelOptions = {}) {
    const profile = PROFILES[options.profile ?? 'linux-6.x'];
    const possibleCpus = options.possibleCpus ?? availableParallelism();
    const mm = new AddressSpace();
    const sysctl = new Sysctl(options.aio_max_nr ?? DEFAULT_AIO_MAX_NR);
    const work = new WorkQueue(threadpool, options.concurrency ?? defaultConcurrency());
    const files = new FileTable({ mm, work });
    this.release = `kaio emulation, profile ${profile.name}`;
    this.supports = supports(profile, possibleCpus);
    this.memory = mm;
    this.limits = sysctl;
    this.#state = { profile, possibleCpus, mm, sysctl, table: new IoctxTable(mm), files, work };
  }

  io_setup(nr_events: Word, ctxp: Word): number {
    return io_setup(this.#state, nr_events, ctxp);
  }

  io_destroy(ctx_id: Word): number {
    return io_destroy(this.#state, ctx_id);
  }

  async destroyInBackground(ctx_id: AioContextId): Promise<number> {
    const destroyed = destroyInBackground(this.#state, ctx_id);
    this.#destroying.add(destroyed);
    try {
      return await destroyed;
    } finally {
      this.#destroying.delete(destroyed);
    }
  }

  async settled(): Promise<void> {
    await Promise.all(this.#destroying);
  }

  /** Plain Node.js cannot ask. */
  directAlignment(_fd: number): DirectAlignment | undefined {
    return undefined;
  }

  io_submit(ctx_id: Word, nr: Word, iocbpp: Word): number {
    return io_submit(this.#state, ctx_id, nr, iocbpp);
  }

  io_getevents(ctx_id: Word, min_nr: Word, nr: Word, events: Word, timeout: Word): number {
    return io_getevents(this.#state, ctx_id, min_nr, nr, events, timeout);
  }

  io_pgetevents(ctx_id: Word, min_nr: Word, nr: Word, events: Word, timeout: Word, usig: Word): number {
    return io_pgetevents(this.#state, ctx_id, min_nr, nr, events, timeout, usig);
  }

  io_cancel(ctx_id: Word, iocb: Word, _result: Word): number {
    return io_cancel(this.#state, ctx_id, iocb);
  }

  mapRing(ctx_id: AioContextId): AioRing | undefined {
    const ctx = this.#state.table.lookup(ctx_id);
    if (ctx === undefined) return undefined;
    const ring = new MappedRing(ctx.ring.memory);
    ctx.readers.push(ring);
    return ring;
  }

  eventfd(initval: number, flags: number): number {
    if ((flags & ~EFD_FLAGS) !== 0) return -ERRNO.EINVAL;
    return this.#state.files.install(new EventFd(this.#state.mm, initval >>> 0, flags));
  }

  eventfd_read(fd: number): bigint {
    return this.#state.files.eventfd(fd)?.readNow() ?? BigInt(-ERRNO.EBADF);
  }

  eventfd_write(fd: number, value: bigint): number {
    return this.#state.files.eventfd(fd)?.write(value) ?? -ERRNO.EBADF;
  }

  close(fd: number): number {
    return this.#state.files.close(fd);
  }

  /** @throws RangeError for a descriptor that is no eventfd of this kernel. */
  watch(eventfd: number, callback: () => void): EventfdWatcher {
    const file = this.#state.files.eventfd(eventfd);
    if (file === undefined) throw new RangeError(`${eventfd} is no eventfd of this kernel`);
    return new Watcher(file, callback);
  }

  fget(fd: number): void {
    this.#state.files.hold(fd);
  }

  fput(fd: number): void {
    this.#state.files.release(fd);
  }
}

/** Makes an emulated kernel. */
export function emulatedKernel(options?: EmulatedKernelOptions): EmulatedKernel {
  return new EmulatedKernel(options);
}
