/** Descriptors that are closed while requests with them wait: their numbers may mean other files before they reach the kernel. */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { RWF_DSYNC } from '../../../src/common/abi/constants.ts';
import { EXECUTORS, emulatedKernel } from '../../../src/emulated/index.ts';
import { AioContext } from '../../../src/index.ts';
import { KERNELS } from '../../support/kernels.ts';

const O_NONBLOCK = 0o4000;
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

/** Each on its own; all but the last would change or show the file that it meets. */
const NUMBERED: Record<string, (context: AioContext, fd: number) => Promise<unknown>> = {
  read: (context, fd) => context.read(fd, Buffer.alloc(4), 0),
  write: (context, fd) => context.write(fd, Buffer.from('evil'), 0),
  readv: (context, fd) => context.readv(fd, [Buffer.alloc(4)], 0),
  writev: (context, fd) => context.writev(fd, [Buffer.from('evil')], 0),
  'write with flags': (context, fd) => context.write(fd, Buffer.from('evil'), 0, { rw_flags: RWF_DSYNC }),
  submit: async (context, fd) => {
    const request = { operation: 'write', fd, buffer: Buffer.from('evil'), position: 0 } as const;
    const [outcome] = await context.submit([request]);
    if (outcome?.status === 'rejected') throw outcome.reason;
  },
  fdatasync: (context, fd) => context.fdatasync(fd),
};

for (const executor of EXECUTORS.filter((name) => name !== 'simulated')) {
  describe(`requests with a number that comes to mean another file, emulated, ${executor}`, () => {
    const kernel = emulatedKernel({ executor });
    afterAll(() => kernel.exit());
    const refuses = async (request: Promise<unknown>): Promise<void> => {
      await assert.rejects(request, { code: 'EBADF' });
      assert.equal(readFileSync(others, 'latin1').slice(0, 4), 'bbbb');
    };

    for (const [method, ask] of Object.entries(NUMBERED)) {
      it(`end with EBADF at the end of the tick: ${method}`, async () => {
        await using context = new AioContext({ kernel });
        writeFileSync(others, 'b'.repeat(8192));
        const fd = openSync(mine, 'r+');
        const asked = ask(context, fd);
        closeSync(fd);
        assert.equal(openSync(others, 'r+'), fd);
        await refuses(asked);
        // Named anew, it is the other file.
        await ask(context, fd);
        closeSync(fd);
      });

      it(`end with EBADF after they have waited for room: ${method}`, async () => {
        await using context = new AioContext({ kernel, queueDepth: 1 });
        writeFileSync(others, 'b'.repeat(8192));
        const busy = openSync(mine, 'r');
        const first = Array.from({ length: 4 }, () => context.read(busy, Buffer.alloc(4096), 0));
        const fd = openSync(mine, 'r+');
        const asked = ask(context, fd);
        await null;
        closeSync(fd);
        assert.equal(openSync(others, 'r+'), fd);
        await refuses(asked);
        assert.deepEqual(await Promise.all(first), [4096, 4096, 4096, 4096]);
        for (const one of [busy, fd]) closeSync(one);
      });

      it(`end with EBADF where it was not open yet: ${method}`, async () => {
        await using context = new AioContext({ kernel });
        writeFileSync(others, 'b'.repeat(8192));
        const fd = openSync(mine, 'r+');
        closeSync(fd);
        const asked = ask(context, fd);
        assert.equal(openSync(others, 'r+'), fd);
        await refuses(asked);
        closeSync(fd);
      });
    }

    it('are served where nobody waits with what the number meant before', async () => {
      await using context = new AioContext({ kernel });
      const fd = openSync(mine, 'r');
      const controller = new AbortController();
      const given = context.read(fd, Buffer.alloc(4), 0, { signal: controller.signal });
      controller.abort();
      closeSync(fd);
      assert.equal(openSync(others, 'r'), fd);
      const bytes = Buffer.alloc(4);
      const outcomes = await Promise.allSettled([given, context.read(fd, bytes, 0)]);
      assert.deepEqual(outcomes[1], { status: 'fulfilled', value: 4 });
      assert.equal(bytes.toString(), 'bbbb');
      closeSync(fd);
    });

    it('serve a number whose file stays, over many ticks and after other numbers', async () => {
      await using context = new AioContext({ kernel });
      const fds = [openSync(mine, 'r'), openSync(others, 'r')];
      for (let round = 0; round < 5; round++)
        assert.deepEqual(
          await Promise.all([...fds, ...fds].map((fd) => context.read(fd, Buffer.alloc(64), 0))),
          [64, 64, 64, 64],
        );
      for (const fd of fds) closeSync(fd);
    });
  });
}

describe("requests with a number of the emulation's own that comes to mean another file", () => {
  it('end with EBADF, and what was written before stays in its pipe', async () => {
    const kernel = emulatedKernel();
    await using context = new AioContext({ kernel });
    const [reader, writer] = kernel.pipe();
    const writing = context.write(writer, Buffer.from('evil'), 0);
    kernel.close(writer);
    const [otherReader, otherWriter] = kernel.pipe(O_NONBLOCK);
    assert.ok([otherReader, otherWriter].includes(writer), 'the number is used again');
    await assert.rejects(writing, { code: 'EBADF' });
    await assert.rejects(context.read(otherReader, Buffer.alloc(4), 0), { code: 'EAGAIN' });
    for (const fd of [reader, otherReader, otherWriter]) kernel.close(fd);
  });
});
