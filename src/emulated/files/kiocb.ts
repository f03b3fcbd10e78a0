/** What a request is to the file that serves it (`struct kiocb`). */
import type { IovIter } from '../memory/iov-iter.ts';
import type { WorkContext, WorkRequest } from '../workqueue/aio-wq.ts';
import type { Executor } from '../workqueue/executor.ts';

/**
 * Gives a request up.
 *
 * @returns 0 if it ends: now, by {@link Kiocb.complete}, or with EINTR. Else a negative errno: it goes on.
 */
export type Cancel = (req: Kiocb) => number;

export interface Kiocb extends IovIter, WorkRequest {
  /** `undefined` for a synchronous request. */
  readonly ki_ctx: (WorkContext & { readonly dead: boolean }) | undefined;
  /** Place in the file. Rounded above 2^53, where no host has bytes. */
  ki_pos: number;
  readonly ki_rw_flags: number;
  /** Its context was destroyed while its operation ran: what comes of it is dropped. */
  readonly ki_cut: boolean;
  /** Operations begun for it and not ended. */
  readonly ki_begun: number;
  /** How it is called off; only requests that have it can be. */
  ki_cancel: Cancel | undefined;
  /** What a file tells of a request that it had queued is the event's as it stands (SEED-03); else {@link answer} looks at it. */
  readonly ki_endsQueued: boolean;
  /** Leaves the wait queue that the request waits in. */
  ki_wait: (() => void) | undefined;
  /** Called off: it is not run any more, and ends with EINTR unless its file says otherwise. */
  readonly isCancelled: boolean;
  /** Completed: it must not be touched any more. */
  readonly isDone: boolean;
  /** From now on `io_cancel` finds it, if it has a {@link ki_cancel}. */
  activate(): void;
  /** Moves it on by `bytes`: in its segments, and in its file where that has places. */
  advance(bytes: number): void;
  /** Has it run once more, soon: what it waits for may have come. */
  kick(): void;
  /**
   * What a method that answered -EIOCBQUEUED has come to, which ends that run: a result, or -EIOCBRETRY.
   *
   * A file whose transfers may be short tells them here rather than by {@link complete}, so that a request that loops goes on.
   */
  answer(answer: number, executor: Executor): void;
  /** Its end. It must not be touched afterwards. */
  complete(result: number): void;
}
