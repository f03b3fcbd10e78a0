/** The event loop does not sleep while something is about to end: for how long, and when it is left alone. */
import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import { AwakeLoop } from '../../../src/common/file/awake-loop.ts';

/** A loop whose clock counts the looks at it: who is awake looks at each turn. */
function counted() {
  let looks = 0;
  let nowMs = 1000;
  const loop = new AwakeLoop(() => {
    looks++;
    return nowMs;
  });
  return {
    loop,
    pass: (ms: number) => {
      nowMs += ms;
    },
    /** Whether it looks in the next turn. */
    isAwake: async () => {
      const before = looks;
      await new Promise(setImmediate);
      return looks > before;
    },
    /** So many turns, each of which takes so long. */
    turns: async (count: number, ms: number) => {
      for (let turn = 0; turn < count; turn++) {
        nowMs += ms;
        await new Promise(setImmediate);
      }
    },
  };
}

describe('an event loop that is kept awake', () => {
  it('is for a millisecond after the last that has ended', async () => {
    const { loop, turns, isAwake } = counted();
    loop.stay();
    assert.equal(await isAwake(), false, 'nothing has begun');
    loop.begin('writes');
    await turns(9, 0.1);
    assert.equal(await isAwake(), true);
    loop.stay();
    await turns(9, 0.1);
    assert.equal(await isAwake(), true);
    await turns(3, 0.1);
    assert.equal(await isAwake(), false);
  });

  it('sleeps again when nothing is waited for, which is no failure', async () => {
    const { loop, isAwake } = counted();
    loop.begin('sync');
    assert.equal(await isAwake(), true);
    loop.end();
    await isAwake();
    assert.equal(await isAwake(), false);
    loop.begin('sync');
    assert.equal(await isAwake(), true);
  });

  it('is left alone by a phase that takes longer, ever more seldom tried, while the other is not', async () => {
    const { loop, turns, isAwake } = counted();
    const awake = { writes: 0, sync: 0 };
    for (let cycle = 0; cycle < 300; cycle++) {
      loop.begin('writes');
      if (await isAwake()) awake.writes++;
      for (let write = 0; write < 32; write++) loop.stay();
      loop.begin('sync');
      await isAwake();
      if (await isAwake()) awake.sync++;
      await turns(30, 0.1);
    }
    assert.equal(awake.writes, 300);
    assert.ok(awake.sync < 12, `${awake.sync} syncs were waited for without sleep`);
  });

  it('is left alone for a while where others have the CPU', async () => {
    const { loop, turns, isAwake, pass } = counted();
    loop.begin('sync');
    await turns(2, 1.5);
    assert.equal(await isAwake(), false);
    loop.begin('sync');
    assert.equal(await isAwake(), false);
    // Its rests are by the clock of the host.
    await new Promise((resolve) => setTimeout(resolve, 40));
    pass(40);
    loop.begin('sync');
    assert.equal(await isAwake(), true);
  });
});
