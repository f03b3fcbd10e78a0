import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { RWF_DSYNC } from '../../../src/common/abi/constants.ts';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { DurableWrites } from '../../../src/common/file/durable-writes.ts';
import type { Routing } from '../../../src/common/file/routing.ts';
import { ioprio } from '../../../src/common/ioprio.ts';
import type { AioKernel } from '../../../src/common/kernel/aio-kernel.ts';
import { alignedBuffer } from '../../../src/common/memory/aligned.ts';
import { open } from '../../../src/open.ts';
import { KERNELS } from '../../support/kernels.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-durable-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let files = 0;
function path(content: string | Uint8Array = ''): string {
  const name = join(directory, `file-${files++}`);
  writeFileSync(name, content);
  return name;
}

const BLOCK = 4096;
const NO_CLASS = 5 << 13;

for (const { name: backend, missing, open: openKernel } of KERNELS) {
  describe.skipIf(missing !== undefined)(`durable writes, ${backend}`, () => {
    it('write, vectors and whole writes settle after one sync for all who asked at once', async () => {
      await using context = new AioContext({ kernel: openKernel() });
      const name = path();
      await using file = await open(name, 'r+', 0o666, { context });
      const { bytesWritten, buffer } = await file.write(Buffer.from('abc'), { position: 1, dsync: true });
      assert.deepEqual([bytesWritten, buffer.toString()], [3, 'abc']);
      await file.write(Buffer.from('xyz'), { offset: 1, length: 1, dsync: true });
      await file.writev([Buffer.from('12'), Buffer.from('3')], 10, { dsync: true });
      await file.writeFully(Buffer.from('whole'), { position: 20, dsync: true });
      // What the host is asked for, too: it takes a signal that is none.
      const odd = { position: 30, signal: 7, dsync: true } as never;
      assert.equal((await file.write(Buffer.from('odd'), odd)).bytesWritten, 3);
      const found = readFileSync(name, 'latin1').replaceAll('\0', '.');
      assert.equal(found, 'yabc......123.......whole.....odd');
      const syncs = (): number => context.stats.threadPool['work queue of the kernel'] ?? 0;
      const before = syncs();
      await Promise.all(
        Array.from({ length: 32 }, (_, at) => file.write(Buffer.from('x'), { position: at, dsync: true })),
      );
      assert.equal(readFileSync(name, 'latin1').slice(0, 32), 'x'.repeat(32));
      if (backend === 'native') {
        assert.equal(before, 5);
        assert.ok(syncs() - before < 32, `${syncs() - before} syncs`);
      }
      assert.equal(file.routes.sync, backend === 'native' ? 'threadpool' : 'kernel');
    });

    it('refuses options that are none, and writes nothing then', async () => {
      const name = path('before');
      await using file = await open(name, 'r+', 0o666, { backend });
      for (const dsync of [1, 'yes', null]) {
        const options = { position: 0, dsync } as never;
        const wrong = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
        await assert.rejects(file.write(Buffer.from('x'), options), wrong);
        await assert.rejects(file.writeFully(Buffer.from('x'), options), wrong);
        await assert.rejects(file.writev([Buffer.from('x')], 0, options), wrong);
      }
      for (const priority of [-1, 1.5, 65_536])
        await assert.rejects(file.write(Buffer.from('x'), { position: 0, priority }), {
          name: 'RangeError',
          code: 'ERR_OUT_OF_RANGE',
        });
      assert.equal(readFileSync(name, 'utf8'), 'before');
    });

    it('direct ones, as far as the file system takes them, are right, alone and many at once, in the file and behind its end', async () => {
      await using context = new AioContext({ kernel: openKernel() });
      const name = path();
      await using file = await open(name, 'r+', 0o666, { context, direct: 'prefer' });
      const blocks = Array.from({ length: 16 }, (_, at) => alignedBuffer(BLOCK).fill(97 + at));
      const expected = Buffer.concat(blocks);
      for (let round = 0; round < 3; round++) {
        await Promise.all(
          blocks.map((block, at) => file.write(block, { position: at * BLOCK, dsync: true })),
        );
        assert.ok(readFileSync(name).equals(expected));
      }
    });

    it('an I/O priority is asked for, and one that the kernel refuses fails the transfer', async () => {
      await using context = new AioContext({ kernel: openKernel() });
      await using file = await open(path(new Uint8Array(BLOCK)), 'r+', 0o666, { context, direct: 'prefer' });
      const block = alignedBuffer(BLOCK).fill(1);
      const refused = { code: 'EINVAL' };
      for (const priority of [ioprio('best-effort', 0), ioprio('best-effort'), ioprio('idle'), 0]) {
        assert.equal(await context.write(file, block, 0, { priority }), BLOCK);
        assert.equal(await context.readv(file, [block], 0, { priority }), BLOCK);
        assert.equal((await file.read(block, { position: 0, priority })).bytesRead, BLOCK);
        assert.equal((await file.write(block, { position: 0, priority })).bytesWritten, BLOCK);
        assert.equal((await file.readv([block], 0, { priority })).bytesRead, BLOCK);
        assert.equal((await file.writev([block], 0, { priority })).bytesWritten, BLOCK);
        assert.equal((await file.readFully(block, { position: 0, priority })).bytesRead, BLOCK);
        assert.equal((await file.writeFully(block, { position: 0, priority })).bytesWritten, BLOCK);
      }
      await assert.rejects(context.read(file, block, 0, { priority: NO_CLASS }), refused);
      await assert.rejects(context.writev(file, [block], 0, { priority: NO_CLASS }), refused);
      if (file.routes.write === 'kernel') {
        await assert.rejects(file.write(block, { position: 0, priority: NO_CLASS }), refused);
        await assert.rejects(file.readv([block], 0, { priority: NO_CLASS }), refused);
      }
      if (process.geteuid?.() !== 0) {
        const realtime = ioprio('realtime');
        await assert.rejects(context.read(file, block, 0, { priority: realtime }), { code: 'EPERM' });
      }
    });
  });
}

describe('ioprio()', () => {
  it('makes what the kernel reads', () => {
    assert.equal(ioprio('realtime', 0), 0x2000);
    assert.equal(ioprio('best-effort', 3), 0x4003);
    assert.equal(ioprio('idle', 0), 0x6000);
    assert.throws(() => ioprio('best' as never), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => ioprio('idle', 8), { code: 'ERR_OUT_OF_RANGE' });
  });
});

describe('which writes are given RWF_DSYNC', () => {
  const kernelOf = (runs: boolean, rw_flags: number) =>
    ({ supports: { rw_flags, features: { 'runs-in-submit': runs } } }) as unknown as AioKernel;

  function writesOf(kernel: AioKernel, direct = true, write = 'kernel') {
    const seen: number[] = [];
    let syncs = 0;
    const writes = new DurableWrites(kernel, { write } as Routing, direct, async () => {
      syncs++;
    });
    const one = (position: number | null, byKernel = true) =>
      writes.write(position, BLOCK, 0, async (manner) => {
        seen.push(manner.rw_flags);
        await null;
        if (byKernel && manner.rw_flags !== 0) manner.durableBytes += BLOCK;
        return BLOCK;
      });
    return { seen, one, syncs: () => syncs };
  }

  it('direct ones of many, inside of what is known of the file', async () => {
    const { seen, one, syncs } = writesOf(kernelOf(true, RWF_DSYNC));
    await one(BLOCK);
    await Promise.all([one(0), one(0), one(BLOCK), one(2 * BLOCK), one(null)]);
    assert.deepEqual(seen, [0, 0, RWF_DSYNC, RWF_DSYNC, 0, 0]);
    assert.equal(syncs(), 4);
    // Went another way after all.
    await Promise.all([one(0), one(0, false)]);
    assert.deepEqual([seen.at(-1), syncs()], [RWF_DSYNC, 6]);
  });

  it('none that is buffered or goes by the thread pool, and none where the kernel has no such bit', async () => {
    for (const { seen, one, syncs } of [
      writesOf(kernelOf(true, RWF_DSYNC), false),
      writesOf(kernelOf(true, RWF_DSYNC), true, 'threadpool'),
      writesOf(kernelOf(true, 0)),
      writesOf(kernelOf(false, RWF_DSYNC)),
    ]) {
      await one(BLOCK);
      await Promise.all([one(0), one(0)]);
      assert.deepEqual([...seen, syncs()], [0, 0, 0, 3]);
    }
  });
});
