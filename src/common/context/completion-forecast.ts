/** Foretells whether requests will have completed when `io_submit` returns: then nobody needs to be woken for them. */

/** Batches that completed inside the call before the next is trusted to. */
const FIRST_STREAK = 8;
const LAST_STREAK = 4096;

/**
 * Cached buffered reads complete inside `io_submit` (BLOCK-01), and signalling an eventfd that the event loop watches costs
 * an eighth of such a read (measured on Linux 6.18), for a wake-up that finds nothing.
 */
export class CompletionForecast {
  #streak = 0;
  #needed = FIRST_STREAK;

  /** Whether the next batch is expected to complete inside the call. */
  get isInline(): boolean {
    return this.#streak >= this.#needed;
  }

  /** Takes note of a batch. @param left - Its requests that were still in flight after the call. */
  saw(left: number): void {
    if (left === 0) {
      this.#streak++;
      return;
    }
    // Wrong: a longer run is asked for before the next prediction.
    if (this.isInline) this.#needed = Math.min(this.#needed * 2, LAST_STREAK);
    this.#streak = 0;
  }
}
