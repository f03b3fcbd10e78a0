import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import { Allowance } from '../../../src/emulated/workqueue/allowance.ts';

/** Operations certain to end that fit beside others. */
function room(allowance: Allowance, waiting = 0): number {
  let brief = 0;
  while (allowance.hasRoom(brief, waiting)) brief++;
  return brief;
}

describe('the allowance of an executor', () => {
  it('grows while operations are short, and is small again after a long one', () => {
    const allowance = new Allowance(3, 64);
    assert.equal(room(allowance), 3);
    const rooms = Array.from({ length: 6 }, () => {
      allowance.took(0.1);
      return room(allowance);
    });
    assert.deepEqual(rooms, [6, 12, 24, 48, 64, 64]);
    allowance.took(100);
    assert.equal(room(allowance), 3);
  });

  it('loses as much as would not have ended in time', () => {
    const allowance = new Allowance(3, 64);
    for (let count = 0; count < 10; count++) allowance.took(0.1);
    allowance.took(10);
    assert.equal(room(allowance), 32);
    allowance.took(8);
    assert.equal(room(allowance), 20);
  });

  it('gives time to those that move many bytes', () => {
    const allowance = new Allowance(3, 64);
    for (let count = 0; count < 10; count++) allowance.took(0.1);
    allowance.took(15, 1 << 20);
    assert.equal(room(allowance), 64);
    allowance.took(15, 4096);
    assert.equal(room(allowance), 21);
  });

  it('is small, and not nothing, while anything waits for somebody else', () => {
    const allowance = new Allowance(3, 64);
    for (let count = 0; count < 10; count++) allowance.took(0.1);
    assert.equal(room(allowance, 1), 3);
    assert.equal(room(allowance, 3), 3);
    assert.equal(allowance.hasRoomToWait(2), true);
    assert.equal(allowance.hasRoomToWait(3), false);
  });

  it('is what it was made with where nothing else is said, and at least 1', () => {
    const fixed = new Allowance(2);
    fixed.took(0.1);
    assert.equal(fixed.isElastic, false);
    assert.equal(room(fixed), 2);
    assert.equal(room(fixed, 1), 1);
    assert.equal(room(fixed, 2), 0);
    assert.equal(room(new Allowance(0)), 1);
  });
});
