import assert from 'node:assert/strict';
import { constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it, vi } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { alignedBuffer } from '../../../src/common/memory/aligned.ts';
import { type AioFile, fromDescriptor, open } from '../../../src/open.ts';
import { selectKernel } from '../../../src/select.ts';
import { KERNELS } from '../../support/kernels.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-file-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let files = 0;
function path(content?: string | Uint8Array): string {
  const name = join(directory, `file-${files++}`);
  if (content !== undefined) writeFileSync(name, content);
  return name;
}

/** Whether files here are direct when that is asked for. It takes some bytes to see. */
async function takesDirect(): Promise<boolean> {
  await using file = await open(path(Buffer.alloc(65536, 1)), 'r', 0o666, { direct: 'prefer' });
  return file.direct;
}
const direct = await takesDirect();

for (const { name: backend, missing } of KERNELS) {
  describe.skipIf(missing !== undefined)(`AioFile, ${backend}`, () => {
    const at = (name: string, flags: string | number = 'r+', more = {}) =>
      open(name, flags, 0o666, { backend, ...more });

    it('reads and writes in the overloads of FileHandle, and goes on from its cursor', async () => {
      const name = path('hello world');
      await using file = await at(name);
      assert.equal(file.backend, backend);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 1, 5, null);
      assert.equal(bytesRead, 5);
      assert.equal(buffer.toString(), '\0hello\0\0');
      assert.equal((await file.read({ buffer: Buffer.alloc(3) })).buffer.toString(), ' wo');
      // To Node.js 20 a bigint is the current position.
      const isPlace = !process.version.startsWith('v20.');
      const { buffer: two } = await file.read(Buffer.alloc(2), { position: isPlace ? 0n : 0 });
      assert.equal(two.toString(), 'he');
      assert.equal((await file.write('XY')).bytesWritten, 2);
      assert.equal((await file.write(Buffer.from('.ab.'), 1, 2, 0)).bytesWritten, 2);
      assert.equal(readFileSync(name, 'utf8'), 'abllo woXYd');
      assert.equal((await file.read(Buffer.alloc(9))).bytesRead, 1);
      assert.equal((await file.read(Buffer.alloc(9))).bytesRead, 0);
    });

    it('gives concurrent reads at the cursor one piece each', async () => {
      await using file = await at(path('0123456789'));
      const reads = Array.from({ length: 5 }, () => file.read(Buffer.alloc(2)));
      const pieces = (await Promise.all(reads)).map(({ buffer }) => buffer.toString());
      assert.deepEqual(pieces, ['01', '23', '45', '67', '89']);
    });

    it('reads many bytes at once on the thread pool, and few where it is asked', async () => {
      const size = 1 << 18;
      const content = Buffer.from(Uint8Array.from({ length: 8 * size }, (_, at) => at >> 18));
      // A context of its own, whose counts are of this file alone.
      await using context = new AioContext({ kernel: selectKernel({ backend }).kernel });
      await using file = await at(path(content), 'r', { context });
      const atOnce = (): number => context.stats.threadPool['many bytes at once'] ?? 0;
      const buffers = Array.from({ length: 8 }, () => Buffer.alloc(size));
      for (const [index, buffer] of buffers.entries())
        assert.equal((await file.read(buffer, 0, size, index * size)).bytesRead, size);
      assert.deepEqual(Buffer.concat(buffers), content);
      assert.equal(atOnce(), 0);
      // Not before something was read: the file system may have refused RWF_NOWAIT (tmpfs, overlay).
      const isBulk = file.routes.read === 'nowait';
      const halves = (buffer: Buffer): Buffer[] => [buffer.subarray(0, 9), buffer.subarray(9)];
      for (const buffer of buffers) buffer.fill(9);
      const counts = await Promise.all(
        buffers.map((buffer, index) =>
          index % 2 === 0
            ? file.read(buffer, 0, size, index * size)
            : file.readv(halves(buffer), index * size),
        ),
      );
      assert.deepEqual(
        counts.map(({ bytesRead }) => bytesRead),
        Array<number>(8).fill(size),
      );
      assert.deepEqual(Buffer.concat(buffers), content);
      // A mebibyte of them is copied on this thread.
      assert.equal(atOnce(), isBulk ? 4 : 0);
      await file.read(buffers[0]!, 0, size, 0);
      assert.equal(atOnce(), isBulk ? 4 : 0);
    });

    it.skipIf(!direct)('reads a whole direct file of a known size as one read does', async () => {
      const content = Buffer.alloc(2 * 4096, 'kaio');
      const name = path(content);
      const requests = async (read: (file: AioFile) => Promise<unknown>): Promise<number> => {
        await using context = new AioContext({ kernel: selectKernel({ backend }).kernel });
        await using file = await at(name, 'r', { context, direct: 'require' });
        await read(file);
        const { submitted, threadPool } = context.stats;
        return Object.values(threadPool).reduce((sum, count) => sum + count, submitted);
      };
      const once = (file: AioFile): Promise<unknown> =>
        file.read(alignedBuffer(content.length), 0, content.length, 0);
      // The first one writes back what is dirty.
      await requests(once);
      const read = await requests(once);
      assert.equal(await requests(async (file) => assert.ok((await file.readFile()).equals(content))), read);
      // From another place FileHandle asks until nothing comes.
      await requests(async (file) => {
        await file.read(alignedBuffer(4096));
        assert.ok((await file.readFile()).equals(content.subarray(4096)));
      });
    });

    it('moves several buffers, whole files and streams', async () => {
      const name = path('');
      await using file = await at(name, 'w+');
      const big = Buffer.alloc(3_000_001, 'kaio');
      await file.writeFile(big);
      assert.ok(readFileSync(name).equals(big));
      const views = [Buffer.alloc(3), Buffer.alloc(0), Buffer.alloc(6)];
      assert.equal((await file.readv(views, 1)).bytesRead, 9);
      assert.equal(Buffer.concat(views).toString(), 'aiokaioka');
      assert.equal((await file.writev([Buffer.from('AB'), Buffer.from('C')], 4)).bytesWritten, 3);
      await using again = await at(name);
      const expected = Buffer.from(big);
      expected.write('ABC', 4);
      assert.ok((await again.readFile()).equals(expected));
      let bytes = 0;
      for await (const chunk of again.createReadStream({ start: 1, autoClose: false })) bytes += chunk.length;
      assert.equal(bytes, big.length - 1);
      const copy = path();
      const writer = (await at(copy, 'w')).createWriteStream();
      again.createReadStream({ start: 0, autoClose: false }).pipe(writer);
      await new Promise<void>((resolve) => writer.once('close', () => resolve()));
      assert.ok(readFileSync(copy).equals(expected));
      let webBytes = 0;
      await using third = await at(name);
      for await (const chunk of third.readableWebStream()) webBytes += chunk.byteLength;
      assert.equal(webBytes, big.length);
    });

    it('appends, whatever position is asked for', async () => {
      const name = path('one');
      await using file = await at(name, 'a+');
      await file.appendFile(' two');
      await file.write(' three', 0);
      assert.equal(readFileSync(name, 'utf8'), constants.O_APPEND ? 'one two three' : '');
      assert.equal((await file.read(Buffer.alloc(3), 0, 3, 0)).buffer.toString(), 'one');
    });

    it('waits at close for what is under way, and says EBADF after it', async () => {
      const file = await at(path('x'.repeat(100_000)));
      const reads = Array.from({ length: 20 }, (_, index) =>
        file.read(Buffer.alloc(5000), 0, 5000, index * 5000),
      );
      let closed = 0;
      file.on('close', () => closed++);
      const closing = file.close();
      for (const { bytesRead } of await Promise.all(reads)) assert.equal(bytesRead, 5000);
      await closing;
      await file.close();
      assert.equal(closed, 1);
      assert.equal(file.fd, -1);
      await assert.rejects(file.read(Buffer.alloc(1)), {
        code: 'EBADF',
        syscall: 'read',
        message: 'file closed',
      });
      await assert.rejects(file.stat(), { code: 'EBADF', syscall: 'fstat' });
    });

    it('throws what FileHandle throws for wrong arguments', async () => {
      const name = path('abc');
      await using file = await at(name);
      const handle = await openHandle(name, 'r+');
      try {
        const wrong: unknown[][] = [
          ['x'],
          [Buffer.alloc(4), 5],
          [Buffer.alloc(4), 0, 5],
          [Buffer.alloc(4), -1],
          [7],
        ];
        for (const args of wrong) {
          const theirs = await handle
            .read(...(args as []))
            .catch((error: unknown) => error as NodeJS.ErrnoException);
          assert.ok(theirs instanceof Error, JSON.stringify(args));
          await assert.rejects(file.read(...(args as [])), { name: theirs.name, code: theirs.code });
        }
      } finally {
        await handle.close();
      }
    });

    it('rejects a read of what was opened for writing, and a directory, as FileHandle does', async () => {
      await using file = await at(path('abc'), 'w');
      await assert.rejects(file.read(Buffer.alloc(1), 0, 1, 0), { code: 'EBADF', syscall: 'read' });
      await using folder = await at(directory, 'r');
      await assert.rejects(folder.read(Buffer.alloc(1), 0, 1, 0), { code: 'EISDIR', syscall: 'read' });
    });

    it.skipIf(process.platform === 'win32')('reads a pipe without holding up the event loop', async () => {
      await using file = await fromDescriptor(await pipeEnd(), { backend, autoClose: true });
      assert.equal(file.routes.read, 'threadpool');
      const { bytesRead, buffer } = await file.read(Buffer.alloc(16));
      assert.equal(buffer.toString('utf8', 0, bytesRead), 'through a fifo');
    });

    it('gives up what has not begun when its signal says so', async () => {
      await using file = await at(path('abc'));
      const signal = AbortSignal.abort(new Error('why'));
      await assert.rejects(file.read(Buffer.alloc(1), { position: 0, signal }), { name: 'AbortError' });
      await assert.rejects(file.readFile({ signal }), { name: 'AbortError' });
    });

    it('goes on after short transfers when asked to', async () => {
      const name = path('0123456789');
      await using file = await at(name);
      assert.equal((await file.readFully(Buffer.alloc(20), { position: 2 })).bytesRead, 8);
      assert.equal((await file.writeFully(Buffer.alloc(300_000), { position: 5 })).bytesWritten, 300_000);
      assert.equal(readFileSync(name).length, 300_005);
    });

    it('borrows a FileHandle and leaves it open', async () => {
      const handle = await openHandle(path('borrowed'), 'r');
      try {
        const file = await fromDescriptor(handle, { backend });
        assert.equal((await file.read(Buffer.alloc(3))).buffer.toString(), 'bor');
        assert.equal((await handle.read(Buffer.alloc(3))).buffer.toString(), 'row');
        await file.close();
        assert.equal((await handle.stat()).size, 8);
      } finally {
        await handle.close();
      }
    });

    describe.skipIf(!direct)('direct', () => {
      it('tells its alignment, and refuses what breaks it before the kernel is asked', async () => {
        await using file = await at(path(Buffer.alloc(65536, 1)), 'r+', { direct: 'require' });
        assert.ok(file.direct);
        const { memory, offset, length } = file.alignment;
        for (const multiple of [memory, offset, length]) assert.equal(Math.log2(multiple) % 1, 0);
        const buffer = alignedBuffer(65536);
        assert.equal((await file.read(buffer, 0, 65536, 0)).bytesRead, 65536);
        const said = new RegExp(`memory ${memory}, position ${offset}, length ${length}.*Received 3`);
        await assert.rejects(file.read(buffer, 0, 4096, 3), { code: 'ERR_OUT_OF_RANGE', message: said });
        await assert.rejects(file.write(buffer, 0, 3, 0), { code: 'ERR_OUT_OF_RANGE', message: said });
        const { submitted } = file.context.stats;
        await assert.rejects(file.read(buffer, 1, 4096, 0), { code: 'ERR_OUT_OF_RANGE', message: /address/ });
        assert.equal(file.context.stats.submitted, submitted);
      });

      it('copies unaligned reads, and changes parts of blocks, when told to', async () => {
        const content = Buffer.from(Array.from({ length: 10_001 }, (_, index) => index % 251));
        const name = path(content);
        await using copying = await at(name, 'r+', { direct: 'require', unaligned: 'copy' });
        for (const [position, length] of [
          [3, 5],
          [4090, 10],
          [9990, 100],
          [10_001, 5],
          [20_000, 5],
        ] as const) {
          const { bytesRead, buffer } = await copying.read(Buffer.alloc(length), 0, length, position);
          assert.deepEqual(buffer.subarray(0, bytesRead), content.subarray(position, position + length));
        }
        await assert.rejects(copying.write(Buffer.alloc(5), 0, 5, 3), { code: 'ERR_OUT_OF_RANGE' });
        await using file = await at(name, 'r+', { direct: 'require', unaligned: 'read-modify-write' });
        const writes = Array.from({ length: 30 }, (_, index) => {
          const piece = Buffer.alloc(7, index);
          piece.copy(content, 4000 + index * 7);
          return file.write(piece, 0, 7, 4000 + index * 7);
        });
        for (const { bytesWritten } of await Promise.all(writes)) assert.equal(bytesWritten, 7);
        assert.deepEqual(readFileSync(name), content);
        await file.write(Buffer.from('the end'), 0, 7, 10_000);
        assert.deepEqual(
          readFileSync(name),
          Buffer.concat([content.subarray(0, 10_000), Buffer.from('the end')]),
        );
        assert.ok((await file.readFile()).equals(readFileSync(name)));
        // Whole blocks wait for the one that is changed in part, and their memory may go meanwhile.
        const room = new Uint8Array(8192);
        const beyond = file.context.kernel.memory.addressOf(room) % 4096;
        const blocks = room.subarray(4096 - beyond, 8192 - beyond);
        const part = file.write(Buffer.from('part'), 0, 4, 1);
        const whole = file.write(blocks, 0, 4096, 4096);
        structuredClone(blocks.buffer, { transfer: [blocks.buffer] });
        await assert.rejects(whole, { code: 'ERR_INVALID_ARG_VALUE' });
        assert.equal((await part).bytesWritten, 4);
      });
    });

    it('says why it is not direct', async () => {
      await using file = await at(path('x'), 'r', { direct: false });
      assert.equal(file.direct, false);
      assert.equal(file.directReason, 'not asked for');
      await assert.rejects(at(path('x'), 'r', { direct: 'yes' }), { code: 'ERR_INVALID_ARG_TYPE' });
    });
  });
}

it('counts what goes to the thread pool, and why', async () => {
  const name = path(Buffer.alloc(100_000));
  await using file = await open(name, 'r+');
  const before = { ...file.context.stats.threadPool };
  await file.write(Buffer.alloc(10), 0, 10, 0);
  if (file.routes.write !== 'threadpool') return;
  assert.equal(file.context.stats.threadPool['buffered write'], (before['buffered write'] ?? 0) + 1);
});

it('shares one context between files, and gives it back', async () => {
  const first = await open(path('x'), 'r');
  const second = await open(path('y'), 'r');
  assert.equal(first.context, second.context);
  // A slow machine takes longer to open a file than a context waits for its next user.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    await Promise.all([first.close(), second.close()]);
    await using third = await open(path('z'), 'r');
    assert.equal(third.context, first.context, 'a context that was used a moment ago is used again');
    await third.close();
    vi.advanceTimersByTime(1000);
    await using fourth = await open(path('z'), 'r');
    assert.notEqual(fourth.context, first.context);
  } finally {
    vi.useRealTimers();
  }
});

/** The reading end of a FIFO into which something is written later. */
async function pipeEnd(): Promise<number> {
  const { execFileSync, spawn } = await import('node:child_process');
  const { openSync } = await import('node:fs');
  const fifo = path();
  execFileSync('mkfifo', [fifo]);
  spawn('sh', ['-c', `printf 'through a fifo' > '${fifo}'`]);
  return openSync(fifo, 'r');
}
