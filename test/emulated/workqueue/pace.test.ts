/** How long transfers go elsewhere after slow ones. */
import { beforeEach, describe, expect, it } from 'vitest';
import { LEAST_REST, MOST_REST, Pace } from '../../../src/emulated/workqueue/pace.ts';

describe('the pace of transfers of one direction', () => {
  let pace: Pace;
  let slow: number;

  beforeEach(() => {
    pace = new Pace();
    slow = 0;
  });

  /** As the thread tells of them: all that have ended, and then how many were slow. */
  function ended(count: number, slowOnes = 0): boolean {
    for (let index = 0; index < count; index++) pace.ended();
    slow = (slow + slowOnes) | 0;
    return pace.sees(slow);
  }

  /** Transfers that may not go, until one may. */
  function rest(): number {
    let count = 0;
    while (!pace.mayGo()) count++;
    return count;
  }

  it('is quick until some are slow', () => {
    expect(ended(1000)).toBe(false);
    expect(rest()).toBe(0);
  });

  it('gives a rest that is twice as long each time, up to a limit', () => {
    for (let length = LEAST_REST; length <= MOST_REST; length *= 2) {
      expect(ended(1, 1)).toBe(true);
      expect(rest()).toBe(length);
    }
    expect(ended(1, 1)).toBe(true);
    expect(rest()).toBe(MOST_REST);
  });

  it('begins anew when more were quick than the last rest took away', () => {
    ended(1, 1);
    expect(rest()).toBe(LEAST_REST);
    ended(1, 1);
    expect(rest()).toBe(2 * LEAST_REST);
    ended(2 * LEAST_REST);
    ended(1, 2);
    expect(rest()).toBe(4 * LEAST_REST);
    ended(4 * LEAST_REST + 1);
    ended(1, 2);
    expect(rest()).toBe(LEAST_REST);
  });

  it('is not bothered by one that is slow after many quick ones', () => {
    expect(ended(17, 1)).toBe(false);
    expect(rest()).toBe(0);
    expect(ended(16, 1)).toBe(true);
    expect(rest()).toBe(LEAST_REST);
    expect(ended(17, 2)).toBe(true);
  });

  it('gives one rest for what is slow together, however late it is told', () => {
    expect(ended(4, 4)).toBe(true);
    expect(ended(1, 1)).toBe(false);
    pace.slowDown();
    expect(rest()).toBe(LEAST_REST);
    pace.slowDown();
    expect(rest()).toBe(2 * LEAST_REST);
  });

  it('counts on when the number of slow ones does not fit into its word', () => {
    slow = 0x7fff_ffff;
    expect(ended(1, 0)).toBe(true);
    rest();
    expect(ended(1, 1)).toBe(true);
    expect(slow).toBe(-0x8000_0000);
    expect(rest()).toBe(2 * LEAST_REST);
  });
});
