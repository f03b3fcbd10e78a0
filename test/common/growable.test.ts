import assert from 'node:assert/strict';
import { afterEach, describe, it, vi } from 'vitest';
import { growingMemory } from '../support/growing-memory.ts';

const { structuredClone } = globalThis;

async function mayGrow(memory: ArrayBuffer): Promise<boolean> {
  vi.resetModules();
  const growable = await import('../../src/common/memory/growable.ts');
  return growable.mayGrow(memory);
}

describe('memory that may grow', () => {
  afterEach(() => {
    globalThis.structuredClone = structuredClone;
  });

  it('is told from ordinary memory, which stays where it is', async () => {
    const ordinary = new ArrayBuffer(65536);
    assert.equal(await mayGrow(ordinary), false);
    assert.equal(ordinary.byteLength, 65536);
    assert.equal(await mayGrow(growingMemory(1, 2).buffer), true);
  });

  it('is all that looks like it where asking gives memory away, and then nobody is asked', async () => {
    const asked: unknown[] = [];
    // As Deno does.
    globalThis.structuredClone = (_value: unknown, options?: { transfer?: readonly unknown[] }): never => {
      const [first] = options?.transfer ?? [];
      asked.push(first);
      structuredClone(null, { transfer: [first as ArrayBuffer] });
      throw new TypeError('duplicate');
    };
    const ordinary = new ArrayBuffer(65536);
    assert.equal(await mayGrow(ordinary), true);
    assert.equal(ordinary.byteLength, 65536);
    assert.equal(asked.length, 1);
    assert.equal(asked.includes(ordinary), false);
  });
});
