/** What `open()` answers is the host's own FileHandle: whatever takes one takes it, and there is one cursor. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import * as promises from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import { MessageChannel } from 'node:worker_threads';
import { afterAll, describe, it } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import type { AioFile as File } from '../../../src/common/file/aio-file-type.ts';
import { alignedBuffer } from '../../../src/common/memory/aligned.ts';
import { simulate } from '../../../src/emulated/index.ts';
import { AioFile, fromDescriptor, type OpenOptions, open } from '../../../src/open.ts';
import { KERNELS } from '../../support/kernels.ts';

const CHANNELS = ['kaio:threadpool', 'kaio:submit'];
const directory = mkdtempSync(join(tmpdir(), 'kaio-host-handle-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;
function path(content: string | Uint8Array): string {
  const name = join(directory, `file-${files++}`);
  writeFileSync(name, content, { flush: true });
  return name;
}

describe('an AioFile of a kernel without files of the host', () => {
  it('has the methods, and is no FileHandle', async () => {
    const context = new AioContext({ kernel: simulate({ seed: 1 }).kernel });
    const file = await open('/f', 'w+', 0o666, { context });
    assert.ok(file instanceof AioFile);
    await file.write('abcdef');
    await assert.rejects(promises.readFile(file as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await file.close();
    await context.close();
  });

  it('never says EAGAIN for want of room in io_submit', async () => {
    const { kernel } = simulate({ seed: 7, faults: { EAGAIN: 0.3 } });
    const context = new AioContext({ kernel });
    const file = await open('/f', 'w+', 0o666, { context });
    for (let index = 0; index < 50; index++) {
      const bytes = Buffer.alloc(512, index);
      await file.write(bytes, { position: index * 512 });
      await file.writev([bytes, bytes], index * 512);
      await file.datasync();
      const { buffer } = await file.read(Buffer.alloc(512), { position: index * 512 });
      assert.deepEqual(buffer, bytes);
      await file.readv([Buffer.alloc(100), Buffer.alloc(412)], index * 512);
    }
    assert.ok(context.stats.threadPool['no room in the kernel']! > 10);
    await file.close();
    await context.close();
  });
});

for (const { name, missing } of KERNELS) {
  describe.skipIf(missing !== undefined)(`an AioFile of the host, ${name}`, () => {
    const opened = (file: string, flags = 'r+', options: OpenOptions = {}): Promise<File> =>
      open(file, flags, 0o666, { backend: name, ...options });

    it('is the object that fs.promises.open has made', async () => {
      const handle = await promises.open(path('x'));
      const file = await opened(path('x'));
      const FileHandle = (handle as object).constructor;
      assert.ok(file instanceof (FileHandle as never));
      assert.ok(file instanceof AioFile);
      assert.ok(!(handle instanceof AioFile));
      assert.deepEqual(Object.keys(file), Object.keys(handle));
      assert.equal(typeof (file as unknown as { getAsyncId(): unknown }).getAsyncId(), 'number');
      for (const method of ['read', 'stat', 'readFully'] as const) assert.ok(!Object.hasOwn(file, method));
      await handle.close();
      await file.close();
      assert.equal(file.fd, -1);
    });

    it('is taken by what takes a FileHandle', async () => {
      const at = path('one\ntwo\n');
      const file = await opened(at);
      assert.equal(await promises.readFile(file, 'utf8'), 'one\ntwo\n');
      await promises.appendFile(file, 'three\n');
      const reader = createReadStream('', { fd: file, start: 4, autoClose: false });
      assert.equal(await text(reader), 'two\nthree\n');
      const writer = createWriteStream('', { fd: file, start: 0 });
      writer.end('ONE');
      await finished(writer);
      assert.equal(readFileSync(at, 'utf8'), 'ONE\ntwo\nthree\n');
      await file.close();
    });

    it('goes to another thread, when nothing of it is under way', async () => {
      const at = path('abc');
      const file = await opened(at);
      const { port1, port2 } = new MessageChannel();
      const reading = file.read(Buffer.alloc(3), { position: 0 });
      assert.throws(() => port1.postMessage(file, [file as never]), { name: 'DataCloneError' });
      assert.equal((await reading).bytesRead, 3);
      const arrived = new Promise<promises.FileHandle>((resolve) => port2.once('message', resolve));
      port1.postMessage(file, [file as never]);
      const there = await arrived;
      assert.equal(file.fd, -1);
      await assert.rejects(file.read(Buffer.alloc(1), 0, 1, 0), { code: 'EBADF' });
      assert.equal(await there.readFile('utf8'), 'abc');
      await there.close();
      await file.close();
      port1.close();
    });

    it('has one cursor, whoever moves it', async () => {
      const at = path('0123456789');
      const file = await opened(at);
      const two = async (): Promise<string> => (await file.read(Buffer.alloc(2))).buffer.toString();
      assert.equal(await two(), '01');
      const one = Buffer.alloc(1);
      readSync(file.fd, one, 0, 1, null);
      assert.equal(one.toString(), '2');
      assert.equal(await two(), '34');
      writeSync(file.fd, 'X', null);
      const again = await fromDescriptor(file as never, { backend: name });
      assert.equal((await again.read(Buffer.alloc(1))).buffer.toString(), '6');
      assert.equal(await promises.readFile(file, 'utf8'), '789');
      await file.write('end');
      await again.close();
      await file.close();
      assert.equal(readFileSync(at, 'utf8'), '01234X6789end');
    });

    it('reads a direct file to its end, whatever its size, and moves its place', async () => {
      for (const bytes of [100, 8192, 10_000, 600_000]) {
        const at = path(Buffer.alloc(bytes, 7));
        const file = await opened(at, 'r', { direct: 'prefer' });
        const buffer = alignedBuffer(1 << 20);
        assert.equal((await file.readFully(buffer, { position: 0 })).bytesRead, bytes);
        assert.equal((await file.readFile()).length, bytes);
        assert.equal((await file.readFile()).length, 0);
        if (name === 'native' && file.direct)
          assert.match(
            readFileSync(`/proc/self/fdinfo/${file.fd}`, 'latin1'),
            new RegExp(`^pos:\\s+${bytes}\\n`),
          );
        await file.close();
      }
    });

    it('keeps its descriptor until what is under way has ended', async () => {
      const at = path(Buffer.alloc(1 << 20, 1));
      const file = await opened(at);
      const reads = Array.from({ length: 64 }, () => file.read(Buffer.alloc(16_384), { position: 0 }));
      const whole = file.readFully(Buffer.alloc(1 << 20), { position: 0 });
      const closing = file.close();
      assert.notEqual(file.fd, -1);
      await closing;
      assert.equal(file.fd, -1);
      for (const { bytesRead } of await Promise.all(reads)) assert.equal(bytesRead, 16_384);
      assert.equal((await whole).bytesRead, 1 << 20);
      await assert.rejects(file.write('x'), { code: 'EBADF', syscall: 'write', message: 'file closed' });
    });

    it('is kept open by a file over it, while that has something under way', async () => {
      const file = await opened(path(Buffer.alloc(4096, 1)));
      const over = await fromDescriptor(file as never, { backend: name });
      const reading = over.read(Buffer.alloc(4096), 0, 4096, 0);
      const closing = file.close();
      assert.notEqual(file.fd, -1);
      assert.equal((await reading).bytesRead, 4096);
      await closing;
      assert.equal(file.fd, -1);
      await assert.rejects(over.read(Buffer.alloc(1), 0, 1, 0), { code: 'EBADF' });
      await over.close();
    });

    it('is under way before anybody is told of it, who may close it', async () => {
      const at = path(Buffer.alloc(4096, 1));
      for (const move of [
        (file: File) => file.write(Buffer.alloc(4096, 2), 0, 4096, 0),
        (file: File) => file.write(Buffer.alloc(4096, 2)),
        (file: File) => file.readFully(Buffer.alloc(4096)),
        (file: File) => file.datasync(),
      ]) {
        const file = await opened(at);
        const closed: Promise<void>[] = [];
        const close = (): number => closed.push(file.close());
        for (const channel of CHANNELS) subscribe(channel, close);
        const moved = move(file);
        for (const channel of CHANNELS) unsubscribe(channel, close);
        // Nothing may have been told yet.
        closed.push(file.close());
        await moved;
        await Promise.all(closed);
        assert.equal(file.fd, -1);
      }
      assert.ok(readFileSync(at).every((byte) => byte === 2));
    });

    it('names those who wait for what fails', async () => {
      const file = await opened(path(''), 'w');
      const folder = await opened(directory, 'r');
      async function wantsBytes(move: () => Promise<unknown>): Promise<void> {
        await move();
      }
      const moves: [string, string, () => Promise<unknown>][] = [
        ['EBADF', 'read', () => file.read(Buffer.alloc(1), 0, 1, 0)],
        ['EBADF', 'read', () => file.read(Buffer.alloc(1))],
        ['EBADF', 'read', () => file.readv([Buffer.alloc(1)], 0)],
        ['EBADF', 'read', () => file.readFully(Buffer.alloc(1), { position: 0 })],
        ['EISDIR', 'read', () => folder.read(Buffer.alloc(1), 0, 1, 0)],
        ['EBADF', 'write', () => folder.write(Buffer.alloc(1), 0, 1, 0)],
      ];
      for (const [code, syscall, move] of moves) {
        await assert.rejects(wantsBytes(move), (error: NodeJS.ErrnoException) => {
          assert.deepEqual([error.name, error.code, error.syscall], ['Error', code, syscall]);
          assert.match(
            error.stack!,
            /^Error: E[A-Z]+: .*\n(.*\n)* +at (async )?wantsBytes \(/,
            `${syscall}: ${error.stack}`,
          );
          return true;
        });
      }
      await file.close();
      await folder.close();
    });
  });
}
