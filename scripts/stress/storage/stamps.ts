/**
 * What each operation writes, so that a byte tells who wrote it and whether it is in the right place.
 *
 * A byte has 255 values besides zero, which is what nobody wrote. At a given place each of 255 operations has a value of its own; from place
 * to place the values are shuffled, so that bytes that are somewhere else than they were written to are taken for those of any operation.
 */

/** Operations of one file, the content that it begins with among them. */
export const MOST_IDS = 255;
/** Places that are told apart. */
const PLACES = 1 << 21;

const shuffle = new Uint8Array(PLACES);
for (let place = 0; place < PLACES; place++) {
  let mixed = Math.imul(place + 1, 0x9e37_79b1);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85eb_ca6b);
  shuffle[place] = ((mixed ^ (mixed >>> 13)) >>> 0) % MOST_IDS;
}

/** The byte that operation `id` writes to `place`. Of an append that is the place in what it appends. */
export function stampAt(id: number, place: number): number {
  return 1 + ((id + shuffle[place]!) % MOST_IDS);
}

/** Who has written `value` to `place`. Preconditions: it is not zero. */
export function writerOf(value: number, place: number): number {
  return (value - 1 - shuffle[place]! + MOST_IDS) % MOST_IDS;
}

/** Fills `bytes` with what operation `id` writes from `place` on. */
export function stamp(bytes: Uint8Array, id: number, place: number): void {
  for (let index = 0; index < bytes.length; index++) bytes[index] = stampAt(id, place + index);
}
