/** eventfd: a counter that is a file (`fs/eventfd.c`). */
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EFD_SEMAPHORE,
  POLLERR,
  POLLIN,
  POLLOUT,
} from '../../common/abi/constants.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import { copy_to_iter } from '../memory/iov-iter.ts';
import type { AddressSpace } from '../memory/mm.ts';
import type { File } from './file.ts';
import type { Kiocb } from './kiocb.ts';
import { OwnFile } from './own-file.ts';
import { prepare_to_wait_exclusive, WaitQueue } from './wait-queue.ts';

const ULLONG_MAX = 0xffff_ffff_ffff_ffffn;
const COUNTER_BYTES = 8;
export const EFD_FLAGS = EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC;

export class EventFd extends OwnFile implements File {
  readonly runsInSubmit = true;
  readonly hasFsync = false;
  readonly mayWait = true;
  readonly poll_wait = new WaitQueue();
  readonly #mm: AddressSpace;
  readonly #semaphore: boolean;
  readonly #nonblocking: boolean;
  #count: bigint;

  constructor(mm: AddressSpace, initval: number, flags: number) {
    super();
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
    this.poll_wait.wakeAll(POLLOUT);
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
    this.poll_wait.wakeAll(POLLIN);
    return 0;
  }

  /** `eventfd_signal`: the kernel's own write, which saturates and never waits. */
  signal(): void {
    if (this.#count < ULLONG_MAX) this.#count++;
    this.poll_wait.wakeAll(POLLIN);
  }

  mayRead(): number {
    return 0;
  }

  mayWrite(): number {
    return -ERRNO.EINVAL;
  }

  read_iter(req: Kiocb): number {
    if (req.ki_left < COUNTER_BYTES) return -ERRNO.EINVAL;
    if (this.#count > 0n) return this.#readInto(req);
    if (this.#nonblocking) return -ERRNO.EAGAIN;
    return prepare_to_wait_exclusive(req, this.poll_wait, () => this.readable);
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

  /** As in Linux the counter is taken first, and lost if the memory faults. */
  #readInto(req: Kiocb): number {
    const value = this.take();
    if (value === undefined) return -ERRNO.EAGAIN;
    const copied = copy_to_iter(this.#mm, req, new Uint8Array(BigUint64Array.of(value).buffer));
    // What there was room for has been written all the same.
    return copied < COUNTER_BYTES ? -ERRNO.EFAULT : copied;
  }
}
