/** What is under way on a file, and what keeps the file open meanwhile. */
export class Activity {
  #underWay = 0;
  readonly #hold: () => void;
  readonly #letGo: () => void;

  /**
   * @param hold - Called when something begins while nothing was under way.
   * @param letGo - Called when nothing is any more.
   */
  constructor(hold: () => void, letGo: () => void) {
    this.#hold = hold;
    this.#letGo = letGo;
  }

  get isUnderWay(): boolean {
    return this.#underWay > 0;
  }

  /** Something begins; {@link end} has to follow. */
  begin(): void {
    if (this.#underWay++ === 0) this.#hold();
  }

  end(): void {
    if (--this.#underWay === 0) this.#letGo();
  }
}
