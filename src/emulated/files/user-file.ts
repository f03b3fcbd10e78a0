/** A file whose operations the user supplies. */
import { ERRNO } from '../../common/abi/errno.ts';
import { invalidArgType } from '../../common/validate.ts';
import { accessibleBytes } from '../memory/iov-iter.ts';
import type { AddressSpace } from '../memory/mm.ts';
import { DEFAULT_POLLMASK, type File } from './file.ts';
import type { FileOperations, FileRequest } from './file-operations.ts';
import { enterCall, leaveMethod } from './fput.ts';
import type { Cancel, Kiocb } from './kiocb.ts';
import { OwnFile } from './own-file.ts';
import { errnoOf, type Operation, UserRequest, warnFaulty } from './user-request.ts';
import { WaitQueue } from './wait-queue.ts';

const METHODS = ['read', 'write', 'fsync', 'fdatasync', 'poll', 'cancel', 'release'] as const;

type Transfer = 'read' | 'write';

export class UserFile extends OwnFile implements File {
  readonly runsInSubmit = true;
  readonly mayWait = true;
  readonly mayNeverAnswer = true;
  readonly ownFsync = true;
  readonly poll_wait: WaitQueue | undefined;
  readonly #mm: AddressSpace;
  readonly #operations: FileOperations;
  readonly #requests = new WeakMap<Kiocb, UserRequest>();
  readonly #cancel: Cancel | undefined;

  /** @throws TypeError `ERR_INVALID_ARG_TYPE` for what is no file operations. */
  constructor(mm: AddressSpace, operations: FileOperations) {
    super();
    validateOperations(operations);
    this.#mm = mm;
    this.#operations = operations;
    this.poll_wait = operations.poll === undefined ? undefined : new WaitQueue();
    this.#cancel =
      operations.cancel === undefined
        ? undefined
        : (req) => this.#requests.get(req)?.cancel(operations) ?? -ERRNO.EAGAIN;
  }

  get isStream(): boolean {
    return this.#operations.stream === true;
  }

  get hasFsync(): boolean {
    return this.#operations.fsync !== undefined;
  }

  get hasFdatasync(): boolean {
    return this.#operations.fdatasync !== undefined || this.hasFsync;
  }

  mayRead(): number {
    return this.#operations.read === undefined ? -ERRNO.EINVAL : 0;
  }

  mayWrite(): number {
    return this.#operations.write === undefined ? -ERRNO.EINVAL : 0;
  }

  read_iter(req: Kiocb): number {
    return this.#transfer(req, 'read');
  }

  write_iter(req: Kiocb): number {
    return this.#transfer(req, 'write');
  }

  fsync(req: Kiocb, datasync: boolean): number {
    const operations = this.#operations;
    const weaker = datasync && operations.fdatasync !== undefined;
    return this.#run(req, datasync ? 'fdatasync' : 'fsync', weaker ? 'fdatasync' : 'fsync');
  }

  poll(): number {
    const { poll } = this.#operations;
    if (poll === undefined) return DEFAULT_POLLMASK;
    try {
      const bits: unknown = poll.call(this.#operations);
      if (typeof bits === 'number' && Number.isInteger(bits) && bits >= 0 && bits <= 0xffff) return bits;
      warnFaulty(`answered a poll with ${String(bits)}; it counts as not ready`);
    } catch (error) {
      errnoOf(error, 'poll', '; it counts as not ready');
    }
    return 0;
  }

  protected override release(): void {
    try {
      this.#operations.release?.();
    } catch (error) {
      warnFaulty('threw in release', error);
    }
  }

  #transfer(req: Kiocb, operation: Transfer): number {
    if (req.ki_pos < 0 && !this.isStream) return -ERRNO.EINVAL;
    if (req.ki_left === 0) return 0;
    if (accessibleBytes(this.#mm, req, operation === 'read' ? 'write' : 'read') === 0) return -ERRNO.EFAULT;
    return this.#run(req, operation, operation);
  }

  #run(req: Kiocb, operation: Operation, name: Operation): number {
    const operations = this.#operations;
    let request = this.#requests.get(req);
    if (request === undefined) {
      request = new UserRequest(req, operation, this.#mm);
      this.#requests.set(req, request);
      req.ki_cancel = this.#cancel;
    }
    // By name at each run, as a method: files may be objects with state, and tests replace methods.
    enterCall();
    try {
      return request.run((view: FileRequest) => operations[name]!(view));
    } finally {
      leaveMethod();
    }
  }
}

function validateOperations(operations: unknown): void {
  if (typeof operations !== 'object' || operations === null) {
    throw invalidArgType(
      'operations',
      'an object with any of read, write, fsync, fdatasync, poll, cancel, release',
      operations,
    );
  }
  for (const name of METHODS) {
    const method: unknown = Reflect.get(operations, name);
    if (method !== undefined && typeof method !== 'function') {
      throw invalidArgType(`operations.${name}`, 'a function', method);
    }
  }
}
