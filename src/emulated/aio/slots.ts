/** Request slots: every request in flight, and every event not yet reaped, owns a cell of the ring. */
import type { AioRingInfo } from './aio-ring.ts';

export interface Slots {
  /** Takes a slot, if there is one. */
  get(ring: AioRingInfo): boolean;
  /** Gives slots of refused requests back. */
  put(count: number): void;
  /** Counts an event just added to the ring. */
  completed(ring: AioRingInfo): void;
  /** Counts a request that is gone. */
  freed(): void;
}

/**
 * The slots of the seed: a request needs a cell that is neither unread nor promised (SEED-04).
 *
 * Head and tail are read in user memory each time, so that a reader there gives slots back at once (CAP-08), and a tail written
 * there counts (RING-06).
 */
export class ActiveRequests implements Slots {
  #active = 0;

  get(ring: AioRingInfo): boolean {
    if (this.#active >= ring.available) return false;
    this.#active++;
    return true;
  }

  put(count: number): void {
    this.#active -= count;
  }

  completed(): void {}

  freed(): void {
    this.#active--;
  }
}

/**
 * The slots of today's kernel: each CPU takes them from the common store in batches.
 *
 * JavaScript has one thread, so there is one CPU here; the batches are those of the machine that is imitated, and they decide
 * how many requests fit.
 */
export class PerCpuSlots implements Slots {
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

  put(count: number): void {
    this.#local += count;
    while (this.#local >= this.batch * 2) {
      this.#local -= this.batch;
      this.#available += this.batch;
    }
  }

  completed(ring: AioRingInfo): void {
    this.#completed++;
    if (this.#completed > 1) this.#refill(ring);
  }

  freed(): void {}

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
