import { describe, expect, it } from 'vitest';
import { user } from '../user.ts';

const PREAD = 0;
const PWRITE = 1;
const POLL = 5;
const IN = 1;
const OUT = 4;
const O_NONBLOCK = 0o4000;
const PAGE = 4096;
const EINTR = -4;
const EAGAIN = -11;
const EPIPE = -32;
const EINPROGRESS = -115;
const turn = () => new Promise((resolve) => setImmediate(resolve));

function setting(flags = 0) {
  const u = user();
  const ctx = u.setup(64);
  const [reader, writer] = u.kernel.pipe(flags);
  const buffer = u.keep(Buffer.alloc(1 << 20));
  const aio_buf = u.addressOf(buffer);
  const read = (aio_nbytes: number) => ({ aio_lio_opcode: PREAD, aio_fildes: reader, aio_buf, aio_nbytes });
  const write = (content: string | Uint8Array) => {
    const bytes = u.keep(Buffer.from(content));
    return {
      aio_lio_opcode: PWRITE,
      aio_fildes: writer,
      aio_buf: u.addressOf(bytes),
      aio_nbytes: bytes.length,
    };
  };
  const poll = (aio_fildes: number, events: number) => ({
    aio_lio_opcode: POLL,
    aio_fildes,
    aio_buf: events,
  });
  return { ...u, ctx, reader, writer, buffer, read, write, poll };
}

describe('a pipe that does not block', () => {
  it('takes 16 pages, then a part, then EAGAIN, and gives them back in order', () => {
    const { submit, ctx, read, write, results, buffer } = setting(O_NONBLOCK);
    submit(ctx, read(10));
    submit(ctx, write(Buffer.alloc(15 * PAGE, 'a')), write('b'), write('c'.repeat(5000)), write('d'));
    // One byte has a page of its own, and the last write merges its odd bytes into it.
    expect(results(ctx)).toEqual([EAGAIN, 15 * PAGE, 1, 5000 % PAGE, 1]);
    submit(ctx, read(1 << 20));
    const count = 15 * PAGE + 1 + (5000 % PAGE) + 1;
    expect(results(ctx)).toEqual([count]);
    expect(buffer.toString('latin1', 15 * PAGE, count)).toBe(`b${'c'.repeat(5000 % PAGE)}d`);
  });

  it('ends: 0 without a writer when it is empty, EPIPE without a reader', () => {
    const { submit, ctx, read, write, results, kernel, writer } = setting(O_NONBLOCK);
    submit(ctx, write('ab'));
    kernel.close(writer);
    submit(ctx, read(1), read(4), read(4));
    expect(results(ctx)).toEqual([2, 1, 1, 0]);
    const other = setting(O_NONBLOCK);
    other.kernel.close(other.reader);
    other.submit(other.ctx, other.write('x'));
    expect(other.results(other.ctx)).toEqual([EPIPE]);
  });
});

describe('a pipe that blocks', () => {
  it('lets a read wait for the first byte, without holding up the batch', async () => {
    const { submit, ctx, read, write, completed, results, buffer } = setting();
    expect(submit(ctx, read(10))).toBe(1);
    await turn();
    expect(results(ctx)).toEqual([]);
    submit(ctx, write('abc'));
    expect(await completed(ctx, 2)).toEqual([3, 3]);
    expect(buffer.toString('latin1', 0, 3)).toBe('abc');
  });

  it('lets a write wait until all of it has gone, its progress kept in the request', async () => {
    const { submit, ctx, write, completed, kernel, reader } = setting();
    const content = Buffer.from(Array.from({ length: 40 * PAGE }, (_, i) => i % 251));
    submit(ctx, write(content));
    const got: Buffer[] = [];
    for (let left = content.length; left > 0; ) {
      const part = Buffer.alloc(10_000);
      const count = await kernel.read(reader, part);
      got.push(part.subarray(0, count));
      left -= count;
    }
    expect(await completed(ctx, 1)).toEqual([content.length]);
    expect(Buffer.concat(got).equals(content)).toBe(true);
  });

  it('tells a waiting write of EPIPE after progress as the progress', async () => {
    const { submit, ctx, write, completed, kernel, reader } = setting();
    submit(ctx, write(Buffer.alloc(20 * PAGE)));
    await turn();
    kernel.close(reader);
    expect(await completed(ctx, 1)).toEqual([16 * PAGE]);
  });

  it('has waiting requests cancelled with EINTR, and destroyed', async () => {
    const { submit, ctx, read, iocb, results, kernel, reader, writer } = setting();
    const waiting = iocb(read(4));
    submit(ctx, waiting, read(4));
    expect(kernel.io_cancel(ctx, waiting, 0)).toBe(EINPROGRESS);
    expect(results(ctx)).toEqual([EINTR]);
    expect(kernel.io_destroy(ctx)).toBe(0);
    expect(kernel.close(writer)).toBe(0);
    expect(kernel.close(reader)).toBe(0);
    await turn();
  });

  it('holds its end for a request in flight although the descriptor was closed', async () => {
    const { submit, ctx, read, write, completed, kernel, reader, writer } = setting();
    submit(ctx, read(4));
    kernel.close(reader);
    submit(ctx, write('late'));
    expect(await completed(ctx, 2)).toEqual([4, 4]);
    await turn();
    submit(ctx, { ...write('x'), aio_fildes: writer });
    expect(await completed(ctx, 1)).toEqual([EPIPE]);
  });
});

describe('polling a pipe', () => {
  it('ready at once: only wanted bits', () => {
    const { submit, ctx, poll, reader, writer, write, results, kernel } = setting(O_NONBLOCK);
    submit(ctx, poll(writer, OUT));
    submit(ctx, write('x'), poll(reader, IN | OUT), poll(reader, 0x41));
    expect(results(ctx)).toEqual([OUT, 1, IN, 0x41]);
    kernel.close(reader);
    submit(ctx, poll(writer, 0));
    expect(results(ctx)).toEqual([8]);
  });

  it('a page drained wakes 0x104, a byte read wakes nobody, the last reader gone wakes 8', () => {
    const { submit, ctx, poll, read, write, results, kernel, reader, writer } = setting(O_NONBLOCK);
    submit(ctx, write(Buffer.alloc(16 * PAGE)), poll(writer, OUT), read(1));
    expect(results(ctx)).toEqual([16 * PAGE, 1]);
    submit(ctx, read(PAGE - 1));
    expect(results(ctx)).toEqual([0x104, PAGE - 1]);
    submit(ctx, write(Buffer.alloc(PAGE)), poll(writer, OUT));
    kernel.close(reader);
    expect(results(ctx)).toEqual([PAGE, 8]);
  });

  it('refuses flags it does not know', () => {
    const { kernel } = user();
    expect(() => kernel.pipe(1)).toThrow(RangeError);
    expect(() => kernel.socketpair(-1)).toThrow(RangeError);
    expect(kernel.pipe(0o2000000)).toHaveLength(2);
  });
});
