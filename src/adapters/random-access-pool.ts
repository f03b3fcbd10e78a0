/** How many files are open at once. */

/** What a pool asks of a file. */
export interface Poolable {
  /** Closes it until it is used again. */
  suspend(): void;
}

/** Files that share descriptors: as many are open at once as it has places. */
export interface FilePool {
  /** Those that are open. */
  readonly active: readonly Poolable[];
  /** One was opened. */
  add(file: Poolable): void;
  /** One was closed. */
  remove(file: Poolable): void;
}

export class Pool implements FilePool {
  readonly #size: number;
  /** In the order in which they were opened. */
  readonly #open = new Set<Poolable>();

  constructor(size: number) {
    this.#size = size;
  }

  get active(): readonly Poolable[] {
    return [...this.#open];
  }

  add(file: Poolable): void {
    if (this.#open.size >= this.#size) {
      const oldest = this.#open.values().next().value;
      // It has no place any more at once: the next that comes suspends another.
      if (oldest !== undefined) {
        this.#open.delete(oldest);
        oldest.suspend();
      }
    }
    this.#open.add(file);
  }

  remove(file: Poolable): void {
    this.#open.delete(file);
  }
}
