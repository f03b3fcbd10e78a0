/** A FileHandle that is closed while requests with it wait: its number may mean another file before they reach the kernel. */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { AioContext } from '../../../src/index.ts';
import { KERNELS } from '../../support/kernels.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-closed-handles-'));
const [mine, others] = [join(directory, 'mine'), join(directory, 'others')];
writeFileSync(mine, 'a'.repeat(8192));
afterAll(() => rmSync(directory, { recursive: true }));

for (const { name, missing, open: openKernel } of KERNELS) {
  describe.skipIf(missing !== undefined)(`writes with a FileHandle that is closed, ${name}`, () => {
    const WRITES: Record<string, (context: AioContext, handle: FileHandle) => Promise<unknown>> = {
      write: (context, handle) => context.write(handle, Buffer.from('evil'), 0),
      writev: (context, handle) => context.writev(handle, [Buffer.from('evil')], 0),
    };
    for (const submitThread of [false, true, 2])
      for (const [method, write] of Object.entries(WRITES)) {
        it(`never reach the file that takes its number (${method}, submitThread: ${submitThread})`, async () => {
          await using context = new AioContext({ kernel: openKernel(), submitThread });
          await using other = await open(mine, 'r');
          for (let round = 0; round < 10; round++) {
            writeFileSync(others, 'b'.repeat(8192));
            const busy = Array.from({ length: 200 }, () => context.read(other, new Uint8Array(65536), 0));
            const handle = await open(mine, 'r+');
            const writing = write(context, handle).catch((error: NodeJS.ErrnoException) => error.code);
            const taking = handle.close().then(() => openSync(others, 'r+'));
            const [answer, fd] = await Promise.all([writing, taking, ...busy]);
            closeSync(fd);
            assert.ok(answer === 4 || answer === 'EBADF', String(answer));
            assert.equal(readFileSync(others, 'latin1').slice(0, 4), 'bbbb');
          }
        });
      }
  });
}
