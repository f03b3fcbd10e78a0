/** One listener for each AbortSignal, however many operations it governs: Node.js warns of a leak beyond ten. */
import { addAbortListener } from 'node:events';

interface Watched<T> {
  readonly members: Set<T>;
  readonly listener: Disposable;
}

/** Tells values of type `T` that their signal has fired. */
export class AbortListeners<T> {
  readonly #watched = new Map<AbortSignal, Watched<T>>();
  readonly #onAbort: (member: T) => void;

  constructor(onAbort: (member: T) => void) {
    this.#onAbort = onAbort;
  }

  /**
   * Begins to listen to a signal. {@link add} or {@link unwatch} has to follow.
   *
   * Apart from {@link add}, because a signal may have methods of its owner's making, which may do anything: they run here, before the
   * operation has come to be. Nobody who hears of the signal first can keep it from us (`stopImmediatePropagation`).
   */
  watch(signal: AbortSignal): void {
    if (this.#watched.has(signal)) return;
    const members = new Set<T>();
    const listener = addAbortListener(signal, () => this.#tell(members));
    // Its own code may have brought us here meanwhile.
    if (this.#watched.has(signal)) listener[Symbol.dispose]();
    else this.#watched.set(signal, { members, listener });
  }

  /** Stops listening, if nobody has to be told. */
  unwatch(signal: AbortSignal): void {
    const watched = this.#watched.get(signal);
    if (watched === undefined || watched.members.size > 0) return;
    this.#watched.delete(signal);
    watched.listener[Symbol.dispose]();
  }

  /** Preconditions: {@link watch}. */
  add(signal: AbortSignal, member: T): void {
    this.#watched.get(signal)!.members.add(member);
  }

  delete(signal: AbortSignal, member: T): void {
    if (this.#watched.get(signal)?.members.delete(member) === true) this.unwatch(signal);
  }

  /** Each alone: what one throws is thrown when all have been told. */
  #tell(members: Set<T>): void {
    const thrown: unknown[] = [];
    for (const member of members) {
      try {
        this.#onAbort(member);
      } catch (error) {
        thrown.push(error);
      }
    }
    if (thrown.length > 0) throw thrown[0];
  }
}
