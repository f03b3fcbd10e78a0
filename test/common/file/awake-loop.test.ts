/** The event loop does not sleep while something is about to end: for how long, and when it is left alone. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, vi } from 'vitest';
import { AwakeLoop } from '../../../src/common/file/awake-loop.ts';

let nowMs = 1000;
beforeEach(() => {
  nowMs = 1000;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
});
afterEach(() => void vi.restoreAllMocks());

/** Whether the event loop has something to do in its next turn. */
const isAwake = (): boolean => process.getActiveResourcesInfo().includes('Immediate');

/** So many turns, each of which takes so long by the clock. */
async function turns(count: number, ms = 0): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    nowMs += ms;
    await new Promise(setImmediate);
  }
}

/** Stays until it gives up. @returns How long that took. */
async function inVain(loop: AwakeLoop): Promise<number> {
  const begunMs = nowMs;
  loop.stay();
  while (isAwake()) await turns(1, 0.1);
  return nowMs - begunMs;
}

describe('an event loop that is kept awake', () => {
  it('is for a millisecond after the last that has ended', async () => {
    const loop = new AwakeLoop();
    assert.equal(isAwake(), false);
    loop.stay();
    await turns(9, 0.1);
    assert.equal(isAwake(), true);
    loop.stay();
    await turns(9, 0.1);
    assert.equal(isAwake(), true);
    await turns(3, 0.1);
    assert.equal(isAwake(), false);
  });

  it('is tried more seldom after each time that it was in vain', async () => {
    const loop = new AwakeLoop();
    assert.ok((await inVain(loop)) >= 1);
    for (const skipped of [1, 2, 4]) {
      for (let times = 0; times < skipped; times++) assert.equal(await inVain(loop), 0);
      assert.ok((await inVain(loop)) >= 1);
    }
  });

  it('is left alone for a while where others have the CPU', async () => {
    const loop = new AwakeLoop();
    loop.stay();
    await turns(1);
    await turns(2, 1.5);
    assert.equal(isAwake(), false);
    nowMs += 10;
    assert.equal(await inVain(loop), 0);
    nowMs += 10;
    assert.ok((await inVain(loop)) >= 1);
  });
});
