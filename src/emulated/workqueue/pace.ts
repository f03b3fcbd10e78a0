/** Whether transfers of one direction are quick enough for the thread: those that were slow give it a rest, which is longer each time. */

/** More than by chance: the thread may have waited for a CPU. */
const QUICK_BETWEEN = 16;
export const LEAST_REST = 64;
export const MOST_REST = 4096;

export class Pace {
  #slow = 0;
  #quickInRow = 0;
  /** Transfers that go elsewhere before the next try. */
  #rest = 0;
  #lastRest = LEAST_REST / 2;
  readonly #mostRest: number;
  readonly #quickBetween: number;

  /** @param quickBetween - A slow one after more quick ones than this costs no rest. */
  constructor(mostRest = MOST_REST, quickBetween = QUICK_BETWEEN) {
    this.#mostRest = mostRest;
    this.#quickBetween = quickBetween;
  }

  /** Whether the thread is to have the next one. To be asked once for each. */
  mayGo(): boolean {
    if (this.#rest === 0) return true;
    this.#rest--;
    return false;
  }

  ended(): void {
    this.#quickInRow++;
  }

  /**
   * To be called when {@link Pace.ended} has been, for each that has.
   *
   * @param slow - How many have been slow ever since, modulo 2^32.
   * @returns Whether what waits behind them has to go elsewhere.
   */
  sees(slow: number): boolean {
    const some = (slow - this.#slow) | 0;
    const wereQuick = this.#quickInRow;
    if (some === 0) {
      // More than went elsewhere: what it rested for is over, and the next slow one is not one more of the same.
      if (wereQuick > this.#lastRest) this.#lastRest = LEAST_REST / 2;
      return false;
    }
    this.#slow = slow;
    this.#quickInRow = 0;
    // They were under way when the rest began, for nothing has begun since.
    if (this.#rest > 0) return false;
    if (some === 1 && wereQuick > this.#quickBetween) {
      this.#lastRest = LEAST_REST / 2;
      return false;
    }
    this.slowDown();
    return true;
  }

  /** A rest, unless it has one: what was slow had begun before it, too. */
  slowDown(): void {
    if (this.#rest > 0) return;
    this.#lastRest = Math.min(2 * this.#lastRest, this.#mostRest);
    this.#rest = this.#lastRest;
  }
}
