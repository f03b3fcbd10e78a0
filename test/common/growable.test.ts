import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import { growthJudge, mayGrow } from '../../src/common/memory/growable.ts';
import { growingMemory } from '../support/growing-memory.ts';

describe('memory that may grow', () => {
  it('is told from ordinary memory, which stays where it is', () => {
    const ordinary = new ArrayBuffer(65536);
    assert.equal(mayGrow(ordinary), false);
    assert.equal(ordinary.byteLength, 65536);
    assert.equal(mayGrow(growingMemory(1, 2).buffer), true);
  });

  it('is all that looks like it where asking gives memory away, and then nobody is asked', () => {
    const asked: unknown[] = [];
    // As Deno does.
    const judge = growthJudge((_value, options) => {
      const [first] = options?.transfer ?? [];
      asked.push(first);
      structuredClone(null, { transfer: [first as ArrayBuffer] });
      throw new TypeError('duplicate');
    });
    const ordinary = new ArrayBuffer(65536);
    assert.equal(judge(ordinary), true);
    assert.equal(ordinary.byteLength, 65536);
    assert.equal(asked.length, 1);
    assert.equal(asked.includes(ordinary), false);
  });
});
