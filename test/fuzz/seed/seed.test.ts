/** The profile of 2007 and the model of its rules, call by call. Longer: `npm run fuzz:seed`. */
import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { fuzzSeed } from './fuzz.ts';

describe('the profile linux-2.6.20 and the model of its rules', () => {
  const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
  it(`agree call by call (SEED=${seed})`, { timeout: 120_000 }, () => {
    const { divergence, operations } = fuzzSeed(seed, Number(process.env.OPERATIONS ?? 20_000));
    expect(divergence?.text ?? 'they agree').toBe('they agree');
    expect(operations).toBeGreaterThan(0);
  });
});
