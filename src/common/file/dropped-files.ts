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

/** A file that has been enrolled: it takes itself out by this. */
export interface Enrollment<F, R> {
  /** Until it is registered, or has left. */
  held: { readonly file: F; readonly remains: R } | undefined;
  /** Those of the same age, and its place among them. */
  among: Enrollment<F, R>[] | undefined;
  place: number;
}

/**
 * The young are in arrays, from which each is taken without leaving a trace. A Map makes a new table whenever an old one is full of what was
 * deleted, and the old ones, which lead to the new ones, kept a third of all files from dying young (V8 12 to 14).
 */
export class DroppedFiles<F extends object, R> {
  readonly #registry: FinalizationRegistry<R>;
  /** Opened since the last look, and before. */
  #young: Enrollment<F, R>[] = [];
  #older: Enrollment<F, R>[] = [];
  #isLooking = false;

  /** @param dropped - Is given what the file has left behind. */
  constructor(dropped: (remains: R) => void) {
    this.#registry = new FinalizationRegistry(dropped);
  }

  /** @param remains - They must not hold the file. */
  enroll(file: F, remains: R): Enrollment<F, R> {
    const young = this.#young;
    const enrollment = { held: { file, remains }, among: young, place: young.length };
    young.push(enrollment);
    this.#lookLater();
    return enrollment;
  }

  /** It is closed: there is nothing to hear. */
  leave(enrollment: Enrollment<F, R>): void {
    const { among, place } = enrollment;
    enrollment.held = enrollment.among = undefined;
    if (among === undefined) {
      this.#registry.unregister(enrollment);
      return;
    }
    const last = among.pop()!;
    if (last === enrollment) return;
    among[place] = last;
    last.place = place;
  }

  #lookLater(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    setTimeout(() => this.#look(), YOUNG_MS).unref();
  }

  #look(): void {
    this.#isLooking = false;
    for (const enrollment of this.#older) {
      const { file, remains } = enrollment.held!;
      enrollment.held = enrollment.among = undefined;
      this.#registry.register(file, remains, enrollment);
    }
    this.#older = this.#young;
    this.#young = [];
    if (this.#older.length > 0) this.#lookLater();
  }
}
