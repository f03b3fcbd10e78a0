import { execFileSync } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { hostKnowsBirths } from '../../../src/emulated/files/identity.ts';
import { temporaryFile, user } from '../user.ts';

const PREAD = 0;
const PWRITE = 1;
const FSYNC = 2;
const EBADF = -9;
const EDEADLK = -35;

const files: ReturnType<typeof temporaryFile>[] = [];
const file = (content: Uint8Array | string = '', flags = 'r+') => {
  const made = temporaryFile(content, flags);
  files.push(made);
  return made;
};
afterEach(() => {
  for (const made of files.splice(0)) made.remove();
});
const hash = promisify(pbkdf2);
const turn = () => new Promise((resolve) => setImmediate(resolve));
const tick = () => new Promise<void>((resolve) => process.nextTick(resolve));

describe('run list', () => {
  it('is drained by io_getevents in the order of submission', () => {
    const u = user();
    const { fd } = file('0123456789');
    const ctx = u.setup(64);
    const target = u.keep(new Uint8Array(1));
    const source = u.keep(Buffer.from('ab'));
    const at = u.addressOf(target);
    const iocbs = Array.from({ length: 40 }, (_, i) => ({
      aio_lio_opcode: PREAD,
      aio_data: i,
      aio_fildes: fd,
      aio_buf: at,
      aio_nbytes: 1,
      aio_offset: i % 10,
    }));
    expect(u.submit(ctx, ...iocbs)).toBe(40);
    const events = u.events(ctx);
    expect(events.map(({ data }) => Number(data))).toEqual(iocbs.map(({ aio_data }) => aio_data));
    // Each ran in its turn: a read behind a write to the same place sees it.
    expect(
      u.submit(
        ctx,
        {
          aio_lio_opcode: PWRITE,
          aio_fildes: fd,
          aio_buf: u.addressOf(source),
          aio_nbytes: 1,
          aio_offset: 3,
        },
        { aio_lio_opcode: FSYNC, aio_fildes: fd },
        { aio_lio_opcode: PREAD, aio_fildes: fd, aio_buf: at, aio_nbytes: 1, aio_offset: 3 },
      ),
    ).toBe(3);
    expect(u.results(ctx)).toEqual([1, 0, 1]);
    expect(target[0]).toBe('a'.charCodeAt(0));
  });

  it('is not run inside io_submit, and is run without io_getevents', async () => {
    const u = user();
    const { fd, content } = file('....');
    const ctx = u.setup();
    const ring = u.kernel.mapRing(ctx)!;
    const source = u.addressOf(Buffer.from('ab'));
    u.submit(ctx, { aio_lio_opcode: PWRITE, aio_fildes: fd, aio_buf: source, aio_nbytes: 2 });
    expect(ring.ready).toBe(0);
    expect(content()).toBe('....');
    expect(await u.completed(ctx, 1)).toEqual([2]);
    expect(content()).toBe('ab..');
  });

  it('says EDEADLK rather than wait for what this thread holds up', async () => {
    const u = user();
    const { fd } = file('x');
    const ctx = u.setup();
    const buf = u.addressOf(new Uint8Array(4));
    u.submit(ctx, { aio_lio_opcode: PREAD, aio_fildes: fd, aio_buf: buf, aio_nbytes: 1 });
    // Begun at the end of the tick, and its end comes in a later turn of the event loop.
    await tick();
    const events = u.addressOf(new Uint8Array(64));
    expect(u.kernel.io_getevents(ctx, 1, 1, events, 0)).toBe(EDEADLK);
    const begun = process.hrtime.bigint();
    expect(u.kernel.io_getevents(ctx, 1, 1, events, u.timespec(0, 20_000_000))).toBe(0);
    expect(process.hrtime.bigint() - begun).toBeGreaterThanOrEqual(20_000_000n);
    expect(await u.completed(ctx, 1)).toEqual([1]);
  });

  it('lets contexts take turns', async () => {
    const u = user({ concurrency: 1 });
    const { fd } = file(Buffer.alloc(4096));
    const buf = u.addressOf(new Uint8Array(4096));
    const [one, two] = [u.setup(64), u.setup(64)];
    const read = { aio_lio_opcode: PREAD, aio_fildes: fd, aio_buf: buf, aio_nbytes: 4096 };
    u.submit(one, ...Array(60).fill(read));
    u.submit(two, read);
    expect(await u.completed(two, 1)).toEqual([4096]);
    expect(u.kernel.mapRing(one)!.ready).toBeLessThan(10);
    expect(await u.completed(one, 60)).toHaveLength(60);
  });
});

describe.skipIf(process.platform === 'win32')('requests that wait for ever', () => {
  it('leave a thread of the pool to others, whatever is queued behind them', async () => {
    const u = user();
    const directory = fs.mkdtempSync(join(tmpdir(), 'kaio-fifo-'));
    const path = join(directory, 'fifo');
    execFileSync('mkfifo', [path]);
    const fifo = fs.openSync(path, 'r+');
    const { fd } = file('0123');
    const [waiting, other] = [u.setup(64), u.setup(64)];
    const buf = u.addressOf(new Uint8Array(4));
    const read = { aio_lio_opcode: PREAD, aio_buf: buf, aio_nbytes: 1 };
    // More than the pool has threads.
    const reads = 10;
    expect(u.submit(waiting, ...Array(reads).fill({ ...read, aio_fildes: fifo }))).toBe(reads);
    await turn();
    u.submit(other, { ...read, aio_fildes: fd });
    expect(await u.completed(other, 1)).toEqual([1]);
    expect(await hash('x', 'y', 1, 1, 'sha1')).toHaveLength(1);
    expect(u.kernel.mapRing(waiting)!.ready).toBe(0);
    fs.writeSync(fifo, 'x'.repeat(reads));
    expect(await u.completed(waiting, reads)).toEqual(Array(reads).fill(1));
    fs.closeSync(fifo);
    fs.rmSync(directory, { recursive: true });
  });
});

function submitWrite(
  u: ReturnType<typeof user>,
  ctx: Parameters<typeof u.submit>[0],
  fd: number,
  text: string,
): void {
  const bytes = u.keep(Buffer.from(text));
  const write = {
    aio_lio_opcode: PWRITE,
    aio_fildes: fd,
    aio_buf: u.addressOf(bytes),
    aio_nbytes: bytes.length,
  };
  u.submit(ctx, write);
}

describe('a bare descriptor that is closed and reused', () => {
  it.each(['io_getevents', 'the event loop'])('is never written: %s', async (how) => {
    const u = user();
    const mine = file('mine');
    const ctx = u.setup();
    submitWrite(u, ctx, mine.fd, 'news');
    mine.close();
    const theirs = file('theirs');
    expect(theirs.fd).toBe(mine.fd);
    expect(how === 'io_getevents' ? u.results(ctx) : await u.completed(ctx, 1)).toEqual([EBADF]);
    expect(theirs.content()).toBe('theirs');
    expect(mine.content()).toBe('mine');
  });

  it('is written on this thread, which cannot close it meanwhile', async () => {
    const u = user();
    const mine = file('mine');
    const ctx = u.setup();
    const busy = Array.from({ length: 16 }, () => hash('x', 'y', 200_000, 32, 'sha512'));
    submitWrite(u, ctx, mine.fd, 'news');
    await turn();
    mine.close();
    const theirs = file('theirs');
    expect(theirs.fd).toBe(mine.fd);
    await Promise.all(busy);
    expect(mine.content()).toBe('news');
    expect(theirs.content()).toBe('theirs');
    expect(u.results(ctx)).toEqual([4]);
  });

  it.skipIf(!hostKnowsBirths())(
    'is told from the old file also when the new one has its inode number',
    async () => {
      const u = user();
      const mine = file('mine');
      const ctx = u.setup();
      submitWrite(u, ctx, mine.fd, 'news');
      mine.close();
      fs.unlinkSync(mine.path);
      const path = join(mine.directory, 'new');
      fs.writeFileSync(path, 'theirs');
      const fd = fs.openSync(path, 'r+');
      expect(fd).toBe(mine.fd);
      expect(await u.completed(ctx, 1)).toEqual([EBADF]);
      expect(fs.readFileSync(path, 'latin1')).toBe('theirs');
      fs.closeSync(fd);
    },
  );

  it('gives nobody the data of the other file', async () => {
    const u = user();
    const ctx = u.setup();
    // It has not begun yet; or it has, and its end comes in a later turn of the event loop.
    for (const ticksBefore of [0, 1]) {
      const mine = file('mine');
      const target = u.keep(Buffer.from('....'));
      u.submit(ctx, {
        aio_lio_opcode: PREAD,
        aio_fildes: mine.fd,
        aio_buf: u.addressOf(target),
        aio_nbytes: 4,
      });
      for (let i = 0; i < ticksBefore; i++) await tick();
      mine.close();
      const theirs = file('theirs');
      expect(theirs.fd).toBe(mine.fd);
      const [result] = await u.completed(ctx, 1);
      expect(result).toBe(EBADF);
      expect(target.toString()).toBe('....');
      theirs.close();
    }
  });

  it('fails plainly when it was only closed', () => {
    const u = user();
    const mine = file('mine');
    const ctx = u.setup();
    u.submit(
      ctx,
      { aio_lio_opcode: PREAD, aio_fildes: mine.fd, aio_buf: u.addressOf(new Uint8Array(4)), aio_nbytes: 4 },
      { aio_lio_opcode: FSYNC, aio_fildes: mine.fd },
    );
    mine.close();
    expect(u.results(ctx)).toEqual([EBADF, EBADF]);
  });
});
