import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { afterAll, describe, it } from 'vitest';
import { open } from '../../../src/open.ts';
import { KERNELS } from '../../support/kernels.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-streams-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const path = join(directory, 'file');
writeFileSync(path, 'hello\n');

for (const { name: backend, missing } of KERNELS) {
  describe.skipIf(missing !== undefined)(`streams over an AioFile, ${backend}`, () => {
    const at = (flags: string) => open(path, flags, 0o666, { backend });

    it('close() ends a write stream that closes nothing by itself, and waits for it', async () => {
      const file = await at('r+');
      const stream = file.createWriteStream({ start: 0, autoClose: false });
      stream.end('hello\n');
      await once(stream, 'finish');
      await file.close();
      assert.equal(stream.destroyed, true);
      assert.equal(file.fd, -1);
    });

    it('close() ends a write stream that has failed', async () => {
      const file = await at('r');
      const stream = file.createWriteStream({ start: 0, autoClose: false });
      stream.end('x');
      await assert.rejects(finished(stream), { code: 'EBADF' });
      await file.close();
      assert.equal(stream.destroyed, true);
    });

    it('close() ends a write stream that fails meanwhile', async () => {
      const file = await at('r');
      const stream = file.createWriteStream({ start: 0, autoClose: false });
      stream.end('x');
      const failed = assert.rejects(finished(stream), { code: 'EBADF' });
      await file.close();
      await failed;
      assert.equal(stream.destroyed, true);
    });

    it('close() ends lines that somebody waits for', { timeout: 5000 }, async () => {
      const file = await at('r');
      const lines: string[] = [];
      const read = (async () => {
        for await (const line of file.readLines({ start: 0, autoClose: false })) lines.push(line);
      })();
      await file.close();
      await read;
      assert.deepEqual(lines, []);
    });

    it('lines are all there when the file closes itself', async () => {
      const lines: string[] = [];
      for await (const line of (await at('r')).readLines()) lines.push(line);
      assert.deepEqual(lines, ['hello']);
    });
  });
}
