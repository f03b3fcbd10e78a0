import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import { Turn } from '../../../src/common/context/turn.ts';

const MIB = 1 << 20;

describe('a turn of the event loop', () => {
  it('has room for 64 batches, 512 requests or 4 MiB, and so has the next one', () => {
    const turn = new Turn();
    for (let round = 0; round < 2; round++) {
      for (let batch = 0; batch < 64; batch++) assert.equal(turn.takeBatch(), true);
      assert.equal(turn.takeBatch(), false);
      turn.next();
      turn.count(511, 0);
      assert.equal(turn.takeBatch(), true);
      turn.count(1, 0);
      assert.equal(turn.takeBatch(), false);
      turn.next();
      turn.count(1, 3 * MIB);
      assert.equal(turn.bytesLeft, MIB);
      assert.equal(turn.takeBatch(), true);
      turn.count(1, MIB);
      assert.equal(turn.takeBatch(), false);
      turn.next();
      assert.equal(turn.bytesLeft, 4 * MIB);
    }
  });
});
