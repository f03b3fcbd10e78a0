/** What is under way on a file, and who waits for its end. */
export class Activity {
  #underWay = 0;
  #idle: (() => void) | undefined;

  /** Something begins; {@link end} has to follow. */
  begin(): void {
    this.#underWay++;
  }

  end(): void {
    if (--this.#underWay === 0) this.#idle?.();
  }

  /** Resolves when nothing is under way. Preconditions: nothing begins from now on, and nobody else waits. */
  async idle(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }
}
