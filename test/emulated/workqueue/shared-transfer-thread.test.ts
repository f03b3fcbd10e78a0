/** When the transfer thread is started, and what becomes of it that cannot be. */
import { describe, expect, it } from 'vitest';
import { SharedTransferThread, START_AT } from '../../../src/emulated/workqueue/shared-transfer-thread.ts';
import type { TransferThread } from '../../../src/emulated/workqueue/transfer-thread.ts';

describe('the transfer thread that kernels share', () => {
  /** Threads that were started, and how each is told to have gone. */
  const started: ((failure: Error | undefined) => void)[] = [];
  let nowMs = 0;

  function shared(start?: () => never): SharedTransferThread {
    started.length = 0;
    return new SharedTransferThread(
      (whenEnded) => {
        started.push(whenEnded);
        start?.();
        return {} as TransferThread;
      },
      () => nowMs,
    );
  }

  /** Transfers that ask for it until it is started once more. */
  function asksUntilStart(thread: SharedTransferThread, most = 100_000): number {
    const before = started.length;
    for (let asks = 1; asks <= most; asks++) {
      thread.get();
      if (started.length > before) return asks;
    }
    return Number.POSITIVE_INFINITY;
  }

  it('is started when many have asked for it, once', () => {
    const thread = shared();
    expect(asksUntilStart(thread)).toBe(START_AT);
    expect(thread.get()).toBeDefined();
    expect(asksUntilStart(thread)).toBe(Number.POSITIVE_INFINITY);
  });

  it('is started again after it ended for want of transfers, as late as before', () => {
    const thread = shared();
    for (let round = 0; round < 3; round++) {
      expect(asksUntilStart(thread)).toBe(START_AT);
      started.at(-1)!(undefined);
      expect(thread.get()).toBeUndefined();
      for (let index = 1; index < START_AT - 1; index++) thread.get();
      expect(asksUntilStart(thread)).toBe(1);
      started.at(-1)!(undefined);
    }
  });

  it('is not started for few in a long time', () => {
    const thread = shared();
    for (let asks = 0; asks < 10 * START_AT; asks++) {
      nowMs += 5;
      thread.get();
    }
    expect(started.length).toBe(0);
    expect(asksUntilStart(thread)).toBe(START_AT);
  });

  it('that fails is tried again, ever more seldom', () => {
    const thread = shared();
    for (let after = START_AT; after <= 16 * START_AT; after *= 2) {
      expect(asksUntilStart(thread)).toBe(after);
      started.at(-1)!(new Error('it ended with code 1'));
      expect(started.length).toBe(Math.log2(after / START_AT) + 1);
    }
  });

  it('that cannot be made is tried again, ever more seldom', () => {
    const thread = shared(() => {
      throw new Error('Worker initialization failure: EAGAIN');
    });
    for (let after = START_AT; after <= 16 * START_AT; after *= 2) {
      expect(asksUntilStart(thread)).toBe(after);
      expect(thread.get()).toBeUndefined();
      for (let index = 1; index < 2 * after - 1; index++) thread.get();
      expect(asksUntilStart(thread)).toBe(1);
      after *= 2;
    }
  });
});
