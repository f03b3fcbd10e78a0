/** What a file can be asked for. */
import type { AddressSpace } from '../memory/mm.ts';
import type { WorkQueue } from '../workqueue/aio-wq.ts';
import type { Executor } from '../workqueue/executor.ts';
import type { Kiocb } from './kiocb.ts';
import type { WaitQueue } from './wait-queue.ts';

/**
 * An open file and its `file_operations`.
 *
 * `read_iter`, `write_iter` and `fsync` answer a result; or -EIOCBQUEUED, and then tell the result later by {@link Kiocb.answer}; or
 * -EIOCBRETRY, and then {@link Kiocb.kick} has them called again. They move bytes from `ki_pos` on, at most `ki_left`, to or from the
 * segments from `ki_cur_seg` on.
 */
export interface File {
  /**
   * Why a read is refused at submission: 0, -EBADF (open mode), or -EINVAL (no such method).
   *
   * @param synchronous - For read(2), to which some files answer that have no `read_iter`.
   */
  mayRead(synchronous?: boolean): number;
  /** Why a write is refused at submission. */
  mayWrite(synchronous?: boolean): number;
  readonly hasFsync: boolean;
  /** A read may have to wait for somebody else, for ever perhaps. */
  readonly mayWait: boolean;
  /** Its methods never hold this thread, so that `io_submit` runs them at once, as Linux does. Absent: no. */
  readonly runsInSubmit?: boolean;
  /** Operations that it began may have no end. Absent: no. */
  readonly mayNeverAnswer?: boolean;
  /** A fifo or a socket: a short read has brought what there is (SEED-03). Absent: no. */
  readonly isStream?: boolean;
  /** FDSYNC works. Absent: as `hasFsync`. */
  readonly hasFdatasync?: boolean;
  /** Whether the file and not the host syncs: then FSYNC works in every profile (FSYNC-02). Absent: no. */
  readonly ownFsync?: boolean;
  read_iter(req: Kiocb, executor: Executor): number;
  write_iter(req: Kiocb, executor: Executor): number;
  fsync(req: Kiocb, datasync: boolean, executor: Executor): number;
  /** Poll bits that hold now. */
  poll(): number;
  /** Where a poll can wait; without one, a poll that is not ready at once is refused. */
  readonly poll_wait: WaitQueue | undefined;
  /** Takes a reference. */
  get(): void;
  /** Drops one. */
  put(): void;
}

/** What a file without a poll method counts as: ready to read and to write (`linux/poll.h:DEFAULT_POLLMASK`). */
export const DEFAULT_POLLMASK = 0x145;

/** What files that move bytes in the background need of their kernel. */
export interface FileSupport {
  readonly mm: AddressSpace;
  readonly work: WorkQueue;
}
