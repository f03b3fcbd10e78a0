/** What is too long for each run of CI takes turns: another part each day, so that the same day tries the same. */

const DAY_MS = 86_400_000;

/** Days since 1970, in UTC: what decides whose turn it is. */
export function today(now = Date.now()): number {
  return Math.floor(now / DAY_MS);
}

/** One of a list, another each day. */
export function ofToday<T>(list: readonly T[], now = Date.now()): T {
  return list[today(now) % list.length]!;
}

/** A part of a list, every `parts`-th of it: another each day, and all of it in as many days. */
export function partOfToday<T>(list: readonly T[], parts: number, now = Date.now()): T[] {
  return list.filter((_, index) => index % parts === today(now) % parts);
}
