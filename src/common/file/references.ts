/** Who has a file open: its owner, and each stream over it. The last one to let go closes it, as with FileHandle. */
export class References {
  #count = 1;
  #whenLast: (() => void) | undefined;

  hold(): void {
    this.#count++;
  }

  letGo(): void {
    if (--this.#count === 0) this.#whenLast?.();
  }

  /** Calls back when the last one has let go: now, if that has been. */
  whenLast(callback: () => void): void {
    if (this.#count === 0) callback();
    else this.#whenLast = callback;
  }
}
