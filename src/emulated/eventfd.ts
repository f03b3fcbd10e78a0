/** eventfd: a counter that is a file (`fs/eventfd.c`). */
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EFD_SEMAPHORE,
  POLLERR,
  POLLIN,
  POLLOUT,
} from '../common/abi/constants.ts';
import { ERRNO } from '../common/abi/errno.ts';
import { aio_complete } from './aio-complete.ts';
import type { File } from './files.ts';
import { accessibleBytes, Transfer } from './iov-iter.ts';
import { EIOCBQUEUED, type Kiocb } from './kiocb.ts';
import type { AddressSpace } from './mm.ts';
import { WaitQueue, type WakeFunction } from './wait-queue.ts';

const ULLONG_MAX = 0xffff_ffff_ffff_ffffn;
const COUNTER_BYTES = 8;
export const EFD_FLAGS = EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC;

export class EventFd implements File {
  readonly hasFsync = false;
  readonly mayWait = true;
  readonly poll_wait = new WaitQueue();
  readonly #mm: AddressSpace;
  readonly #semaphore: boolean;
  readonly #nonblocking: boolean;
  #count: bigint;
  #references = 1;

  constructor(mm: AddressSpace, initval: number, flags: number) {
    this.#mm = mm;
    this.#count = BigInt(initval);
    this.#semaphore = (flags & EFD_SEMAPHORE) !== 0;
    this.#nonblocking = (flags & EFD_NONBLOCK) !== 0;
  }

  get readable(): boolean {
    return this.#count > 0n;
  }

  /** `eventfd_read`. @returns The value, or `undefined` if there is none to take. */
  take(): bigint | undefined {
    if (this.#count === 0n) return undefined;
    const value = this.#semaphore ? 1n : this.#count;
    this.#count -= value;
    this.poll_wait.wake(POLLOUT);
    return value;
  }

  /** eventfd_read(3) for a caller that cannot be put to sleep. */
  readNow(): bigint {
    const value = this.take();
    if (value !== undefined) return value;
    // Nobody else runs while this thread sleeps, so nobody would ever write.
    return BigInt(this.#nonblocking ? -ERRNO.EAGAIN : -ERRNO.EDEADLK);
  }

  /** eventfd_write(3). */
  write(value: bigint): number {
    const added = BigInt.asUintN(64, value);
    if (added === ULLONG_MAX) return -ERRNO.EINVAL;
    if (this.#count + added >= ULLONG_MAX) return -ERRNO.EAGAIN;
    this.#count += added;
    this.poll_wait.wake(POLLIN);
    return 0;
  }

  /** `eventfd_signal`: the kernel's own write, which saturates and never waits. */
  signal(): void {
    if (this.#count < ULLONG_MAX) this.#count++;
    this.poll_wait.wake(POLLIN);
  }

  mayRead(): number {
    return 0;
  }

  mayWrite(): number {
    return -ERRNO.EINVAL;
  }

  read_iter(req: Kiocb): number {
    if (req.ki_nbytes < COUNTER_BYTES) return -ERRNO.EINVAL;
    if (this.#count > 0n) return this.#readInto(req);
    if (this.#nonblocking) return -ERRNO.EAGAIN;
    const entry: WakeFunction = (key) => {
      if (req.ki_cut) return true;
      if ((key & POLLIN) === 0 || this.#count === 0n) return false;
      req.ki_ctx.waiting.delete(req);
      aio_complete(req, this.#readInto(req));
      return true;
    };
    this.poll_wait.add(entry);
    req.ki_ctx.waiting.add(req);
    return -EIOCBQUEUED;
  }

  write_iter(): number {
    return -ERRNO.EINVAL;
  }

  fsync(): number {
    return -ERRNO.EINVAL;
  }

  poll(): number {
    let mask = 0;
    if (this.#count > 0n) mask |= POLLIN;
    if (this.#count === ULLONG_MAX) mask |= POLLERR;
    if (this.#count < ULLONG_MAX - 1n) mask |= POLLOUT;
    return mask;
  }

  get(): void {
    this.#references++;
  }

  put(): void {
    this.#references--;
  }

  /** References held: by the descriptor, by requests. */
  get references(): number {
    return this.#references;
  }

  /** As in Linux the counter is taken first, and lost if the memory faults. */
  #readInto(req: Kiocb): number {
    const value = this.take();
    if (value === undefined) return -ERRNO.EAGAIN;
    if (accessibleBytes(this.#mm, req, 'write') < COUNTER_BYTES) return -ERRNO.EFAULT;
    const transfer = new Transfer(req, COUNTER_BYTES);
    const bytes = new Uint8Array(BigUint64Array.of(value).buffer);
    let from = 0;
    for (const view of transfer.views ?? [
      transfer.bytes.subarray(transfer.at, transfer.at + COUNTER_BYTES),
    ]) {
      view.set(bytes.subarray(from, from + view.length));
      from += view.length;
    }
    transfer.copyToUser(this.#mm, COUNTER_BYTES);
    transfer.release();
    return COUNTER_BYTES;
  }
}
