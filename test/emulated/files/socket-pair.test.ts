import { describe, expect, it } from 'vitest';
import { user } from '../user.ts';

const PREAD = 0;
const PWRITE = 1;
const POLL = 5;
const O_NONBLOCK = 0o4000;
/** A socket buffer, and how many of them there is room for (observed on Linux 6.18, x86-64). */
const SKB = 36_544;
const SNDBUF = 6 * SKB;
const EAGAIN = -11;
const EFAULT = -14;
const EINVAL = -22;
const ESPIPE = -29;
const EPIPE = -32;
const ENOTSOCK = -88;
const ECONNRESET = -104;
const turn = () => new Promise((resolve) => setImmediate(resolve));

function setting(flags = 0) {
  const u = user();
  const ctx = u.setup(64);
  const [one, other] = u.kernel.socketpair(flags);
  const buffer = u.keep(Buffer.alloc(1 << 20));
  const aio_buf = u.addressOf(buffer);
  const read = (aio_fildes: number, aio_nbytes: number) => ({
    aio_lio_opcode: PREAD,
    aio_fildes,
    aio_buf,
    aio_nbytes,
  });
  const write = (aio_fildes: number, content: string | Uint8Array) => {
    const bytes = u.keep(Buffer.from(content));
    return { aio_lio_opcode: PWRITE, aio_fildes, aio_buf: u.addressOf(bytes), aio_nbytes: bytes.length };
  };
  const poll = (aio_fildes: number, events: number) => ({
    aio_lio_opcode: POLL,
    aio_fildes,
    aio_buf: events,
  });
  return { ...u, ctx, one, other, buffer, read, write, poll };
}

describe('a socket pair', () => {
  it('goes both ways', () => {
    const { submit, ctx, one, other, read, write, results, buffer } = setting(O_NONBLOCK);
    submit(ctx, read(one, 8), write(one, 'ping'), write(other, 'pong!'), read(other, 8));
    expect(results(ctx)).toEqual([EAGAIN, 4, 5, 4]);
    expect(buffer.toString('latin1', 0, 4)).toBe('ping');
    submit(ctx, read(one, 3), read(one, 8));
    expect(results(ctx)).toEqual([3, 2]);
    expect(buffer.toString('latin1', 0, 2)).toBe('g!');
    submit(ctx, { ...read(one, 8), aio_offset: 1 }, { ...write(one, 'x'), aio_offset: 1 });
    expect(results(ctx)).toEqual([ESPIPE, ESPIPE]);
  });

  it('is full some time: a part, then EAGAIN; or it waits for room', async () => {
    const { submit, ctx, one, write, results } = setting(O_NONBLOCK);
    submit(ctx, write(one, Buffer.alloc(SNDBUF + 1)), write(one, 'x'));
    expect(results(ctx)).toEqual([SNDBUF, EAGAIN]);
    const slow = setting();
    slow.submit(slow.ctx, slow.write(slow.one, Buffer.alloc(2 * SNDBUF, 'z')));
    await turn();
    expect(slow.results(slow.ctx)).toEqual([]);
    slow.submit(slow.ctx, slow.read(slow.other, SNDBUF));
    expect((await slow.completed(slow.ctx, 2)).sort((a, b) => a - b)).toEqual([SNDBUF, 2 * SNDBUF]);
  });

  it('tells of the end of the other side', async () => {
    const { submit, ctx, one, other, read, write, results, completed, kernel } = setting();
    submit(ctx, read(one, 8));
    submit(ctx, write(other, 'bye'));
    expect(await completed(ctx, 2)).toEqual([3, 3]);
    submit(ctx, read(one, 8));
    kernel.close(other);
    expect(await completed(ctx, 1)).toEqual([0]);
    submit(ctx, write(one, 'x'));
    expect(results(ctx)).toEqual([EPIPE]);
  });

  it('is reset when the other side closed with bytes unread', () => {
    const { submit, ctx, one, other, read, write, results, kernel } = setting();
    submit(ctx, write(one, 'unread'));
    kernel.close(other);
    submit(ctx, read(one, 8), read(one, 8));
    expect(results(ctx)).toEqual([6, ECONNRESET, 0]);
  });

  it('can be shut down in one direction', () => {
    const { submit, ctx, one, other, read, write, results, kernel } = setting(O_NONBLOCK);
    expect(kernel.shutdown(one, 1)).toBe(0);
    submit(ctx, write(one, 'x'), read(other, 8), write(other, 'still'), read(one, 8));
    expect(results(ctx)).toEqual([EPIPE, 0, 5, 5]);
    expect(kernel.shutdown(one, 3)).toBe(EINVAL);
    expect(kernel.shutdown(kernel.pipe()[0], 1)).toBe(ENOTSOCK);
    expect(kernel.shutdown(0, 1)).toBe(-9);
  });
});

/** As observed on Linux 6.18, x86-64. */
describe('a socket pair and memory that is missing', () => {
  it.each<[bytes: number, there: number, result: number]>([
    [40_000, 39_999, SKB],
    [40_000, SKB, SKB],
    [40_000, SKB - 1, EFAULT],
    [80_000, 79_000, 2 * SKB],
    [8192, 5000, EFAULT],
  ])('a write of %i with memory for %i: %i', (aio_nbytes, there, result) => {
    const { submit, ctx, one, other, write, read, results, memory } = setting(O_NONBLOCK);
    const memoryBytes = 20 * 4096;
    const end = memory.mmap(memoryBytes, 'read-write') + memoryBytes;
    submit(ctx, { ...write(one, ''), aio_buf: end - there, aio_nbytes }, read(other, 1 << 20));
    expect(results(ctx)).toEqual([result, result < 0 ? EAGAIN : result]);
  });

  it('takes memory as Linux counts it', () => {
    for (const [bytes, times] of [
      [1, 278],
      [1000, 93],
      [3000, 49],
      [4096, 44],
      [8192, 24],
      [SKB, 6],
    ] as const) {
      const { kernel, one } = setting(O_NONBLOCK);
      let written = 0;
      while (kernel.writeSync(one, Buffer.alloc(bytes)) === bytes) written++;
      expect([bytes, written]).toEqual([bytes, times]);
    }
  });
});

describe('polling a socket pair', () => {
  it.each<[string, number, number, (u: ReturnType<typeof setting>) => void]>([
    ['data', 1, 0xc3, (u) => u.submit(u.ctx, u.write(u.other, 'x'))],
    ['data, though only PRI was wanted', 2, 0xc3, (u) => u.submit(u.ctx, u.write(u.other, 'x'))],
    ['the peer closes', 1, 0x11, (u) => u.kernel.close(u.other)],
    ['the peer closes, only RDHUP wanted', 0x2000, 0x2010, (u) => u.kernel.close(u.other)],
    ['the peer shuts down writing', 1, 1, (u) => u.kernel.shutdown(u.other, 1)],
  ])('%s: wanted %i, gets %i', (_name, wanted, expected, act) => {
    const u = setting(O_NONBLOCK);
    u.submit(u.ctx, u.poll(u.one, wanted));
    expect(u.results(u.ctx)).toEqual([]);
    act(u);
    expect(u.results(u.ctx)[0]).toBe(expected);
  });

  it('room for writing: when buffers have gone, from a quarter down', () => {
    const { submit, ctx, one, other, write, read, poll, results } = setting(O_NONBLOCK);
    submit(ctx, write(one, Buffer.alloc(SNDBUF)), poll(one, 4), read(other, 5 * SKB - 1));
    // A buffer of which a byte is left takes as much as before.
    expect(results(ctx)).toEqual([SNDBUF, 5 * SKB - 1]);
    submit(ctx, read(other, 1));
    expect(results(ctx)).toEqual([0x304, 1]);
  });
});
