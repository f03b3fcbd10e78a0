/** A request for a file of the user's own: what the file sees, and what becomes of its answers. */
import { ERRNO } from '../../common/abi/errno.ts';
import { errnoException } from '../../common/errors.ts';
import { validateInteger } from '../../common/validate.ts';
import { linuxErrno } from '../errno-translation.ts';
import { EIOCBQUEUED, EIOCBRETRY } from '../kernel-errno.ts';
import { accessibleBytes, copy_from_iter, copy_to_iter } from '../memory/iov-iter.ts';
import type { AddressSpace } from '../memory/mm.ts';
import { inline } from '../workqueue/inline.ts';
import type { FileAnswer, FileOperations, FileRequest } from './file-operations.ts';
import type { Kiocb } from './kiocb.ts';

const MAX_ERRNO = 4095;

/** Tells the process that a file of the user's own breaks the rules. */
export function warnFaulty(what: string, cause?: unknown): void {
  const detail = cause instanceof Error ? (cause.stack ?? cause.message) : undefined;
  process.emitWarning(`A file installed in an emulated kernel ${what}`, {
    type: 'AioWarning',
    code: 'AIO_FAULTY_FILE',
    ...(detail === undefined ? {} : { detail }),
  });
}

/** The errno for what a file threw. Only a code that means something passes without a warning. */
export function errnoOf(
  error: unknown,
  operation: string,
  consequence = '; the request ends with EIO',
): number {
  const errno = linuxErrno(error);
  const named = typeof error === 'object' && error !== null && 'code' in error;
  if (errno === -ERRNO.EIO && !(named && error.code === 'EIO')) {
    warnFaulty(`threw in ${operation}${consequence}`, error);
  }
  return errno;
}

export type Operation = FileRequest['operation'];

/** Where the run that goes on stands: no run, inside the method, or its answer is awaited. */
type State = 'idle' | 'called' | 'awaited';

export class UserRequest implements FileRequest {
  readonly operation: Operation;
  readonly #req: Kiocb;
  readonly #mm: AddressSpace;
  #state: State = 'idle';
  /** What `complete()` was called with inside the method. */
  #early: number | undefined;
  /** Which run goes on: a promise of an earlier one is late. */
  #runs = 0;
  /** Its file is giving it up just now, and may say what it came to. */
  #isCalledOff = false;
  #bytes: Uint8Array | undefined;

  constructor(req: Kiocb, operation: Operation, mm: AddressSpace) {
    this.#req = req;
    this.operation = operation;
    this.#mm = mm;
  }

  get position(): number {
    return this.#req.ki_pos;
  }

  get length(): number {
    return this.#req.ki_left;
  }

  get rw_flags(): number {
    return this.#req.ki_rw_flags;
  }

  get isOver(): boolean {
    return this.#isWithdrawn || this.#req.isDone;
  }

  /** Not the file ended it: what the file still has to say comes late, and is no fault. */
  get #isWithdrawn(): boolean {
    if (this.#isCalledOff) return false;
    return this.#req.ki_cut || this.#req.isCancelled;
  }

  get bytes(): Uint8Array {
    this.#bytes ??= this.#makeBytes();
    return this.#bytes;
  }

  advance(count: number): void {
    validateInteger('count', count, 0, this.bytes.length);
    if (count === 0 || this.isOver) return;
    const moved = this.#handOut(count);
    // The submitter's memory may have gone meanwhile; the next run finds that out.
    if (moved <= 0) return;
    this.#bytes = this.bytes.subarray(moved);
    this.#req.advance(moved);
  }

  kick(): void {
    if (!this.isOver) this.#req.kick();
  }

  complete(answer: FileAnswer): void {
    this.#tell(answer, true);
  }

  /** @param ends - Whether the file ends the request by it, as far as the kernel tells that from the end of a run. */
  #tell(answer: FileAnswer, ends: boolean): void {
    if (this.#state === 'called' && this.#early === undefined) this.#early = this.#check(answer);
    else if (this.#state === 'awaited')
      this.#settle(this.#isWithdrawn ? -ERRNO.EINTR : this.#check(answer), ends);
    else if (!this.#isWithdrawn && !this.#isCalledOff)
      warnFaulty(`answered a ${this.operation} that it had answered already`);
  }

  /** One run. @returns As a file's method does. */
  run(method: (request: FileRequest) => FileAnswer | Promise<FileAnswer> | undefined): number {
    const req = this.#req;
    this.#state = 'called';
    this.#early = undefined;
    this.#runs++;
    // The memory of a run before this may still be written by the file.
    this.#bytes = undefined;
    let answer: FileAnswer | Promise<FileAnswer> | undefined;
    try {
      answer = method(this);
    } catch (error) {
      answer = errnoOf(error, this.operation);
    }
    this.#state = 'idle';
    const promise = isPromise(answer) ? answer : undefined;
    const early = this.#early as number | undefined;
    if (early !== undefined && answer !== undefined)
      warnFaulty(`answered a ${this.operation} twice; the first answer counts`);
    const result = early ?? (answer === undefined || isPromise(answer) ? undefined : this.#check(answer));
    // The method may have destroyed its own context: then nothing may be handed out any more. One that was called off from
    // inside, and has not answered, is not waited for.
    const isGone = req.ki_ctx?.dead === true || (result === undefined && this.#isWithdrawn);
    if (isGone || result !== undefined) {
      promise?.then(undefined, () => {});
      if (isGone) return -ERRNO.EINTR;
      if (early === undefined || !this.#isEnd(early)) return this.#take(result!);
      req.complete(this.#take(early));
      return -EIOCBQUEUED;
    }
    this.#await(promise);
    return -EIOCBQUEUED;
  }

  /** `ki_cancel`. @returns 0 if the request ends. */
  cancel(operations: FileOperations): number {
    let answer: boolean | undefined;
    this.#isCalledOff = true;
    try {
      answer = operations.cancel!(this);
    } catch (error) {
      return errnoOf(error, 'cancel', '; the request goes on');
    } finally {
      this.#isCalledOff = false;
    }
    if (answer === false) return this.#req.isDone ? 0 : -ERRNO.EAGAIN;
    if (this.#state === 'awaited' && !this.#req.isDone) {
      this.#state = 'idle';
      this.#req.complete(-ERRNO.EINTR);
      this.#ended();
    }
    return 0;
  }

  #await(answer: Promise<FileAnswer> | undefined): void {
    const req = this.#req;
    this.#state = 'awaited';
    req.ki_ctx?.began(req);
    if (req.ki_cancel !== undefined) req.activate();
    const run = this.#runs;
    const settle = (value: () => FileAnswer): void => {
      if (run === this.#runs) this.#tell(this.#isWithdrawn ? -ERRNO.EINTR : value(), false);
      else if (!this.#isWithdrawn) warnFaulty(`answered a ${this.operation} that it had answered already`);
    };
    answer?.then(
      (value) => settle(() => value),
      (error: unknown) => settle(() => errnoOf(error, this.operation)),
    );
  }

  /** The answer to a run that was left waiting. */
  #settle(answer: number, ends: boolean): void {
    const req = this.#req;
    if (this.#state !== 'awaited') return;
    this.#state = 'idle';
    if (req.ki_cut) req.complete(-ERRNO.EINTR);
    else if (ends && this.#isEnd(answer)) req.complete(this.#take(answer));
    else req.answer(this.#take(answer), inline);
    this.#ended();
  }

  /** Whether what the file said by `complete()` is the end of the request, rather than of one call of its method. */
  #isEnd(answer: number): boolean {
    return this.#req.ki_endsQueued && answer !== -EIOCBRETRY;
  }

  #ended(): void {
    const req = this.#req;
    // A context that is gone may have given up on it.
    if (req.ki_begun > 0) req.ki_ctx?.ended(req);
  }

  /** Makes a result of an answer; the bytes of a read are handed out. */
  #take(answer: number): number {
    if (answer > 0 && this.operation === 'read') return this.#handOut(answer);
    return answer;
  }

  #handOut(count: number): number {
    if (this.operation !== 'read' || this.#req.ki_cut) return count;
    let bytes: Uint8Array;
    try {
      bytes = this.bytes.subarray(0, count);
    } catch {
      return -ERRNO.ENOMEM;
    }
    const copied = copy_to_iter(this.#mm, this.#req, bytes);
    return copied === 0 ? -ERRNO.EFAULT : copied;
  }

  /** An answer as the kernel understands it. */
  #check(answer: unknown): number {
    if (answer === 'retry') return -EIOCBRETRY;
    const most = this.#most;
    if (typeof answer !== 'number' || !Number.isInteger(answer) || answer < -MAX_ERRNO) {
      warnFaulty(`answered a ${this.operation} with ${String(answer)}; the request ends with EIO`);
      return -ERRNO.EIO;
    }
    // What no errno is called would be taken for a word of the kernel's own.
    if (answer === -EIOCBQUEUED || answer === -EIOCBRETRY) return -ERRNO.EIO;
    if (answer > most) {
      warnFaulty(`answered ${answer} to a ${this.operation} of ${most} bytes; the request ends with EIO`);
      return -ERRNO.EIO;
    }
    return answer;
  }

  /** Bytes that can be moved at most. */
  get #most(): number {
    if (this.operation !== 'read' && this.operation !== 'write') return 0;
    return (
      this.#bytes?.length ??
      accessibleBytes(this.#mm, this.#req, this.operation === 'read' ? 'write' : 'read')
    );
  }

  #makeBytes(): Uint8Array {
    const req = this.#req;
    const reading = this.operation === 'read';
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(this.#most);
    } catch (cause) {
      throw errnoException(-ERRNO.ENOMEM, this.operation, { cause });
    }
    if (!reading) copy_from_iter(this.#mm, req, bytes);
    return bytes;
  }
}

function isPromise(value: unknown): value is Promise<FileAnswer> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
