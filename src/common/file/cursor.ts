/** The place that transfers without a position go on from, one after the other. */
export class Cursor {
  #position = 0;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Runs a transfer at the cursor and moves it by what was transferred.
   *
   * Transfers wait for each other, as `read(2)` calls on one descriptor do: two reads never get the same bytes.
   */
  advance(transfer: (position: number) => Promise<number>): Promise<number> {
    const moved = this.#last.then(async () => {
      const count = await transfer(this.#position);
      this.#position += count;
      return count;
    });
    // The next one goes on whatever became of this one.
    this.#last = moved.catch(() => undefined);
    return moved;
  }
}
