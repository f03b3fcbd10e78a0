/** What comes between the queue and `io_submit`: requests are looked at once more, get their slots, and their iocbs are written. */
import { IOCB_FLAG_IOPRIO, IOCB_FLAG_RESFD } from '../abi/constants.ts';
import { ERRNO } from '../abi/errno.ts';
import { errnoException } from '../errors.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import type { PlainTransfers, TransferSink } from '../kernel/plain-transfers.ts';
import { detachedView } from '../validate.ts';
import type { Batch } from './batch.ts';
import { BounceCopy, bounces, needsBounce } from './bounce-copy.ts';
import type { InFlight } from './in-flight.ts';
import type { IocbSlab } from './iocb-slab.ts';
import type { KernelContext } from './kernel-context.ts';
import type { NamedDescriptors } from './named-descriptors.ts';
import type { Operation } from './operation.ts';
import type { OperationQueue } from './operation-queue.ts';

/** Copying fewer bytes costs no more than keeping memory in its place for them. */
const PIN_FROM_BYTES = 8192;

export class Staging {
  readonly #kernel: AioKernel;
  readonly #names: NamedDescriptors;
  readonly #eventfd: KernelContext['eventfd'];
  readonly #slab: IocbSlab;
  readonly #inFlight: InFlight;
  readonly #queue: OperationQueue;
  #plain: PlainTransfers | undefined;
  readonly #sink: TransferSink<Operation>;
  #bounces: boolean | undefined;

  constructor(
    kernel: AioKernel,
    { eventfd }: KernelContext,
    slab: IocbSlab,
    inFlight: InFlight,
    queue: OperationQueue,
    names: NamedDescriptors,
    sink: TransferSink<Operation>,
  ) {
    this.#kernel = kernel;
    this.#names = names;
    this.#eventfd = eventfd;
    this.#slab = slab;
    this.#inFlight = inFlight;
    this.#queue = queue;
    this.#sink = sink;
  }

  /**
   * Whether what comes next is of a descriptor whose owner may close it: between the look whether he has and the call, nobody may run.
   * On another thread, the call could meet the file that has taken the number.
   */
  get isNextBorrowed(): boolean {
    return this.#queue.mayHoldBorrowed && this.#queue.first?.isBorrowed === true;
  }

  /**
   * Fills a batch with what is queued. Requests that cannot go to the kernel end, each by itself.
   *
   * @param isHere - The call is made on this thread: nobody's code runs before its end.
   * @param isOneKind - Borrowed descriptors and others don't go into one batch.
   * @param silent - Transfers are to signal nothing when they complete.
   * @param fullAtBytes - After which it takes no more.
   */
  fill(batch: Batch, isHere: boolean, isOneKind: boolean, silent: boolean, fullAtBytes: number): void {
    this.#plain = this.#kernel.plainTransfers?.(this.#kernel);
    if (this.#queue.mayHoldBorrowed) {
      const taken = this.#take(isOneKind, fullAtBytes);
      this.#beginStretch();
      for (const operation of taken) this.#stage(batch, operation, isHere, silent);
      return;
    }
    this.#beginStretch();
    while (this.#inFlight.hasRoom && batch.bytes < fullAtBytes) {
      const operation = this.#queue.shift();
      if (operation === undefined) break;
      this.#stage(batch, operation, isHere, silent);
    }
  }

  /**
   * Takes what goes into a batch, and asks whose descriptors are still his. All of that comes before anything else: who is asked may
   * run code of his own, and do what he likes with the memory of the others.
   */
  #take(isOneKind: boolean, fullAtBytes: number): Operation[] {
    const taken: Operation[] = [];
    const isBorrowed = this.isNextBorrowed;
    const { room } = this.#inFlight;
    for (let bytes = 0; taken.length < room && bytes < fullAtBytes; ) {
      if (isOneKind && this.isNextBorrowed !== isBorrowed) break;
      const operation = this.#queue.shift();
      if (operation === undefined) break;
      operation.state = 'judged';
      bytes += operation.byteLength;
      taken.push(operation);
      if (operation.isBorrowed) operation.error = staleness(operation);
    }
    return taken;
  }

  #beginStretch(): void {
    this.#names.beginStretch();
    this.#plain?.beginStretch();
  }

  #stage(batch: Batch, operation: Operation, isHere: boolean, silent: boolean): void {
    const refusal = operation.error ?? this.#judge(operation, isHere);
    if (refusal === undefined) this.#put(batch, operation, silent);
    else this.#inFlight.end(operation, refusal);
  }

  /** Looks again at what was good when it was handed over; no code but ours runs. @returns Why the kernel must not get it. */
  #judge(operation: Operation, isHere: boolean): Error | undefined {
    if (operation.isAborted) return operation.abortError;
    // Its memory may have been transferred while it waited.
    return operation.isDetached ? detachedView('buffer') : this.#substitute(operation, isHere);
  }

  /** Has the kernel given other memory, where the caller's may go away. @returns Why that cannot be. */
  #substitute(operation: Operation, isHere: boolean): Error | undefined {
    this.#bounces ??= bounces(this.#kernel);
    if (!this.#bounces || operation.substitute !== undefined || !needsBounce(operation, isHere))
      return undefined;
    try {
      operation.substitute = new BounceCopy(this.#kernel.memory, operation);
      return undefined;
    } catch (cause) {
      return errnoException(-ERRNO.ENOMEM, operation.syscall, { cause });
    }
  }

  /** @returns Whether the kernel has taken it without an iocb. */
  #startPlain(plain: PlainTransfers, operation: Operation): boolean {
    const { extent } = operation;
    if (extent === undefined || operation.rw_flags !== 0 || operation.priority !== 0) return false;
    const stays = this.#inFlight.pinPlain(operation, extent, operation.nbytes >= PIN_FROM_BYTES);
    const started = plain.start(operation, stays, this.#sink);
    if (!started) this.#inFlight.unpinPlain(operation);
    return started;
  }

  #put(batch: Batch, operation: Operation, silent: boolean): void {
    // In the order in which they were asked for.
    if (this.#plain !== undefined && batch.length === 0 && this.#startPlain(this.#plain, operation)) {
      this.#inFlight.put(operation);
      batch.plain++;
      return;
    }
    if (this.#names.hasChanged(operation)) {
      this.#inFlight.end(operation, errnoException(-ERRNO.EBADF, operation.syscall));
      return;
    }
    operation.isSilent = silent && operation.isTransfer;
    const data = this.#inFlight.put(operation);
    const { slot } = operation;
    this.#slab.prepare(
      slot,
      operation.opcode,
      operation.fd,
      operation.substitute?.buf ?? operation.buf,
      operation.substitute?.nbytes ?? operation.nbytes,
      operation.position,
      operation.rw_flags,
      (operation.isSilent ? 0 : IOCB_FLAG_RESFD) | (operation.priority === 0 ? 0 : IOCB_FLAG_IOPRIO),
      this.#eventfd,
      data,
      operation.priority,
    );
    batch.add(slot, operation.byteLength);
  }
}

/** @returns Why an operation has no descriptor any more. */
function staleness(operation: Operation): Error | undefined {
  try {
    return operation.isStale ? errnoException(-ERRNO.EBADF, operation.syscall) : undefined;
  } catch (error) {
    return error as Error;
  }
}
