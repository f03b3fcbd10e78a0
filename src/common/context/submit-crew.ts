/** Threads that call `io_submit` for one context, each of them one call at a time. */

import type { Address, Memory, SubmitThread } from '../kernel/aio-kernel.ts';
import { Batch } from './batch.ts';
import type { IocbSlab } from './iocb-slab.ts';

/** After which a batch is full where there are several threads: as much as one copies in a fraction of a millisecond. */
const FULL_AT_BYTES = 1 << 19;

/** A thread, and the batch that it submits. */
export class Submitter {
  readonly batch: Batch;
  readonly #thread: SubmitThread;

  constructor(thread: SubmitThread, batch: Batch) {
    this.batch = batch;
    this.#thread = thread;
  }

  /** The call, on the thread. */
  io_submit(nr: number, iocbpp: Address): Promise<number> {
    return this.#thread.io_submit(nr, iocbpp);
  }

  /** Resolves when the thread has ended. */
  close(): Promise<void> {
    return this.#thread.close();
  }
}

/**
 * One thread takes everything that is queued as one batch, and the next when it has answered: requests enter the kernel in their order.
 * Several take smaller ones, which overtake each other. No batch waits for a thread that is in a call: that may be one that
 * waits for a pipe.
 */
export class SubmitCrew {
  /** Bytes after which a batch is full. */
  readonly fullAtBytes: number;
  readonly #start: () => SubmitThread | undefined;
  readonly #newBatch: () => Batch;
  readonly #members: Submitter[] = [];
  readonly #idle: Submitter[] = [];
  #most: number;

  /**
   * @param start - Starts a thread: the first at once, each other one when those before are busy.
   * @param most - Threads.
   * @throws What `start` throws for the first one.
   */
  constructor(start: () => SubmitThread | undefined, most: number, memory: Memory, slab: IocbSlab) {
    this.#start = start;
    const newBatch = (): Batch => new Batch(memory, slab);
    this.#newBatch = newBatch;
    this.#most = most;
    this.fullAtBytes = most === 1 ? Number.POSITIVE_INFINITY : FULL_AT_BYTES;
    this.#addMember();
  }

  /** Threads that have been started. */
  get threads(): number {
    return this.#members.length;
  }

  /** Whether all threads that there may be are in a call. */
  get isFull(): boolean {
    return this.#idle.length === 0 && this.#members.length >= this.#most;
  }

  /** A thread that is in no call, its batch empty; {@link give} takes it back. */
  take(): Submitter | undefined {
    if (this.#idle.length === 0 && this.#members.length < this.#most) this.#tryToAddMember();
    const submitter = this.#idle.pop();
    submitter?.batch.clear();
    return submitter;
  }

  give(submitter: Submitter): void {
    this.#idle.push(submitter);
  }

  /** Resolves when the threads have ended. */
  async close(): Promise<void> {
    await Promise.all(this.#members.map((submitter) => submitter.close()));
  }

  #tryToAddMember(): void {
    try {
      this.#addMember();
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error));
      // Those that there are do.
      this.#most = this.#members.length;
    }
  }

  #addMember(): void {
    // Its memory first: a thread that nobody knows would stay for ever.
    const batch = this.#newBatch();
    const thread = this.#start();
    if (thread === undefined) {
      this.#most = this.#members.length;
      return;
    }
    const submitter = new Submitter(thread, batch);
    this.#members.push(submitter);
    this.#idle.push(submitter);
  }
}
