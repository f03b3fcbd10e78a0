/** What became of a measure that has a bound. */
import type { Spread } from './statistics.ts';

/** What became of a measure. */
export interface TargetResult {
  readonly measure: string;
  readonly must: 'at least' | 'at most';
  readonly bound: number;
  readonly reached: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly met: boolean;
  /** Why nothing was reached. */
  readonly reason?: string;
}

/** Of what was found, or why nothing was. */
export function result(
  measure: string,
  must: TargetResult['must'],
  bound: number,
  found: Spread | undefined,
  reason: string,
): TargetResult {
  if (found === undefined)
    return { measure, must, bound, reached: null, low: null, high: null, met: false, reason };
  const met = must === 'at least' ? found.median >= bound : found.median <= bound;
  return { measure, must, bound, reached: found.median, low: found.low, high: found.high, met };
}
