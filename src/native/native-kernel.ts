/** The six calls over Linux's own, through `syscall(2)`. */
import { constants, readFileSync } from 'node:fs';
import { arch, release } from 'node:os';
import { AIO_RING_HEADER_BYTES, IO_EVENT_BYTES } from '../common/abi/layout.ts';
import { dataView, decodeAioRing } from '../common/abi/structs.ts';
import type {
  AioContextId,
  AioKernel,
  AioLimits,
  DirectAlignment,
  OpenedAtOnce,
  EventfdWatcher,
  SubmitThread,
  Word,
} from '../common/kernel/aio-kernel.ts';
import type { DescriptorStat } from '../common/kernel/descriptor-stat.ts';
import { type AioRing, MappedRing } from '../common/kernel/mapped-ring.ts';
import { codeOf } from '../common/errors.ts';
import type { Supports } from '../common/kernel/supports.ts';
import type { Addon } from './addon.ts';
import { type BackgroundCalls, backgroundCalls } from './background-calls.ts';
import { CachedOpens } from './cached-opens.ts';
import { DescriptorStats } from './descriptor-stats.ts';
import { FileExtents } from './file-extents.ts';
import type { Libc } from './libc.ts';
import { ProcessMemory } from './memory.ts';
import { AddonSubmitThread } from './submit-thread.ts';
import { nativeSupports } from './supports.ts';
import type { AioSysno } from './sysno.ts';
import { watchEventfd } from './watcher.ts';

const EVENTFD_BYTES = 8;
// `linux/fcntl.h`.
const F_GETFL = 3;
const F_SETFL = 4;
// Younger than the headers of many a compiler, so not in the table that is compared with them: `asm-generic/unistd.h` of 6.5, and the
// same on every architecture that has a native kernel here.
const CACHESTAT = 451;
// `linux/mman.h`: struct cachestat_range is u64 offset and length, struct cachestat begins with u64 nr_cache.
const CACHESTAT_RANGE_WORDS = 2;
const CACHESTAT_WORDS = 5;
/** What memory is not read for now, and may be a moment later. */
const PASSING: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/** Linux AIO by the real system calls. Made by `openNativeKernel()`. */
export class NativeKernel implements AioKernel {
  readonly name = 'native';
  readonly completesAside = true;
  readonly release = `Linux ${release()} ${arch()}`;
  /** That of this process. */
  readonly memory: ProcessMemory;
  /** As `/proc/sys/fs` has them, read at each call. */
  readonly limits: AioLimits = {
    aio_nr: () => readNumber('/proc/sys/fs/aio-nr'),
    aio_max_nr: () => readNumber('/proc/sys/fs/aio-max-nr'),
  };
  /** The C library, for tools and tests that need calls beyond the waist. */
  readonly libc: Libc;
  /** What FFI cannot do, where it was built. Without it this kernel must stay on the main thread. */
  readonly addon: Addon | undefined;
  /** What this machine's Linux can do, asked when it is needed. */
  readonly supports: Supports;
  readonly #sysno: AioSysno;
  #ringRefusal: string | undefined;
  /** Fields hold what the kernel is given by its address. */
  readonly #cacheRange = new BigUint64Array(CACHESTAT_RANGE_WORDS);
  readonly #cacheCounts = new BigUint64Array(CACHESTAT_WORDS);
  readonly #rings = new Map<AioContextId, AioRing>();
  readonly #background: BackgroundCalls | undefined;
  readonly #extents: FileExtents;
  readonly #stats: DescriptorStats;
  #cachedOpens: CachedOpens | undefined;
  readonly #destroying = new Set<Promise<number>>();
  readonly #eventfdValue = new BigUint64Array(1);
  readonly #eventfdValueAt: number;
  readonly #eventfd: ReturnType<Libc['bind']>;
  /** syscall(2) for calls of three arguments: each one more costs koffi 10 ns, which the hot path feels. */
  readonly #syscallOf3: ReturnType<Libc['bind']>;
  readonly #read: ReturnType<Libc['bind']>;
  readonly #write: ReturnType<Libc['bind']>;
  readonly #close: ReturnType<Libc['bind']>;

  /** Tries nothing: `openNativeKernel()` does, and makes one that works. @internal */
  constructor(libc: Libc, sysno: AioSysno, addon: Addon | undefined) {
    this.libc = libc;
    this.addon = addon;
    this.supports = nativeSupports(
      this,
      addon === undefined
        ? 'without the addon contexts must stay on the main thread: nothing ends them when another thread does'
        : undefined,
    );
    this.memory = new ProcessMemory(libc);
    this.#sysno = sysno;
    this.#background = backgroundCalls();
    this.#extents = new FileExtents(libc, this.#background, sysno.ioctl);
    this.#stats = new DescriptorStats(libc, this.memory, sysno.statx);
    this.#eventfdValueAt = this.memory.addressOf(this.#eventfdValue);
    this.#eventfd = libc.bind('eventfd', 'int', 2);
    this.#syscallOf3 = libc.bind('syscall', 'count', 4);
    this.#read = libc.bind('read', 'count', 3);
    this.#write = libc.bind('write', 'count', 3);
    this.#close = libc.bind('close', 'int', 1);
  }

  io_setup(nr_events: Word, ctxp: Word): number {
    if (this.addon !== undefined) return this.addon.io_setup(nr_events, ctxp);
    return this.libc.syscall(this.#sysno.io_setup, nr_events, ctxp);
  }

  io_destroy(ctx_id: Word): number {
    this.#forgetRing(Number(ctx_id));
    if (this.addon !== undefined) return this.addon.io_destroy(ctx_id);
    return this.libc.syscall(this.#sysno.io_destroy, ctx_id);
  }

  async destroyInBackground(ctx_id: AioContextId): Promise<number> {
    this.#forgetRing(ctx_id);
    const { addon } = this;
    const destroyed =
      addon === undefined
        ? this.#destroyWithoutAddon(ctx_id)
        : new Promise<number>((resolve) => addon.destroyInBackground(ctx_id, resolve));
    this.#destroying.add(destroyed);
    try {
      return await destroyed;
    } finally {
      this.#destroying.delete(destroyed);
    }
  }

  /** Where nothing calls on other threads, the event loop stands still for it. */
  #destroyWithoutAddon(ctx_id: AioContextId): Promise<number> {
    const destroy = this.#sysno.io_destroy;
    return this.#background?.syscall(destroy, ctx_id) ?? Promise.resolve(this.libc.syscall(destroy, ctx_id));
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#destroying);
  }

  io_submit(ctx_id: Word, nr: Word, iocbpp: Word): number {
    return this.#syscallOf3(this.#sysno.io_submit, ctx_id, nr, iocbpp);
  }

  io_getevents(ctx_id: Word, min_nr: Word, nr: Word, events: Word, timeout: Word): number {
    return this.libc.syscall(this.#sysno.io_getevents, ctx_id, min_nr, nr, events, timeout);
  }

  io_pgetevents(ctx_id: Word, min_nr: Word, nr: Word, events: Word, timeout: Word, usig: Word): number {
    return this.libc.syscall(this.#sysno.io_pgetevents, ctx_id, min_nr, nr, events, timeout, usig);
  }

  io_cancel(ctx_id: Word, iocb: Word, result: Word): number {
    return this.libc.syscall(this.#sysno.io_cancel, ctx_id, iocb, result);
  }

  stat(fd: number): DescriptorStat | undefined {
    return this.#stats.of(fd);
  }

  directAlignment(fd: number): DirectAlignment | undefined {
    return this.#stats.direct(fd);
  }

  loadExtents(fd: number, from: number): Promise<number> {
    return this.#extents.load(fd, from);
  }

  cachedPages(fd: number, position: number, bytes: number): number | undefined {
    const [range, counts] = [this.#cacheRange, this.#cacheCounts];
    range[0] = BigInt(position);
    range[1] = BigInt(bytes);
    const { memory } = this;
    const answer = this.libc.syscall(CACHESTAT, fd, memory.addressOf(range), memory.addressOf(counts), 0);
    return answer < 0 ? undefined : Number(counts[0]);
  }

  turnAtOnce(): Promise<void> | undefined {
    return this.#opens.turn();
  }

  openAtOnce(path: string, flags: number): OpenedAtOnce | undefined {
    return this.#opens.open(path, flags);
  }

  closeAtOnce(fd: number, release: () => void): number | undefined {
    return this.#opens.close(fd, release);
  }

  get #opens(): CachedOpens {
    this.#cachedOpens ??= new CachedOpens(this.libc, this.memory, this.#stats);
    return this.#cachedOpens;
  }

  clearDirect(fd: number): boolean {
    const fcntl = this.libc.bind('fcntl', 'int', 3);
    const flags = fcntl(fd, F_GETFL, 0);
    return flags >= 0 && fcntl(fd, F_SETFL, flags & ~constants.O_DIRECT) === 0;
  }

  mapRing(ctx_id: AioContextId): AioRing | undefined {
    const known = this.#rings.get(ctx_id);
    if (known !== undefined) return known;
    if (this.#ringRefusal !== undefined) return undefined;
    const bytes = this.#bytesOfRing(ctx_id);
    if (bytes === undefined) return undefined;
    try {
      const ring = new MappedRing(bytes);
      this.#rings.set(ctx_id, ring);
      return ring;
    } catch {
      // No ring at all, or one of a layout that is not ours to read.
      return undefined;
    }
  }

  #bytesOfRing(ctx_id: AioContextId): ArrayBuffer | undefined {
    try {
      const header = this.memory.read(ctx_id, AIO_RING_HEADER_BYTES);
      if (header === undefined) return undefined;
      const { nr } = decodeAioRing(dataView(header));
      return this.libc.view(ctx_id, AIO_RING_HEADER_BYTES + nr * IO_EVENT_BYTES);
    } catch (error) {
      // Not for lack of descriptors, which passes: a pipe reads memory where process_vm_readv is forbidden.
      if (PASSING.has(codeOf(error))) return undefined;
      // The runtime (Electron) forbids to wrap foreign memory, or nothing reads this one.
      this.refuseRings(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  /** Why rings cannot be read in memory, for all contexts alike; `undefined` as long as nothing is known against it. */
  get ringRefusal(): string | undefined {
    return this.#ringRefusal;
  }

  /** Says that rings cannot be read in memory: {@link mapRing} answers `undefined` from now on, and events come by `io_getevents`. */
  refuseRings(reason: string): void {
    this.#ringRefusal = reason;
  }

  eventfd(initval: number, flags: number): number {
    return this.addon === undefined ? this.#eventfd(initval, flags) : this.addon.eventfd(initval, flags);
  }

  eventfd_read(fd: number): bigint {
    const result = this.#read(fd, this.#eventfdValueAt, EVENTFD_BYTES);
    return result < 0 ? BigInt(result) : this.#eventfdValue[0]!;
  }

  eventfd_write(fd: number, value: bigint): number {
    this.#eventfdValue[0] = value;
    const result = this.#write(fd, this.#eventfdValueAt, EVENTFD_BYTES);
    return Math.min(result, 0);
  }

  close(fd: number): number {
    return this.addon === undefined ? this.#close(fd) : this.addon.close(fd);
  }

  watch(eventfd: number, callback: () => void): EventfdWatcher {
    return watchEventfd(this.libc, this.addon, eventfd, callback);
  }

  submitThread(ctx_id: AioContextId): SubmitThread | undefined {
    return this.addon === undefined ? undefined : new AddonSubmitThread(this.addon, ctx_id);
  }

  /** Linux holds the file of a request in flight by itself (BLOCK-12). */
  fget(_fd: number): void {}

  fput(_fd: number): void {}

  lseek(fd: number, offset: number, whence: number): number {
    return this.libc.lseek(fd, offset, whence);
  }

  // The view must not outlive the mapping: a load from it would crash the process.
  #forgetRing(ctx_id: AioContextId): void {
    this.#rings.get(ctx_id)?.detach();
    this.#rings.delete(ctx_id);
  }
}

function readNumber(path: string): number {
  return Number(readFileSync(path, 'latin1'));
}
