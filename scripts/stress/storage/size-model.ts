/** How long a file may be: what some order of its writes and truncates makes it. */
import type { Change, Look, Truncate, Write } from './history.ts';

/** Sizes from `least` to `most`. */
export interface Sizes {
  readonly least: number;
  readonly most: number;
}

/**
 * The sizes that the file may have had at some moment of a look.
 *
 * An order has a last truncate (or none: then the file began with what it had). What has to come behind that one makes the file at least as
 * long as it reaches; what may, may. Of the operations that had not ended when the look began any part may be seen: a write grows
 * the file page by page.
 */
export function possibleSizes(initialSize: number, changes: readonly Change[], look: Look): Sizes[] {
  const begun = changes.filter(({ begin }) => begin < look.end);
  const truncates = begun.filter((change): change is Truncate => change.kind === 'truncate');
  const writes = begun.filter((change): change is Write => change.kind === 'write');
  const over = truncates.filter(({ end }) => end < look.begin);
  const first: Truncate = { kind: 'truncate', size: initialSize, begin: -1, end: -1, by: 'the beginning' };
  const sizes: Sizes[] = [];
  for (const last of [first, ...truncates]) {
    if (over.some((other) => last.end < other.begin)) continue;
    const later = writes.filter(
      (write) => write.end >= last.begin && !over.some((other) => write.end < other.begin),
    );
    const must = later.filter((write) => last.end < write.begin && write.end < look.begin);
    const low = must.reduce((size, { to }) => Math.max(size, to), last.size);
    sizes.push({ least: low, most: low });
    for (const write of later) {
      if (write.to <= low) continue;
      const least = write.end < look.begin ? write.to : Math.max(low, write.from) + 1;
      sizes.push({ least, most: write.to });
    }
  }
  return sizes;
}

/** What is wrong with the sizes that a look shows, or `undefined`. */
export function sizeFault(sizes: readonly Sizes[], look: Look): string | undefined {
  const can = sizes.map(({ least, most }) => (least === most ? `${least}` : `${least}-${most}`));
  const told = `by any order it is ${[...new Set(can)].slice(0, 12).join(', ')}`;
  if (look.size !== undefined) {
    const { size } = look;
    return sizes.some(({ least, most }) => least <= size && size <= most)
      ? undefined
      : `it says ${size} bytes; ${told}`;
  }
  const end = look.from + look.bytes.length;
  if (look.bytes.length > 0 && !sizes.some(({ most }) => most >= end))
    return `bytes up to ${end} were read; ${told}`;
  if (look.extent === 'to the end' && !sizes.some(({ least }) => least <= end))
    return `reading ended at ${end}; ${told}`;
  return undefined;
}
