/** One listener for each AbortSignal, however many operations it governs: Node.js warns of a leak beyond ten. */

/** Tells values of type `T` that their signal has fired. */
export class AbortListeners<T> {
  readonly #listening = new Map<AbortSignal, { readonly members: Set<T>; readonly listener: () => void }>();
  readonly #onAbort: (member: T) => void;

  constructor(onAbort: (member: T) => void) {
    this.#onAbort = onAbort;
  }

  add(signal: AbortSignal, member: T): void {
    const known = this.#listening.get(signal);
    if (known !== undefined) {
      known.members.add(member);
      return;
    }
    const members = new Set([member]);
    const listener = (): void => {
      for (const one of members) this.#onAbort(one);
    };
    this.#listening.set(signal, { members, listener });
    signal.addEventListener('abort', listener, { once: true });
  }

  delete(signal: AbortSignal, member: T): void {
    const known = this.#listening.get(signal);
    if (known === undefined || !known.members.delete(member) || known.members.size > 0) return;
    this.#listening.delete(signal);
    signal.removeEventListener('abort', known.listener);
  }
}
