/** Direct files whose transfers are of any length and anywhere. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  constants,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import { afterAll, describe, it } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { alignedBuffer } from '../../../src/common/memory/aligned.ts';
import { simulate } from '../../../src/emulated/simulation/simulate.ts';
import { type AioFile, fromDescriptor, open } from '../../../src/open.ts';
import { selectKernel } from '../../../src/select.ts';
import { KERNELS } from '../../support/kernels.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-unaligned-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let files = 0;
function path(content?: string | Uint8Array): string {
  const name = join(directory, `file-${files++}`);
  if (content !== undefined) writeFileSync(name, content);
  return name;
}

async function takesDirect(): Promise<boolean> {
  await using file = await open(path('x'), 'r', 0o666, { direct: 'prefer' });
  return file.direct;
}
const hasDirect = await takesDirect();

/** Bytes that tell where they belong. */
function pattern(length: number, salt: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (at * 7 + salt * 31 + (at >> 8)) % 251));
}

/** A view that begins `at` bytes behind a page. */
function placed(bytes: Uint8Array, at: number): Buffer {
  const view = alignedBuffer(at + bytes.length).subarray(at);
  view.set(bytes);
  return view;
}

/** Descriptors that this process has of a file. */
function descriptorsOf(name: string): string[] {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === name;
    } catch {
      // The one that the directory was read with.
      return false;
    }
  });
}

interface Place {
  readonly position: number;
  readonly length: number;
  /** Of the memory, behind a page. */
  readonly at: number;
}
const place = fc.record({
  position: fc.oneof(
    fc.integer({ min: 0, max: 40_000 }),
    fc.constantFrom(0, 512, 4096, 8192, 20_480, 1 << 21),
  ),
  length: fc.oneof(
    fc.integer({ min: 1, max: 300 }),
    fc.integer({ min: 1, max: 200_000 }),
    fc.constantFrom(512, 4096, 8192, 65_536, 1 << 20, (1 << 21) + 3),
  ),
  at: fc.constantFrom(0, 0, 1, 8, 512, 1000),
});
type Step = { readonly op: 'write' | 'read' | 'writev' | 'readv' | 'truncate' } & Place;
const step = fc.record({
  op: fc.constantFrom<Step['op']>('write', 'write', 'read', 'writev', 'readv', 'truncate'),
  place,
});

/** What a file of these bytes is after a write there. */
function after(content: Buffer, position: number, bytes: Uint8Array): Buffer {
  const grown = Buffer.alloc(Math.max(content.length, position + bytes.length));
  content.copy(grown);
  grown.set(bytes, position);
  return grown;
}

/** Cuts in two, somewhere. */
function cut(bytes: Buffer): [Buffer, Buffer] {
  const middle = Math.floor(bytes.length / 3);
  return [bytes.subarray(0, middle), bytes.subarray(middle)];
}

async function asModel(
  file: AioFile,
  steps: readonly { op: Step['op']; place: Place }[],
  look: () => Promise<Buffer>,
) {
  let content: Buffer = await look();
  for (const [index, { op, place }] of steps.entries()) {
    const { position, length, at } = place;
    const wanted = content.subarray(position, position + length);
    switch (op) {
      case 'write':
      case 'writev': {
        const bytes = pattern(length, index);
        const memory = placed(bytes, at);
        const { bytesWritten } =
          op === 'write' ? await file.write(memory, { position }) : await file.writev(cut(memory), position);
        assert.equal(bytesWritten, length);
        content = after(content, position, bytes);
        break;
      }
      case 'read':
      case 'readv': {
        const memory = placed(Buffer.alloc(length), at);
        const { bytesRead } =
          op === 'read' ? await file.read(memory, { position }) : await file.readv(cut(memory), position);
        assert.equal(bytesRead, wanted.length);
        assert.ok(memory.subarray(0, bytesRead).equals(wanted));
        break;
      }
      case 'truncate':
        await file.truncate(position);
        content = Buffer.concat([content.subarray(0, position)], position);
        break;
    }
    const found = await look();
    assert.ok(found.equals(content), `after ${op} of ${length} bytes at ${position}`);
  }
}

for (const { name: backend, missing } of KERNELS) {
  describe.skipIf(missing !== undefined || !hasDirect)(`unaligned transfers, ${backend}`, () => {
    const direct = (name: string, flags: string | number = 'r+', more = {}) =>
      open(name, flags, 0o666, { backend, direct: 'require', ...more });
    const freely = (name: string, flags: string | number = 'r+', more = {}) =>
      direct(name, flags, { unaligned: 'read-modify-write', ...more });

    it('do to the file what a model says, after each call', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
          const name = path(pattern(10_001, 3));
          await using file = await freely(name);
          await asModel(file, steps, async () => readFileSync(name));
        }),
        { numRuns: 25 },
      );
    });

    it('go through two handles and contexts, buffered ones too, and lose nothing', async () => {
      const name = path();
      writeFileSync(name, '');
      await using kernel = new AioContext({ kernel: selectKernel({ backend }).kernel, queueDepth: 4 });
      const handles = [await freely(name), await freely(name), await open(name, 'r+', 0o666, { backend })];
      handles.push(await freely(name, 'r+', { context: kernel, backend: undefined }));
      const expected = Buffer.alloc(300 * 120);
      await Promise.all(
        Array.from({ length: 300 }, (_, index) => {
          const bytes = pattern(index % 10 === 0 ? 120 : 119, index + 1);
          bytes.copy(expected, index * 120);
          return handles[index % 4]!.write(bytes, { position: index * 120 });
        }),
      );
      const found = readFileSync(name);
      assert.ok(found.equals(expected.subarray(0, found.length)));
      assert.equal(found.length, 299 * 120 + 119);
      for (const handle of handles) await handle.close();
      assert.deepEqual(descriptorsOf(name), []);
    });

    it('beside truncates end as some order of both says', async () => {
      for (let round = 0; round < 10; round++) {
        const name = path();
        writeFileSync(name, '');
        const one = await freely(name);
        const other = await open(name, 'r+', 0o666, { backend });
        const bytes = pattern(30_001, round);
        await Promise.all([one.write(bytes, { position: 77 }), other.truncate(50), one.truncate(100_000)]);
        const found = readFileSync(name);
        const written = after(Buffer.alloc(0), 77, bytes);
        const orders = [
          Buffer.concat([written], 100_000),
          Buffer.concat([written.subarray(0, 50)], 100_000),
          written.subarray(0, 50),
          after(Buffer.alloc(50), 77, bytes),
          after(Buffer.alloc(100_000), 77, bytes),
        ];
        assert.ok(
          orders.some((order) => order.equals(found)),
          `${found.length} bytes`,
        );
        await one.close();
        await other.close();
      }
    });

    it('need no reading: write-only files, without a name or with a mode that forbids it', async () => {
      const name = path();
      await using file = await freely(name, 'wx');
      assert.equal((await file.write('hello')).bytesWritten, 5);
      assert.equal((await file.write(placed(pattern(8192, 1), 1), { position: 4096 })).bytesWritten, 8192);
      rmSync(name);
      assert.equal((await file.write('odd', 3)).bytesWritten, 3);
      assert.equal((await file.stat()).size, 12_288);
    });

    it('go to the end of files that append, whole, and take the cursor there', async () => {
      const name = path('begun ');
      await using file = await freely(name, 'a+');
      assert.ok(file.direct);
      await Promise.all(['one ', 'two ', 'three '].map((word) => file.write(word)));
      assert.equal(readFileSync(name, 'utf8'), 'begun one two three ');
      // Where the position says is not looked at, as with FileHandle on Linux.
      await file.write('four ', 0);
      await file.writev([Buffer.from('fi'), Buffer.from('ve ')]);
      await file.appendFile('six');
      assert.equal(readFileSync(name, 'utf8'), 'begun one two three four five six');
      assert.equal((await file.read(Buffer.alloc(10))).bytesRead, 0);
      assert.equal((await file.read(Buffer.alloc(9), 0, 9, 0)).buffer.toString(), 'begun one');
      await file.truncate(0);
      const blocks = placed(pattern(8192, 9), 0);
      await file.write(blocks);
      await file.write(blocks);
      assert.ok(readFileSync(name).equals(Buffer.concat([blocks, blocks])));
    });

    it('sync as the file was opened to', async () => {
      const name = path('x'.repeat(10_000));
      await using file = await freely(name, constants.O_RDWR | constants.O_DSYNC);
      await file.write('odd', 5);
      const flags = descriptorsOf(name).map((fd) =>
        Number.parseInt(/^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))![1]!, 8),
      );
      assert.equal(flags.length, 2);
      for (const flag of flags) assert.equal(flag & constants.O_DSYNC, constants.O_DSYNC);
      assert.equal(flags.filter((flag) => (flag & constants.O_DIRECT) !== 0).length, 1);
    });

    it('are counted, tell what is wrong, and leave no descriptor', async () => {
      const name = path('x'.repeat(50_000));
      const file = await freely(name);
      const before = file.context.stats.threadPool['not whole blocks'] ?? 0;
      await file.write('odd', 5);
      await file.write(placed(pattern(8192, 1), 8), { position: 0 });
      assert.equal(file.context.stats.threadPool['not whole blocks'], before + 1, 'an odd address is copied');
      await file.write(placed(pattern(20_000, 1), 0), { position: 100 });
      assert.equal(file.context.stats.threadPool['not whole blocks'], before + 3, 'two ends');
      await file.write(placed(pattern(65_536, 1), 0), { position: 0 });
      assert.equal(file.context.stats.threadPool['not whole blocks'], before + 4, 'the page of the end');
      await file.write(placed(pattern(65_536, 1), 0), { position: 65_536 });
      assert.equal(file.context.stats.threadPool['not whole blocks'], before + 4, 'the end is between pages');
      const closed = file.close();
      await assert.rejects(file.write('odd', 5), { code: 'EBADF' });
      await closed;
      assert.deepEqual(descriptorsOf(name), []);
      await using reader = await freely(name, 'r');
      await assert.rejects(reader.write('odd', 5), { code: 'EBADF', syscall: 'write' });
      assert.equal(descriptorsOf(name).length, 1);
    });

    it('give up at once what waits for its turn', async () => {
      const name = path('x'.repeat(100_000));
      await using file = await freely(name);
      const abort = new AbortController();
      const whole = file.write(placed(pattern(65_536, 1), 0), { position: 0 });
      const odd = file.write(Buffer.from('odd'), { position: 5, signal: abort.signal } as never);
      abort.abort();
      await assert.rejects(odd, { name: 'AbortError' });
      assert.equal((await whole).bytesWritten, 65_536);
      assert.ok(readFileSync(name).subarray(0, 65_536).equals(pattern(65_536, 1)));
    });

    it('fail where memory has gone while they waited', async () => {
      const name = path('x'.repeat(100_000));
      await using file = await freely(name);
      const whole = file.write(placed(pattern(65_536, 1), 0), { position: 0 });
      const bytes = new Uint8Array(100);
      const odd = file.write(bytes, { position: 5 });
      structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
      await assert.rejects(odd, { code: 'ERR_INVALID_ARG_VALUE' });
      assert.equal((await whole).bytesWritten, 65_536);
    });

    describe('whole files, streams and lines, with default options', () => {
      const text = `${'line of text\n'.repeat(3000)}the end`;

      it('are written and read', async () => {
        const name = path();
        await using file = await direct(name, 'w+');
        await file.writeFile(text);
        assert.equal(readFileSync(name, 'utf8'), text);
        assert.equal((await file.readFile({ encoding: 'utf8' })).length, 0);
        await using again = await direct(name, 'r+');
        assert.equal(await again.readFile('utf8'), text);
        const odd = Buffer.alloc(text.length + 10);
        assert.equal((await again.readFully(odd.subarray(1), { position: 0 })).bytesRead, text.length);
        assert.equal(odd.toString('utf8', 1, 1 + text.length), text);
        assert.equal((await again.writeFully(Buffer.from('ODD'), { position: 5 })).bytesWritten, 3);
        assert.equal(readFileSync(name, 'utf8'), `line ODDtext${text.slice(12)}`);
        await assert.rejects(again.write('odd', 5), { code: 'ERR_OUT_OF_RANGE' });
        await assert.rejects(again.read(Buffer.alloc(3), 0, 3, 1), { code: 'ERR_OUT_OF_RANGE' });
        await using appended = await direct(name, 'a');
        await appended.appendFile('!');
        assert.equal(readFileSync(name, 'utf8').slice(-8), 'the end!');
        assert.equal(statSync(name).size, text.length + 1);
      });

      it('stream', async () => {
        const from = path(text);
        const to = path();
        const reader = await direct(from, 'r');
        const writer = await direct(to, 'w');
        await pipeline(
          reader.createReadStream({ highWaterMark: 1000 }),
          writer.createWriteStream({ highWaterMark: 700 }),
        );
        assert.equal(readFileSync(to, 'utf8'), text);
        const middle: Buffer[] = [];
        const ranged = await direct(from, 'r');
        for await (const chunk of ranged.createReadStream({ start: 13, end: 25 })) middle.push(chunk);
        assert.equal(Buffer.concat(middle).toString(), 'line of text\n');
        const corked = await direct(to, 'r+');
        const stream = corked.createWriteStream({ start: 3 });
        stream.cork();
        for (const word of ['one', 'two', 'three']) stream.write(word);
        stream.uncork();
        stream.end();
        await once(stream, 'close');
        assert.equal(readFileSync(to, 'utf8').slice(0, 16), `linonetwothree${text.slice(14, 16)}`);
        assert.deepEqual(descriptorsOf(to), []);
      });

      it('come as lines and as web streams', async () => {
        const name = path(text);
        await using file = await direct(name, 'r');
        let lines = 0;
        for await (const line of file.readLines({ autoClose: false } as never)) {
          lines++;
          assert.ok(line === 'line of text' || line === 'the end');
        }
        assert.equal(lines, 3001);
        await using web = await direct(name, 'r');
        const chunks: Uint8Array[] = [];
        for await (const chunk of web.readableWebStream() as AsyncIterable<Uint8Array>)
          chunks.push(new Uint8Array(chunk));
        assert.equal(Buffer.concat(chunks).toString(), text);
      });

      it('of a descriptor that somebody else has opened', async () => {
        const name = path(text);
        const handle = await openHandle(name, constants.O_RDWR | constants.O_DIRECT);
        const file = await fromDescriptor(handle, { backend, direct: true, unaligned: 'read-modify-write' });
        assert.equal((await file.write('ODD', 5)).bytesWritten, 3);
        const { buffer } = await file.read(Buffer.alloc(12), 0, 12, 0);
        assert.equal(buffer.toString(), 'line ODDtext');
        await file.close();
        assert.equal(descriptorsOf(name).length, 1);
        await handle.close();
      });
    });
  });
}

describe('unaligned transfers, on a simulated disk', () => {
  it('do to the file what a model says, after each call', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
        const simulation = simulate({ seed: 3 });
        await simulation.fs.promises.writeFile('/file', pattern(10_001, 3));
        const context = new AioContext({ kernel: simulation.kernel, queueDepth: 8 });
        const file = await open('/file', 'r+', 0o666, {
          context,
          direct: 'require',
          unaligned: 'read-modify-write',
        });
        await asModel(file, steps, () => simulation.fs.promises.readFile('/file'));
        await file.close();
        await context.close();
      }),
      { numRuns: 25 },
    );
  });
});
