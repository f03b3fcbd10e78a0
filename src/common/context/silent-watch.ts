/** Looking for completions that signal nothing. */

/** Looks that find nothing, one each turn of the event loop; then one each {@link SLOW_MS}. */
const TURNS = 256;
const SLOW_MS = 1;
/** Between two looks in two turns: the thread was away. */
const AWAY_MS = 1;

/** Calls back until there is nothing more to look for. */
export class SilentWatch {
  readonly #look: () => boolean;
  #next: NodeJS.Immediate | NodeJS.Timeout | undefined;
  #turns = 0;
  #mayKeepAlive = true;

  readonly #slow: () => void;
  readonly #away: () => void;
  #lookedMs = 0;

  /**
   * @param look - Reaps. Answers whether anything silent is still in flight.
   * @param slow - Called when what is in flight takes so long that it is looked for more seldom.
   * @param away - Called when a look came so late that the thread must have done something else, or nothing at all.
   */
  constructor(look: () => boolean, slow: () => void, away: () => void) {
    this.#look = look;
    this.#slow = slow;
    this.#away = away;
  }

  /** Something silent has completed: what is left is looked for often again. */
  found(): void {
    this.#turns = 0;
  }

  /** Something silent is in flight. */
  start(): void {
    if (this.#next !== undefined) return;
    if (this.#mayKeepAlive && this.#turns < TURNS) {
      this.#turns++;
      if (this.#turns === TURNS) this.#slow();
      this.#lookedMs = performance.now();
      this.#next = setImmediate(this.#runInTurn);
      return;
    }
    // Also the way of those who keep no process alive: an immediate without a reference does not run when the loop sleeps.
    this.#next = setTimeout(this.#run, SLOW_MS);
    if (!this.#mayKeepAlive) this.#next.unref();
  }

  keepAlive(may: boolean): void {
    this.#mayKeepAlive = may;
    if (this.#next === undefined) return;
    clearImmediate(this.#next as NodeJS.Immediate);
    clearTimeout(this.#next as NodeJS.Timeout);
    this.#next = undefined;
    this.start();
  }

  readonly #runInTurn = (): void => {
    if (performance.now() - this.#lookedMs > AWAY_MS) this.#away();
    this.#run();
  };

  readonly #run = (): void => {
    this.#next = undefined;
    if (this.#look()) this.start();
    else this.#turns = 0;
  };
}
