/**
 * The machine below AioContext: a FIFO queue of operations before one kernel context.
 *
 * It knows nothing of the AioContext above it, so that a context dropped without `close()` can be collected while
 * its requests still settle.
 */
import { EFD_CLOEXEC, EFD_NONBLOCK, IOCB_FLAG_RESFD } from './abi/constants.ts';
import { ERRNO } from './abi/errno.ts';
import { IO_EVENT_BYTES } from './abi/layout.ts';
import { dataView, decodeIoEvent } from './abi/structs.ts';
import { AbortListeners } from './abort-listeners.ts';
import { completeChannel, submitChannel } from './channels.ts';
import { errnoException } from './errors.ts';
import { IocbSlab } from './iocb-slab.ts';
import type { AioContextId, AioKernel, EventfdWatcher, SubmitThread } from './kernel.ts';
import { Operation, type OperationFields } from './operation.ts';
import { OperationQueue } from './operation-queue.ts';
import type { AioRing } from './ring.ts';
import { Counters } from './stats.ts';
import { detachedView } from './validate.ts';

const GENERATIONS = 0x10_0000;
const HIGH = 0x1_0000_0000;
/** Batches per turn of the event loop before timers and I/O get theirs. */
const BATCHES_PER_TURN = 16;
const POINTER_BYTES = 8;

/** How a queue is set up. */
export interface SubmissionOptions {
  readonly queueDepth: number;
  /** Whether each request's time is measured. */
  readonly latency: boolean;
  /** Whether `io_submit` is called on a thread of its own, where the kernel has one to give. */
  readonly submitThread: boolean;
}

/** The reader's side where the ring can't be seen: a system call. */
class CalledRing implements AioRing {
  readonly #kernel: AioKernel;
  readonly #ctx: AioContextId;
  readonly #events: DataView;
  readonly #eventsAt: number;
  readonly #room: number;

  constructor(kernel: AioKernel, ctx: AioContextId, room: number) {
    this.#kernel = kernel;
    this.#ctx = ctx;
    this.#room = room;
    this.#events = dataView(new ArrayBuffer(room * IO_EVENT_BYTES));
    this.#eventsAt = kernel.memory.addressOf(this.#events);
  }

  get ready(): number {
    return 0;
  }

  reap(max: number, sink: Parameters<AioRing['reap']>[1]): number {
    const got = this.#kernel.io_getevents(this.#ctx, 0, Math.min(max, this.#room), this.#eventsAt, 0);
    if (got === -ERRNO.EINTR) return 0;
    if (got < 0) throw errnoException(got, 'io_getevents');
    // Decoded before the first sink runs: a sink that submits may reap into the same memory.
    const events = Array.from({ length: got }, (_, index) =>
      decodeIoEvent(this.#events, index * IO_EVENT_BYTES),
    );
    for (const { data, res } of events) {
      sink(Number(data & 0xffffffffn), Number(data >> 32n), Number(res));
    }
    return got;
  }

  detach(): void {}
}

/** Stages, submits, reaps and settles. */
export class SubmissionQueue {
  readonly queueDepth: number;
  readonly counters: Counters;
  readonly #kernel: AioKernel;
  readonly #ctx: AioContextId;
  readonly #eventfd: number;
  readonly #watcher: EventfdWatcher;
  readonly #ring: AioRing;
  readonly #thread: SubmitThread | undefined;
  readonly #slab: IocbSlab;
  readonly #inFlight: (Operation | undefined)[];
  readonly #generations: Uint32Array;
  readonly #freeSlots: number[];
  readonly #batch: number[] = [];
  readonly #queue = new OperationQueue();
  readonly #signals = new AbortListeners<Operation>((operation) => this.#abort(operation));
  #flushScheduled = false;
  #flushing = false;
  #batchesThisTurn = 0;
  #turn: NodeJS.Immediate | undefined;
  #referenced = false;
  #mayKeepAlive = true;
  #idleWaiters: (() => void)[] = [];
  #released: Promise<void> | undefined;

  /** @throws AioError from `eventfd`, `io_setup` or the start of the submit thread. */
  constructor(kernel: AioKernel, { queueDepth, latency, submitThread }: SubmissionOptions) {
    this.counters = new Counters(latency);
    this.#kernel = kernel;
    this.queueDepth = queueDepth;
    this.#eventfd = kernel.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (this.#eventfd < 0) throw errnoException(this.#eventfd, 'eventfd');
    const ctxp = new BigUint64Array(1);
    const result = kernel.io_setup(queueDepth, kernel.memory.addressOf(ctxp));
    if (result < 0) {
      kernel.close(this.#eventfd);
      throw errnoException(
        result,
        'io_setup',
        result === -ERRNO.EAGAIN ? { help: quotaHelp(kernel, queueDepth) } : {},
      );
    }
    this.#ctx = Number(ctxp[0]);
    this.#slab = new IocbSlab(kernel.memory, queueDepth);
    this.#inFlight = Array<Operation | undefined>(queueDepth).fill(undefined);
    this.#generations = new Uint32Array(queueDepth);
    this.#freeSlots = Array.from({ length: queueDepth }, (_, index) => queueDepth - 1 - index);
    this.#ring = kernel.mapRing(this.#ctx) ?? new CalledRing(kernel, this.#ctx, queueDepth);
    try {
      this.#thread = submitThread ? kernel.submitThread?.(this.#ctx) : undefined;
    } catch (error) {
      kernel.close(this.#eventfd);
      void kernel.destroyInBackground(this.#ctx);
      throw error;
    }
    this.#watcher = kernel.watch(this.#eventfd, () => this.#wake());
  }

  /** Whether `io_submit` is called on a thread of its own. */
  get hasSubmitThread(): boolean {
    return this.#thread !== undefined;
  }

  /** Submitted and not yet reaped. */
  get inFlight(): number {
    return this.queueDepth - this.#freeSlots.length;
  }

  /** Waiting for the next submit, or for room. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Queues an operation; everything queued in one tick goes to the kernel in one call. */
  push(fields: OperationFields, signal?: AbortSignal): Promise<number> {
    const operation = new Operation(fields, signal, this.#signals, this.counters.latency);
    this.#queue.push(operation);
    this.counters.queuedHighWater = Math.max(this.counters.queuedHighWater, this.queued);
    this.#scheduleFlush();
    this.#keepAlive();
    return operation.promise;
  }

  /** Gives up an operation: at once while it is queued, else as soon as the kernel says. */
  #abort(operation: Operation): void {
    if (operation.state === 'queued') {
      operation.abort();
      this.#queue.dropSettled();
      this.#afterSettling();
    } else if (operation.state === 'in-flight') {
      this.#cancel(operation);
    }
  }

  #cancel(operation: Operation): void {
    const answer = this.#kernel.io_cancel(this.#ctx, this.#slab.addressOf(operation.slot), 0);
    // Reads, writes and syncs are not cancellable on Linux: their event settles them with the truth.
    operation.cancelled = answer === -ERRNO.EINPROGRESS || answer === 0;
  }

  /** Resolves when nothing is queued or in flight. */
  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Waits for what is in flight, then gives everything back. Calling it again waits for the same end. */
  release(): Promise<void> {
    this.#released ??= this.idle().then(async () => {
      await this.#thread?.close();
      this.#watcher.close();
      clearImmediate(this.#turn);
      this.#kernel.close(this.#eventfd);
      const answer = await this.#kernel.destroyInBackground(this.#ctx);
      if (answer < 0) throw errnoException(answer, 'io_destroy');
    });
    return this.#released;
  }

  #isIdle(): boolean {
    return this.inFlight === 0 && this.queued === 0 && !this.#flushing;
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled || this.#flushing) return;
    this.#flushScheduled = true;
    // Cached reads complete inside io_submit, so ticks could follow each other for ever.
    if (this.#batchesThisTurn < BATCHES_PER_TURN) process.nextTick(() => this.#flush());
    else setImmediate(() => this.#flush());
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#batchesThisTurn = 0;
    });
  }

  #flush(): void {
    this.#flushScheduled = false;
    this.#batchesThisTurn++;
    this.#flushing = true;
    if (this.#thread !== undefined) {
      void this.#flushElsewhere(this.#thread);
      return;
    }
    try {
      this.#stage();
      // Nothing, when all of it was given up: and then the context may be gone already.
      if (this.#batch.length > 0) {
        this.#submit();
        this.#reap();
        this.#pinInFlight();
      }
    } finally {
      this.#flushing = false;
    }
    this.#afterSettling();
  }

  /** As {@link #flush}, with the calls on the submit thread: iocbs and pointers are left alone until it has answered. */
  async #flushElsewhere(thread: SubmitThread): Promise<void> {
    try {
      this.#stage();
      const total = this.#batch.length;
      this.#pinInFlight();
      this.#outOfSlots = false;
      for (let done = 0; done < total; ) {
        const answer = await thread.io_submit(total - done, this.#slab.iocbpp + done * POINTER_BYTES);
        this.#reap();
        done = this.#judge(answer, done);
      }
      this.#cancelAborted();
    } finally {
      this.#flushing = false;
    }
    this.#afterSettling();
  }

  /** What was aborted between its staging and the call could not be found by `io_cancel` then. */
  #cancelAborted(): void {
    for (const slot of this.#batch) {
      const operation = this.#inFlight[slot];
      if (operation?.isAborted === true && !operation.cancelled) this.#cancel(operation);
    }
  }

  #wake(): void {
    this.#kernel.eventfd_read(this.#eventfd);
    this.#reap();
    this.#afterSettling();
  }

  #afterSettling(): void {
    if (this.queued > 0 && this.#freeSlots.length > 0 && !this.#blocked) this.#scheduleFlush();
    this.#keepAlive();
    if (this.#isIdle()) {
      for (const resolve of this.#idleWaiters.splice(0)) resolve();
    }
  }

  /** The kernel had no room although we have: only an event can change that. */
  get #blocked(): boolean {
    return this.#outOfSlots && this.inFlight > 0;
  }
  #outOfSlots = false;

  /** Whether requests in flight keep the process alive. They do from the start. */
  keepAlive(may: boolean): void {
    this.#mayKeepAlive = may;
    this.#keepAlive();
  }

  #keepAlive(): void {
    const busy = this.#mayKeepAlive && !this.#isIdle();
    if (busy === this.#referenced) return;
    this.#referenced = busy;
    if (busy) this.#watcher.ref();
    else this.#watcher.unref();
  }

  /** What completed inside the call needs no pinning: the kernel is done with its memory. */
  #pinInFlight(): void {
    for (const slot of this.#batch) {
      const operation = this.#inFlight[slot];
      if (operation === undefined) continue;
      for (const view of operation.fields.views) this.#kernel.memory.pin(view);
    }
  }

  #stage(): void {
    this.#batch.length = 0;
    while (this.#freeSlots.length > 0) {
      const operation = this.#queue.shift();
      if (operation === undefined) return;
      // The buffer was good when it was handed over; it may have been transferred while it waited.
      const detached = operation.fields.views.find((view) => view.byteLength === 0);
      if (detached !== undefined) {
        operation.fail(detachedView('buffer'));
        continue;
      }
      const slot = this.#freeSlots.pop()!;
      const { opcode, fd, buf, nbytes, position, rw_flags } = operation.fields;
      const generation = (this.#generations[slot]! + 1) % GENERATIONS;
      this.#generations[slot] = generation;
      this.#slab.prepare(
        slot,
        opcode,
        fd,
        buf,
        nbytes,
        position,
        rw_flags,
        IOCB_FLAG_RESFD,
        this.#eventfd,
        generation * HIGH + slot,
      );
      this.#slab.point(this.#batch.length, slot);
      this.#batch.push(slot);
      operation.slot = slot;
      operation.state = 'in-flight';
      this.#inFlight[slot] = operation;
    }
  }

  #submit(): void {
    const total = this.#batch.length;
    this.#outOfSlots = false;
    for (let done = 0; done < total; ) {
      const answer = this.#kernel.io_submit(
        this.#ctx,
        total - done,
        this.#slab.iocbpp + done * POINTER_BYTES,
      );
      done = this.#judge(answer, done);
    }
  }

  /**
   * Draws the consequences of an answer to `io_submit`.
   *
   * @param done - Requests of the batch that were dealt with before the call.
   * @returns How many have been dealt with now.
   */
  #judge(answer: number, done: number): number {
    const total = this.#batch.length;
    this.counters.batches++;
    if (submitChannel.hasSubscribers)
      submitChannel.publish({ kernel: this.#kernel, requests: total - done, accepted: answer });
    if (answer > 0) {
      this.counters.submitted += answer;
      return done + answer;
    }
    if (answer === -ERRNO.EINTR) return done;
    if (answer === -ERRNO.EAGAIN && this.inFlight > total - done) {
      this.counters.eagains++;
      // Others are in flight: reap first, and if that gave nothing, wait for them.
      if (this.#reap() > 0) return done;
      this.#outOfSlots = true;
      this.#unstage(done);
      return total;
    }
    // Only the head was refused; the rest goes on.
    this.#take(this.#batch[done]!).fail(errnoException(answer === 0 ? -ERRNO.EAGAIN : answer, 'io_submit'));
    return done + 1;
  }

  /** Puts what the kernel had no room for back to the front of the queue, in order. */
  #unstage(from: number): void {
    const back = this.#batch.slice(from).map((slot) => {
      const operation = this.#take(slot);
      operation.state = 'queued';
      return operation;
    });
    this.#queue.unshift(back);
  }

  #take(slot: number): Operation {
    const operation = this.#inFlight[slot]!;
    this.#inFlight[slot] = undefined;
    this.#freeSlots.push(slot);
    operation.slot = -1;
    return operation;
  }

  readonly #sink = (slot: number, generation: number, res: number): void => {
    if (this.#inFlight[slot] === undefined || this.#generations[slot] !== generation) {
      throw new Error(
        `an event came for a request that is not in flight (slot ${slot}, generation ${generation})`,
      );
    }
    this.#outOfSlots = false;
    this.counters.completed++;
    const operation = this.#take(slot);
    if (completeChannel.hasSubscribers) {
      const { syscall, fd } = operation.fields;
      completeChannel.publish({ kernel: this.#kernel, syscall, fd, res });
    }
    operation.complete(res);
  };

  #reap(): number {
    return this.#ring.reap(this.queueDepth, this.#sink);
  }
}

function quotaHelp(kernel: AioKernel, wanted: number): string {
  const { limits } = kernel;
  const nr = limits.aio_nr();
  const max = limits.aio_max_nr();
  return (
    `${wanted} requests were asked for, aio-nr is ${nr} of aio-max-nr ${max}: ` +
    `raise it with sysctl -w fs.aio-max-nr=${Math.max(max * 2, nr + wanted)}, or ask for a smaller queueDepth`
  );
}
