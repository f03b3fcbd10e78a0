/** Keeps an fsync behind the writes to its file that were begun before it. */

/** Begins the sync. */
export type PendingSync = () => void;

export class SyncBarrier {
  readonly #writes = new Set<object>();
  #syncs: { readonly start: PendingSync; readonly after: Set<object> }[] = [];

  /** Whether no write runs. */
  get isOpen(): boolean {
    return this.#writes.size === 0;
  }

  writeBegan(req: object): void {
    this.#writes.add(req);
  }

  /** Calls `start` back when the writes that run now have ended; later ones do not hold it up. */
  wait(start: PendingSync): void {
    this.#syncs.push({ start, after: new Set(this.#writes) });
  }

  /** @returns Syncs that nothing holds up any more. */
  writeEnded(req: object): PendingSync[] {
    if (!this.#writes.delete(req) || this.#syncs.length === 0) return [];
    for (const sync of this.#syncs) sync.after.delete(req);
    const ready = this.#syncs.filter((sync) => sync.after.size === 0);
    this.#syncs = this.#syncs.filter((sync) => sync.after.size > 0);
    return ready.map((sync) => sync.start);
  }
}
