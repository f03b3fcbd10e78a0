import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, describe, it, vi } from 'vitest';
import type { SubmitThread } from '../../../src/common/kernel/aio-kernel.ts';
import { emulatedKernel } from '../../../src/emulated/index.ts';
import { AioContext, type AioFile, alignedBuffer, open } from '../../../src/index.ts';
import { KERNELS, replacing } from '../../support/kernels.ts';

const BLOCK = 512;
const BLOCKS = 256;
const home = mkdtempSync(join(tmpdir(), 'kaio-write-thread-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** A context whose kernel runs buffered requests inside `io_submit`, as Linux does, and whose threads answer when they are told to. */
function setUp({ threads = true } = {}) {
  const emulated = emulatedKernel();
  const state = { calls: 0, started: 0, closed: 0, isHeld: false, held: [] as (() => void)[] };
  const features = { ...emulated.supports.features, 'runs-in-submit': true } as const;
  const kernel = replacing(emulated, {
    supports: { ...emulated.supports, features },
    // Without, requests need no iocb and no call.
    plainTransfers: () => undefined,
    submitThread: (ctx): SubmitThread | undefined => {
      if (!threads) return undefined;
      state.started++;
      return {
        io_submit: async (nr, iocbpp) => {
          state.calls++;
          if (state.isHeld) await new Promise<void>((go) => state.held.push(go));
          return emulated.io_submit(ctx, nr, iocbpp);
        },
        close: async () => {
          state.closed++;
        },
      };
    },
  });
  return { context: new AioContext({ kernel }), state };
}

let files = 0;
function newFile(context: AioContext): Promise<AioFile> {
  return open(join(home, String(files++)), 'w+', 0o666, { context });
}

function block(nr: number): Buffer {
  return Buffer.alloc(BLOCK, nr % 251);
}

async function writeAll(file: AioFile, generation = 0): Promise<void> {
  const writes = Array.from({ length: BLOCKS }, (_, nr) =>
    file.write(block(nr + generation), 0, BLOCK, nr * BLOCK),
  );
  for (const { bytesWritten } of await Promise.all(writes)) assert.equal(bytesWritten, BLOCK);
  const { buffer } = await file.read(Buffer.alloc(BLOCK * BLOCKS), 0, BLOCK * BLOCKS, 0);
  for (let nr = 0; nr < BLOCKS; nr++)
    assert.equal(buffer.subarray(nr * BLOCK, (nr + 1) * BLOCK).equals(block(nr + generation)), true);
}

/** Has so many at once that the thread pays; it begins a turn of the event loop later. */
async function begun(context: AioContext): Promise<AioFile> {
  const file = await newFile(context);
  await writeAll(file);
  while (context.submitThreads === 0) await setImmediate();
  return file;
}

function fromPool(context: AioContext): number {
  return context.stats.threadPool['buffered write'] ?? 0;
}

describe('short buffered writes', () => {
  // However slow the machine is: time passes where a test says so.
  let nowMs = 0;
  beforeEach(() => void vi.spyOn(performance, 'now').mockImplementation(() => nowMs));
  afterEach(() => void vi.restoreAllMocks());

  it('take the pool one by one, and have no thread', async () => {
    const { context, state } = setUp();
    const file = await newFile(context);
    for (let nr = 0; nr < BLOCKS; nr++) await file.write(block(nr), 0, BLOCK, nr * BLOCK);
    assert.deepEqual([state.started, fromPool(context)], [0, BLOCKS]);
    await file.close();
    await context.close();
  });

  it('have a thread when they come many at once, which ends with the context', async () => {
    const { context, state } = setUp();
    const file = await begun(context);
    const before = fromPool(context);
    assert.deepEqual([state.started, context.submitThreads], [1, 1]);
    // As many as wait for one another, in one call.
    const some = Array.from({ length: 64 }, (_, nr) => file.write(block(nr), 0, BLOCK, nr * BLOCK));
    await Promise.all(some);
    assert.equal(fromPool(context), before);
    assert.deepEqual([state.calls, context.stats.threadBatches], [1, 1]);
    assert.equal(context.stats.completed >= 64, true);
    await writeAll(file, 7);
    await file.close();
    await context.close();
    assert.equal(state.closed, 1);
  });

  it('take the pool beyond those that wait already', async () => {
    const { context, state } = setUp();
    const file = await begun(context);
    const before = fromPool(context);
    state.isHeld = true;
    const writes = Array.from({ length: 80 }, (_, nr) => file.write(block(nr + 1), 0, BLOCK, nr * BLOCK));
    // The pool's do not wait for the thread.
    await Promise.all(writes.slice(64));
    assert.equal(fromPool(context), before + 16);
    state.isHeld = false;
    for (const go of state.held) go();
    await Promise.all(writes);
    await file.close();
    await context.close();
  });

  it('take the pool while the thread ends nothing, and the thread again when it does', async () => {
    const { context, state } = setUp();
    const file = await begun(context);
    const before = fromPool(context);
    state.isHeld = true;
    const first = file.write(block(1), 0, BLOCK, 0);
    nowMs += 40;
    const second = file.write(block(2), 0, BLOCK, BLOCK);
    nowMs += 40;
    await file.write(block(3), 0, BLOCK, 2 * BLOCK);
    assert.equal(fromPool(context), before + 1);
    state.isHeld = false;
    for (const go of state.held) go();
    await Promise.all([first, second]);
    await file.write(block(4), 0, BLOCK, 3 * BLOCK);
    assert.equal(fromPool(context), before + 1);
    await file.close();
    await context.close();
  });

  it('and direct ones of the same place take turns', async () => {
    const { context, state } = setUp();
    const file = await begun(context);
    const path = join(home, String(files - 1));
    const direct = await open(path, 'r+', 0o666, { context, direct: 'prefer' });
    state.isHeld = true;
    const cached = file.write(block(1), 0, BLOCK, 0);
    let isWritten = false;
    const bytes = alignedBuffer(4096).fill(2);
    const written = direct.write(bytes, 0, 4096, 0).then(() => {
      isWritten = true;
    });
    // Elsewhere it goes on meanwhile.
    const beside = await newFile(context);
    await beside.datasync();
    await beside.close();
    assert.equal(direct.direct && isWritten, false);
    state.isHeld = false;
    for (const go of state.held) go();
    await Promise.all([cached, written]);
    await file.close();
    await direct.close();
    await context.close();
    if (direct.direct) assert.equal(readFileSync(path)[0], 2);
  });

  it('take the pool where they are long', async () => {
    const { context, state } = setUp();
    const file = await begun(context);
    const before = fromPool(context);
    const long = Buffer.alloc((64 << 10) + 1, 9);
    await Promise.all([file.write(long, 0, long.length, 0), file.write(long, 0, long.length, long.length)]);
    assert.equal(fromPool(context), before + 2);
    await file.close();
    await context.close();
    assert.equal(state.calls, 0);
  });

  it('take the pool when the context is closed meanwhile', async () => {
    const { context } = setUp();
    const file = await begun(context);
    const before = fromPool(context);
    await context.close();
    await Promise.all([0, 1].map((nr) => file.write(block(nr), 0, BLOCK, nr * BLOCK)));
    assert.equal(fromPool(context), before + 2);
    await file.close();
  });

  it('take the pool where there are no such threads', async () => {
    const { context, state } = setUp({ threads: false });
    const file = await newFile(context);
    await writeAll(file);
    await setImmediate();
    await writeAll(file, 3);
    assert.deepEqual([state.started, context.submitThreads, fromPool(context)], [0, 0, 2 * BLOCKS]);
    await file.close();
    await context.close();
  });

  it('fail with the names that FileHandle gives', async () => {
    const { context } = setUp();
    const many = await begun(context);
    const path = join(home, String(files++));
    writeFileSync(path, '');
    const file = await open(path, 'r', 0o666, { context });
    await assert.rejects(file.write(block(0), 0, BLOCK, 0), { code: 'EBADF', syscall: 'write' });
    await many.close();
    await file.close();
    await context.close();
  });

  for (const { name, open: openKernel, missing } of KERNELS)
    it.skipIf(missing !== undefined)(`arrive, beside direct ones of the same file: ${name}`, async () => {
      const context = new AioContext({ kernel: openKernel() });
      const path = join(home, String(files++));
      writeFileSync(path, Buffer.alloc(BLOCKS * 4096));
      const cached = await open(path, 'r+', 0o666, { context });
      const direct = await open(path, 'r+', 0o666, {
        context,
        direct: 'prefer',
        unaligned: 'read-modify-write',
      });
      for (let round = 1; round <= 4; round++) {
        const writes = Array.from({ length: BLOCKS }, (_, nr) => [
          cached.write(Buffer.alloc(100, round), 0, 100, nr * 4096),
          direct.write(Buffer.alloc(100, round + 100), 0, 100, nr * 4096 + 2000),
        ]);
        await Promise.all(writes.flat());
      }
      await cached.close();
      await direct.close();
      await context.close();
      const bytes = readFileSync(path);
      for (let nr = 0; nr < BLOCKS; nr++) {
        assert.deepEqual([bytes[nr * 4096], bytes[nr * 4096 + 99], bytes[nr * 4096 + 100]], [4, 4, 0]);
        assert.deepEqual(
          [bytes[nr * 4096 + 1999], bytes[nr * 4096 + 2000], bytes[nr * 4096 + 2099]],
          [0, 104, 104],
        );
      }
    });
});
