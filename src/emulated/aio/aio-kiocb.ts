/** One request (`struct aio_kiocb`): what its file sees of it, and what this kernel keeps account of. */

import { BUG_ON } from '../bug.ts';
import type { EventFd } from '../files/eventfd.ts';
import type { File } from '../files/file.ts';
import { enterCall, interrupted, leaveCall, pendingFputs, whenFput } from '../files/fput.ts';
import type { Cancel, Kiocb } from '../files/kiocb.ts';
import { iov_iter_advance, type Segments } from '../memory/iov-iter.ts';
import type { Executor } from '../workqueue/executor.ts';
import type { Kioctx } from './kioctx.ts';

/** `ki_flags`: the request runs, and no kick can queue it now (the seed calls it locked). */
export const KIF_RUNNING = 1;
/** Kicked since its last run began. */
export const KIF_KICKED = 2;
/** Called off: it is not run any more, and ends with EINTR unless its file says otherwise. */
export const KIF_CANCELLED = 4;
/** Completed: it must not be touched any more. */
export const KIF_DONE = 8;
/** It has run. */
export const KIF_BEGUN = 16;
/** Its file would not give it up: to the file it goes on, although it is marked as cancelled (SEED-06). */
export const KIF_REFUSED = 32;

/** Makes progress. @returns A result, -EIOCBQUEUED or -EIOCBRETRY. */
export type Retry = (req: AioKiocb, executor: Executor) => number;

/** What the code above does with a request: a table, as the kernel has `ki_complete`, so that files need know nothing of it. */
export interface KiocbOperations {
  run(req: AioKiocb, executor: Executor): void;
  kick(req: AioKiocb): void;
  answer(req: AioKiocb, answer: number, executor: Executor): void;
  complete(req: AioKiocb, result: number): void;
}

/** A context of such requests. */
export type AioKioctx = Kioctx<AioKiocb>;

export class AioKiocb implements Kiocb {
  /** `undefined` for a synchronous request. */
  readonly ki_ctx: AioKioctx | undefined;
  readonly ki_opcode: number;
  /** Address of the user's iocb: `io_event.obj`. */
  readonly ki_user: number;
  readonly ki_dataLow: number;
  readonly ki_dataHigh: number;
  readonly ki_filp: File;
  /** Signalled at completion. */
  ki_eventfd: EventFd | undefined;
  /** Who has the request in hand: the submitter's path, and the I/O. */
  ki_users = 2;
  ki_flags = 0;
  /** Makes progress. */
  ki_retry: Retry | undefined;
  /** Calls the file's method again after a short transfer (`aio_rw_vect_retry` of the seed). */
  ki_loops = false;
  /** Place in the file. Rounded above 2^53, where no host has bytes. */
  ki_pos = 0;
  /** Address of the buffer, if there is one segment. */
  ki_buf = 0;
  /** Bytes in all segments. */
  ki_nbytes = 0;
  /** Bytes that are still to be moved: the progress of the request. */
  ki_left = 0;
  ki_segments: Segments | undefined;
  /** The segment to go on with. */
  ki_cur_seg = 0;
  ki_rw_flags = 0;
  /** Next on a list of requests to run. */
  ki_next: AioKiocb | undefined;
  /** Operations begun for it and not ended. */
  ki_begun = 0;
  /** Its context was destroyed while its operation ran: what comes of it is dropped. */
  ki_cut = false;
  /** How it is called off; only requests that have it can be. */
  ki_cancel: Cancel | undefined;
  /** Leaves the wait queue that the request waits in. */
  ki_wait: (() => void) | undefined;
  /** What a cancelled or synchronous request came to. */
  ki_result = 0;
  /** Wakes whoever waits for a synchronous request: it was kicked, or it is done. */
  ki_wake: (() => void) | undefined;
  readonly #operations: KiocbOperations;

  constructor(
    ctx: AioKioctx | undefined,
    opcode: number,
    user: number,
    dataLow: number,
    dataHigh: number,
    filp: File,
    eventfd: EventFd | undefined,
    operations: KiocbOperations,
  ) {
    this.ki_ctx = ctx;
    this.ki_opcode = opcode;
    this.ki_user = user;
    this.ki_dataLow = dataLow;
    this.ki_dataHigh = dataHigh;
    this.ki_filp = filp;
    this.ki_eventfd = eventfd;
    this.#operations = operations;
  }

  get isCancelled(): boolean {
    return (this.ki_flags & (KIF_CANCELLED | KIF_REFUSED)) === KIF_CANCELLED;
  }

  get ki_endsQueued(): boolean {
    return this.ki_ctx?.profile.loopsTransfers === true;
  }

  get isDone(): boolean {
    return (this.ki_flags & KIF_DONE) !== 0;
  }

  activate(): void {
    this.ki_ctx?.active_reqs.add(this);
  }

  /** `aio_advance_iovec` of the seed. */
  advance(bytes: number): void {
    iov_iter_advance(this, bytes);
    // A stream has no places.
    if (this.ki_filp.isStream !== true) this.ki_pos += bytes;
  }

  run(executor: Executor): void {
    enterCall();
    try {
      this.#operations.run(this, executor);
    } finally {
      leaveCall();
    }
  }

  kick(): void {
    this.#operations.kick(this);
  }

  answer(answer: number, executor: Executor): void {
    this.#operations.answer(this, answer, executor);
  }

  complete(result: number): void {
    this.#operations.complete(this, result);
  }
}

/** Drops a reference. The last one puts the file, and only then is the request gone. */
export function aio_put_req(req: AioKiocb): void {
  req.ki_users--;
  if (req.ki_users > 0) return;
  const ctx = req.ki_ctx;
  if (ctx?.debug === true) BUG_ON(req.ki_users < 0, 'a request was put once too often');
  req.ki_cancel = undefined;
  if (ctx?.profile.defersFputs === true) interrupted(() => putFile(req, ctx));
  else putFile(req, ctx);
}

function putFile(req: AioKiocb, ctx: AioKioctx | undefined): void {
  const before = pendingFputs();
  req.ki_filp.put();
  if (ctx === undefined) return;
  // The last put of a file is made later, and the request lives until then.
  if (pendingFputs() === before) ctx.freed(req);
  else whenFput(() => ctx.freed(req));
}
