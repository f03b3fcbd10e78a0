/** AioContext: promises over any kernel. */
import {
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_PREAD,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITEV,
} from '../abi/constants.ts';
import { AbortError, AioStateError } from '../errors.ts';
import { abortReason, isAborted } from '../intrinsics.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import { extentOf } from '../memory/extent.ts';
import {
  type Descriptor,
  invalidArgType,
  validateDescriptor,
  validateInteger,
  validateOptions,
  validatePosition,
  validatePriority,
  validateSignal,
} from '../validate.ts';
import { contextCloseChannel, contextOpenChannel, threadPoolChannel } from './channels.ts';
import type { AioContextOptions, AioRequest, OperationOptions, TransferOptions } from './context-types.ts';
import { logWhenAsked } from './debug-log.ts';
import { Operation } from './operation.ts';
import {
  carrierOf,
  pollOperation,
  rwFlags,
  syncOperation,
  vectoredOperation,
} from './prepared-operations.ts';
import type { AioStats } from './stats.ts';
import { SubmissionQueue } from './submission.ts';

const DEFAULT_QUEUE_DEPTH = 128;
const MAX_QUEUE_DEPTH = 1 << 20;
const MAX_SUBMIT_THREADS = 64;

// A context dropped without close() is destroyed when its requests have settled.
const dropped = new FinalizationRegistry<SubmissionQueue>((queue) => {
  queue
    .release()
    .catch((error: unknown) => process.emitWarning(error instanceof Error ? error : String(error)));
});

/**
 * A kernel context behind promises.
 *
 * @remarks
 * *Blocking*: everything asked for in one tick goes to the kernel in one `io_submit`. On Linux that call runs requests on
 * buffered files to their end, and so it is given 4 MiB of them in a turn of the event loop, or one request of more; open files
 * with O_DIRECT to keep the event loop free.
 *
 * *Ownership*: a buffer belongs to the kernel from the call until the promise settles, also after an abort. Giving its memory away
 * meanwhile harms nobody: it is refused while the request is in flight, or the request fails with `ERR_INVALID_ARG_VALUE`
 * (docs/memory.md). The descriptor must stay open until then.
 *
 * An idle context keeps no process alive; one with requests does.
 *
 * @example
 * ```ts
 * await using context = new AioContext({ kernel: selectKernel().kernel });
 * const bytes = await context.read(fd, new Uint8Array(4096), 0);
 * ```
 */
export class AioContext {
  /** That it was made with. */
  readonly kernel: AioKernel;
  readonly #queue: SubmissionQueue;
  /** See {@link closesWith}. */
  readonly #companions: AioContext[] = [];
  #isClosed = false;
  #closing: Promise<void> | undefined;

  /**
   * @throws AioError `EAGAIN` where `aio-max-nr` is exhausted (the message has the numbers), `ENOMEM`, `EMFILE`.
   * @throws RangeError `ERR_OUT_OF_RANGE` for a queue depth or a number of threads that is no positive integer, or too large.
   * @throws TypeError `ERR_INVALID_ARG_TYPE` for options or a kernel that are no objects, a `submitThread` that is neither a boolean nor a
   * number nor `'auto'`, or a `latency` or `busyPoll` that is no boolean.
   */
  constructor(options: AioContextOptions) {
    if (typeof options !== 'object' || options === null)
      throw invalidArgType('options', 'an object', options);
    const {
      kernel,
      queueDepth = DEFAULT_QUEUE_DEPTH,
      latency = false,
      submitThread = false,
      busyPoll = true,
    } = options;
    if (typeof kernel !== 'object' || kernel === null)
      throw invalidArgType('options.kernel', 'a kernel, such as selectKernel().kernel', kernel);
    validateInteger('options.queueDepth', queueDepth, 1, MAX_QUEUE_DEPTH);
    if (typeof submitThread === 'number')
      validateInteger('options.submitThread', submitThread, 1, MAX_SUBMIT_THREADS);
    else if (typeof submitThread !== 'boolean' && submitThread !== 'auto')
      throw invalidArgType('options.submitThread', "a boolean, a number, or 'auto'", submitThread);
    if (typeof latency !== 'boolean') throw invalidArgType('options.latency', 'a boolean', latency);
    if (typeof busyPoll !== 'boolean') throw invalidArgType('options.busyPoll', 'a boolean', busyPoll);
    this.kernel = kernel;
    this.#queue = new SubmissionQueue(kernel, { queueDepth, latency, submitThread, busyPoll });
    dropped.register(this, this.#queue, this.#queue);
    logWhenAsked();
    if (contextOpenChannel.hasSubscribers) contextOpenChannel.publish({ context: this, kernel, queueDepth });
  }

  /** Requests in flight at most. */
  get queueDepth(): number {
    return this.#queue.queueDepth;
  }

  /** Threads of its own for `io_submit` that have been started; 0 where there are none. */
  get submitThreads(): number {
    return this.#companions.reduce((sum, other) => sum + other.submitThreads, this.#queue.submitThreads);
  }

  /** Submitted and not yet reaped. */
  get inFlight(): number {
    return this.#queue.inFlight;
  }

  /** Waiting for room, or for the end of this tick. */
  get queued(): number {
    return this.#queue.queued;
  }

  /**
   * Reads at `position` into a view.
   *
   * @returns The number of bytes, which may be less than asked for; 0 at the end of the file.
   * @throws AioError with the kernel's code; `syscall` is `'io_submit'` when it was refused, else `'pread'`.
   * @throws TypeError `ERR_INVALID_ARG_TYPE` for what is no view, descriptor, signal or options; `ERR_INVALID_ARG_VALUE` for memory that can
   * be resized, or has gone before the kernel had it. RangeError `ERR_OUT_OF_RANGE` for numbers out of range.
   * @throws AioStateError `ERR_AIO_CLOSED`; AbortError.
   */
  read(fd: Descriptor, view: ArrayBufferView, position: number, options?: TransferOptions): Promise<number> {
    return this.#transfer('pread', IOCB_CMD_PREAD, fd, view, position, options);
  }

  /** Writes a view at `position`. @returns The number of bytes, which may be less than asked for. */
  write(fd: Descriptor, view: ArrayBufferView, position: number, options?: TransferOptions): Promise<number> {
    return this.#transfer('pwrite', IOCB_CMD_PWRITE, fd, view, position, options);
  }

  /** Reads at `position` into several views, one after the other. At most 1024. */
  readv(
    fd: Descriptor,
    views: readonly ArrayBufferView[],
    position: number,
    options?: TransferOptions,
  ): Promise<number> {
    return this.#vectored('preadv', IOCB_CMD_PREADV, fd, views, position, options);
  }

  /** Writes several views at `position`, one after the other. At most 1024. */
  writev(
    fd: Descriptor,
    views: readonly ArrayBufferView[],
    position: number,
    options?: TransferOptions,
  ): Promise<number> {
    return this.#vectored('pwritev', IOCB_CMD_PWRITEV, fd, views, position, options);
  }

  /** Makes what has completed durable, with its metadata. It is no barrier to requests still in flight. */
  fsync(fd: Descriptor, options?: OperationOptions): Promise<void> {
    return this.#sync('fsync', IOCB_CMD_FSYNC, fd, options);
  }

  /** Makes what has completed durable, with the metadata needed to read it back. */
  fdatasync(fd: Descriptor, options?: OperationOptions): Promise<void> {
    return this.#sync('fdatasync', IOCB_CMD_FDSYNC, fd, options);
  }

  /**
   * Waits until one of `events` (POLLIN and so on) is there.
   *
   * @returns What is there. It can have bits that were not asked for (observed on Linux 6.18).
   */
  poll(fd: Descriptor, events: number, options?: OperationOptions): Promise<number> {
    return this.#start(options, () => pollOperation(fd, events));
  }

  /**
   * Submits several requests in one `io_submit`, as far as there is room; the rest follows in order.
   *
   * @returns One outcome per request, in their order: a request that fails, or whose arguments are wrong, fails alone.
   * The values are byte counts, 0 for syncs, and the mask for polls.
   */
  async submit(batch: readonly AioRequest[]): Promise<PromiseSettledResult<number>[]> {
    if (!Array.isArray(batch)) throw invalidArgType('batch', 'an array of requests', batch);
    // By index: an array may have holes, and methods of its owner's.
    const outcomes: Promise<number>[] = [];
    const { length } = batch;
    for (let index = 0; index < length; index++) outcomes.push(this.#dispatch(batch[index] as AioRequest));
    return Promise.allSettled(outcomes);
  }

  /** What this context has done so far. */
  get stats(): AioStats {
    return this.#queue.counters.snapshot(this.#companions.map((other) => other.#queue.counters));
  }

  /** Lets requests in flight keep the process alive, as they do from the start. */
  ref(): this {
    this.#queue.keepAlive(true);
    return this;
  }

  /** Lets the process end although requests are in flight. */
  unref(): this {
    this.#queue.keepAlive(false);
    return this;
  }

  /**
   * Counts an operation that went to the thread pool instead.
   *
   * @internal
   */
  countThreadPool(fd: number, operation: string, reason: string): void {
    this.#queue.counters.countThreadPool(reason);
    if (threadPoolChannel.hasSubscribers) threadPoolChannel.publish({ fd, operation, reason });
  }

  /**
   * Begins an operation of somebody's who knows what belongs into it.
   *
   * @throws AioStateError, AbortError: it is known to nobody then.
   * @internal
   */
  begin(operation: Operation, signal: AbortSignal | undefined): void {
    this.#push(operation, signal);
  }

  /** @internal Whether its thread may look for what a device ends, instead of sleeping. */
  get mayPoll(): boolean {
    return this.#queue.mayPoll;
  }

  /** @internal Events reaped. */
  get completed(): number {
    return this.#queue.counters.completed;
  }

  /** @internal Closes another context with this one, and counts what it does as done by this one. */
  closesWith(other: AioContext): void {
    this.#companions.push(other);
  }

  /** @internal Whether {@link close} has been called. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Resolves when nothing is queued or in flight. */
  drain(): Promise<void> {
    return this.#queue.idle();
  }

  /**
   * Waits for everything that was accepted, then destroys the kernel's context away from this thread.
   *
   * From the call on, new requests are rejected with `ERR_AIO_CLOSED`. Calling it again waits for the same end; where the kernel refused
   * to destroy its context, it is asked once more.
   */
  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      dropped.unregister(this.#queue);
    }
    const others = this.#companions.map((other) => other.close());
    this.#closing ??= Promise.all([this.#queue.release(), ...others]).then(
      () => {
        if (contextCloseChannel.hasSubscribers) contextCloseChannel.publish({ context: this });
      },
      (error: unknown) => {
        this.#closing = undefined;
        throw error;
      },
    );
    return this.#closing;
  }

  /** {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #dispatch(request: AioRequest): Promise<number> {
    if (typeof request !== 'object' || request === null)
      throw invalidArgType('request', 'of type object', request);
    const { operation } = request;
    switch (operation) {
      case 'read':
      case 'write':
        return this[operation](request.fd, request.buffer, request.position, request);
      case 'readv':
      case 'writev':
        return this[operation](request.fd, request.buffers, request.position, request);
      case 'fsync':
      case 'fdatasync':
        return this[operation](request.fd, request).then(() => 0);
      case 'poll':
        return this.poll(request.fd, request.events, request);
      default:
        throw invalidArgType('operation', "the name of one of AioContext's methods", operation);
    }
  }

  #transfer(
    syscall: string,
    opcode: number,
    fd: Descriptor,
    view: ArrayBufferView,
    position: number,
    options: TransferOptions | undefined,
  ): Promise<number> {
    // Not through #start: a closure for each transfer is felt here.
    try {
      // What may run code of the caller's comes first, and the descriptor last of that. Then memory is asked by intrinsics, and from
      // there to the queue nothing but ours runs.
      const { signal, rw_flags, priority } = validateOptions(options, NO_OPTIONS);
      const given = validateSignal(signal);
      const flags = rw_flags === undefined ? 0 : rwFlags(rw_flags);
      const reqprio = priority === undefined ? 0 : validatePriority(priority);
      const place = validatePosition(position);
      const carrier = carrierOf(fd);
      const number = validateDescriptor(fd);
      const { memory } = this.kernel;
      const extent = extentOf('buffer', view, memory.pins);
      const { length } = extent;
      const operation = new Operation(
        syscall,
        opcode,
        number,
        length === 0 ? 0 : memory.addressOf(extent.memory) + extent.start,
        length,
        place,
        flags,
        length === 0 ? undefined : extent,
        undefined,
        fd,
      );
      operation.carrier = carrier;
      operation.priority = reqprio;
      return this.#push(operation, given) as Promise<number>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #vectored(
    syscall: string,
    opcode: number,
    fd: Descriptor,
    views: readonly ArrayBufferView[],
    position: number,
    options: TransferOptions | undefined,
  ): Promise<number> {
    return this.#start(options, (given) =>
      vectoredOperation(this.kernel.memory, syscall, opcode, fd, views, position, given),
    );
  }

  async #sync(
    syscall: string,
    opcode: number,
    fd: Descriptor,
    options: OperationOptions | undefined,
  ): Promise<void> {
    await this.#start(options, () => syncOperation(syscall, opcode, fd));
  }

  #start(
    options: TransferOptions | undefined,
    prepare: (options: TransferOptions) => Operation,
  ): Promise<number> {
    try {
      const given = validateOptions(options, NO_OPTIONS);
      const signal = validateSignal(given.signal);
      return this.#push(prepare(given), signal) as Promise<number>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @throws AioStateError, AbortError: before the operation is known to anybody. */
  #push(operation: Operation, signal: AbortSignal | undefined): Promise<unknown> {
    if (this.isClosed) throw new AioStateError('ERR_AIO_CLOSED', 'The AioContext is closed');
    if (signal !== undefined && isAborted(signal)) throw new AbortError(abortReason(signal));
    this.#queue.push(operation, signal);
    return operation.promise;
  }
}

const NO_OPTIONS: TransferOptions = {};
