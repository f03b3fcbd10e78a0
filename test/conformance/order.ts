/** Orders in which cases run: any must do. */

const GOLDEN_RATIO = 0x9e3779b9;

/** A small generator (splitmix32) whose numbers a seed repeats: not for secrets. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + GOLDEN_RATIO) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** A copy in an order that the seed alone decides. */
export function shuffled<T>(list: readonly T[], seed: number): T[] {
  const random = generator(seed);
  const copy = [...list];
  for (let last = copy.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [copy[last], copy[other]] = [copy[other]!, copy[last]!];
  }
  return copy;
}
