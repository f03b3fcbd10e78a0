/** What holds a file open, what ends with it, and whose memory is written to meanwhile. */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { afterAll, describe, it } from 'vitest';
import type { AioFile } from '../../../src/common/file/aio-file-type.ts';
import { fromDescriptor, type OpenOptions, open } from '../../../src/open.ts';
import { growingMemory } from '../../support/growing-memory.ts';
import { KERNELS } from '../../support/kernels.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-lifetimes-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;
function path(content: string | Uint8Array = ''): string {
  const name = join(directory, `file-${files++}`);
  writeFileSync(name, content, { flush: true });
  return name;
}
const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.catch((error: unknown) => (error as { code?: unknown }).code);
const MIB = 1 << 20;

for (const { name, missing } of KERNELS) {
  describe.skipIf(missing !== undefined)(`an AioFile, ${name}`, () => {
    const opened = (file: string, flags = 'r+', options: OpenOptions = {}): Promise<AioFile> =>
      open(file, flags, 0o666, { backend: name, ...options });

    it('is closed after its streams, which lose nothing', async () => {
      const at = path();
      const file = await opened(at, 'w');
      const stream = file.createWriteStream();
      for (let block = 0; block < 20; block++) stream.write(Buffer.alloc(10_000, block));
      await file.close();
      assert.equal(file.fd, -1);
      const content = readFileSync(at);
      assert.equal(content.length, 200_000);
      assert.ok(content.every((byte, index) => byte === Math.floor(index / 10_000)));
    });

    it('is closed although a stream has ended that closes nothing by itself', async () => {
      const file = await opened(path(), 'w');
      const stream = file.createWriteStream({ autoClose: false });
      stream.end('x');
      await finished(stream);
      await file.close();
    });

    it('ends readers that nobody reads to their end', async () => {
      const lines = await opened(path('one\ntwo\n'.repeat(100_000)));
      for await (const line of lines.readLines()) {
        assert.equal(line, 'one');
        break;
      }
      await lines.close();
      const unread = await opened(path('x'));
      unread.createReadStream();
      await unread.close();
    });

    it('ends a web stream: unread, read in part, under way, failed', async () => {
      const unread = await opened(path('x'.repeat(MIB)));
      unread.readableWebStream();
      await unread.close();
      const part = await opened(path('x'.repeat(MIB)));
      const reader = part.readableWebStream().getReader();
      assert.equal((await reader.read()).done, false);
      const [read] = await Promise.all([reader.read(), part.close()]);
      assert.ok(read.done || read.value.length > 0);
      const failing = await opened(path('x'), 'w');
      await assert.rejects(failing.readableWebStream().getReader().read(), { code: 'EBADF' });
      await failing.close();
    });

    it("shares a context that closing does not take from the others'", async () => {
      const [one, other] = [await opened(path('one')), await opened(path('other'))];
      await one.context.close();
      const later = await opened(path('later'));
      for (const file of [one, other, later])
        assert.ok((await file.read(Buffer.alloc(8), { position: 0 })).bytesRead >= 3);
      await Promise.all([one.close(), other.close(), later.close()]);
    });

    it('made of a FileHandle is closed with it, whatever its number comes to mean', async () => {
      const other = path('B'.repeat(4096));
      const handle = await openHandle(path('A'.repeat(4096)), 'r+');
      const number = handle.fd;
      const file = await fromDescriptor(handle, { backend: name });
      const late = file.read(Buffer.alloc(8), { position: 0 });
      await handle.close();
      const reused: number[] = [];
      while (!reused.includes(number) && reused.length < 50) reused.push(openSync(other, 'r+'));
      assert.ok(reused.includes(number));
      // What was asked for before keeps the handle open.
      assert.equal((await late).buffer.toString(), 'A'.repeat(8));
      const bytes = Buffer.alloc(4096, 0x5a);
      assert.deepEqual(
        await Promise.all([
          outcome(file.read(Buffer.alloc(8), { position: 0 })),
          outcome(file.write(bytes, { position: 0 })),
          outcome(file.writev([bytes], 0)),
          outcome(file.writeFully(bytes, { position: 0 })),
          outcome(file.read(Buffer.alloc(2 * MIB), { position: 0 })),
        ]),
        Array(5).fill('EBADF'),
      );
      assert.equal(readFileSync(other, 'latin1'), 'B'.repeat(4096));
      for (const fd of reused) closeSync(fd);
      await file.close();
    });

    it('writes nothing into memory that was given away, and leaves the rest free', async () => {
      const at = path(Buffer.alloc(4 * MIB, 7));
      const file = await opened(at);
      for (let round = 0; round < 10; round++) {
        const buffer = new ArrayBuffer(4 * MIB);
        const reading = outcome(file.read(new Uint8Array(buffer), { position: 0 }));
        if (round % 2 === 1) await setImmediate();
        let owner: Uint8Array | undefined;
        try {
          owner = new Uint8Array(structuredClone(buffer, { transfer: [buffer] })).fill(1);
        } catch (error) {
          assert.equal((error as Error).name, 'DataCloneError');
        }
        const answer = await reading;
        const { bytesRead } = answer as { bytesRead?: number };
        if (buffer.byteLength === 0) {
          // It may have ended before: then it is the new owner who has the bytes.
          assert.ok(answer === 'ERR_INVALID_ARG_VALUE' || bytesRead === 4 * MIB);
        } else {
          assert.equal(bytesRead, 4 * MIB);
          assert.ok(new Uint8Array(buffer).every((byte) => byte === 7));
          structuredClone(buffer, { transfer: [buffer] });
          assert.equal(buffer.byteLength, 0);
        }
        assert.ok(owner === undefined || owner.every((byte) => byte === 1));
      }
      await file.close();
    });

    it('keeps the rule where Node.js does the transfer, because it takes what we do not', async () => {
      const file = await opened(path(Buffer.alloc(MIB, 7)));
      for (let round = 0; round < 10; round++) {
        const buffer = new ArrayBuffer(MIB);
        // FileHandle looks at no signal.
        const odd = { offset: 8, position: 0, signal: {} } as never;
        const reading = outcome(file.read(new Uint8Array(buffer), odd));
        if (round < 5) {
          const owner = new Uint8Array(structuredClone(buffer, { transfer: [buffer] })).fill(1);
          assert.equal(await reading, 'ERR_INVALID_ARG_VALUE');
          assert.ok(owner.every((byte) => byte === 1));
        } else {
          assert.equal(((await reading) as { bytesRead: number }).bytesRead, MIB - 8);
          assert.ok(new Uint8Array(buffer).every((byte, index) => byte === (index < 8 ? 0 : 7)));
        }
      }
      const bytes = new ArrayBuffer(8);
      const writing = file.write(new Uint8Array(bytes).fill(9), { position: 16, signal: {} } as never);
      new Uint8Array(structuredClone(bytes, { transfer: [bytes] })).fill(1);
      assert.equal((await writing).bytesWritten, 8);
      const back = Buffer.alloc(8);
      await file.read(back, { position: 16 });
      assert.ok(back.every((byte) => byte === 9));
      await file.close();
    });

    it.each([
      ['buffered', { direct: false }],
      ['direct', { direct: 'prefer', unaligned: 'copy' }],
    ] as const)('reads into WebAssembly memory that grows meanwhile: %s', async (_title, options) => {
      const bytes = 2 * MIB;
      const file = await opened(path(Buffer.alloc(bytes, 7)), 'r', options);
      const when = [() => {}, () => null, () => new Promise((next) => process.nextTick(next)), setImmediate];
      for (const [length, start] of [
        [bytes, 65536],
        [500, 65536 + 24],
      ] as const) {
        for (const wait of when) {
          const memory = growingMemory(64, 128);
          const reading = file.read(new Uint8Array(memory.buffer, start, length), { position: 0 });
          const pause = wait();
          if (pause !== undefined) await pause;
          memory.grow(1);
          assert.equal((await reading).bytesRead, length);
          assert.ok(new Uint8Array(memory.buffer, start, length).every((byte) => byte === 7));
          memory.grow(1);
        }
      }
      await file.close();
    });
  });
}
