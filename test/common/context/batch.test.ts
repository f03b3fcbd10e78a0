import assert from 'node:assert/strict';
import { it } from 'vitest';
import { IOCB_BYTES } from '../../../src/common/abi/layout.ts';
import { Batch } from '../../../src/common/context/batch.ts';
import { IocbSlab } from '../../../src/common/context/iocb-slab.ts';
import type { Memory } from '../../../src/common/kernel/aio-kernel.ts';

it('points at the iocbs of its slots, in their order, and starts again', () => {
  const BASE = 0x7ffe_1234_5000;
  const seen: Uint32Array<ArrayBuffer>[] = [];
  const fake: Partial<Memory> = {
    wordBytes: 8,
    addressOf: (memory) => BASE * seen.push(memory as Uint32Array<ArrayBuffer>),
  };
  const batch = new Batch(fake as Memory, new IocbSlab(fake as Memory, 3));
  const pointers = (): bigint[] => [...new BigUint64Array(seen[1]!.buffer)];
  batch.add(2, 100);
  batch.add(0, 5);
  assert.deepEqual([batch.length, batch.bytes, batch.slotAt(0), batch.slotAt(1)], [2, 105, 2, 0]);
  assert.deepEqual(pointers(), [BigInt(BASE + 2 * IOCB_BYTES), BigInt(BASE), 0n]);
  assert.equal(batch.iocbppAt(1), 2 * BASE + 8);
  batch.clear();
  batch.add(1, 7);
  assert.deepEqual([batch.length, batch.bytes], [1, 7]);
  assert.deepEqual(pointers(), [BigInt(BASE + IOCB_BYTES), BigInt(BASE), 0n]);
});
