/** One request. */

import type { EventFd } from './eventfd.ts';
import type { File } from './files.ts';
import type { Kioctx } from './kioctx.ts';
import type { Executor } from './workqueue/executor.ts';

/**
 * What a file's method answers when somebody will complete the request later (`linux/errno.h`, internal to the kernel).
 *
 * Every other answer is the result: a count, or a negative errno.
 */
export const EIOCBQUEUED = 529;

/** Segments of a vectored request, captured at submission. */
export interface Segments {
  readonly base: readonly number[];
  readonly length: readonly number[];
}

export class Kiocb {
  readonly ki_ctx: Kioctx;
  readonly ki_opcode: number;
  /** Address of the user's iocb: `io_event.obj`. */
  readonly ki_user: number;
  readonly ki_dataLow: number;
  readonly ki_dataHigh: number;
  readonly ki_filp: File;
  /** Signalled at completion. */
  ki_eventfd: EventFd | undefined;
  /** Place in the file. Rounded above 2^53, where no host has bytes. */
  ki_pos = 0;
  /** Address of the buffer, if there is one segment. */
  ki_buf = 0;
  /** Bytes in all segments, at most MAX_RW_COUNT. */
  ki_nbytes = 0;
  ki_segments: Segments | undefined;
  ki_rw_flags = 0;
  /** Next on the run list. */
  ki_next: Kiocb | undefined;
  /** Its context was destroyed while its operation ran: what comes of it is dropped. */
  ki_cut = false;
  /** What is called off if the request is cancelled; only requests that have it can be. */
  ki_cancel: (() => void) | undefined;

  constructor(
    ctx: Kioctx,
    opcode: number,
    user: number,
    dataLow: number,
    dataHigh: number,
    filp: File,
    eventfd: EventFd | undefined,
  ) {
    this.ki_ctx = ctx;
    this.ki_opcode = opcode;
    this.ki_user = user;
    this.ki_dataLow = dataLow;
    this.ki_dataHigh = dataHigh;
    this.ki_filp = filp;
    this.ki_eventfd = eventfd;
  }
}

/** Runs a request once, on `executor`. @returns Its result, or -EIOCBQUEUED. */
export type Retry = (req: Kiocb, executor: Executor) => number;
