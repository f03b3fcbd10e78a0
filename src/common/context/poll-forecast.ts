/** Foretells whether completions come so soon that looking for them beats being woken. */

/** In flight at most: with more, many complete at a time, and one wake-up serves them all. */
const MOST_POLLED = 4;
/** Batches that go by before polling is tried again after a failure. */
const MOST_SKIPPED = 4096;

/**
 * Being woken through an eventfd costs a sleep, a wake-up and three system calls, about half of what a fast device takes for a read
 * (measured on Linux 6.18). With few requests in flight nobody shares that cost.
 */
export class PollForecast {
  #toSkip = 0;
  #skipNext = 1;

  /**
   * Whether the next batch is to be polled for.
   *
   * @param inFlight - Requests in flight, the batch included.
   */
  accepts(inFlight: number): boolean {
    if (inFlight > MOST_POLLED) return false;
    if (this.#toSkip === 0) return true;
    this.#toSkip--;
    return false;
  }

  /** A request was found in time. */
  hit(): void {
    this.#skipNext = Math.max(1, this.#skipNext >> 1);
  }

  /** Somebody looked many times and found nothing. */
  missed(): void {
    this.#toSkip = this.#skipNext;
    this.#skipNext = Math.min(this.#skipNext * 2, MOST_SKIPPED);
  }
}
