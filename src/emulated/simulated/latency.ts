/** How long operations take, in virtual time. */
import { outOfRange } from '../../common/validate.ts';
import type { Random } from './random.ts';

/** Now and then an operation takes much longer: a drive that cleans up, a retry, a full queue. */
export interface Tail {
  /** How often, from 0 to 1. */
  readonly chance: number;
  /** How many times as long. */
  readonly factor: number;
}

/** A distribution of times. */
export type Latency = (
  | {
      /** Always the same. */
      readonly kind: 'fixed';
      /** Virtual microseconds. */
      readonly us: number;
    }
  | {
      /** Any time between two, each as likely. */
      readonly kind: 'uniform';
      /** The shortest, in virtual microseconds. */
      readonly minUs: number;
      /** The longest, in virtual microseconds. */
      readonly maxUs: number;
    }
  | {
      /** Most are short, few are long. */
      readonly kind: 'exponential';
      /** The average, in virtual microseconds. */
      readonly meanUs: number;
    }
  | {
      /** Most are near the middle, with a long tail: what devices are like. */
      readonly kind: 'lognormal';
      /** Half of them are shorter, in virtual microseconds. */
      readonly medianUs: number;
      /** Standard deviation of the logarithm: 0.5 spreads most times over a factor of 7. */
      readonly sigma: number;
    }
) & {
  /** Default: none. */
  readonly tail?: Tail;
};

/** The times of each kind of operation. */
export interface Latencies {
  /** Of reads. */
  readonly read: Latency;
  /** Of writes. */
  readonly write: Latency;
  /** fsync, fdatasync, and what writes with O_DSYNC take beside the write. */
  readonly sync: Latency;
  /** open, rename, truncate and the like. */
  readonly metadata: Latency;
}

const TAIL: Tail = { chance: 0.01, factor: 20 };

/** Something like a consumer's NVMe drive. */
export const DEFAULT_LATENCIES: Latencies = {
  read: { kind: 'lognormal', medianUs: 80, sigma: 0.4, tail: TAIL },
  write: { kind: 'lognormal', medianUs: 25, sigma: 0.6, tail: TAIL },
  sync: { kind: 'lognormal', medianUs: 500, sigma: 0.6, tail: TAIL },
  metadata: { kind: 'lognormal', medianUs: 10, sigma: 0.4 },
};

const NSEC_PER_USEC = 1000;
/** A day: longer is a mistake of units. */
const MAX_US = 86_400_000_000;

/** @throws RangeError `ERR_OUT_OF_RANGE` for what is no distribution. */
export function validateLatency(name: string, latency: Latency): void {
  const numbers: Readonly<Record<string, unknown>> = { ...latency, ...latency.tail };
  const known = {
    fixed: ['us'],
    uniform: ['minUs', 'maxUs'],
    exponential: ['meanUs'],
    lognormal: ['medianUs', 'sigma'],
  };
  const fields = known[latency.kind];
  if (fields === undefined)
    throw outOfRange(`${name}.kind`, `one of ${Object.keys(known).join(', ')}`, latency.kind);
  for (const field of latency.tail === undefined ? fields : [...fields, 'chance', 'factor']) {
    const value = numbers[field];
    if (typeof value !== 'number' || !(value >= 0 && value <= MAX_US))
      throw outOfRange(`${name}.${field}`, `>= 0 && <= ${MAX_US}`, value);
  }
}

/** Draws a time. @returns Whole nanoseconds, at least 1: nothing is over before it began. */
export function drawNs(latency: Latency, random: Random): number {
  const us = drawUs(latency, random);
  const { tail } = latency;
  const factor = tail !== undefined && random.chance(tail.chance) ? tail.factor : 1;
  return Math.max(1, Math.round(Math.min(us * factor, MAX_US) * NSEC_PER_USEC));
}

function drawUs(latency: Latency, random: Random): number {
  switch (latency.kind) {
    case 'fixed':
      return latency.us;
    case 'uniform':
      return latency.minUs + (latency.maxUs - latency.minUs) * random.fraction();
    case 'exponential':
      return -latency.meanUs * Math.log(1 - random.fraction());
    case 'lognormal': {
      // Box and Muller.
      const radius = Math.sqrt(-2 * Math.log(1 - random.fraction()));
      return latency.medianUs * Math.exp(latency.sigma * radius * Math.cos(2 * Math.PI * random.fraction()));
    }
  }
}
