/** Streams of direct files: pieces that are worth a request, in memory that needs no copy. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { chunkFor, readingDirectly } from '../../../src/common/file/direct-streams.ts';
import { open } from '../../../src/open.ts';
import { KERNELS } from '../../support/kernels.ts';

const MIB = 1 << 20;
const home = mkdtempSync(join(tmpdir(), 'kaio-direct-streams-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe('a chunk of a stream', () => {
  const alignment = { memory: 512, offset: 512, length: 512 };

  it.each([0, 1, 511, 512, 1000, 4095, null])(
    'has its whole blocks where direct transfers need them: position %s',
    (position) => {
      for (const address of [0x1000, 0x1001, 0x11ff, 0x1010]) {
        const chunk = chunkFor({ addressOf: () => address }, alignment, position, 10_000);
        assert.equal(chunk.length, 10_000);
        assert.equal((address + chunk.byteOffset) % 512, (position ?? 0) % 512);
        assert.ok(chunk.byteOffset + chunk.length <= chunk.buffer.byteLength);
      }
    },
  );

  it('has memory of its own', () => {
    const [one, other] = [0, 0].map(() => chunkFor({ addressOf: () => 0 }, alignment, 0, 16));
    assert.notEqual(one!.buffer, other!.buffer);
    assert.equal(structuredClone(one!.buffer, { transfer: [one!.buffer as ArrayBuffer] }).byteLength, 1040);
  });
});

describe('options of a stream', () => {
  it('have pieces of a mebibyte where nothing else is asked for', () => {
    assert.deepEqual(readingDirectly(undefined), { highWaterMark: MIB });
    assert.deepEqual(readingDirectly({ highWaterMark: undefined }), { highWaterMark: MIB });
    assert.deepEqual(readingDirectly({ highWaterMark: 7 }), { highWaterMark: 7 });
  });

  it('are read once, and judged by Node.js where they are none', () => {
    let asked = 0;
    const options = {
      get highWaterMark(): number {
        asked++;
        return 9;
      },
    };
    assert.deepEqual(readingDirectly(options), { highWaterMark: 9 });
    assert.equal(asked, 1);
    for (const none of ['utf8', null, 7] as unknown as { highWaterMark?: number }[])
      assert.equal(readingDirectly(none), none);
  });
});

for (const { name: backend, missing } of KERNELS) {
  describe.skipIf(missing !== undefined)(`streams of direct files, ${backend}`, () => {
    const path = join(home, `file-${backend}`);
    const content = Buffer.alloc(3 * MIB + 777, 0).map((_, index) => (index * 7 + (index >> 10)) & 0xff);
    writeFileSync(path, content);

    it.each<readonly [string, object | undefined, readonly [number, number]]>([
      ['of all of it', undefined, [0, content.length]],
      ['from a place that is none of a block', { start: 1001 }, [1001, content.length]],
      ['of a part', { start: 513, end: 2 * MIB }, [513, 2 * MIB + 1]],
      ['in small pieces', { start: 5, end: 99_999, highWaterMark: 3000 }, [5, 100_000]],
    ])('have every byte, %s', async (_title, options, [from, to]) => {
      const file = await open(path, 'r', 0o666, { backend, direct: 'prefer' });
      const chunks: Buffer[] = [];
      for await (const chunk of file.createReadStream(options)) chunks.push(chunk as Buffer);
      assert.ok(Buffer.concat(chunks).equals(content.subarray(from, to)));
      const most = (options as { highWaterMark?: number } | undefined)?.highWaterMark ?? MIB;
      if (file.direct)
        assert.equal(Math.max(...chunks.map(({ length }) => length)), Math.min(most, to - from));
    });

    it('go on from the cursor', async () => {
      const file = await open(path, 'r', 0o666, { backend, direct: 'prefer', unaligned: 'copy' });
      await file.read(Buffer.alloc(1000), 0, 1000, null);
      const chunks: Buffer[] = [];
      for await (const chunk of file.createReadStream()) chunks.push(chunk as Buffer);
      assert.ok(Buffer.concat(chunks).equals(content.subarray(1000)));
    });
  });
}
