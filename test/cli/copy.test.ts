import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'vitest';
import { copyFile } from '../../src/cli/copy.ts';
import { AioContext } from '../../src/common/context/aio-context.ts';
import type { AioKernel } from '../../src/common/kernel/aio-kernel.ts';
import { KERNELS } from '../support/kernels.ts';

const BLOCK_BYTES = 4096;
const BLOCKS = 8;
let directory: string;
let source: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kaio-copy-'));
  source = join(directory, 'source');
  writeFileSync(source, Buffer.alloc(BLOCKS * BLOCK_BYTES, 'k'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Copies block by block, and does something after the first. */
async function copyWhile(kernel: AioKernel, meanwhile: () => void, signal?: AbortSignal): Promise<number> {
  await using context = new AioContext({ kernel });
  let begun = false;
  return await copyFile(source, join(directory, 'destination'), {
    context,
    queueDepth: 1,
    blockBytes: BLOCK_BYTES,
    direct: false,
    ...(signal === undefined ? {} : { signal }),
    onProgress: () => {
      if (!begun) meanwhile();
      begun = true;
    },
  });
}

for (const { name, open, missing } of KERNELS) {
  describe.skipIf(missing !== undefined)(`copyFile, ${name}`, () => {
    it('notices a source that shrinks', async () => {
      const copy = copyWhile(open(), () => truncateSync(source, 3 * BLOCK_BYTES));
      await assert.rejects(copy, /ended after 12288 bytes: it was truncated while it was copied/);
      assert.deepEqual(readdirSync(directory), ['source']);
    });

    it('notices a source that grows', async () => {
      const copy = copyWhile(open(), () => appendFileSync(source, 'more'));
      await assert.rejects(copy, /changed its size while it was copied/);
      assert.deepEqual(readdirSync(directory), ['source']);
    });

    it('keeps what it has open when the source is removed', async () => {
      assert.equal(await copyWhile(open(), () => rmSync(source)), BLOCKS * BLOCK_BYTES);
      assert.deepEqual(readdirSync(directory), ['destination']);
    });

    it('stops when its signal says so', async () => {
      const controller = new AbortController();
      const copy = copyWhile(open(), () => controller.abort(new Error('enough')), controller.signal);
      await assert.rejects(copy, /enough/);
      assert.deepEqual(readdirSync(directory), ['source']);
    });
  });
}
