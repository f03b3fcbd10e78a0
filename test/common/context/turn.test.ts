import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { describe, it } from 'vitest';
import { Turn } from '../../../src/common/context/turn.ts';

const MIB = 1 << 20;

describe('a turn of the event loop', () => {
  it('has room for 64 batches, 512 requests or 4 MiB', () => {
    const batches = new Turn(() => {});
    for (let batch = 0; batch < 64; batch++) assert.equal(batches.takeBatch(), true);
    assert.equal(batches.takeBatch(), false);
    const requests = new Turn(() => {});
    requests.count(512, 0);
    assert.equal(requests.takeBatch(), false);
    const bytes = new Turn(() => {});
    bytes.count(1, 3 * MIB);
    assert.equal(bytes.bytesLeft, MIB);
    assert.equal(bytes.takeBatch(), true);
    bytes.count(1, MIB);
    assert.equal(bytes.takeBatch(), false);
  });

  it('ends, and says so, also when its first batch was scheduled in the one before', async () => {
    let ended = 0;
    const turn = new Turn(() => ended++);
    assert.equal(turn.isUnderWay, false);
    turn.count(600, 8 * MIB);
    assert.equal(turn.isUnderWay, true);
    await setImmediate();
    await setImmediate();
    assert.equal(ended, 1);
    assert.equal(turn.isUnderWay, false);
    assert.equal(turn.bytesLeft, 4 * MIB);
    assert.equal(turn.takeBatch(), true);
    turn.stop();
    await setImmediate();
    assert.equal(ended, 1);
  });
});
