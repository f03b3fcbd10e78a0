/** Medians and spreads. */

/** The middle one; of an even number the mean of the two in the middle. NaN of none. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** @returns `undefined` of none. */
export function spread(numbers: readonly number[]): Spread | undefined {
  if (numbers.length === 0) return undefined;
  return { median: median(numbers), low: Math.min(...numbers), high: Math.max(...numbers) };
}

/** The probability that of `tosses` tosses of a fair coin at least `heads` show heads: what a sign test asks. */
export function chanceOfHeads(tosses: number, heads: number): number {
  let ways = 1;
  let sum = 0;
  for (let tails = 0; tails <= tosses - heads; tails++) {
    sum += ways;
    ways = (ways * (tosses - tails)) / (tails + 1);
  }
  return sum / 2 ** tosses;
}
