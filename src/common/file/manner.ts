/** How a transfer of a file is to be made, beyond what is moved and where. */

export class Manner {
  /** RWF_* bits beside those that the route needs. */
  readonly rw_flags: number;
  /** `aio_reqprio`; 0 is none. */
  readonly priority: number;
  /** Bytes that were durable when the kernel said that they were written: those that went another way are not. */
  durableBytes = 0;

  constructor(rw_flags: number, priority: number) {
    this.rw_flags = rw_flags;
    this.priority = priority;
  }
}

/** What a call says of its transfer, beside what is moved and where. */
export interface Call {
  readonly signal?: AbortSignal | undefined;
  /** Whether it is cut to fit, however the file was opened: it is kaio that decides about its pieces. */
  readonly cut?: boolean | undefined;
  readonly manner?: Manner | undefined;
}
