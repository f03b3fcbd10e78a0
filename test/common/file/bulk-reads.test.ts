import assert from 'node:assert/strict';
import { it } from 'vitest';
import { BulkReads } from '../../../src/common/file/bulk-reads.ts';

it('sends to the thread pool what is more than a mebibyte at once, those in the pool included', () => {
  const bulk = new BulkReads();
  const size = 1 << 18;
  const forPool = Array.from({ length: 6 }, () => bulk.begin(size));
  assert.deepEqual(forPool, [false, false, false, false, true, true]);
  for (let read = 0; read < 2; read++) bulk.end(size);
  assert.equal(bulk.begin(size), true);
  for (let read = 0; read < 4; read++) bulk.end(size);
  assert.equal(bulk.begin(size), false);
  assert.equal(new BulkReads().begin(8 << 20), true);
});
