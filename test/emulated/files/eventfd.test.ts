import { describe, expect, it } from 'vitest';
import { EFD_NONBLOCK, EFD_SEMAPHORE } from '../../../src/common/abi/constants.ts';
import { temporaryFile, user } from '../user.ts';

const PREAD = 0;
const PWRITE = 1;
const FSYNC = 2;
const POLL = 5;
const RESFD = 1;
const IN = 1;
const OUT = 4;
const ERR = 8;
const EBADF = -9;
const EAGAIN = -11;
const EINVAL = -22;
const EINPROGRESS = -115;
const MAX = 0xffff_ffff_ffff_ffffn;
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('reads that wait in an eventfd', () => {
  it('are served by age, as threads in read(2) are on Linux', async () => {
    const u = user();
    const fd = u.kernel.eventfd(0, 0);
    const ctx = u.setup(8);
    const aio_buf = u.addressOf(new Uint8Array(8));
    for (const aio_data of [1, 2, 3])
      u.submit(ctx, { aio_lio_opcode: PREAD, aio_fildes: fd, aio_buf, aio_nbytes: 8, aio_data });
    const served: number[] = [];
    for (let i = 0; i < 3; i++) {
      u.kernel.eventfd_write(fd, 1n);
      await turn();
      served.push(...u.events(ctx).map(({ data }) => Number(data)));
    }
    expect(served).toEqual([1, 2, 3]);
  });
});

describe('eventfd', () => {
  it('counts, is taken whole, and refuses what does not fit', () => {
    const { kernel } = user();
    const fd = kernel.eventfd(2, EFD_NONBLOCK);
    expect(kernel.eventfd_write(fd, 3n)).toBe(0);
    expect(kernel.eventfd_read(fd)).toBe(5n);
    expect(kernel.eventfd_read(fd)).toBe(-11n);
    expect(kernel.eventfd_write(fd, MAX)).toBe(EINVAL);
    expect(kernel.eventfd_write(fd, MAX - 1n)).toBe(0);
    expect(kernel.eventfd_write(fd, 1n)).toBe(EAGAIN);
    expect(kernel.eventfd_read(fd)).toBe(MAX - 1n);
    expect(kernel.eventfd(0, 2)).toBe(EINVAL);
    expect(kernel.close(fd)).toBe(0);
    expect(kernel.close(fd)).toBe(EBADF);
    expect(kernel.eventfd_write(fd, 1n)).toBe(EBADF);
  });

  it('as a semaphore gives one at a time', () => {
    const { kernel } = user();
    const fd = kernel.eventfd(2, EFD_SEMAPHORE);
    expect([kernel.eventfd_read(fd), kernel.eventfd_read(fd), kernel.eventfd_read(fd)]).toEqual([
      1n,
      1n,
      -35n,
    ]);
  });

  it('is signalled by each completion, not by refusals, and saturates', () => {
    const u = user();
    const ctx = u.setup();
    const [ready, fd] = [u.kernel.eventfd(1, 0), u.kernel.eventfd(0, 0)];
    const file = temporaryFile();
    const poll = { aio_lio_opcode: POLL, aio_fildes: ready, aio_buf: IN, aio_flags: RESFD, aio_resfd: fd };
    expect(u.submit(ctx, { ...poll, aio_nbytes: 1 })).toBe(EINVAL);
    expect(u.submit(ctx, { ...poll, aio_resfd: 9999 })).toBe(EBADF);
    expect(u.submit(ctx, { ...poll, aio_resfd: file.fd })).toBe(EINVAL);
    file.remove();
    expect(u.submit(ctx, poll, poll, poll)).toBe(3);
    expect(u.kernel.eventfd_read(fd)).toBe(3n);
    u.kernel.eventfd_write(fd, MAX - 1n);
    expect(u.submit(ctx, poll, poll)).toBe(2);
    expect(u.results(ctx)).toHaveLength(5);
    expect(u.submit(ctx, { aio_lio_opcode: POLL, aio_fildes: fd, aio_buf: IN | OUT })).toBe(1);
    expect(u.results(ctx)).toEqual([IN | ERR]);
    expect(u.kernel.eventfd_read(fd)).toBe(MAX);
  });

  it('is read by requests, at once or when it is written', () => {
    const u = user();
    const ctx = u.setup();
    const fd = u.kernel.eventfd(7, 0);
    const value = u.keep(new BigUint64Array(1));
    const read = { aio_lio_opcode: PREAD, aio_fildes: fd, aio_buf: u.addressOf(value), aio_nbytes: 8 };
    expect(u.submit(ctx, { ...read, aio_nbytes: 7 }, read, read)).toBe(3);
    expect(u.results(ctx)).toEqual([EINVAL, 8]);
    expect(value[0]).toBe(7n);
    u.kernel.eventfd_write(fd, 9n);
    expect(u.results(ctx)).toEqual([8]);
    expect(value[0]).toBe(9n);
    expect(u.submit(ctx, { ...read, aio_lio_opcode: PWRITE })).toBe(EINVAL);
    expect(u.submit(ctx, { aio_lio_opcode: FSYNC, aio_fildes: fd })).toBe(EINVAL);
    expect(u.submit(ctx, read)).toBe(1);
    expect(u.results(ctx)).toEqual([]);
    expect(u.kernel.io_destroy(ctx)).toBe(0);
    u.kernel.eventfd_write(fd, 5n);
    expect(u.kernel.eventfd_read(fd)).toBe(5n);
    expect(value[0]).toBe(9n);
  });
});

describe('polls on one eventfd', () => {
  it('complete in reverse order, once each', () => {
    const u = user();
    const ctx = u.setup();
    const fd = u.kernel.eventfd(0, 0);
    for (const aio_data of [1, 2, 3]) {
      u.submit(ctx, { aio_lio_opcode: POLL, aio_data, aio_fildes: fd, aio_buf: IN });
    }
    u.kernel.eventfd_write(fd, 1n);
    u.kernel.eventfd_write(fd, 1n);
    expect(u.events(ctx).map(({ data, res }) => [data, res])).toEqual([
      [3n, 1n],
      [2n, 1n],
      [1n, 1n],
    ]);
  });

  it('wait on when they are woken for something else', () => {
    const u = user();
    const ctx = u.setup();
    const fd = u.kernel.eventfd(0, 0);
    const poll = { aio_lio_opcode: POLL, aio_fildes: fd };
    u.submit(ctx, { ...poll, aio_buf: 2 }, { ...poll, aio_buf: 0 });
    u.kernel.eventfd_write(fd, 1n);
    expect(u.results(ctx)).toEqual([]);
    u.kernel.eventfd_write(fd, MAX - 2n);
    u.submit(ctx, { ...poll, aio_buf: OUT });
    expect(u.results(ctx)).toEqual([]);
    u.kernel.eventfd_read(fd);
    expect(u.results(ctx)).toEqual([OUT]);
  });

  it('that signal the same eventfd add to it and do not recurse without end', () => {
    const u = user();
    const ctx = u.setup(20_000);
    const fd = u.kernel.eventfd(0, 0);
    const poll = u.iocb({
      aio_lio_opcode: POLL,
      aio_fildes: fd,
      aio_buf: IN,
      aio_flags: RESFD,
      aio_resfd: fd,
    });
    for (let i = 0; i < 20; i++) expect(u.submit(ctx, ...Array<number>(1000).fill(poll))).toBe(1000);
    u.kernel.eventfd_write(fd, 1n);
    expect(u.kernel.eventfd_read(fd)).toBe(20_001n);
    expect(u.results(ctx, 30_000)).toEqual(Array(20_000).fill(1));
  });

  it('keep the file although its descriptor is closed', () => {
    const u = user();
    const ctx = u.setup();
    const [fd, other] = [u.kernel.eventfd(0, 0), u.kernel.eventfd(0, 0)];
    const iocb = u.iocb({
      aio_lio_opcode: POLL,
      aio_fildes: fd,
      aio_buf: IN,
      aio_flags: RESFD,
      aio_resfd: other,
    });
    expect(u.submit(ctx, iocb)).toBe(1);
    u.kernel.close(fd);
    expect(u.kernel.eventfd(9, 0)).toBe(fd);
    expect(u.results(ctx)).toEqual([]);
    expect(u.kernel.io_cancel(ctx, iocb, 0)).toBe(EINPROGRESS);
    expect(u.results(ctx)).toEqual([0]);
    expect(u.kernel.eventfd_read(other)).toBe(1n);
  });

  it('are cancelled oldest first, by address alone', () => {
    const u = user();
    const ctx = u.setup();
    const fd = u.kernel.eventfd(0, 0);
    const bytes = u.keep(new Uint8Array(64));
    const address = u.addressOf(bytes);
    const words = new DataView(bytes.buffer);
    words.setUint16(16, POLL, true);
    words.setUint32(20, fd, true);
    words.setUint32(24, IN, true);
    for (const data of [1, 2, 3]) {
      words.setUint32(0, data, true);
      expect(u.submit(ctx, address)).toBe(1);
    }
    bytes.fill(0xee);
    expect(u.kernel.io_cancel(ctx, address, 0)).toBe(EINVAL);
    words.setUint32(8, 0, true);
    for (const data of [1n, 2n, 3n]) {
      expect(u.kernel.io_cancel(ctx, address, 0)).toBe(EINPROGRESS);
      expect(u.events(ctx)).toMatchObject([{ data, res: 0n, obj: BigInt(address) }]);
    }
    expect(u.kernel.io_cancel(ctx, address, 0)).toBe(EINVAL);
  });
});

describe('watch', () => {
  it('calls back later, once for many signals, and again while nobody reads', async () => {
    const { kernel } = user();
    const fd = kernel.eventfd(0, EFD_NONBLOCK);
    let calls = 0;
    let reads = false;
    const watcher = kernel.watch(fd, () => {
      calls++;
      if (reads) kernel.eventfd_read(fd);
    });
    watcher.ref();
    await turn();
    expect(calls).toBe(0);
    for (let i = 0; i < 5; i++) kernel.eventfd_write(fd, 1n);
    expect(calls).toBe(0);
    await turn();
    expect(calls).toBe(1);
    for (let i = 0; i < 3; i++) await turn();
    expect(calls).toBeGreaterThanOrEqual(3);
    // Timers run although it calls back all the time.
    await new Promise((resolve) => setTimeout(resolve, 5));
    reads = true;
    await turn();
    await turn();
    const settled = calls;
    await turn();
    await turn();
    expect(calls).toBe(settled);
    kernel.eventfd_write(fd, 1n);
    watcher.close();
    watcher.close();
    await turn();
    await turn();
    expect(calls).toBe(settled);
  });

  it('is called when the pool completes a request', async () => {
    const u = user();
    const fd = u.kernel.eventfd(0, EFD_NONBLOCK);
    const other = u.kernel.eventfd(1, 0);
    const ctx = u.setup();
    const called = new Promise<void>((resolve) => {
      const watcher = u.kernel.watch(fd, () => {
        watcher.close();
        resolve();
      });
      watcher.ref();
    });
    const read = {
      aio_lio_opcode: PREAD,
      aio_fildes: other,
      aio_buf: u.addressOf(new Uint8Array(8)),
      aio_nbytes: 8,
    };
    u.submit(ctx, { ...read, aio_flags: RESFD, aio_resfd: fd });
    await called;
    expect(u.kernel.mapRing(ctx)!.ready).toBe(1);
  });

  it('refuses what is no eventfd of this kernel', () => {
    const { kernel } = user();
    expect(() => kernel.watch(0, () => {})).toThrow(RangeError);
  });
});
