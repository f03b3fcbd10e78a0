/** What happened, in order, for people and for comparing two histories. */

const NSEC_PER_MSEC = 1_000_000;
const SHOWN_AT_THE_END = 60;

/** The history of a simulation, across its crashes. Only the last entries are kept. */
export class Trace {
  readonly #kept: number;
  #entries: string[] = [];
  #forgotten = 0;
  /** Shared with the forks: whether anything happens at all. */
  #signs = { count: 0 };

  /** @param kept - How many entries at least. */
  constructor(kept: number) {
    this.#kept = kept;
  }

  /** Entries so far, with those that are no longer kept. */
  get length(): number {
    return this.#forgotten + this.#entries.length;
  }

  /** Entries so far, with those of all forks of this trace: as long as it grows, something happens. */
  get signs(): number {
    return this.#signs.count;
  }

  /** A trace that has begun as this one and goes on by itself: of what could have come after it. */
  fork(): Trace {
    const fork = new Trace(this.#kept);
    fork.#entries = this.#entries.slice(-this.#kept);
    fork.#forgotten = this.length - fork.#entries.length;
    fork.#signs = this.#signs;
    return fork;
  }

  /** The entries that are kept, oldest first. */
  get entries(): readonly string[] {
    return this.#entries;
  }

  /** Adds an entry of your own: what the program has acknowledged, say. */
  note(ns: number, text: string): void {
    this.#signs.count++;
    this.#entries.push(`${(ns / NSEC_PER_MSEC).toFixed(6).padStart(14)} ms  ${text}`);
    // Seldom, so that an entry costs no move of all the others.
    if (this.#entries.length > 2 * this.#kept) {
      const forgotten = this.#entries.length - this.#kept;
      this.#entries = this.#entries.slice(forgotten);
      this.#forgotten += forgotten;
    }
  }

  /** The last entries, and how many came before. The end says most about a failure. */
  tail(entries = SHOWN_AT_THE_END): string {
    const shown = this.#entries.slice(-entries);
    const before = this.length - shown.length;
    return (before > 0 ? [`   ... ${before} entries before`, ...shown] : shown).join('\n');
  }

  toString(): string {
    return this.tail(this.#entries.length);
  }
}
