import * as fs from 'node:fs';
import { devNull } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import { BouncePool } from '../../../src/common/memory/bounce-pool.ts';
import { isPageAligned, pageAlignedBuffer } from '../../../src/common/memory/page-aligned.ts';
import { Transfer } from '../../../src/emulated/memory/iov-iter.ts';
import { temporaryFile, user } from '../user.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const PREAD = 0;
const PWRITE = 1;
const PREADV = 7;
const PWRITEV = 8;
const EFAULT = -14;
const EINVAL = -22;
const EFBIG = -27;
const PAGE = 4096;
const TASK_SIZE = 0x7ffffffff000;

const files: ReturnType<typeof temporaryFile>[] = [];
const file = (content: Uint8Array | string = '', flags = 'r+') => {
  const made = temporaryFile(content, flags);
  files.push(made);
  return made;
};
afterEach(() => {
  for (const made of files.splice(0)) made.remove();
});

/** Both ways in which a request runs. */
const WAYS = ['drained', 'pool'] as const;

describe('bounce memory', () => {
  it('starts at page boundaries and is used again', () => {
    const pool = new BouncePool();
    for (const bytes of [1, PAGE, PAGE + 1, 100_000, 8 << 20]) {
      const chunk = pool.take(bytes);
      expect(chunk.bytes.length).toBeGreaterThanOrEqual(bytes);
      expect(isPageAligned(chunk.bytes.buffer)).toBe(true);
      expect(chunk.bytes.byteOffset % PAGE).toBe(0);
      pool.give(chunk);
      expect(pool.take(bytes)).toBe(chunk);
    }
    expect(pool.take(20 << 20).bytes.length).toBeGreaterThanOrEqual(20 << 20);
    expect(pool.take(1)).not.toBe(pool.take(1));
  });
});

describe('a transfer', () => {
  it('lies in bounce memory as the user memory lies in its pages', () => {
    const first = new Transfer({ ki_buf: 0, ki_segments: undefined, ki_cur_seg: 0 }, 5000);
    first.release();
    for (const ki_buf of [0x10000, 0x10010, 0x10fff]) {
      const transfer = new Transfer({ ki_buf, ki_segments: undefined, ki_cur_seg: 0 }, 5000);
      expect(isPageAligned(transfer.bytes.buffer)).toBe(true);
      expect((transfer.bytes.byteOffset + transfer.at) % PAGE).toBe(ki_buf % PAGE);
      expect(transfer.bytes.length - transfer.at).toBeGreaterThanOrEqual(5000);
      // The memory of the one before, given back.
      if (ki_buf !== 0x10fff) expect(transfer.bytes).toBe(first.bytes);
      transfer.release();
    }
    const base = [0x10200, 0x20010, 0x30000, 0x30001, 0x50fff];
    const length = [512, 0, 8192, 3, 100];
    const transfer = new Transfer(
      { ki_buf: 0, ki_segments: { base, length }, ki_cur_seg: 0 },
      512 + 8192 + 3 + 50,
    );
    const views = transfer.views!;
    expect(views.map((view) => view.length)).toEqual([512, 8192, 3, 50]);
    expect(views.map((view) => view.byteOffset % PAGE)).toEqual([0x200, 0, 1, 0xfff]);
    for (let i = 1; i < views.length; i++) {
      expect(views[i]!.byteOffset).toBeGreaterThanOrEqual(views[i - 1]!.byteOffset + views[i - 1]!.length);
    }
    transfer.release();
  });
});

const { O_DIRECT } = fs.constants as { O_DIRECT?: number };
/** Whether this directory's file system takes O_DIRECT and minds alignment. */
function mindsAlignment(): boolean {
  if (O_DIRECT === undefined) return false;
  const probe = temporaryFile(Buffer.alloc(PAGE));
  try {
    const fd = fs.openSync(probe.path, fs.constants.O_RDONLY | O_DIRECT);
    try {
      fs.readSync(fd, new Uint8Array(pageAlignedBuffer(PAGE), 1, 512), 0, 512, 0);
      return false;
    } catch {
      return true;
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    return false;
  } finally {
    probe.remove();
  }
}

describe.skipIf(!mindsAlignment())('direct I/O', () => {
  it.each(WAYS)('is judged by the alignment of the user address: %s', async (way) => {
    const u = user();
    const { path } = file(Buffer.alloc(4 * PAGE, 5));
    const fd = fs.openSync(path, fs.constants.O_RDWR | (O_DIRECT ?? 0));
    const ctx = u.setup(64);
    const done = (count: number) => (way === 'drained' ? u.results(ctx) : u.completed(ctx, count));
    const good = u.addressOf(new Uint8Array(pageAlignedBuffer(8 * PAGE)));
    const malloced = u.addressOf(new Uint8Array(4 * PAGE));
    const request = { aio_lio_opcode: PREAD, aio_fildes: fd, aio_nbytes: PAGE };
    for (const [aio_buf, expected] of [
      [good, PAGE],
      [good + 512, PAGE],
      [good + 1, EINVAL],
      [malloced + 1, EINVAL],
      [malloced + 496, PAGE],
    ] as const) {
      for (const aio_lio_opcode of [PREAD, PWRITE]) {
        u.submit(ctx, { ...request, aio_lio_opcode, aio_buf });
        expect(await done(1)).toEqual([expected]);
      }
    }
    for (const [second, expected] of [
      [good + PAGE + 512, 1024],
      [good + PAGE + 1, EINVAL],
    ] as const) {
      const aio_buf = u.iovec([good, 512], [second, 512]);
      u.submit(ctx, { aio_lio_opcode: PREADV, aio_fildes: fd, aio_buf, aio_nbytes: 2 });
      expect(await done(1)).toEqual([expected]);
    }
    fs.closeSync(fd);
  });
});

describe.each(WAYS)('transfers: %s', (way) => {
  const make = () => {
    const u = user();
    const ctx = u.setup(16);
    const run = async (fields: Record<string, number | bigint>): Promise<number> => {
      const answer = u.submit(ctx, fields);
      if (answer !== 1) throw new Error(`refused: ${answer}`);
      return way === 'drained' ? u.results(ctx)[0]! : (await u.completed(ctx, 1))[0]!;
    };
    return { u, ctx, run };
  };

  it('move what is accessible before the first byte that is not', async () => {
    const { u, run } = make();
    const { fd, content } = file('x'.repeat(3 * PAGE));
    const base = u.memory.mmap(2 * PAGE, 'read-write');
    const request = { aio_fildes: fd, aio_nbytes: 2 * PAGE };
    expect(await run({ ...request, aio_lio_opcode: PREAD, aio_buf: base + PAGE })).toBe(PAGE);
    expect(u.memory.read(base, 2 * PAGE)!.indexOf(0x78)).toBe(PAGE);
    expect(await run({ ...request, aio_lio_opcode: PREAD, aio_buf: base + 2 * PAGE })).toBe(EFAULT);
    expect(await run({ ...request, aio_lio_opcode: PREAD, aio_buf: 8, aio_offset: 3 * PAGE })).toBe(0);
    u.memory.mprotect(base, PAGE, 'read');
    expect(await run({ ...request, aio_lio_opcode: PREAD, aio_buf: base })).toBe(EFAULT);
    expect(await run({ ...request, aio_lio_opcode: PWRITE, aio_buf: base + PAGE - 5 })).toBe(PAGE + 5);
    expect(content().slice(0, 6)).toBe('\0\0\0\0\0x');
    expect(await run({ ...request, aio_lio_opcode: PWRITE, aio_buf: 8 })).toBe(EFAULT);
    expect(await run({ aio_lio_opcode: PWRITE, aio_fildes: fd, aio_buf: 8 })).toBe(0);
  });

  it('fill and empty segments in order', async () => {
    const { u, run } = make();
    const { fd, content } = file('0123456789');
    const [a, b] = [u.keep(Buffer.from('....')), u.keep(Buffer.from('....'))];
    const iov = u.iovec([u.addressOf(a), 3], [0, 0], [u.addressOf(b), 4]);
    const request = { aio_fildes: fd, aio_buf: iov, aio_nbytes: 3 };
    expect(await run({ ...request, aio_lio_opcode: PREADV, aio_offset: 1 })).toBe(7);
    expect(`${a}${b}`).toBe('123.4567');
    expect(await run({ ...request, aio_lio_opcode: PREADV, aio_offset: 6 })).toBe(4);
    expect(`${a}${b}`).toBe('678.9567');
    expect(await run({ ...request, aio_lio_opcode: PWRITEV, aio_offset: 0 })).toBe(7);
    expect(content()).toBe('6789567789');
    const holed = u.iovec([u.addressOf(a), 2], [8, 2], [u.addressOf(b), 2]);
    expect(await run({ ...request, aio_lio_opcode: PREADV, aio_buf: holed })).toBe(2);
  });

  it('take any length without taking memory for it', async () => {
    const { u, run } = make();
    const { fd } = file('short');
    const buf = u.addressOf(new Uint8Array(100));
    const all = { aio_fildes: fd, aio_buf: buf, aio_nbytes: 0x7fff_ffff_ffff_ffffn };
    expect(await run({ ...all, aio_lio_opcode: PREAD })).toBe(5);
    expect(await run({ ...all, aio_lio_opcode: PWRITE })).toBe(100);
    const nothing = fs.openSync(devNull, 'r+');
    expect(await run({ ...all, aio_lio_opcode: PWRITE, aio_fildes: nothing, aio_buf: 8 })).toBe(0x7ffff000);
    expect(await run({ ...all, aio_lio_opcode: PREAD, aio_fildes: nothing, aio_buf: 8 })).toBe(0);
    fs.closeSync(nothing);
  });

  it('know places beyond what a double holds', async () => {
    const { u, run } = make();
    const { fd, content } = file('x');
    const buf = u.addressOf(Buffer.from('yy'));
    const request = { aio_fildes: fd, aio_buf: buf, aio_nbytes: 2 };
    for (const aio_offset of [2n ** 53n, 2n ** 62n, 2n ** 63n - 3n]) {
      expect(await run({ ...request, aio_lio_opcode: PREAD, aio_offset })).toBe(0);
      expect(await run({ ...request, aio_lio_opcode: PWRITE, aio_offset })).toBe(EFBIG);
    }
    expect(content()).toBe('x');
  });

  it('append at the end, wherever the offset points', async () => {
    const { u, run } = make();
    const { fd, content } = file('x');
    u.kernel.fget(fd);
    const data = Buffer.from('ab');
    const request = {
      aio_lio_opcode: PWRITE,
      aio_fildes: fd,
      aio_buf: u.addressOf(data),
      aio_nbytes: 2,
    };
    for (const aio_offset of [0, 100])
      expect(await run({ ...request, aio_offset, aio_rw_flags: 0x10 })).toBe(2);
    expect(await run({ ...request, aio_nbytes: 1, aio_rw_flags: 0x6 })).toBe(1);
    expect(content()).toBe('aabab');
    // Held until here: the kernel has its address alone.
    expect(data.toString()).toBe('ab');
  });
});

describe('what is judged at submission', () => {
  it('knows ranges, lengths and offsets to the bit', () => {
    const u = user();
    const ctx = u.setup(64);
    const { fd } = file('x');
    const read = { aio_lio_opcode: PREAD, aio_fildes: fd };
    const vector = (...segments: [number | bigint, number | bigint][]) => ({
      aio_lio_opcode: PREADV,
      aio_fildes: fd,
      aio_buf: u.iovec(...segments),
      aio_nbytes: segments.length,
    });
    const huge = 0x7fff_ffff_ffff_ffffn;
    const buf = u.addressOf(new Uint8Array(16));
    for (const [fields, expected] of [
      [{ ...read, aio_buf: TASK_SIZE, aio_nbytes: 0 }, 1],
      [{ ...read, aio_buf: TASK_SIZE - 1, aio_nbytes: 1 }, 1],
      [{ ...read, aio_buf: TASK_SIZE - 1, aio_nbytes: 2 }, EFAULT],
      [{ ...read, aio_buf: TASK_SIZE + 1, aio_nbytes: 0 }, EFAULT],
      [{ ...read, aio_buf: 2n ** 63n, aio_nbytes: 0 }, EFAULT],
      [{ ...read, aio_buf: buf, aio_nbytes: huge }, 1],
      [{ ...read, aio_buf: buf, aio_nbytes: huge + 1n }, EINVAL],
      [{ ...read, aio_buf: 0, aio_offset: huge }, 1],
      [{ ...read, aio_buf: buf, aio_nbytes: 1, aio_offset: huge - 1n }, 1],
      [{ ...read, aio_buf: buf, aio_nbytes: 1, aio_offset: huge }, EINVAL],
      [{ ...read, aio_buf: buf, aio_nbytes: 1, aio_offset: -1n }, EINVAL],
      [vector([buf, huge]), 1],
      [vector([buf, huge], [buf, huge]), EFAULT],
      [vector([2n ** 63n, 0], [buf, 2n ** 63n]), EINVAL],
      [vector([2n ** 63n, 0], [buf, 1]), EFAULT],
      [{ ...vector([buf, 1]), aio_nbytes: 0x1_0000_0001n }, 1],
      [{ ...read, aio_lio_opcode: PREADV, aio_buf: 2n ** 63n, aio_nbytes: 0x1_0000_0000n }, 1],
      [{ ...read, aio_lio_opcode: PREADV, aio_buf: 8, aio_nbytes: 1025 }, EINVAL],
      [{ ...read, aio_lio_opcode: PREADV, aio_buf: 8, aio_nbytes: 1024 }, EFAULT],
    ] as const) {
      expect([fields, u.submit(ctx, fields)]).toEqual([fields, expected]);
    }
  });

  it('knows the open mode, for each request anew', () => {
    const u = user();
    const ctx = u.setup(64);
    const readable = file('x', 'r');
    const request = { aio_fildes: readable.fd, aio_buf: u.addressOf(Buffer.alloc(4)), aio_nbytes: 1 };
    expect(u.submit(ctx, { ...request, aio_lio_opcode: PREAD })).toBe(1);
    expect(u.submit(ctx, { ...request, aio_lio_opcode: PWRITE })).toBe(-9);
    u.results(ctx);
    readable.close();
    const writable = fs.openSync(readable.path, 'a');
    expect(writable).toBe(readable.fd);
    expect(u.submit(ctx, { ...request, aio_lio_opcode: PREAD })).toBe(-9);
    expect(u.submit(ctx, { ...request, aio_lio_opcode: PWRITE })).toBe(1);
    fs.closeSync(writable);
  });
});

/** Without what waits to be collected: a thread of the engine gives the memory of buffers back, some time after they are gone. */
async function memoryInUse(): Promise<NodeJS.MemoryUsage> {
  for (let times = 0; times < 3; times++) {
    collectGarbage();
    await setTimeout(50);
  }
  return process.memoryUsage();
}

describe('a long run', () => {
  it('of 100 000 requests leaves slots, mappings and memory as they were', { timeout: 120_000 }, async () => {
    const u = user({ possibleCpus: 2 });
    const ctx = u.setup(64);
    const { fd } = file(Buffer.alloc(64 * 512, 1));
    u.kernel.fget(fd);
    const buf = u.addressOf(new Uint8Array(512));
    const iocbs = Array.from({ length: 64 }, (_, i) =>
      u.iocb({
        aio_lio_opcode: i % 8 === 0 ? PWRITE : PREAD,
        aio_fildes: fd,
        aio_buf: buf,
        aio_nbytes: 512,
        aio_offset: i * 512,
      }),
    );
    const iocbpp = u.pointers(iocbs);
    const ring = u.kernel.mapRing(ctx)!;
    const round = async (drain: boolean): Promise<void> => {
      expect(u.kernel.io_submit(ctx, 64, iocbpp)).toBe(64);
      if (drain) expect(u.results(ctx)).toHaveLength(64);
      let left = drain ? 0 : 64;
      while (left > 0) {
        await new Promise((resolve) => setImmediate(resolve));
        left -= ring.reap(left, (_low, _high, res) => expect(res).toBe(512));
      }
    };
    for (let i = 0; i < 200; i++) await round(i % 4 !== 0);
    const before = await memoryInUse();
    for (let i = 0; i < 1400; i++) await round(i % 4 !== 0);
    const after = await memoryInUse();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(1 << 20);
    expect(after.heapUsed - before.heapUsed).toBeLessThan(4 << 20);
    const poll = u.iocb({ aio_lio_opcode: 5, aio_fildes: u.kernel.eventfd(0, 0), aio_buf: 1 });
    expect(u.submit(ctx, ...Array<number>(400).fill(poll))).toBe(248);
  });
});
