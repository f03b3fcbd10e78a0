/** What follows from a call of `io_submit`: who goes on, who was refused, who waits for room, and what is published of it. */
import { ERRNO } from '../abi/errno.ts';
import { errnoException } from '../errors.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import { NSEC_PER_MSEC } from '../time-units.ts';
import type { Batch } from './batch.ts';
import { submitChannel } from './channels.ts';
import type { InFlight } from './in-flight.ts';
import type { Operation } from './operation.ts';
import type { OperationQueue } from './operation-queue.ts';
import type { Counters } from './stats.ts';

/** After a refusal for which nothing of ours accounts. */
const RETRY_MS = 10;

/** What is published of a call of `io_submit`. */
interface SubmitMessage {
  readonly kernel: AioKernel;
  readonly requests: number;
  readonly accepted: number;
}

/** What the queue does besides. */
export interface Asked {
  /** Takes what has completed. @returns How many have ended. */
  collect(): number;
  /** Submits what waits, if it can. */
  goOn(): void;
}

export class SubmitAnswers {
  /** The kernel had no room although we have: an event will change that, or time. */
  outOfSlots = false;
  readonly #kernel: AioKernel;
  readonly #counters: Counters;
  readonly #inFlight: InFlight;
  readonly #queue: OperationQueue;
  readonly #asked: Asked;
  #toPublish: SubmitMessage[] = [];

  constructor(
    kernel: AioKernel,
    counters: Counters,
    inFlight: InFlight,
    queue: OperationQueue,
    asked: Asked,
  ) {
    this.#kernel = kernel;
    this.#counters = counters;
    this.#inFlight = inFlight;
    this.#queue = queue;
    this.#asked = asked;
  }

  /** Requests that the kernel has taken by its shorter way. */
  tookPlain(requests: number): void {
    this.#counters.submitted += requests;
    this.#counters.batches++;
    if (submitChannel.hasSubscribers)
      this.#toPublish.push({ kernel: this.#kernel, requests, accepted: requests });
  }

  /**
   * Draws the consequences of an answer to `io_submit`.
   *
   * @param done - Requests of the batch that were dealt with before the call.
   * @returns How many have been dealt with now.
   */
  answered(batch: Batch, answer: number, done: number): number {
    const total = batch.length;
    this.#counters.batches++;
    if (submitChannel.hasSubscribers)
      this.#toPublish.push({ kernel: this.#kernel, requests: total - done, accepted: answer });
    if (answer > 0) {
      this.#counters.submitted += answer;
      return done + answer;
    }
    if (answer === -ERRNO.EINTR) return done;
    if (answer === -ERRNO.EAGAIN && this.#inFlight.count > total - done) {
      this.#counters.eagains++;
      // Others are in flight: reap first, and if that gave nothing, wait for them.
      if (this.#asked.collect() > 0) return done;
      this.outOfSlots = true;
      this.#retryLater();
      this.#unstage(batch, done);
      return total;
    }
    // Only the head was refused; the rest goes on.
    this.#inFlight.refuse(
      batch.slotAt(done),
      errnoException(answer === 0 ? -ERRNO.EAGAIN : answer, 'io_submit'),
    );
    return done + 1;
  }

  /** Tells those that a call dealt with: it took longer than work does. Their events may be in the ring, but nobody has looked. */
  heldUp(batch: Batch, from: number, answer: number): void {
    const atMs = performance.now();
    for (let index = from; index < from + Math.max(answer, 1); index++)
      this.#inFlight.at(batch.slotAt(index))?.heldUp(atMs);
  }

  /** Puts what the kernel had no room for back to the front of the queue, in order. */
  #unstage(batch: Batch, from: number): void {
    const back: Operation[] = [];
    for (let index = from; index < batch.length; index++) {
      const operation = this.#inFlight.take(batch.slotAt(index));
      // Its signal has fired since it was staged, and does so once.
      if (operation.isAborted) this.#inFlight.end(operation, operation.abortError);
      else {
        operation.state = 'queued';
        back.push(operation);
      }
    }
    this.#queue.unshift(back);
  }

  /** EAGAIN is also its word for a lack of memory, and what is in flight may be waiting for somebody outside. */
  #retryLater(): void {
    const retry = (): void => {
      this.outOfSlots = false;
      this.#asked.goOn();
    };
    // What keeps the process alive meanwhile is the watcher, if anything is to.
    if (this.#kernel.after === undefined) setTimeout(retry, RETRY_MS).unref();
    else this.#kernel.after(RETRY_MS * NSEC_PER_MSEC, retry);
  }

  /** Tells subscribers, when everything is consistent. */
  publish(): void {
    if (this.#toPublish.length === 0) return;
    const messages = this.#toPublish;
    this.#toPublish = [];
    for (const message of messages) submitChannel.publish(message);
  }
}
