/** Foretells whether completions come so soon that looking for them beats being woken. */

/** In flight at most: with more, many complete at a time, and one wake-up serves them all. */
const MOST_POLLED = 4;
/** Batches that go by before polling is tried again after a failure. */
const MOST_SKIPPED = 4096;
/** How long nobody polls after the CPU was given to somebody else meanwhile; twice as long when that happens again soon. */
const FIRST_REST_MS = 16;
const LAST_REST_MS = 2048;

/**
 * Being woken through an eventfd costs a sleep, a wake-up and three system calls, about half of what a fast device takes for a read
 * (measured on Linux 6.18). With few requests in flight nobody shares that cost. Where CPUs are wanted by others it is the other way: who
 * sleeps is given one at once when he is woken, and who polls uses up his time and waits for his turn.
 */
export class PollForecast {
  #toSkip = 0;
  #skipNext = 1;
  #restMs = FIRST_REST_MS;
  #restsUntil = 0;

  /**
   * Whether the next batch is to be polled for.
   *
   * @param inFlight - Requests in flight, the batch included.
   */
  accepts(inFlight: number): boolean {
    if (inFlight > MOST_POLLED) return false;
    if (this.#restsUntil !== 0) {
      if (performance.now() < this.#restsUntil) return false;
      this.#restsUntil = 0;
      this.#triedMs = performance.now();
    }
    if (this.#toSkip === 0) return true;
    this.#toSkip--;
    return false;
  }

  #triedMs = Number.NEGATIVE_INFINITY;

  /** The thread was away while somebody looked. */
  pushedOff(): void {
    const now = performance.now();
    if (this.#restsUntil !== 0) return;
    // Soon: before it has polled for as long as it had rested.
    const isSoon = now - this.#triedMs < this.#restMs;
    this.#restMs = isSoon ? Math.min(this.#restMs * 2, LAST_REST_MS) : FIRST_REST_MS;
    this.#restsUntil = now + this.#restMs;
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
