/** A fair share of each turn of the event loop. */

/** Batches, and requests in them, before timers and I/O get their turn. */
const MOST_BATCHES = 64;
const MOST_REQUESTS = 512;
/** Bytes of them: copying these from the page cache takes about a millisecond. */
const MOST_BYTES = 1 << 22;

/**
 * Says how long work may go on in ticks: cached reads complete inside `io_submit`, so ticks could follow each other for ever.
 *
 * It counts and looks at no clock, because a simulated kernel's history must not depend on how fast the host is. Nor does it ask when a turn
 * of the event loop is over, which costs an immediate in each: what was done since the last share began may have taken many turns, and a
 * turn more after so much work is no loss.
 */
export class Turn {
  #batches = 0;
  #requests = 0;
  #bytes = 0;

  /** Counts a batch. @returns Whether it may still be dealt with in this turn; else {@link next} is to be called in the next one. */
  takeBatch(): boolean {
    return this.#batches++ < MOST_BATCHES && this.#requests < MOST_REQUESTS && this.#bytes < MOST_BYTES;
  }

  /** Bytes after which the next batch is full. */
  get bytesLeft(): number {
    return MOST_BYTES - this.#bytes;
  }

  /** Counts what was in a batch, when it is known. */
  count(requests: number, bytes: number): void {
    this.#requests += requests;
    this.#bytes += bytes;
  }

  /** A new turn of the event loop has begun, with a share of its own. */
  next(): void {
    this.#batches = 0;
    this.#requests = 0;
    this.#bytes = 0;
  }
}
