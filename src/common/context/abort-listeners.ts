/** One listener for each AbortSignal, however many operations it governs: Node.js warns of a leak beyond ten. */
import { ignoreAbort, onAbort } from '../intrinsics.ts';

interface Watched<T> {
  readonly members: Set<T>;
  readonly listener: () => void;
}

/** Tells values of type `T` that their signal has fired. */
export class AbortListeners<T> {
  readonly #watched = new Map<AbortSignal, Watched<T>>();
  readonly #onAbort: (member: T) => void;

  constructor(onAbort: (member: T) => void) {
    this.#onAbort = onAbort;
  }

  add(signal: AbortSignal, member: T): void {
    const watched = this.#watched.get(signal);
    if (watched !== undefined) {
      watched.members.add(member);
      return;
    }
    const members = new Set([member]);
    const listener = (): void => this.#tell(members);
    this.#watched.set(signal, { members, listener });
    onAbort(signal, listener);
  }

  delete(signal: AbortSignal, member: T): void {
    const watched = this.#watched.get(signal);
    if (watched === undefined || !watched.members.delete(member) || watched.members.size > 0) return;
    this.#watched.delete(signal);
    ignoreAbort(signal, watched.listener);
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
