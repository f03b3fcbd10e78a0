/** In which order blocks are transferred: the same for every engine, `floor.c` included. */

/** xorshift32: small, and the same in C. */
function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

/** Block numbers: each block once, ascending or shuffled by `seed`. Whoever reaches the end begins again. */
export function blockOrder(blocks: number, shuffled: boolean, seed: number): Uint32Array {
  const order = Uint32Array.from({ length: blocks }, (_, index) => index);
  if (!shuffled) return order;
  const next = random(seed);
  for (let last = blocks - 1; last > 0; last--) {
    const other = next() % (last + 1);
    const moved = order[last]!;
    order[last] = order[other]!;
    order[other] = moved;
  }
  return order;
}
