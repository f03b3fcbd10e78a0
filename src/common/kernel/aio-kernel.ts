/**
 * The waist: the Linux AIO system calls over bytes, with two implementations behind it.
 *
 * This level is for experts, as `syscall(2)` is: addresses are plain numbers and a wrong address is a wrong address.
 * Every call answers a number: `>= 0`, or a negative **Linux** errno on every host. Nothing at this level throws for
 * what a kernel would refuse. Everything above this level is safe.
 */
import type { Pins } from '../memory/pins.ts';
import type { DescriptorStat } from './descriptor-stat.ts';
import type { KernelFiles } from './kernel-files.ts';
import type { AioRing } from './mapped-ring.ts';
import type { PlainTransfers } from './plain-transfers.ts';
import type { Supports } from './supports.ts';

/**
 * What a register can hold: an integer that is cut to the width of the kernel's parameter, as C would.
 *
 * `number` for everything that is exact as one; `bigint` for the rest, such as LONG_MAX.
 */
export type Word = number | bigint;

/** A user address. User addresses lie below 2^53 on every supported machine, so a number holds them exactly. */
export type Address = number;

/** The handle that `io_setup` writes: the address of the completion ring. */
export type AioContextId = number;

/** Protection of mapped memory. */
export type Protection = 'none' | 'read' | 'read-write';

/**
 * The memory that a kernel sees.
 *
 * Data always lives in `ArrayBuffer`s that JavaScript owns; {@link addressOf} says where. {@link mmap} and its
 * relatives exist for tests and tools that need addresses with particular properties (unmapped, read-only); such memory
 * is reached by copying only.
 */
export interface Memory {
  /** Bytes in a page. */
  readonly pageBytes: number;
  /** Bytes in a word: of a pointer, of the handle that `io_setup` writes, of each half of an iovec or a timespec. Byte order is the host's. */
  readonly wordBytes: 4 | 8;
  /**
   * Whether addresses are the host's own. Where they are made up, what is aligned by its address need not be so to the host, but for memory
   * that begins with a page.
   */
  readonly hasHostAddresses: boolean;
  /**
   * The address of the first byte of a view.
   *
   * @remarks
   * *Ownership*: the address is good for as long as the caller holds the buffer and the buffer is neither
   * detached nor resized. Nothing here keeps it alive.
   *
   * An empty view has no memory: the answer is 0. A buffer's address and the `byteOffset` of a view make that of the view.
   */
  addressOf(view: ArrayBufferView | ArrayBufferLike): Address;
  /**
   * What keeps the memory of requests in its place while they use it. `undefined` where there is no such means: whoever submits
   * requests to a kernel that moves their bytes aside ({@link AioKernel.completesAside}) gives it memory of his own then.
   */
  readonly pins: Pins | undefined;
  /** Maps fresh zeroed pages. @returns The address, or a negative errno. */
  mmap(bytes: number, protection: Protection): Address;
  /** Changes the protection of whole pages. @returns 0 or a negative errno. */
  mprotect(address: Address, bytes: number, protection: Protection): number;
  /** Unmaps whole pages. @returns 0 or a negative errno. */
  munmap(address: Address, bytes: number): number;
  /** Copies bytes out of memory, also out of a ring. @returns `undefined` where any of them is not readable. */
  read(address: Address, bytes: number): Uint8Array | undefined;
  /** Copies bytes into memory, also into a ring. @returns `false` where any of them is not writable. */
  write(address: Address, bytes: Uint8Array): boolean;
}

/** The system-wide budget of requests. */
export interface AioLimits {
  /** Requests promised to all contexts: `/proc/sys/fs/aio-nr`. */
  aio_nr(): number;
  /** The budget: `/proc/sys/fs/aio-max-nr`. */
  aio_max_nr(): number;
}

/** Multiples that O_DIRECT insists on, in bytes. */
export interface DirectAlignment {
  /** Of buffer addresses. */
  readonly memory: number;
  /** Of positions in the file and of lengths. */
  readonly offset: number;
}

/** Called on the event loop while an eventfd is readable. */
export interface EventfdWatcher {
  /** Lets the watcher keep the process alive. */
  ref(): void;
  /** Lets the process end although the watcher is open. This is how a watcher starts. */
  unref(): void;
  /** Stops calling back. Calling it again does nothing. Close the watcher before the eventfd. */
  close(): void;
}

/** A thread that calls `io_submit` for one context, because the call may block. */
export interface SubmitThread {
  /**
   * `io_submit` on that thread, after those asked for before.
   *
   * @remarks
   * *Ownership*: the array at `iocbpp` must stay as it is until the promise settles, and so must each iocb, with its iovecs, unless its
   * event has been reaped before: Linux has copied them by then (`fs/aio.c`).
   *
   * @returns What the call answers.
   */
  io_submit(nr: number, iocbpp: Address): Promise<number>;
  /** Resolves when everything asked for is done and the thread has ended. Close it before the context. */
  close(): Promise<void>;
}

/** What `AioKernel.openAtOnce` has opened. */
export interface OpenedAtOnce {
  readonly fd: number;
  readonly stat: DescriptorStat;
}

/** Tells whether a descriptor's number has come to mean another file since somebody named it. */
export interface DescriptorMeanings {
  /** What `fd` means now. @returns `undefined` where it stays so in any case. */
  meaningOf(fd: number): object | undefined;
  /** What has been found out may be true no more. From here to the end of the last {@link stillMeans} runs no code of anybody else's. */
  beginStretch(): void;
  /** Whether `fd` means what it did, or nothing. */
  stillMeans(fd: number, meaning: object): boolean;
}

/** The six AIO system calls and what storage code needs around them. */
export interface AioKernel {
  /** `'native'` and `'emulated'` are kaio's own; another implementation has a name of its own. */
  readonly name: string;
  /** What answers: `'Linux 6.18.44 x64'`, `'kaio emulation, profile linux-6.x'`. */
  readonly release: string;
  /** What it can do: whoever needs a feature asks here, and never for the name. */
  readonly supports: Supports;
  /** The memory that it sees: where buffers lie, and what is at an address. */
  readonly memory: Memory;
  /** How many requests all contexts may have, and have. */
  readonly limits: AioLimits;
  /** The file system of a kernel that brings its own. Without it, descriptors and paths are the host's. */
  readonly files?: KernelFiles | undefined;
  /**
   * Calls back after some time of this kernel's own, where that is not the host's. Without it, whoever waits uses the host's timers.
   *
   * @returns Calls it off.
   */
  readonly after?: ((ns: number, callback: () => void) => () => void) | undefined;

  /**
   * Whether this kernel moves bytes and fills rings while this thread does something else: memory has to stay meanwhile, and looking
   * into a ring at each turn of the event loop may pay. Without it, bytes are moved by JavaScript.
   */
  readonly completesAside?: boolean | undefined;

  /**
   * Has this kernel read where a file's bytes lie on its device, on another thread, so that requests for them need not read it in
   * `io_submit`. Absent where they never do.
   *
   * @param fd - Stays open meanwhile.
   * @param from - Place in the file.
   * @returns Up to which place it is in memory now; infinity at the end, and where requests never need to read it, or nobody can.
   */
  readonly loadExtents?: ((fd: number, from: number) => Promise<number>) | undefined;

  /**
   * For whoever keeps the numbers of descriptors for a while before he submits requests. Absent: they mean what they mean by then.
   */
  readonly meanings?: DescriptorMeanings | undefined;

  /**
   * A shorter way for transfers of one buffer, which `io_submit` does not see. Absent: there is none.
   *
   * @param kernel - Which kernel the caller has: another than this one may stand before it, and wants to see all requests.
   * @returns `undefined` where all have to go by `io_submit`.
   */
  plainTransfers?(kernel: AioKernel): PlainTransfers | undefined;

  /**
   * Makes a context for at least `nr_events` requests in flight and writes its handle to the word at `ctxp`, which must
   * hold 0.
   *
   * @returns 0; -EFAULT, -EINVAL, -EAGAIN (aio-max-nr), -ENOMEM.
   */
  io_setup(nr_events: Word, ctxp: Word): number;

  /**
   * Cancels what can be cancelled, waits for the rest, and frees the context.
   *
   * @remarks
   * *Blocking*: 30 to 40 ms on Linux even for an idle context (observed on 6.18: an RCU grace period), and as long as
   * requests in flight take. {@link destroyInBackground} does it elsewhere.
   *
   * The emulation never waits: a request whose file operation has begun is cut off instead, and its result is dropped.
   *
   * @returns 0; -EINVAL for what is no context.
   */
  io_destroy(ctx_id: Word): number;

  /**
   * `io_destroy` without holding this thread.
   *
   * The context is unusable at once; the promise settles when the kernel has let go.
   */
  destroyInBackground(ctx_id: AioContextId): Promise<number>;

  /**
   * Resolves when every context destroyed in the background is gone, the kernel's own probes among them.
   *
   * For whoever compares `aio-nr` before and after.
   */
  settled(): Promise<void>;

  /**
   * Submits the `nr` iocbs whose addresses stand in the array at `iocbpp`.
   *
   * @remarks
   * *Blocking*: requests for buffered files run to their end inside the call on Linux (see the `runs-in-submit`
   * feature); O_DIRECT ones normally do not.
   *
   * *Ownership*: iocb and iovec arrays may be reused on return; buffers belong to the kernel until their event is reaped.
   *
   * @returns How many were accepted, or the error of the first if that was refused.
   */
  io_submit(ctx_id: Word, nr: Word, iocbpp: Word): number;

  /**
   * Moves up to `nr` events to the array at `events`, waiting for at least `min_nr`.
   *
   * @remarks *Blocking*: the calling thread, as the system call does, until the timespec at `timeout` (0: forever) has
   * passed. Where nothing that this thread could do would ever complete a request (`blocking-wait` feature), the
   * emulation answers -EDEADLK instead of waiting forever.
   *
   * @returns The number of events; -EFAULT, -EINVAL, -EINTR.
   */
  io_getevents(ctx_id: Word, min_nr: Word, nr: Word, events: Word, timeout: Word): number;

  /** `io_getevents` with the signal mask described by the `aio_sigset` at `usig` in force meanwhile. */
  io_pgetevents(ctx_id: Word, min_nr: Word, nr: Word, events: Word, timeout: Word, usig: Word): number;

  /**
   * Asks for the request whose iocb lies at `iocb` to be given up. Only POLL can be, and in the emulation what waits in files of
   * the kernel's own: pipes, socket pairs, eventfds, installed files with a `cancel`; its event has -EINTR.
   *
   * @returns -EINPROGRESS is success: the event comes through the ring. -EINVAL: not found or not cancellable. -EAGAIN: its file
   * does not let go of it. In the profile of 2.6.20, 0 is success: the event stands at `result`, and none comes.
   */
  io_cancel(ctx_id: Word, iocb: Word, result: Word): number;

  /**
   * What O_DIRECT asks of buffers and places in the file behind a descriptor, where the kernel tells (Linux 6.1 `statx`
   * with STATX_DIOALIGN, on file systems that fill it in).
   *
   * @returns `undefined` where it does not tell. Zeros where the file takes no direct I/O.
   */
  directAlignment(fd: number): DirectAlignment | undefined;

  /**
   * What there is to know of the file behind a descriptor, where this kernel can tell at once: nobody is asked who might have to be waited
   * for (statx(2) with AT_STATX_DONT_SYNC, Linux 4.11), so the size of a file on a network may be an old one.
   *
   * @returns `undefined` where it cannot.
   */
  stat?(fd: number): DescriptorStat | undefined;

  /**
   * How many pages of a part of a file are in the page cache, where this kernel can ask (cachestat(2), Linux 6.5).
   *
   * @returns `undefined` where it cannot. On an overlay Linux answers 0 whatever there is (observed on 6.18).
   */
  cachedPages?(fd: number, position: number, bytes: number): number | undefined;

  /**
   * Has to be called before each {@link openAtOnce} and {@link closeAtOnce}: so many of them are made in one turn of the event loop.
   *
   * @returns What to wait for first, where this turn has had its share. First come, first served.
   */
  turnAtOnce?(): Promise<void> | undefined;

  /**
   * Opens a regular file for reading, where that waits for nobody: its path is in memory, and its file system is this machine's own.
   *
   * @param flags - 0, or O_DIRECT.
   * @returns A descriptor that is closed on exec; `undefined` where it has to be opened another way, which then tells errors too.
   */
  openAtOnce?(path: string, flags: number): OpenedAtOnce | undefined;

  /**
   * Closes what was opened by {@link openAtOnce}, where that waits for nobody.
   *
   * @param release - Lets whoever has the descriptor give it up. Called just before it is closed, and only then.
   * @returns 0 or a negative errno; `undefined` where it has to be closed another way.
   */
  closeAtOnce?(fd: number, release: () => void): number | undefined;

  /** Takes O_DIRECT off a descriptor (fcntl(2) with F_SETFL), where this kernel can. @returns Whether it is off. */
  clearDirect?(fd: number): boolean;

  /**
   * The ring of a context, to be reaped without a system call, where this kernel and runtime allow it
   * (`mapped-ring` feature). It stops answering when the context is destroyed through this kernel.
   */
  mapRing(ctx_id: AioContextId): AioRing | undefined;

  /** Makes an eventfd. @returns A descriptor for `aio_resfd`, {@link watch} and the calls below; or a negative errno. */
  eventfd(initval: number, flags: number): number;
  /** Takes the counter. @returns It, or a negative errno: -EAGAIN when it is 0 and the descriptor does not block. */
  eventfd_read(fd: number): bigint;
  /** Adds to the counter. @returns 0 or a negative errno. */
  eventfd_write(fd: number, value: bigint): number;
  /** Closes a descriptor that this kernel made. @returns 0 or a negative errno. */
  close(fd: number): number;

  /** Calls back on the event loop while `eventfd` is readable: the callback has to read it. Starts unreferenced. */
  watch(eventfd: number, callback: () => void): EventfdWatcher;

  /**
   * Starts a thread for the `io_submit` calls of a context, where this kernel can.
   *
   * @remarks When the JavaScript thread ends, calls that have not begun are dropped; one that waits for a pipe or the like is
   * interrupted by a signal, and its request ends with -EINTR.
   *
   * @returns `undefined` where there is no such thread to be had: call `io_submit` then.
   */
  submitThread?(ctx_id: AioContextId): SubmitThread | undefined;

  /**
   * Promises that descriptor `fd` stays open and means the same file until {@link fput}.
   *
   * Linux holds the files of requests in flight by itself and does nothing here. The emulation cannot: without the
   * promise it checks before each use that the descriptor still means the same file, and keeps writes on this thread.
   *
   * @param direct - On a host without O_DIRECT: what it would ask for. The emulation answers -EINVAL, as O_DIRECT does, to
   * transfers out of it.
   */
  fget(fd: number, direct?: DirectAlignment): void;
  /** Ends one {@link fget}. */
  fput(fd: number): void;

  /** lseek(2), where this kernel can: the position of a descriptor, which transfers without one go on from. */
  lseek?(fd: number, offset: number, whence: number): number;
}
