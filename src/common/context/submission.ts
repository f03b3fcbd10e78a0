/**
 * The machine below AioContext: a FIFO queue of operations before one kernel context.
 *
 * It knows nothing of the AioContext above it, so that a context dropped without `close()` can be collected while
 * its requests still settle.
 */
import { ERRNO } from '../abi/errno.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import { AbortListeners } from './abort-listeners.ts';
import { Batch } from './batch.ts';
import { CompletionForecast } from './completion-forecast.ts';
import { whenOthersHaveGoneOn } from './going-on.ts';
import { InFlight } from './in-flight.ts';
import { IocbSlab } from './iocb-slab.ts';
import { KeepAlive } from './keep-alive.ts';
import { KernelContext } from './kernel-context.ts';
import { NamedDescriptors } from './named-descriptors.ts';
import type { Operation } from './operation.ts';
import { OperationQueue } from './operation-queue.ts';
import { PollForecast } from './poll-forecast.ts';
import { SilentWatch } from './silent-watch.ts';
import { Staging } from './staging.ts';
import { Counters } from './stats.ts';
import { SubmitAnswers } from './submit-answers.ts';
import type { SubmitCrew, Submitter } from './submit-crew.ts';
import { SubmitPlace, type SubmitThreadChoice } from './submit-place.ts';
import { Turn } from './turn.ts';

// `process` is a getter of the global object, which is felt at each tick.
const { nextTick } = process;

/** What a call of `io_submit` may take, and each request in it: beyond that, it has waited. */
const HELD_UP_MS = 8;
const HELD_UP_MS_EACH = 0.1;

/**
 * Of those that a device has ended at a time, the part that is told at once: the first few ask for more while the others wait, and the
 * device has something to do meanwhile. More parts are more calls of `io_submit`.
 */
const PORTIONS = 5;
/** Fewer at once cost more than an idle device. */
const LEAST_PORTION = 2;

/** How a queue is set up. */
export interface SubmissionOptions {
  readonly queueDepth: number;
  /** Whether each request's time is measured. */
  readonly latency: boolean;
  /** Whether `io_submit` is called on threads of its own, where the kernel has any to give; `'auto'`: while that pays. */
  readonly submitThread: SubmitThreadChoice;
  /** Whether completions of few requests are looked for at each turn of the event loop, while they come soon. */
  readonly busyPoll: boolean;
}

/** Submits what was asked for, in the order in which it was, and has those told whose requests have ended. */
export class SubmissionQueue {
  readonly queueDepth: number;
  readonly counters: Counters;
  readonly #kernel: AioKernel;
  readonly #names: NamedDescriptors;
  readonly #context: KernelContext;
  readonly #place: SubmitPlace;
  readonly #slab: IocbSlab;
  readonly #inFlight: InFlight;
  /** What this thread submits; the threads of {@link SubmitPlace} have batches of their own. */
  readonly #batch: Batch;
  /** Calls of those threads that have not been answered. */
  #calls = 0;
  readonly #queue = new OperationQueue();
  readonly #staging: Staging;
  readonly #answers: SubmitAnswers;
  readonly #signals = new AbortListeners<Operation>((operation) => this.#abort(operation));
  readonly #forecast = new CompletionForecast();
  /** Whether `io_submit` is taken to copy bytes, by what the last one did: some of its requests had completed. */
  #copies = true;
  #flushScheduled = false;
  #flushing = false;
  readonly #turn = new Turn();
  readonly #poll: PollForecast | undefined;
  /** Looks for requests in flight whose completion signals nothing. */
  readonly #silentWatch = new SilentWatch(
    () => this.#lookForSilent(),
    () => this.#poll?.missed(),
    () => this.#poll?.pushedOff(),
  );
  readonly #keepAlive: KeepAlive;
  #idleWaiters: (() => void)[] = [];
  #released: Promise<void> | undefined;

  /** @throws AioError from `eventfd`, `io_setup`, the watcher or the start of the submit thread: nothing is left behind then. */
  constructor(kernel: AioKernel, { queueDepth, latency, submitThread, busyPoll }: SubmissionOptions) {
    this.counters = new Counters(latency);
    this.#kernel = kernel;
    this.#names = new NamedDescriptors(kernel.meanings);
    this.queueDepth = queueDepth;
    this.#context = new KernelContext(kernel, queueDepth, () => this.#wake());
    const { ring, isMapped, id, watcher } = this.#context;
    this.#keepAlive = new KeepAlive(watcher, () => this.#isIdle());
    try {
      this.#slab = new IocbSlab(kernel.memory, queueDepth);
      this.#batch = new Batch(kernel.memory, this.#slab);
      this.#inFlight = new InFlight(kernel, ring, queueDepth, this.counters, () => this.#silentWatch.found());
      this.#staging = new Staging(
        kernel,
        this.#context,
        this.#slab,
        this.#inFlight,
        this.#queue,
        this.#names,
        {
          ended: (operation, res) => this.#inFlight.ended(operation, res),
          told: () => this.#told(),
        },
      );
      this.#answers = new SubmitAnswers(kernel, this.counters, this.#inFlight, this.#queue, {
        collect: () => this.#collect(),
        goOn: () => this.#afterSettling(),
      });
      // A look must not cost a system call.
      if (busyPoll && kernel.completesAside === true && isMapped) this.#poll = new PollForecast();
      this.#place = new SubmitPlace(kernel, id, this.#slab, submitThread);
    } catch (error) {
      this.#context.giveUp();
      throw error;
    }
  }

  /** Whether this thread may look for what a device ends, instead of sleeping. */
  get mayPoll(): boolean {
    return this.#poll !== undefined;
  }

  /** Threads of its own for `io_submit` that have been started. */
  get submitThreads(): number {
    return this.#place.threads;
  }

  /** Submitted and not yet reaped. */
  get inFlight(): number {
    return this.#inFlight.count;
  }

  /** Waiting for the next submit, or for room. */
  get queued(): number {
    return this.#queue.length;
  }

  /**
   * Queues an operation: what is queued in one tick goes to the kernel in one call, as far as it fits.
   *
   * Preconditions: its signal has not fired.
   */
  push(operation: Operation, signal: AbortSignal | undefined): void {
    if (signal !== undefined) operation.listen(signal, this.#signals);
    if (this.counters.record !== undefined) operation.measure(this.counters.record);
    this.#names.named(operation);
    this.#queue.push(operation);
    if (this.queued > this.counters.queuedHighWater) this.counters.queuedHighWater = this.queued;
    this.#scheduleFlush();
    this.#keepAlive.look(this.#endedInside);
  }

  /** Gives up an operation: at once while it is queued, else as soon as the kernel says. */
  #abort(operation: Operation): void {
    if (operation.state === 'queued') {
      this.#inFlight.end(operation, operation.abortError);
      this.#queue.dropSettled();
      // In the middle of a flush, its end does the rest.
      if (!this.#flushing) this.#settle();
    } else if (operation.state === 'in-flight') {
      this.#cancel(operation);
    }
  }

  #cancel(operation: Operation): void {
    const answer = this.#kernel.io_cancel(this.#context.id, this.#slab.addressOf(operation.slot), 0);
    // Reads, writes and syncs are not cancellable on Linux: their event settles them with the truth.
    operation.cancelled = answer === -ERRNO.EINPROGRESS || answer === 0;
  }

  /** Resolves when nothing is queued or in flight. */
  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /**
   * Waits for what is in flight, then gives everything back. Calling it again waits for the same end; where the kernel refused, it asks
   * once more.
   */
  release(): Promise<void> {
    this.#released ??= this.#giveBack().catch((error: unknown) => {
      this.#released = undefined;
      throw error;
    });
    return this.#released;
  }

  async #giveBack(): Promise<void> {
    await this.idle();
    if (!this.#isShut) {
      this.#isShut = true;
      this.#keepAlive.end();
      try {
        await this.#place.close();
      } finally {
        this.#context.shut();
      }
    }
    await this.#context.destroy();
  }

  /** Nothing but the kernel's context is left. */
  #isShut = false;

  #isIdle(): boolean {
    return (
      this.inFlight === 0 &&
      this.queued === 0 &&
      this.#calls === 0 &&
      !this.#flushing &&
      !this.#inFlight.hasEnded
    );
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled || this.#flushing || this.#place.isFull) return;
    this.#flushScheduled = true;
    if (this.#turn.takeBatch()) nextTick(this.#flushNow);
    else setImmediate(this.#flushInNextTurn);
  }

  readonly #flushNow = (): void => this.#flush();

  readonly #flushInNextTurn = (): void => {
    this.#turn.next();
    this.#flush();
  };

  #flush(): void {
    this.#flushScheduled = false;
    this.#answers.outOfSlots = false;
    const crew = this.#staging.isNextBorrowed ? undefined : this.#place.crewForNext();
    if (crew !== undefined) {
      this.#flushElsewhere(crew);
      this.#settle();
      return;
    }
    this.#flushing = true;
    try {
      const batch = this.#batch;
      batch.clear();
      const silent = this.#keepAlive.may && this.#isLookedFor();
      const fullAtBytes = this.#copies ? this.#turn.bytesLeft : Number.POSITIVE_INFINITY;
      this.#staging.fill(batch, true, this.#place.threads > 0, silent, fullAtBytes);
      this.#endedInside = false;
      if (batch.plain > 0) this.#startedPlain(batch.plain);
      // Nothing, when all of it was given up: and then the context may be gone already.
      if (batch.length > 0) {
        this.#turn.count(batch.length, this.#copies ? batch.bytes : 0);
        this.#submit(batch);
        this.#collect();
        const left = this.#pinInFlight(batch);
        this.#endedInside = left < batch.length;
        this.#copies = this.#endedInside;
        this.#forecast.saw(left);
        if (left > 0) this.#cancelAborted(batch);
      }
    } finally {
      this.#flushing = false;
    }
    if (this.#inFlight.silent > 0) this.#silentWatch.start();
    this.#settle();
  }

  /** Requests that the kernel has taken by its shorter way. */
  #startedPlain(requests: number): void {
    this.#turn.count(requests, 0);
    this.#answers.tookPlain(requests);
  }

  /** Some of those have ended. */
  #told(): void {
    this.#answers.outOfSlots = false;
    this.#settle();
  }

  /** Whether the next batch need wake nobody: it completes inside the call, or so soon after that looking for it pays. */
  #isLookedFor(): boolean {
    return (
      this.#forecast.isInline ||
      this.#poll?.accepts(this.inFlight + this.queued + this.#inFlight.untold) === true
    );
  }

  /** As {@link #flush}, with the calls on threads of their own. */
  #flushElsewhere(crew: SubmitCrew): void {
    while (this.queued > 0 && this.#inFlight.hasRoom && !this.#staging.isNextBorrowed) {
      const submitter = crew.take();
      if (submitter === undefined) return;
      const { batch } = submitter;
      this.#staging.fill(batch, false, true, false, crew.fullAtBytes);
      if (batch.length === 0) {
        crew.give(submitter);
        // All of it was given up.
        return;
      }
      this.#pinInFlight(batch);
      void this.#submitElsewhere(crew, submitter);
    }
  }

  async #submitElsewhere(crew: SubmitCrew, submitter: Submitter): Promise<void> {
    const { batch } = submitter;
    const total = batch.length;
    let done = 0;
    this.#calls++;
    try {
      while (done < total) {
        const answer = await submitter.io_submit(total - done, batch.iocbppAt(done));
        this.counters.threadBatches++;
        this.#collect();
        done = this.#answers.answered(batch, answer, done);
      }
      this.#cancelAborted(batch);
    } catch (error) {
      // The call was not made: what it was to submit is in no kernel's hands.
      for (; done < total; done++) this.#inFlight.refuse(batch.slotAt(done), error as Error);
    } finally {
      crew.give(submitter);
      this.#calls--;
    }
    this.#settle();
  }

  /** What was aborted between its staging and the call could not be found by `io_cancel` then. */
  #cancelAborted(batch: Batch): void {
    for (let index = 0; index < batch.length; index++) {
      const operation = this.#inFlight.at(batch.slotAt(index));
      if (operation?.isAborted === true && !operation.cancelled) this.#cancel(operation);
    }
  }

  /** They are polled for, or the forecast was wrong: these completions wake nobody. */
  #lookForSilent(): boolean {
    // An ordinary wake-up may have found them, and the context be gone already.
    if (this.#inFlight.silent === 0) return false;
    if (this.#collect() > 0) this.#poll?.hit();
    this.#settle();
    return this.#inFlight.silent > 0;
  }

  #wake(): void {
    this.#context.takeSignal();
    const ended = this.#collect();
    if (ended > LEAST_PORTION && this.#kernel.completesAside === true) this.#settleByPortions(ended);
    else this.#settle();
  }

  /** How many of those that have ended are told at a time; 0 while all are. */
  #portion = 0;

  /**
   * Tells whose requests have ended a few at a time, each few when those before have gone on: what these ask for next is submitted
   * meanwhile.
   */
  #settleByPortions(ended: number): void {
    const isUnderWay = this.#portion > 0;
    this.#portion = Math.max(LEAST_PORTION, Math.ceil(ended / PORTIONS));
    if (!isUnderWay) this.#settlePortion();
  }

  readonly #settlePortion = (): void => {
    try {
      this.#answers.publish();
      this.#inFlight.settle(this.#portion);
    } finally {
      if (this.#inFlight.hasEnded) whenOthersHaveGoneOn(this.#settlePortion);
      else this.#portion = 0;
      this.#afterSettling();
    }
  };

  /** Tells whose requests have ended, and what the kernel was asked: everything is consistent. Then goes on with what waits. */
  #settle(): void {
    try {
      this.#answers.publish();
      // Where ticks tell them portion by portion, they go on with these.
      if (this.#portion === 0 && this.#inFlight.hasEnded) this.#inFlight.settle();
    } finally {
      this.#afterSettling();
    }
  }

  #afterSettling(): void {
    if (this.queued > 0 && this.#inFlight.hasRoom && !this.#blocked) this.#scheduleFlush();
    this.#keepAlive.look(this.#endedInside);
    if (this.#idleWaiters.length > 0 && this.#isIdle()) {
      for (const resolve of this.#idleWaiters.splice(0)) resolve();
    }
  }

  /** The kernel had no room although we have: an event will change that, or time. */
  get #blocked(): boolean {
    return this.#answers.outOfSlots && this.inFlight > 0;
  }

  /** Whether requests in flight keep the process alive. They do from the start. */
  keepAlive(may: boolean): void {
    this.#keepAlive.may = may;
    this.#keepAlive.look(this.#endedInside);
    this.#silentWatch.keepAlive(may);
  }

  /** Whether requests of the last batch had ended when it was submitted. */
  #endedInside = false;

  /**
   * What completed inside the call needs no pinning: the kernel is done with its memory.
   *
   * @returns How many of the batch are in flight.
   */
  #pinInFlight(batch: Batch): number {
    let left = 0;
    for (let index = 0; index < batch.length; index++) {
      const operation = this.#inFlight.at(batch.slotAt(index));
      if (operation === undefined) continue;
      left++;
      this.#inFlight.pin(operation);
    }
    return left;
  }

  #submit(batch: Batch): void {
    const total = batch.length;
    for (let done = 0; done < total; ) {
      const answer = this.#place.io_submit(total - done, batch.iocbppAt(done));
      const { tookMs } = this.#place;
      if (tookMs > HELD_UP_MS + (total - done) * HELD_UP_MS_EACH) this.#answers.heldUp(batch, done, answer);
      done = this.#answers.answered(batch, answer, done);
    }
  }

  #collect(): number {
    const ended = this.#inFlight.collect();
    if (ended > 0) this.#answers.outOfSlots = false;
    return ended;
  }
}
