/** One request of the upper half, from its call to its settlement. */
import type { RecordableHistogram } from 'node:perf_hooks';
import { IOCB_CMD_POLL } from './abi/constants.ts';
import type { AbortListeners } from './abort-listeners.ts';
import { AbortError, errnoException } from './errors.ts';

/** Where an operation stands. */
export type OperationState = 'queued' | 'in-flight' | 'settled';

export interface OperationFields {
  /** The operation's name in errors: `'pread'`. */
  readonly syscall: string;
  readonly opcode: number;
  readonly fd: number;
  /** An address, or the event mask of POLL. */
  readonly buf: number;
  readonly nbytes: number;
  readonly position: number;
  readonly rw_flags: number;
  /** The caller's memory that the kernel uses; empty views use none and are left out. */
  readonly views: readonly ArrayBufferView[];
  /** What else must live until the event has come: the descriptor, arrays of iovecs. */
  readonly held: readonly unknown[];
}

/** A request and the promise that waits for it. */
export class Operation {
  readonly fields: OperationFields;
  readonly promise: Promise<number>;
  state: OperationState = 'queued';
  /** Its iocb, while in flight. */
  slot = -1;
  /** The kernel has agreed to give it up: the event that comes says nothing else. */
  cancelled = false;
  #resolve!: (result: number) => void;
  #reject!: (error: Error) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #listeners: AbortListeners<Operation>;
  readonly #latency: RecordableHistogram | undefined;
  readonly #startedNs: bigint;

  /** @param signal - Reported to `listeners` when it fires before the end. */
  constructor(
    fields: OperationFields,
    signal: AbortSignal | undefined,
    listeners: AbortListeners<Operation>,
    latency?: RecordableHistogram,
  ) {
    this.#latency = latency;
    this.#startedNs = latency === undefined ? 0n : process.hrtime.bigint();
    this.fields = fields;
    this.#signal = signal;
    this.#listeners = listeners;
    if (signal !== undefined) listeners.add(signal, this);
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Whether its signal has fired. */
  get isAborted(): boolean {
    return this.#signal?.aborted === true;
  }

  /** Settles with what the kernel answered. */
  complete(res: number): void {
    if (this.cancelled && this.fields.opcode === IOCB_CMD_POLL && res === 0) this.abort();
    else if (res < 0) this.fail(errnoException(res, this.fields.syscall));
    else {
      this.#settle();
      this.#resolve(res);
    }
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
    this.#latency?.record(process.hrtime.bigint() - this.#startedNs + 1n);
    if (this.#signal !== undefined) this.#listeners.delete(this.#signal, this);
  }
}
