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
const EFAULT = -14;
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
    submit(ctx, { ...write('x'), aio_fildes: writer });
    expect(await completed(ctx, 1)).toEqual([EPIPE]);
  });

  it('lets go of it inside io_cancel and io_destroy', () => {
    const cancelled = setting();
    const waiting = cancelled.iocb(cancelled.read(4));
    cancelled.submit(cancelled.ctx, waiting);
    cancelled.kernel.close(cancelled.reader);
    expect(cancelled.kernel.io_cancel(cancelled.ctx, waiting, 0)).toBe(EINPROGRESS);
    expect(cancelled.kernel.writeSync(cancelled.writer, Buffer.from('x'))).toBe(EPIPE);
    const destroyed = setting(O_NONBLOCK);
    const other = destroyed.setup(8);
    destroyed.submit(other, destroyed.poll(destroyed.writer, 2));
    destroyed.kernel.close(destroyed.writer);
    expect(destroyed.kernel.readSync(destroyed.reader, Buffer.alloc(1))).toBe(EAGAIN);
    expect(destroyed.kernel.io_destroy(other)).toBe(0);
    expect(destroyed.kernel.readSync(destroyed.reader, Buffer.alloc(1))).toBe(0);
  });
});

/** As observed of threads in read(2) and write(2) on Linux 6.18. */
describe('several who wait in a pipe', () => {
  function inLine() {
    const u = setting();
    const reads = [0, 1, 2].map((aio_data) => u.iocb({ ...u.read(1), aio_data }));
    u.submit(u.ctx, ...reads);
    const writing = u.setup(8);
    /** Who has ended, in order, with what. */
    const ended = async (): Promise<[number, number][]> => {
      for (let i = 0; i < 4; i++) await turn();
      return u.events(u.ctx).map(({ data, res }) => [Number(data), Number(res)]);
    };
    return { ...u, reads, ended, put: (content: string) => u.submit(writing, u.write(content)) };
  }

  it('are served by age, one for each byte', async () => {
    const { put, ended } = inLine();
    put('x');
    expect(await ended()).toEqual([[0, 1]]);
    put('yz');
    expect(await ended()).toEqual([
      [1, 1],
      [2, 1],
    ]);
  });

  it('one that finds nothing, woken by a write that could fetch nothing, goes to the end of the line', async () => {
    const { submit, setup, writer, put, ended } = inLine();
    submit(setup(), { aio_lio_opcode: PWRITE, aio_fildes: writer, aio_buf: 16, aio_nbytes: 1 });
    expect(await ended()).toEqual([]);
    put('xyz');
    expect((await ended()).map(([who]) => who)).toEqual([1, 2, 0]);
  });

  it('one that is called off after it was woken wakes the next', async () => {
    const { kernel, ctx, reads, put, ended } = inLine();
    put('x');
    expect(kernel.io_cancel(ctx, reads[0]!, 0)).toBe(EINPROGRESS);
    expect(await ended()).toEqual([
      [0, EINTR],
      [1, 1],
    ]);
  });

  it('one whose memory is missing leaves what is there to the next', async () => {
    const { submit, ctx, read, write, completed, buffer } = setting();
    submit(ctx, { ...read(4), aio_buf: 16 }, read(4));
    submit(ctx, write('abc'));
    expect(await completed(ctx, 3)).toEqual([3, EFAULT, 3]);
    expect(buffer.toString('latin1', 0, 3)).toBe('abc');
  });

  it('all are told of the end', async () => {
    const { kernel, writer, ended } = inLine();
    kernel.close(writer);
    expect((await ended()).map(([who]) => who)).toEqual([0, 1, 2]);
  });

  it('writers take a page in turns', async () => {
    const { submit, ctx, write, kernel, reader, completed } = setting();
    submit(ctx, write(Buffer.alloc(16 * PAGE, 'z')));
    for (const letter of ['A', 'B', 'C']) submit(ctx, write(letter.repeat(5000)));
    let got = '';
    const part = Buffer.alloc(PAGE);
    while (got.length < 16 * PAGE + 15_000) {
      got += part.toString('latin1', 0, kernel.readSync(reader, part));
      for (let i = 0; i < 3; i++) await turn();
    }
    const runs = [...got.slice(16 * PAGE).matchAll(/(.)\1*/g)].map(([run]) => `${run[0]}${run.length}`);
    expect(runs).toEqual(['A4096', 'B4096', 'C4096', 'A904', 'B904', 'C904']);
    expect(await completed(ctx, 4)).toEqual([16 * PAGE, 5000, 5000, 5000]);
  });
});

describe('a pipe and memory that is missing', () => {
  it('stores what arrives of a page that stays in the pipe', () => {
    const { submit, ctx, read, write, results, memory } = setting(O_NONBLOCK);
    const page = memory.mmap(PAGE, 'read-write');
    submit(ctx, write('0123456789'), { ...read(8), aio_buf: page + PAGE - 4 });
    expect(results(ctx)).toEqual([10, EFAULT]);
    expect(Buffer.from(memory.read(page + PAGE - 4, 4)!).toString()).toBe('0123');
    submit(ctx, read(20));
    expect(results(ctx)).toEqual([10]);
  });

  it('a write that waited and then runs into it has what went before', async () => {
    const { submit, ctx, write, read, completed, memory } = setting();
    const pages = memory.mmap(18 * PAGE, 'read-write');
    submit(ctx, { ...write(''), aio_buf: pages, aio_nbytes: 20 * PAGE });
    await turn();
    submit(ctx, read(16 * PAGE));
    expect(await completed(ctx, 2)).toEqual([16 * PAGE, 18 * PAGE]);
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
