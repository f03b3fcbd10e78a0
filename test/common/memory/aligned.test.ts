import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import { alignedBuffer } from '../../../src/common/memory/aligned.ts';

// How many addresses there are is known of this one alone.
const known = process.platform === 'linux' && process.arch === 'x64';

describe.skipIf(!known)('addresses', () => {
  it('large aligned buffers share addresses when there are many, so that memory is the limit', {
    timeout: 120_000,
  }, () => {
    // Each in a slab of its own, they would end after some 13,000: 10 GiB of addresses each, of 128 TiB.
    const buffers = Array.from({ length: 15_000 }, () => alignedBuffer(5 << 20));
    const memories = new Set(buffers.map(({ buffer }) => buffer));
    assert.ok(memories.size < 2000, `${memories.size} memories`);
    assert.ok(
      buffers.every(({ byteLength, byteOffset }) => byteLength === 5 << 20 && byteOffset % 4096 === 0),
    );
  });
});
