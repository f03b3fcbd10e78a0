/** The kernel as an object: the six AIO system calls, each handed to its own file. */
import { availableParallelism } from 'node:os';
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_PREAD,
  IOCB_CMD_PWRITE,
} from '../common/abi/constants.ts';
import { ERRNO } from '../common/abi/errno.ts';
import type {
  AioContextId,
  AioKernel,
  AioLimits,
  DescriptorMeanings,
  DirectAlignment,
  EventfdWatcher,
  Memory,
  Word,
} from '../common/kernel/aio-kernel.ts';
import { type AioRing, MappedRing } from '../common/kernel/mapped-ring.ts';
import type { PlainTransfers } from '../common/kernel/plain-transfers.ts';
import type { Supports } from '../common/kernel/supports.ts';
import { invalidArgType, outOfRange, validateInteger, validatePosition } from '../common/validate.ts';
import { io_cancel } from './aio/io-cancel.ts';
import { destroyInBackground, exit_aio, io_destroy } from './aio/io-destroy.ts';
import { io_getevents, io_pgetevents } from './aio/io-getevents.ts';
import { io_setup } from './aio/io-setup.ts';
import { io_submit } from './aio/io-submit.ts';
import { IoctxTable } from './aio/ioctx-table.ts';
import type { KernelState } from './aio/kernel-state.ts';
import { hold_on_sync_kiocb, init_sync_kiocb, type SyncCall, wait_on_sync_kiocb } from './aio/sync-kiocb.ts';
import { DEFAULT_AIO_MAX_NR, Sysctl } from './aio/sysctl.ts';
import { type Clock, hostClock } from './clock.ts';
import { chooseExecutor, type ExecutorName } from './executors.ts';
import { FileMeanings } from './files/descriptor-meanings.ts';
import { EFD_FLAGS, EventFd } from './files/eventfd.ts';
import type { FileOperations } from './files/file-operations.ts';
import { FIRST_OWN_FD, FileTable } from './files/file-table.ts';
import { enterCall, leaveCall } from './files/fput.ts';
import { HostTransfers } from './files/host-transfers.ts';
import { pipe } from './files/pipe.ts';
import { SocketEnd, socketpair } from './files/socket-pair.ts';
import { UserFile } from './files/user-file.ts';
import { Watcher } from './files/watcher.ts';
import { AddressSpace } from './memory/mm.ts';
import { PROFILES, type ProfileName } from './profiles.ts';
import type { Seed } from './simulated/random.ts';
import { supports } from './supports.ts';
import { WorkQueue } from './workqueue/aio-wq.ts';
import type { Executor } from './workqueue/executor.ts';
import { threadpool } from './workqueue/threadpool.ts';

/** What an emulated kernel is made with. */
export interface EmulatedKernelOptions {
  /** The budget of requests; 65536 as on a fresh Linux. */
  readonly aio_max_nr?: number;
  /** CPUs that ring sizes are computed from; those of this machine. */
  readonly possibleCpus?: number;
  /** Which kernel to be. */
  readonly profile?: ProfileName;
  /** Where file operations run. Default `'threadpool'`. */
  readonly executor?: ExecutorName;
  /** Threads of the executor `'workers'`, 1 to 128. Default 4. */
  readonly workers?: number;
  /** What the executor `'simulated'` draws its times from. Default 1. */
  readonly seed?: Seed;
  /**
   * File operations at a time. On the thread pool by default one less than the pool has threads, and up to 64 while they take
   * no longer than some milliseconds each.
   */
  readonly concurrency?: number;
  /**
   * Whether short reads and writes of regular files, many at once, may have a worker thread of their own where the executor is
   * `'threadpool'`: it is several times as fast. Default true. The thread is started when it is needed and ends when it is idle.
   */
  readonly transferThread?: boolean;
  /** Lets the kernel check itself (reference counts, runs, lifetimes) and throw an AssertionError if it is wrong. For tests. */
  readonly debug?: boolean;
}

/** What a kernel runs on; the host, unless a simulation says otherwise. */
export interface Machine {
  /** Whose time timeouts pass in. */
  readonly clock: Clock;
  /** Where file operations run. */
  readonly executor: Executor;
  /** Operations at a time. */
  readonly concurrency: number;
  /** The same while operations are short. */
  readonly burst?: number;
  /** Whether descriptors of the host are files of this kernel too. */
  readonly hostFiles: boolean;
  /** Gets hold of the kernel's insides before its first call. */
  boot?(state: KernelState): void;
}

function host({ executor, workers, seed }: EmulatedKernelOptions): Machine {
  return { clock: hostClock, ...chooseExecutor(executor, workers, seed), hostFiles: true };
}

/**
 * A kernel of its own: address space, contexts, budget and eventfds are shared with no other.
 *
 * @remarks It belongs to the thread that made it.
 */
export class EmulatedKernel implements AioKernel {
  readonly name = 'emulated';
  readonly release: string;
  /** What its profile and its executor can do. */
  readonly supports: Supports;
  /** Its address space: buffers get addresses in it when they are asked for. */
  readonly memory: Memory;
  /** Of this kernel alone: no other has a part in its budget. */
  readonly limits: AioLimits;
  readonly after: AioKernel['after'];
  /** A request that waits above this kernel never meets the file that has taken its descriptor's number. */
  readonly meanings: DescriptorMeanings;
  readonly #transfers: HostTransfers | undefined;
  readonly #destroying = new Set<Promise<number>>();
  readonly #state: KernelState;

  /** @param machine - @internal */
  constructor(options: EmulatedKernelOptions = {}, machine: Machine = host(options)) {
    const profile = PROFILES[options.profile ?? 'linux-6.x'];
    const possibleCpus = options.possibleCpus ?? availableParallelism();
    const mm = new AddressSpace();
    const sysctl = new Sysctl(options.aio_max_nr ?? DEFAULT_AIO_MAX_NR);
    const { clock } = machine;
    const concurrency = options.concurrency ?? machine.concurrency;
    const burst = options.concurrency ?? machine.burst;
    const work = new WorkQueue(machine.executor, concurrency, clock, profile.kickDelayNs, burst);
    const files = new FileTable(machine.hostFiles ? { mm, work } : undefined);
    this.meanings = new FileMeanings(files);
    // In 2007 transfers go on after a short one, and other executors have rules of their own.
    if (machine.hostFiles && machine.executor === threadpool && !profile.loopsTransfers)
      this.#transfers = new HostTransfers(files, work, options.transferThread ?? true);
    this.release = `kaio emulation, profile ${profile.name}`;
    this.supports = supports(profile, possibleCpus, machine);
    this.memory = mm;
    this.limits = sysctl;
    const table = new IoctxTable(mm, profile.handleThroughRing);
    this.after = clock.isVirtual === true ? (ns, callback) => clock.after(ns, callback) : undefined;
    const debug = options.debug ?? false;
    this.#state = { profile, possibleCpus, debug, clock, mm, sysctl, table, files, work };
    machine.boot?.(this.#state);
  }

  /**
   * Sets `aio-max-nr`, as writing `/proc/sys/fs/aio-max-nr` does. Contexts that exist stay, whatever they hold.
   *
   * @throws RangeError `ERR_OUT_OF_RANGE` for what is no unsigned 32-bit integer.
   */
  set_aio_max_nr(aio_max_nr: number): void {
    this.#state.sysctl.set_aio_max_nr(validateInteger('aio_max_nr', aio_max_nr, 0, 0xffff_ffff));
  }

  /** None for a kernel that somebody stands before, or has a look into: he is to see each call of `io_submit`. */
  plainTransfers(kernel: AioKernel): PlainTransfers | undefined {
    return kernel === this && kernel.io_submit === io_submitOfClass ? this.#transfers : undefined;
  }

  io_setup(nr_events: Word, ctxp: Word): number {
    return io_setup(this.#state, nr_events, ctxp);
  }

  io_destroy(ctx_id: Word): number {
    enterCall();
    try {
      return io_destroy(this.#state, ctx_id);
    } finally {
      leaveCall();
    }
  }

  async destroyInBackground(ctx_id: AioContextId): Promise<number> {
    const destroyed = called(() => destroyInBackground(this.#state, ctx_id));
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
    enterCall();
    try {
      return io_submit(this.#state, ctx_id, nr, iocbpp);
    } finally {
      leaveCall();
    }
  }

  io_getevents(ctx_id: Word, min_nr: Word, nr: Word, events: Word, timeout: Word): number {
    enterCall();
    try {
      return io_getevents(this.#state, ctx_id, min_nr, nr, events, timeout);
    } finally {
      leaveCall();
    }
  }

  io_pgetevents(ctx_id: Word, min_nr: Word, nr: Word, events: Word, timeout: Word, usig: Word): number {
    enterCall();
    try {
      return io_pgetevents(this.#state, ctx_id, min_nr, nr, events, timeout, usig);
    } finally {
      leaveCall();
    }
  }

  io_cancel(ctx_id: Word, iocb: Word, result: Word): number {
    enterCall();
    try {
      return io_cancel(this.#state, ctx_id, iocb, result);
    } finally {
      leaveCall();
    }
  }

  mapRing(ctx_id: AioContextId): AioRing | undefined {
    const ctx = this.#state.table.lookup(ctx_id);
    if (ctx === undefined) return undefined;
    const ring = new MappedRing(ctx.ring.memory);
    ctx.readers.push(ring);
    return ring;
  }

  eventfd(initval: number, flags: number): number {
    if (!this.#state.profile.eventfd) return -ERRNO.ENOSYS;
    if ((flags & ~EFD_FLAGS) !== 0) return -ERRNO.EINVAL;
    return this.#state.files.install(new EventFd(this.#state.mm, initval >>> 0, flags));
  }

  eventfd_read(fd: number): bigint {
    return called(() => this.#state.files.eventfd(fd)?.readNow()) ?? BigInt(-ERRNO.EBADF);
  }

  eventfd_write(fd: number, value: bigint): number {
    return called(() => this.#state.files.eventfd(fd)?.write(value)) ?? -ERRNO.EBADF;
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

  /**
   * Makes a file of operations of the caller's own.
   *
   * @remarks *Ownership*: the file lives until {@link close} and the end of the last request that uses it; then `release` is
   * called.
   *
   * @returns A descriptor for `aio_fildes`.
   * @throws TypeError `ERR_INVALID_ARG_TYPE` for what is no file operations.
   * @example
   * ```ts
   * const fd = kernel.install({
   *   read: ({ bytes, position }) => bytes.fill(position).length,
   *   write: async ({ bytes }) => (await store(bytes)).stored,
   * });
   * ```
   */
  install(operations: FileOperations): number {
    return this.#state.files.install(new UserFile(this.#state.mm, operations));
  }

  /**
   * Tells whoever polls an installed file that something has changed.
   *
   * @param key - POLL bits of what happened, which polls that wait for any of them get as their result. 0 tells nothing: polls
   * ask the file again.
   * @returns 0; -EBADF for what is no descriptor of this kernel's; -EINVAL for a file that was not installed, or has no `poll`.
   */
  wake_up(fd: number, key = 0): number {
    validateInteger('key', key, 0, 0xffff);
    const file = fd >= FIRST_OWN_FD ? this.#state.files.fget(fd) : undefined;
    if (file === undefined) return -ERRNO.EBADF;
    if (!(file instanceof UserFile) || file.poll_wait === undefined) return -ERRNO.EINVAL;
    const queue = file.poll_wait;
    called(() => queue.wake(key));
    return 0;
  }

  /**
   * Makes a pipe inside the kernel.
   *
   * @remarks It has 16 pages, as on Linux. A read of an empty pipe and a write to a full one answer EAGAIN with O_NONBLOCK, and
   * else wait, which does not hold up `io_submit` here; while they wait, `io_cancel` ends them with EINTR.
   *
   * @param flags - Linux's O_NONBLOCK (0o4000) and O_CLOEXEC (0o2000000).
   * @returns Its reading and its writing end; {@link close} closes each.
   * @throws RangeError `ERR_OUT_OF_RANGE` for other flags.
   */
  pipe(flags = 0): readonly [reader: number, writer: number] {
    const { files, mm } = this.#state;
    const [reader, writer] = pipe(mm, nonblocking(flags));
    return [files.install(reader), files.install(writer)];
  }

  /** Makes two connected stream sockets inside the kernel. As {@link pipe} otherwise. */
  socketpair(flags = 0): readonly [number, number] {
    const { files, mm } = this.#state;
    const [one, other] = socketpair(mm, nonblocking(flags));
    return [files.install(one), files.install(other)];
  }

  /** shutdown(2) of an end of a {@link socketpair}: 0 reading, 1 writing, 2 both. @returns 0, -EBADF, -ENOTSOCK, -EINVAL. */
  shutdown(fd: number, how: number): number {
    const file = fd >= FIRST_OWN_FD ? this.#state.files.fget(fd) : undefined;
    if (file === undefined) return -ERRNO.EBADF;
    return file instanceof SocketEnd ? called(() => file.shutdown(how)) : -ERRNO.ENOTSOCK;
  }

  /**
   * Reads without a context, by the same method of the file (`wait_on_sync_kiocb`). The event loop goes on meanwhile.
   *
   * @remarks *Ownership*: the buffer is the kernel's until the promise settles.
   *
   * @returns Bytes read, or a negative Linux errno.
   */
  read(fd: number, buffer: ArrayBufferView, position = 0): Promise<number> {
    return this.#wait(this.#transfer(IOCB_CMD_PREAD, fd, buffer, position));
  }

  /** Writes without a context. As {@link read} otherwise. */
  write(fd: number, buffer: ArrayBufferView, position = 0): Promise<number> {
    return this.#wait(this.#transfer(IOCB_CMD_PWRITE, fd, buffer, position));
  }

  /** Syncs without a context. @returns 0 or a negative Linux errno. */
  fsync(fd: number): Promise<number> {
    return this.#wait({ opcode: IOCB_CMD_FSYNC, fd });
  }

  /** As {@link fsync}, for the data alone. */
  fdatasync(fd: number): Promise<number> {
    return this.#wait({ opcode: IOCB_CMD_FDSYNC, fd });
  }

  /**
   * {@link read} for a caller that holds its thread.
   *
   * @returns Bytes read, or a negative Linux errno: -EDEADLK where nothing could bring the result while the thread is held.
   */
  readSync(fd: number, buffer: ArrayBufferView, position = 0): number {
    return this.#hold(this.#transfer(IOCB_CMD_PREAD, fd, buffer, position));
  }

  /** {@link write} for a caller that holds its thread. */
  writeSync(fd: number, buffer: ArrayBufferView, position = 0): number {
    return this.#hold(this.#transfer(IOCB_CMD_PWRITE, fd, buffer, position));
  }

  #transfer(opcode: number, fd: number, buffer: ArrayBufferView, position: number): SyncCall {
    if (!ArrayBuffer.isView(buffer)) throw invalidArgType('buffer', 'an ArrayBufferView', buffer);
    validatePosition(position);
    return { opcode, fd, address: this.memory.addressOf(buffer), bytes: buffer.byteLength, position };
  }

  async #wait(call: SyncCall): Promise<number> {
    return await called(() => {
      const req = init_sync_kiocb(this.#state, call);
      return typeof req === 'number' ? req : wait_on_sync_kiocb(this.#state, req);
    });
  }

  #hold(call: SyncCall): number {
    return called(() => {
      const req = init_sync_kiocb(this.#state, call);
      return typeof req === 'number' ? req : hold_on_sync_kiocb(this.#state, req);
    });
  }

  /**
   * Ends every context and closes every descriptor of the kernel's own, as the end of a process does (`exit_aio`).
   *
   * @remarks Waits for what is in flight, as {@link destroyInBackground} does. The kernel can be used afterwards, as by a new
   * process.
   */
  async exit(): Promise<void> {
    await exit_aio(this.#state);
    await this.#transfers?.settled();
    await this.settled();
    for (const fd of this.#state.files.descriptors) this.close(fd);
  }

  /** Ends what it has started, as a process that ends does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.exit();
  }

  fget(fd: number, direct?: DirectAlignment): void {
    this.#state.files.hold(fd, direct);
  }

  fput(fd: number): void {
    this.#state.files.release(fd);
  }
}

const io_submitOfClass = EmulatedKernel.prototype.io_submit;

/** A kernel call: files of which it drops the last reference are released when it ends. */
function called<T>(call: () => T): T {
  enterCall();
  try {
    return call();
  } finally {
    leaveCall();
  }
}

function nonblocking(flags: number): boolean {
  validateInteger('flags', flags, 0, 0x7fff_ffff);
  if ((flags & ~(EFD_NONBLOCK | EFD_CLOEXEC)) !== 0)
    throw outOfRange('flags', 'O_NONBLOCK, O_CLOEXEC or both', flags);
  return (flags & EFD_NONBLOCK) !== 0;
}

/** Makes an emulated kernel. */
export function emulatedKernel(options?: EmulatedKernelOptions): EmulatedKernel {
  return new EmulatedKernel(options);
}
