import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { fully } from '../../../src/common/file/whole-transfers.ts';
import { extentOfOwn } from '../../../src/common/memory/extent.ts';
import { open } from '../../../src/open.ts';
import { KERNELS } from '../../support/kernels.ts';

const extent = extentOfOwn(new Uint8Array(10));

describe('a transfer of everything', () => {
  it('goes on after short ones, in parts of a length that the host takes', async () => {
    const seen: [start: number, length: number, position: number | null][] = [];
    const transfer = async (rest: typeof extent, position: number | null): Promise<number> => {
      seen.push([rest.start, rest.length, position]);
      return Math.min(3, rest.length);
    };
    assert.equal(await fully(extent, 100, transfer, 4), 10);
    assert.deepEqual(seen, [
      [0, 4, 100],
      [3, 4, 103],
      [6, 4, 106],
      [9, 1, 109],
    ]);
    seen.length = 0;
    await fully(extent, null, transfer);
    assert.deepEqual(seen.at(0), [0, 10, null]);
  });

  it('ends at nothing, and tells with an error how much was done', async () => {
    const answers = [4, 0];
    assert.equal(await fully(extent, 0, async () => answers.shift()!), 4);
    let calls = 0;
    await assert.rejects(
      fully(extent, 0, async () => {
        if (calls++ === 1) throw new Error('no');
        return 4;
      }),
      { message: 'no', bytesDone: 4 },
    );
  });
});

for (const { name, missing } of KERNELS) {
  it.skipIf(missing !== undefined)(
    `writeFile() and appendFile() look at their signal between pieces, ${name}`,
    async () => {
      const directory = mkdtempSync(join(tmpdir(), 'kaio-whole-'));
      const path = join(directory, 'file');
      const channels = ['kaio:threadpool', 'kaio:submit'];
      try {
        for (const method of ['writeFile', 'appendFile'] as const) {
          const controller = new AbortController();
          const abort = (): void => controller.abort('reason');
          const file = await open(path, 'w', 0o666, { backend: name });
          for (const channel of channels) subscribe(channel, abort);
          try {
            await assert.rejects(file[method](Buffer.alloc(4 << 20), { signal: controller.signal }), {
              name: 'AbortError',
              cause: 'reason',
            });
          } finally {
            for (const channel of channels) unsubscribe(channel, abort);
          }
          await file.close();
          assert.ok(readFileSync(path).length < 4 << 20);
        }
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    },
  );
}
