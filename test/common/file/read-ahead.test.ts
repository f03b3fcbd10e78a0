/** What a stream reads ahead, and that nobody can tell but by the time. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, it } from 'vitest';
import { ReadAhead } from '../../../src/common/file/read-ahead.ts';
import { type AioFile, open } from '../../../src/open.ts';
import { KERNELS } from '../../support/kernels.ts';

const BLOCK = 4096;
const NO_END = Number.POSITIVE_INFINITY;

/** A file of bytes that say where they are. */
class Source {
  size = 100;
  version: number | undefined = 0;
  /** What is asked for: where, and how much. */
  readonly asked: (readonly [number | null, number])[] = [];
  fails: ((place: number) => boolean) | undefined;

  memoryFor(_place: number | null, bytes: number): Buffer {
    return Buffer.alloc(bytes);
  }

  async read(chunk: Buffer, place: number | null): Promise<number> {
    this.asked.push([place, chunk.length]);
    await null;
    if (this.fails?.(place ?? 0) === true) throw new Error(`no bytes at ${place}`);
    const from = place ?? 0;
    const count = Math.max(0, Math.min(chunk.length, this.size - from));
    for (let at = 0; at < count; at++) chunk[at] = from + at;
    return count;
  }

  changes(): number | undefined {
    return this.version;
  }
}

function reader(end = NO_END, isFromCursor = false) {
  const source = new Source();
  const ahead = new ReadAhead(source, { end, isFromCursor });
  const read = async (place: number | null, bytes: number): Promise<number[]> => {
    const { chunk, count } = await ahead.piece(place, bytes);
    assert.equal(chunk.length, bytes);
    return [...chunk.subarray(0, count)];
  };
  return { source, read };
}

const range = (from: number, bytes: number) => Array.from({ length: bytes }, (_, at) => from + at);

describe('reading ahead', () => {
  it('begins with the second piece that goes on from the first', async () => {
    const { source, read } = reader();
    assert.deepEqual(await read(10, 10), range(10, 10));
    assert.deepEqual(source.asked, [[10, 10]]);
    assert.deepEqual(await read(20, 10), range(20, 10));
    assert.deepEqual(
      source.asked.slice(1),
      [20, 30, 40, 50].map((place) => [place, 10]),
    );
    assert.deepEqual(await read(30, 10), range(30, 10));
    assert.deepEqual(source.asked.slice(5), [[60, 10]]);
  });

  it('reads each byte once while nothing happens, and ends where the file does', async () => {
    const { source, read } = reader();
    const bytes: number[] = [];
    for (let piece = await read(0, 10); piece.length > 0; piece = await read(bytes.length, 10))
      bytes.push(...piece);
    assert.deepEqual(bytes, range(0, 100));
    const inside = source.asked.filter(([place]) => place! < 100).map(([place]) => place);
    assert.deepEqual(
      inside,
      range(0, 10).map((index) => index * 10),
    );
  });

  it('goes no further than the stream will', async () => {
    const { source, read } = reader(44);
    for (const place of [10, 20, 30]) await read(place, 10);
    assert.deepEqual(await read(40, 5), range(40, 5));
    assert.deepEqual(source.asked, [
      [10, 10],
      [20, 10],
      [30, 10],
      [40, 5],
    ]);
  });

  it('counts the end from where a stream without a place begins', async () => {
    const { source, read } = reader(24, true);
    for (const place of [50, 60]) await read(place, 10);
    assert.deepEqual(source.asked.at(-1), [70, 5]);
    assert.deepEqual(await read(70, 5), range(70, 5));
  });

  it('gives a part of what it has where less is asked for', async () => {
    const { source, read } = reader();
    for (const place of [0, 10]) await read(place, 10);
    const before = source.asked.length;
    assert.deepEqual(await read(20, 3), range(20, 3));
    assert.equal(source.asked.length, before);
    assert.deepEqual(await read(23, 3), range(23, 3));
  });

  it('throws away what may have changed', async () => {
    const { source, read } = reader();
    for (const place of [0, 10]) await read(place, 10);
    source.version = 1;
    assert.deepEqual(await read(20, 10), range(20, 10));
    assert.equal(source.asked.filter(([place]) => place === 20).length, 2);
    assert.equal(source.asked.filter(([place]) => place === 30).length, 2);
  });

  it('throws away what nobody goes on to', async () => {
    const { source, read } = reader();
    for (const place of [0, 10]) await read(place, 10);
    assert.deepEqual(await read(70, 10), range(70, 10));
    assert.deepEqual(source.asked.at(-1), [70, 10]);
    assert.deepEqual(await read(20, 10), range(20, 10));
    assert.deepEqual(source.asked.at(-1), [20, 10]);
  });

  it('reads anew where the file has ended, and may have grown since', async () => {
    const { source, read } = reader();
    source.size = 25;
    for (const place of [0, 10]) await read(place, 10);
    source.size = 33;
    assert.deepEqual(await read(20, 10), range(20, 10));
    assert.deepEqual(await read(30, 10), range(30, 3));
    source.size = 40;
    assert.deepEqual(await read(33, 10), range(33, 7));
  });

  it('tells an error to whoever asks for the piece that still has it', async () => {
    const { source, read } = reader();
    source.fails = (place) => place === 20 || place === 40;
    for (const place of [0, 10]) await read(place, 10);
    await assert.rejects(read(20, 10), /no bytes at 20/);
    source.fails = undefined;
    assert.deepEqual(await read(20, 10), range(20, 10));
    assert.deepEqual(await read(30, 10), range(30, 10));
    assert.deepEqual(await read(40, 10), range(40, 10));
  });

  it('takes no more memory than some mebibytes', async () => {
    const MIB = 1 << 20;
    for (const [bytes, pieces] of [
      [MIB, 3],
      [MIB + 1, 2],
      [3 * MIB, 1],
      [3 * MIB + 1, 0],
    ] as const) {
      const { source, read } = reader();
      source.size = 16 * MIB;
      for (const place of [0, bytes]) await read(place, bytes);
      assert.equal(source.asked.length, 2 + pieces);
    }
  });

  it('fails with what is asked for alone', async () => {
    const { source, read } = reader();
    const { memoryFor } = source;
    source.memoryFor = (place, bytes) => {
      if (place! >= 30) throw new RangeError('no memory');
      return memoryFor(place, bytes);
    };
    for (const place of [0, 10, 20]) assert.deepEqual(await read(place, 10), range(place, 10));
    await assert.rejects(read(30, 10), /no memory/);
  });

  it('does not where nobody knows of writes', async () => {
    const { source, read } = reader();
    source.version = undefined;
    for (const place of [0, 10, 20]) assert.deepEqual(await read(place, 10), range(place, 10));
    assert.deepEqual(
      source.asked,
      [0, 10, 20].map((place) => [place, 10]),
    );
  });

  it('leaves the place to a descriptor that has one of its own', async () => {
    const { source, read } = reader();
    for (let time = 0; time < 3; time++) await read(null, 10);
    assert.deepEqual(source.asked, [
      [null, 10],
      [null, 10],
      [null, 10],
    ]);
  });
});

const home = mkdtempSync(join(tmpdir(), 'kaio-read-ahead-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

for (const { name: backend, missing } of KERNELS) {
  describe.skipIf(missing !== undefined)(`streams that read ahead, ${backend}`, () => {
    let files = 0;
    const opened = async (content: Buffer): Promise<AioFile> => {
      const path = join(home, `${backend}-${files++}`);
      writeFileSync(path, content, { flush: true });
      return open(path, 'r+', 0o666, { backend, direct: 'prefer', unaligned: 'read-modify-write' });
    };
    const bytesOf = (value: number, blocks = 1): Buffer => Buffer.alloc(blocks * BLOCK, value);

    const WRITES: Record<string, (file: AioFile, place: number) => Promise<unknown>> = {
      write: (file, place) => file.write(bytesOf(9), 0, BLOCK, place),
      'a write of a part of a block': (file, place) =>
        file.write(bytesOf(9).subarray(1), 0, BLOCK - 1, place),
      writev: (file, place) => file.writev([bytesOf(9), bytesOf(8)], place),
      writeFully: (file, place) => file.writeFully(bytesOf(9), { position: place }),
      'a durable write': (file, place) => file.write(bytesOf(9), { position: place, dsync: true }),
      truncate: (file, place) => file.truncate(place + 7),
      punchHole: (file, place) => file.punchHole(place, BLOCK),
      'a write through another file, buffered': async (_file, place) => {
        await using other = await open(join(home, `${backend}-${files - 1}`), 'r+', 0o666, { backend });
        await other.write(bytesOf(9), 0, BLOCK, place);
      },
    };
    for (const [method, write] of Object.entries(WRITES)) {
      const isThere = method !== 'punchHole' || process.platform === 'linux';
      it.skipIf(!isThere)(`bring what was written before it was asked for: ${method}`, async () => {
        await using file = await opened(bytesOf(1, 16));
        const pieces = file.createReadStream({ highWaterMark: BLOCK, autoClose: false }).iterator();
        const next = async (): Promise<Buffer> => (await pieces.next()).value as Buffer;
        for (let piece = 0; piece < 4; piece++) await next();
        // Let it be read ahead in truth.
        await new Promise((resolve) => setTimeout(resolve, 20));
        // What the stream itself has in hand already is told as it was.
        const place = 7 * BLOCK;
        await write(file, place);
        const now = Buffer.alloc(2 * BLOCK);
        const { bytesRead } = await file.read(now, 0, now.length, place);
        for (let piece = 4; piece < 7; piece++) await next();
        const rest: Buffer[] = [];
        for (let piece = await next(); piece !== undefined; piece = await next()) rest.push(piece);
        const end = Math.min(bytesRead, now.length);
        assert.ok(Buffer.concat(rest).subarray(0, end).equals(now.subarray(0, end)));
      });
    }

    it('leave the cursor behind what they have brought', async () => {
      await using file = await opened(
        Buffer.concat(Array.from({ length: 16 }, (_, index) => bytesOf(index))),
      );
      const stream = file.createReadStream({ highWaterMark: BLOCK, autoClose: false });
      const pieces = stream.iterator({ destroyOnReturn: false });
      for (let piece = 0; piece < 5; piece++) await pieces.next();
      const bytes = Buffer.alloc(BLOCK);
      // Behind the piece that the stream reads for its buffer.
      await file.read(bytes, 0, BLOCK, null);
      assert.deepEqual(bytes, bytesOf(stream.bytesRead / BLOCK));
    });

    it('can be closed while more is read than anybody wants', async () => {
      const file = await opened(bytesOf(1, 64));
      const stream = file.createReadStream({ highWaterMark: BLOCK });
      for await (const _ of stream) if (stream.bytesRead >= 4 * BLOCK) break;
      await file.close();
      assert.equal(file.context.inFlight, 0);
    });

    it('bring what lies there, wherever they begin and end', async () => {
      const content = Buffer.from(Array.from({ length: 40_000 }, (_, at) => (at * 7 + (at >> 8)) % 251));
      const place = fc.option(fc.integer({ min: 0, max: 45_000 }), { nil: undefined });
      const highWaterMark = fc.constantFrom(1000, 4096, 8192, 10_000);
      const most = fc.integer({ min: 1, max: 12 });
      const before = fc.constantFrom(0, 1, 512, 5000);
      await fc.assert(
        fc.asyncProperty(
          place,
          place,
          highWaterMark,
          most,
          before,
          async (start, length, piece, pieces, skip) => {
            await using file = await opened(content);
            if (skip > 0) await file.read(Buffer.alloc(skip), 0, skip, null);
            const from = start ?? skip;
            // Without a place of its own, it counts from where it begins.
            const end = length === undefined ? {} : { end: (start ?? 0) + length };
            const options = { ...end, highWaterMark: piece, autoClose: false };
            const stream = file.createReadStream(start === undefined ? options : { ...options, start });
            const chunks: Buffer[] = [];
            for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
              chunks.push(chunk as Buffer);
              if (chunks.length === pieces) break;
            }
            const got = Buffer.concat(chunks);
            const all = content.subarray(from, length === undefined ? content.length : from + length + 1);
            assert.ok(got.equals(all.subarray(0, got.length)), 'other bytes');
            if (chunks.length < pieces) assert.equal(got.length, all.length);
            // Behind what the stream has read, also for its buffer.
            const next = Buffer.alloc(64);
            const { bytesRead } = await file.read(next, 0, next.length, null);
            const cursor = skip + (start === undefined ? stream.bytesRead : 0);
            assert.ok(
              next.subarray(0, bytesRead).equals(content.subarray(cursor, cursor + 64)),
              'other cursor',
            );
          },
        ),
        { numRuns: 60 },
      );
    });
  });
}
