/** A set of page numbers, kept as ranges: as large as it likes, without a cost for each page. */

type Range = readonly [from: number, to: number];

export class PageRanges {
  /** In order, apart from each other; each without its end. */
  #ranges: readonly Range[] = [];

  get size(): number {
    return this.#ranges.reduce((sum, [from, to]) => sum + to - from, 0);
  }

  has(page: number): boolean {
    return this.#ranges.some(([from, to]) => from <= page && page < to);
  }

  /** How many pages of a range are in the set. */
  overlap(from: number, to: number): number {
    return this.#ranges.reduce(
      (sum, [start, end]) => sum + Math.max(0, Math.min(to, end) - Math.max(from, start)),
      0,
    );
  }

  add(from: number, to: number): void {
    const touches = ([start, end]: Range): boolean => start <= to && from <= end;
    const joined = this.#ranges.filter(touches);
    const whole: Range = [
      Math.min(from, ...joined.map(([start]) => start)),
      Math.max(to, ...joined.map(([, end]) => end)),
    ];
    const apart = this.#ranges.filter((range) => !touches(range));
    this.#ranges = [...apart, whole].sort(([one], [other]) => one - other);
  }

  delete(from: number, to: number): void {
    this.#ranges = this.#ranges
      .flatMap(([start, end]): Range[] => [
        [start, Math.min(end, from)],
        [Math.max(start, to), end],
      ])
      .filter(([start, end]) => start < end);
  }

  clone(): PageRanges {
    const copy = new PageRanges();
    copy.#ranges = this.#ranges;
    return copy;
  }
}
