/** What happened, in order, for people and for comparing two histories. */
import { History, type Mark } from './history.ts';
import { type HistoryPageOptions, historyPage } from './history-page.ts';
import type { Operation } from './operation.ts';

const NSEC_PER_MSEC = 1_000_000;
const SHOWN_AT_THE_END = 60;

/** The history of a simulation, across its crashes. Only the last entries are kept. */
export class Trace {
  readonly #kept: number;
  #entries: string[] = [];
  #forgotten = 0;
  #history: History;
  /** Shared with the forks: whether anything happens at all. */
  #signs = { count: 0 };

  /** @param kept - How many entries at least. */
  constructor(kept: number) {
    this.#kept = kept;
    this.#history = new History(kept);
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
    fork.#history = this.#history.fork();
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

  /**
   * An operation has begun.
   *
   * @internal
   */
  began(ns: number, operation: Operation): void {
    this.note(ns, `#${operation.id} ${operation.text}`);
    this.#history.began(ns, operation);
  }

  /**
   * It has ended.
   *
   * @param text - More than its outcome: what was read.
   * @internal
   */
  ended(ns: number, id: number, outcome: string, failed: boolean, text: string): void {
    this.note(ns, `#${id} = ${outcome}${text}`);
    this.#history.ended(ns, id, outcome, failed);
  }

  /**
   * A sync, or a write that is one, has made these changes durable; `undefined` where time alone has.
   *
   * @internal
   */
  covered(id: number | undefined, changes: readonly { readonly id: number }[]): void {
    this.#history.covered(
      id,
      changes.map((change) => change.id),
    );
  }

  /**
   * A sync has failed to write a change, and nobody will try again.
   *
   * @internal
   */
  gaveUp(id: number, change: number): void {
    this.#history.gaveUp(id, change);
  }

  /**
   * What a crash has made of something.
   *
   * @internal
   */
  decided(ns: number, text: string): void {
    this.note(ns, text);
    this.#history.decided(ns, text);
  }

  /**
   * As {@link note}, for what is also shown above the operations.
   *
   * @internal
   */
  mark(ns: number, kind: Mark['kind'], text: string): void {
    this.note(ns, text);
    this.#history.mark(ns, kind, text);
  }

  /**
   * The history as a page to look at: operations as bars on virtual time by file, what each sync covered, the crashes, and the fate of
   * each change.
   *
   * @remarks One HTML file with all that it needs (about 250 KB, and 600 bytes for each operation): nothing is fetched. It has the operations
   * that are kept.
   *
   * *Blocking*: reads the plotting library from the package's folder, each time.
   *
   * @throws AioStateError `ERR_AIO_UNSUPPORTED` in an application that was merged into one file, without kaio's folder.
   *
   * @example
   * ```ts
   * writeFileSync('history.html', simulation.trace.html());
   * ```
   */
  html(options: HistoryPageOptions = {}): string {
    return historyPage(this.#history, this.toString(), options);
  }

  /** The last entries, and how many came before. The end says most about a failure. */
  tail(entries = SHOWN_AT_THE_END): string {
    const shown = this.#entries.slice(-entries);
    const before = this.length - shown.length;
    return (before > 0 ? [`   ... ${before} entries before`, ...shown] : shown).join('\n');
  }

  /** A line for each thing that has happened. */
  toString(): string {
    return this.tail(this.#entries.length);
  }
}
