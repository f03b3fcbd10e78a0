/** One request of the upper half, from its call to its settlement. */
import type { RecordableHistogram } from 'node:perf_hooks';
import {
  IOCB_CMD_POLL,
  IOCB_CMD_PREAD,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITEV,
} from '../abi/constants.ts';
import { ERRNO } from '../abi/errno.ts';
import { AbortError, errnoException } from '../errors.ts';
import type { AbortListeners } from './abort-listeners.ts';

/** Where an operation stands. */
export type OperationState = 'queued' | 'in-flight' | 'settled';

/** Several views, of which none is empty. */
const NO_VIEWS: readonly ArrayBufferView[] = [];

let capturedResolve: (answer: unknown) => void;
let capturedReject: (error: Error) => void;

/** Called inside the constructor of a Promise, which leaves both where they are until the next: no closure for each request. */
function capture(resolve: (answer: unknown) => void, reject: (error: Error) => void): void {
  capturedResolve = resolve;
  capturedReject = reject;
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
  readonly view: ArrayBufferView | undefined;
  /** The same of vectored requests. */
  readonly views: readonly ArrayBufferView[];
  /** What else must live until the event has come: what carries the descriptor, arrays of iovecs. */
  readonly held: unknown;
  /** Of the count, unless a subclass makes something else of it. */
  readonly promise: Promise<unknown>;
  state: OperationState = 'queued';
  /** Its iocb, while in flight. */
  slot = -1;
  /** The kernel has agreed to give it up: the event that comes says nothing else. */
  cancelled = false;
  /** Its completion signals no eventfd: somebody has to look. */
  isSilent = false;
  readonly #resolve: (answer: unknown) => void;
  readonly #reject: (error: Error) => void;
  #signal: AbortSignal | undefined;
  #listeners: AbortListeners<Operation> | undefined;
  #latency: RecordableHistogram | undefined;
  #startedNs = 0n;

  constructor(
    syscall: string,
    opcode: number,
    fd: number,
    buf: number,
    nbytes: number,
    position: number,
    rw_flags: number,
    view: ArrayBufferView | undefined,
    views: readonly ArrayBufferView[] | undefined,
    held: unknown,
  ) {
    this.syscall = syscall;
    this.opcode = opcode;
    this.fd = fd;
    this.buf = buf;
    this.nbytes = nbytes;
    this.position = position;
    this.rw_flags = rw_flags;
    this.view = view;
    this.views = views ?? NO_VIEWS;
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

  /** Records the time from now to the settlement. */
  measure(latency: RecordableHistogram): void {
    this.#latency = latency;
    this.#startedNs = process.hrtime.bigint();
  }

  protected get signal(): AbortSignal | undefined {
    return this.#signal;
  }

  /** Whether its signal has fired. */
  get isAborted(): boolean {
    return this.#signal?.aborted === true;
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

  /** Bytes that it moves at most. */
  get byteLength(): number {
    if (this.view !== undefined) return this.nbytes;
    let sum = 0;
    for (const { byteLength } of this.views) sum += byteLength;
    return sum;
  }

  /** Whether memory of it was transferred away. */
  get isDetached(): boolean {
    if (this.view !== undefined && this.view.byteLength === 0) return true;
    for (const view of this.views) if (view.byteLength === 0) return true;
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
    this.#settle();
    this.#resolve(answer);
  }

  /** Settles with an error. */
  fail(error: Error): void {
    this.#settle();
    this.#reject(error);
  }

  /** Settles with Node's AbortError. */
  abort(): void {
    this.fail(new AbortError(this.#signal?.reason));
  }

  #settle(): void {
    this.state = 'settled';
    if (this.#latency !== undefined) this.#latency.record(process.hrtime.bigint() - this.#startedNs + 1n);
    if (this.#signal !== undefined) this.#listeners?.delete(this.#signal, this);
  }
}
