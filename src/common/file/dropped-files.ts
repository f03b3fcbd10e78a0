/**
 * Hears of files that were dropped without `close()`.
 *
 * A FinalizationRegistry keeps what is registered from dying young, even when it is taken out again: of files that are opened, read and
 * closed, three quarters of the garbage collector's time went into that (Node.js 20). So a file is registered only when it has been open for a
 * while, until when it cannot be collected.
 */

/** How long a file is open, at least, before it may be collected; at most twice as long. */
const YOUNG_MS = 100;
/** Taken before a program can replace it. */
const { setTimeout } = globalThis;

export class DroppedFiles<F extends object, R> {
  readonly #registry: FinalizationRegistry<R>;
  /** Opened since the last look, and before. */
  #young = new Map<F, R>();
  #older = new Map<F, R>();
  #isLooking = false;

  /** @param dropped - Is given what the file has left behind. */
  constructor(dropped: (remains: R) => void) {
    this.#registry = new FinalizationRegistry(dropped);
  }

  /** @param remains - They must not hold the file. */
  enroll(file: F, remains: R): void {
    this.#young.set(file, remains);
    this.#lookLater();
  }

  /** It is closed: there is nothing to hear. */
  leave(file: F): void {
    if (!this.#young.delete(file) && !this.#older.delete(file)) this.#registry.unregister(file);
  }

  #lookLater(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    setTimeout(() => this.#look(), YOUNG_MS).unref();
  }

  #look(): void {
    this.#isLooking = false;
    for (const [file, remains] of this.#older) this.#registry.register(file, remains, file);
    this.#older = this.#young;
    this.#young = new Map();
    if (this.#older.size > 0) this.#lookLater();
  }
}
