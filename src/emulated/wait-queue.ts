/** Who wants to know that a file became ready. */

/** Called on a wake-up. @returns Whether it is done and leaves the queue. */
export type WakeFunction = (key: number) => boolean;

export class WaitQueue {
  readonly #entries = new Set<WakeFunction>();
  readonly #pending: number[] = [];
  #waking = false;

  add(entry: WakeFunction): void {
    this.#entries.add(entry);
  }

  remove(entry: WakeFunction): void {
    this.#entries.delete(entry);
  }

  /**
   * Wakes with the poll bits of what happened, newest entry first, as new entries go to the head of a kernel's queue.
   *
   * A wake-up from inside a wake-up comes after it: an entry that signals this same file would recurse without bound.
   */
  wake(key: number): void {
    if (this.#entries.size === 0) return;
    this.#pending.push(key);
    if (this.#waking) return;
    this.#waking = true;
    for (let now = this.#pending.shift(); now !== undefined; now = this.#pending.shift()) {
      // No copy for the ordinary case, which is a single watcher.
      const entries = this.#entries.size === 1 ? this.#entries : [...this.#entries].reverse();
      for (const entry of entries) {
        if (this.#entries.has(entry) && entry(now)) this.#entries.delete(entry);
      }
    }
    this.#waking = false;
  }
}
