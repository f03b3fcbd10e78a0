/**
 * Request slots: every request in flight, and every event not yet reaped, owns a cell of the ring.
 *
 * Each CPU takes slots from the common store in batches. JavaScript has one thread, so there is one CPU here; the batches are
 * those of the machine that is imitated, and they decide how many requests fit.
 */
import type { AioRingInfo } from './ring.ts';

export class Slots {
  /** `req_batch`. */
  readonly batch: number;
  /** In the common store. */
  #available: number;
  /** On this CPU. */
  #local = 0;
  /** Events completed whose slots were not given back yet. */
  #completed = 0;

  /** @param cells - Cells of the ring; one always stays empty. */
  constructor(cells: number, possibleCpus: number) {
    this.#available = cells - 1;
    this.batch = Math.max(1, Math.floor((cells - 1) / (possibleCpus * 4)));
  }

  /** `get_reqs_available`: takes a slot. Looks for events that were reaped before it gives up. */
  get(ring: AioRingInfo): boolean {
    if (this.#take()) return true;
    if (this.#completed > 0) this.#refill(ring);
    return this.#take();
  }

  /** `put_reqs_available`. */
  put(count: number): void {
    this.#local += count;
    while (this.#local >= this.batch * 2) {
      this.#local -= this.batch;
      this.#available += this.batch;
    }
  }

  /** Counts an event just added to the ring. */
  completed(ring: AioRingInfo): void {
    this.#completed++;
    if (this.#completed > 1) this.#refill(ring);
  }

  #take(): boolean {
    if (this.#local === 0) {
      if (this.#available < this.batch) return false;
      this.#available -= this.batch;
      this.#local = this.batch;
    }
    this.#local--;
    return true;
  }

  /** `refill_reqs_available`: gives back the slots of events that are no longer in the ring. */
  #refill(ring: AioRingInfo): void {
    const reaped = Math.max(0, this.#completed - ring.unread);
    if (reaped === 0) return;
    this.#completed -= reaped;
    this.put(reaped);
  }
}
