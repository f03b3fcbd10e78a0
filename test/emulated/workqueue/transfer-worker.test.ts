/** What runs on the transfer thread, run on this one: which transfers it finds slow. */
import { describe, expect, it } from 'vitest';
import { BERTH, BERTH_STATE, OPERATION, QUAY } from '../../../src/emulated/workqueue/mail.ts';
import { transferWorker } from '../../../src/emulated/workqueue/worker-bodies.ts';

const SLOW_MS = 100;
const BERTHS = 64;

class AllAreDone extends Error {}

/** Runs so many transfers, of which each takes `tookMs` by a clock of the test's. @returns How many were slow. */
function slowOnes(operation: number, tookMs: readonly number[]): number {
  const control = new SharedArrayBuffer(4 * (QUAY.WORDS + BERTHS * BERTH.WORDS));
  const quay = new Int32Array(control, 0, QUAY.WORDS);
  const words = new Int32Array(control, 4 * QUAY.WORDS);
  for (let berth = 0; berth < tookMs.length; berth++) {
    words[berth * BERTH.WORDS + BERTH.OPERATION] = operation;
    words[berth * BERTH.WORDS + BERTH.FD] = berth;
    words[berth * BERTH.WORDS + BERTH.STATE] = BERTH_STATE.POSTED;
  }
  quay[QUAY.POSTED] = tookMs.length;
  let laterMs = 0;
  const { now } = performance;
  performance.now = () => laterMs;
  const transfer = (fd: number): number => {
    laterMs += tookMs[fd]!;
    return 0;
  };
  let said = 0;
  const threads = {
    parentPort: {
      postMessage: () => {
        // The first word is that it runs.
        Atomics.store(quay, QUAY.WAKING, 0);
        if (said++ > 0 && quay[QUAY.PASSED] === tookMs.length) throw new AllAreDone();
      },
    },
    workerData: {
      QUAY,
      BERTH,
      BERTH_STATE,
      OPERATION,
      control,
      memory: new SharedArrayBuffer(8),
      berths: BERTHS,
      slowMs: SLOW_MS,
      batch: 1,
      awakeMs: [0, 0, 0],
    },
  };
  try {
    transferWorker(threads as never, { readSync: transfer, writeSync: transfer } as never);
  } catch (error) {
    if (!(error instanceof AllAreDone)) throw error;
  } finally {
    performance.now = now;
  }
  return quay[operation === OPERATION.READ ? QUAY.SLOW_READS : QUAY.SLOW_WRITES]!;
}

const quick = (count: number): number[] => Array.from({ length: count }, () => 0);
const slow = (count: number): number[] => Array.from({ length: count }, () => 2 * SLOW_MS);

describe('a transfer worker', () => {
  it('finds each read slow that takes longer, but the first after it slept', () => {
    expect(slowOnes(OPERATION.READ, [...slow(1), ...quick(10)])).toBe(0);
    expect(slowOnes(OPERATION.READ, [...quick(5), ...slow(3), ...quick(5)])).toBe(3);
  });

  it('has patience with writes, of which one now and then waits for a journal', () => {
    expect(slowOnes(OPERATION.WRITE, [...quick(2), 8 * SLOW_MS, ...quick(20), 8 * SLOW_MS])).toBe(0);
    expect(slowOnes(OPERATION.WRITE, [...quick(2), 8 * SLOW_MS, 8 * SLOW_MS])).toBe(1);
  });

  it('which ends where each of them takes longer', () => {
    const count = slowOnes(OPERATION.WRITE, slow(60));
    expect(count).toBe(6);
  });
});
