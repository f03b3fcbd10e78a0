/** How many operations may be with an executor at once. */

/** An operation that took longer than this, its time in the executor's own queue included, was no short one. */
const SHORT_MS = 5;
/** What each of several threads moves at least, out of memory, behind what was queued before it. */
const BYTES_PER_MS = 100_000;

/**
 * Few, so that a slow device or a pipe leaves threads to others; many while they are short, because a thread that finds nothing
 * more to do goes to sleep, and waking one costs several times what a cached read takes.
 *
 * What must wait behind short ones waits for some milliseconds. Once an operation has taken longer, it is as many as would have ended
 * in time: a slow device brings that down to few at once, while a busy CPU takes away no more than its share.
 */
export class Allowance {
  readonly #least: number;
  readonly #most: number;
  #now: number;

  /** @param most - While operations are short. */
  constructor(least: number, most = least) {
    this.#least = Math.max(1, least);
    this.#most = Math.max(this.#least, most);
    this.#now = this.#least;
  }

  /** Whether it ever changes: then somebody has to measure. */
  get isElastic(): boolean {
    return this.#most > this.#least;
  }

  /**
   * Whether one more may begin.
   *
   * @param brief - Operations under way that are certain to end.
   * @param waiting - Operations under way that may wait for somebody else for ever.
   */
  hasRoom(brief: number, waiting: number): boolean {
    if (!this.isElastic) return brief + waiting < this.#least;
    return brief < (waiting > 0 ? this.#least : this.#now);
  }

  /** Whether one more may begin that may wait for ever: those hold threads, of which one is left to everything else. */
  hasRoomToWait(waiting: number): boolean {
    return waiting < this.#least;
  }

  /**
   * Takes note of how long an operation took.
   *
   * @param bytes - That it moved: copying many is no sign of a slow device.
   */
  took(ms: number, bytes = 0): void {
    const shortMs = SHORT_MS + bytes / BYTES_PER_MS;
    const fitting = ms > shortMs ? Math.floor((this.#now * shortMs) / ms) : this.#now * 2;
    this.#now = Math.max(this.#least, Math.min(fitting, this.#most));
  }
}
