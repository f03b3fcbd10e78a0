/** One request of the upper half, from its call to its settlement. */
import {
  IOCB_CMD_POLL,
  IOCB_CMD_PREAD,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITEV,
} from '../abi/constants.ts';
import { ERRNO } from '../abi/errno.ts';
import { failWithStackOfCallers } from '../callers-stack.ts';
import { AbortError, AioError, errnoException } from '../errors.ts';
import { abortReason, isAborted } from '../intrinsics.ts';
import { type Extent, isGone, isLost } from '../memory/extent.ts';
import type { Pins } from '../memory/pins.ts';
import type { AbortListeners } from './abort-listeners.ts';

/** Where an operation stands. Judged: it has left the queue, and whether the kernel gets it is being found out. */
export type OperationState = 'queued' | 'judged' | 'in-flight' | 'settled';

const NO_EXTENTS: readonly Extent[] = [];

let capturedResolve: (answer: unknown) => void;
let capturedReject: (error: Error) => void;

/** Called inside the constructor of a Promise, which leaves both where they are until the next: no closure for each request. */
function capture(resolve: (answer: unknown) => void, reject: (error: Error) => void): void {
  capturedResolve = resolve;
  capturedReject = reject;
}

/** Memory that the kernel is given in place of the caller's. */
export interface Substitute {
  /** What goes into the iocb. */
  readonly buf: number;
  readonly nbytes: number;
  /** Hands out what was read. @returns `false` where the caller's memory has gone meanwhile. */
  deliver(count: number): boolean;
  release(): void;
}

/**
 * A request and the promise that waits for it.
 *
 * One flat object: hundreds of thousands are made in a second.
 */
export class Operation {
  /** The operation's name in errors: `'pread'`. */
  readonly syscall: string;
  readonly opcode: number;
  readonly fd: number;
  /** An address, or the event mask of POLL. */
  readonly buf: number;
  readonly nbytes: number;
  readonly position: number;
  readonly rw_flags: number;
  /** The caller's memory that the kernel uses. An empty view uses none and is left out. */
  readonly extent: Extent | undefined;
  /** The same of vectored requests. */
  readonly extents: readonly Extent[];
  /** What else must live until the event has come: what carries the descriptor, arrays of iovecs. */
  readonly held: unknown;
  /** Of the count, unless a subclass makes something else of it. */
  readonly promise: Promise<unknown>;
  state: OperationState = 'queued';
  /** Whose descriptor it is, where he may close it meanwhile, as a FileHandle. */
  carrier: { readonly fd: number } | undefined;
  /** What its descriptor meant when it was named, where that may change while it waits. */
  meaning: object | undefined;
  /** `aio_reqprio`; 0 is none. */
  priority = 0;
  /** Its iocb, while in flight. */
  slot = -1;
  /** The kernel has agreed to give it up: the event that comes says nothing else. */
  cancelled = false;
  /** Its completion signals no eventfd: somebody has to look. */
  isSilent = false;
  /** Its memory is held until it has left its slot. */
  isPinned = false;
  /** What the kernel is given in place of its memory. */
  substitute: Substitute | undefined;
  /** What the kernel has answered, when it has ended and nobody was told. */
  res = 0;
  /** What it has ended with instead. */
  error: Error | undefined;
  readonly #resolve: (answer: unknown) => void;
  readonly #reject: (error: Error) => void;
  #signal: AbortSignal | undefined;
  #listeners: AbortListeners<Operation> | undefined;
  #record: ((ns: bigint) => void) | undefined;
  #startedNs = 0n;

  constructor(
    syscall: string,
    opcode: number,
    fd: number,
    buf: number,
    nbytes: number,
    position: number,
    rw_flags: number,
    extent: Extent | undefined,
    extents: readonly Extent[] | undefined,
    held: unknown,
  ) {
    this.syscall = syscall;
    this.opcode = opcode;
    this.fd = fd;
    this.buf = buf;
    this.nbytes = nbytes;
    this.position = position;
    this.rw_flags = rw_flags;
    this.extent = extent;
    this.extents = extents ?? NO_EXTENTS;
    this.held = held;
    this.promise = new Promise(capture);
    this.#resolve = capturedResolve;
    this.#reject = capturedReject;
  }

  /** Has `listeners` told when `signal` fires before the end. */
  listen(signal: AbortSignal, listeners: AbortListeners<Operation>): void {
    this.#signal = signal;
    this.#listeners = listeners;
    listeners.add(signal, this);
  }

  /** Has `record` told the time from now to the settlement. */
  measure(record: (ns: bigint) => void): void {
    this.#record = record;
    this.#startedNs = process.hrtime.bigint();
  }

  protected get signal(): AbortSignal | undefined {
    return this.#signal;
  }

  /** Whether its signal has fired. */
  get isAborted(): boolean {
    return this.#signal !== undefined && isAborted(this.#signal);
  }

  /** Whether it moves data. Syncs run on a worker of the kernel's, and polls wait for somebody else. */
  get isTransfer(): boolean {
    switch (this.opcode) {
      case IOCB_CMD_PREAD:
      case IOCB_CMD_PWRITE:
      case IOCB_CMD_PREADV:
      case IOCB_CMD_PWRITEV:
        return true;
      default:
        return false;
    }
  }

  /** Whether it is known to end inside `io_submit`. RWF_NOWAIT does not say so: with O_DIRECT, the device still takes its time. */
  get endsInside(): boolean {
    return false;
  }

  /**
   * The call of `io_submit` that it was in has held this thread for long. It is not known which of the call's requests did.
   *
   * @param _atMs - When the call ended: the same for all of its requests.
   */
  heldUp(_atMs: number): void {}

  /** Whether its descriptor has been closed by somebody since. Asking may run code of his. */
  get isStale(): boolean {
    return this.carrier !== undefined && this.carrier.fd !== this.fd;
  }

  /** Whether its descriptor has an owner who may close it, of whom it can be asked: see {@link isStale}. */
  get isBorrowed(): boolean {
    return this.carrier !== undefined;
  }

  /** Bytes that it moves at most. */
  get byteLength(): number {
    if (this.extent !== undefined) return this.nbytes;
    let sum = 0;
    for (const { length } of this.extents) sum += length;
    return sum;
  }

  /** Whether memory of it was transferred away. */
  get isDetached(): boolean {
    if (this.extent !== undefined) return isGone(this.extent);
    for (const extent of this.extents) if (isGone(extent)) return true;
    return false;
  }

  /** Whether its memory stands for one that may have moved. */
  get mayBeLost(): boolean {
    return this.extent !== undefined ? this.extent.origin !== undefined : this.extents.length > 0;
  }

  /** Whether what was moved went nowhere. */
  isLost(pins: Pins | undefined): boolean {
    if (this.extent !== undefined) return isLost(this.extent, pins);
    for (const extent of this.extents) if (isLost(extent, pins)) return true;
    return false;
  }

  /** Settles with what the kernel answered. */
  complete(res: number): void {
    // A poll that was called off has result 0, what waited in a file of the emulation's EINTR.
    if (this.cancelled && (this.opcode === IOCB_CMD_POLL ? res === 0 : res === -ERRNO.EINTR)) this.abort();
    else if (res < 0) this.fail(errnoException(res, this.syscall));
    else this.succeed(res);
  }

  /** Settles with a count. */
  protected succeed(count: number): void {
    this.settle(count);
  }

  /** Settles with what the caller gets, or with what becomes of another promise. */
  protected settle(answer: unknown): void {
    try {
      this.#settle();
    } finally {
      this.#resolve(answer);
    }
  }

  /** Settles with an error. */
  fail(error: Error): void {
    try {
      this.#settle();
    } finally {
      // What is not ours may be anything, and frozen.
      if (error instanceof AioError || error instanceof AbortError)
        failWithStackOfCallers(this.#resolve, error);
      else this.#reject(error);
    }
  }

  /** Settles with Node's AbortError. */
  abort(): void {
    this.fail(this.abortError);
  }

  /** What it ends with when it is given up. */
  get abortError(): Error {
    return new AbortError(this.#signal === undefined ? undefined : abortReason(this.#signal));
  }

  #settle(): void {
    this.state = 'settled';
    if (this.#record !== undefined) this.#record(process.hrtime.bigint() - this.#startedNs + 1n);
    if (this.#signal !== undefined) this.#listeners?.delete(this.#signal, this);
  }
}
