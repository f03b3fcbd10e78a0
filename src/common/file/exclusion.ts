/** Many at once, or one alone; first come, first served. */

interface Waiter {
  readonly alone: boolean;
  readonly enter: () => void;
}

/** A lock between asynchronous operations: any number of shared holders, or one that is alone. */
export class Exclusion {
  #shared = 0;
  #alone = false;
  readonly #waiters: Waiter[] = [];

  /** Runs `body` while nobody is alone. */
  async shared<T>(body: () => Promise<T>): Promise<T> {
    if (this.#alone || this.#waiters.length > 0) await this.#wait(false);
    else this.#shared++;
    try {
      return await body();
    } finally {
      this.#shared--;
      this.#admit();
    }
  }

  /** Runs `body` while nobody else runs anything. */
  async alone<T>(body: () => Promise<T>): Promise<T> {
    if (this.#alone || this.#shared > 0 || this.#waiters.length > 0) await this.#wait(true);
    else this.#alone = true;
    try {
      return await body();
    } finally {
      this.#alone = false;
      this.#admit();
    }
  }

  #wait(alone: boolean): Promise<void> {
    return new Promise((enter) => this.#waiters.push({ alone, enter }));
  }

  /** Takes the place for those who may go on, so that nobody slips in before they run. */
  #admit(): void {
    for (let first = this.#waiters[0]; first !== undefined; first = this.#waiters[0]) {
      if (this.#alone || (first.alone && this.#shared > 0)) return;
      this.#waiters.shift();
      if (first.alone) this.#alone = true;
      else this.#shared++;
      first.enter();
    }
  }
}
