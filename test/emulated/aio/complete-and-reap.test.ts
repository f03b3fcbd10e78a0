import { describe, expect, it, vi } from 'vitest';
import { IOCB_CMD_PREAD } from '../../../src/common/abi/constants.ts';
import { aio_complete } from '../../../src/emulated/aio/aio-complete.ts';
import { AioKiocb } from '../../../src/emulated/aio/aio-kiocb.ts';
import { AioRingInfo, ringBytes } from '../../../src/emulated/aio/aio-ring.ts';
import { KIOCB_OPERATIONS } from '../../../src/emulated/aio/kiocb-operations.ts';
import { Kioctx } from '../../../src/emulated/aio/kioctx.ts';
import { EventFd } from '../../../src/emulated/files/eventfd.ts';
import type { FileRequest } from '../../../src/emulated/index.ts';
import { AddressSpace } from '../../../src/emulated/memory/mm.ts';
import { user } from '../user.ts';

const PREAD = 0;
const EFAULT = -14;
const EDEADLK = -35;

describe('aio_complete', () => {
  it('writes the event, then moves the tail, then signals the eventfd', () => {
    const mm = new AddressSpace();
    const ring = new AioRingInfo(new ArrayBuffer(ringBytes(62)));
    const words = new Uint32Array(ring.memory);
    const ctx = new Kioctx<AioKiocb>(0x1000, 1, ring, 1, { debug: true });
    const [file, eventfd] = [new EventFd(mm, 0, 0), new EventFd(mm, 0, 0)];
    const seen: string[] = [];
    const store = vi.spyOn(Atomics, 'store').mockImplementation((array, index, value) => {
      seen.push(`tail ${value}: data ${words[8]}, result ${words[12]}, signalled ${eventfd.readable}`);
      array[index] = value;
      return value;
    });
    eventfd.poll_wait.add(() => {
      seen.push(`signal: ${ring.ready} in the ring`);
      return true;
    });
    eventfd.get();
    const req = new AioKiocb(ctx, IOCB_CMD_PREAD, 0x40, 77, 0, file, eventfd, KIOCB_OPERATIONS);
    aio_complete(req, 5);
    store.mockRestore();
    expect(seen).toEqual(['tail 1: data 77, result 5, signalled false', 'signal: 1 in the ring']);
    expect(eventfd.references).toBe(1);
  });
});

/** A context, and reads that end as soon as they are kicked. */
function setting(profile: 'linux-6.x' | 'linux-2.6.20') {
  const u = user({ profile });
  const ctx = u.setup(8);
  const asked: FileRequest[] = [];
  const fd = u.kernel.install({
    read(request) {
      if (asked.includes(request)) return 1;
      asked.push(request);
      return 'retry';
    },
  });
  const aio_buf = u.addressOf(u.keep(new Uint8Array(1)));
  const read = (aio_data: number) => ({
    aio_lio_opcode: PREAD,
    aio_data,
    aio_fildes: fd,
    aio_buf,
    aio_nbytes: 1,
  });
  const bytes = u.keep(new Uint8Array(4 * 32));
  const events = u.addressOf(bytes);
  return { ...u, ctx, asked, read, bytes, events };
}

describe('read_events', () => {
  it('drains the run list before it goes to sleep, and takes events in the order of completion', () => {
    const { submit, kernel, ctx, asked, read, events, bytes, timespec } = setting('linux-6.x');
    submit(ctx, read(1), read(2), read(3));
    expect(kernel.io_getevents(ctx, 1, 4, events, timespec(0, 1))).toBe(0);
    for (const index of [2, 0]) asked[index]!.kick();
    expect(kernel.io_getevents(ctx, 2, 4, events, timespec(100, 0))).toBe(2);
    expect([bytes[0], bytes[32]]).toEqual([3, 1]);
    // The other one comes through nothing that this thread can wait for.
    expect(kernel.io_getevents(ctx, 1, 4, events, 0)).toBe(EDEADLK);
  });

  it('min_nr 0 takes what is there; what was taken wins over what cannot be waited for', () => {
    const { submit, kernel, ctx, asked, read, events } = setting('linux-6.x');
    submit(ctx, read(1), read(2));
    expect(kernel.io_getevents(ctx, 0, 4, events, 0)).toBe(0);
    asked[0]!.kick();
    expect(kernel.io_getevents(ctx, 2, 4, events, 0)).toBe(1);
  });

  it('keeps all events that cannot be copied; in 2007 it loses the one in hand', () => {
    const today = setting('linux-6.x');
    today.submit(today.ctx, today.read(1), today.read(2));
    for (const request of today.asked) request.kick();
    expect(today.kernel.io_getevents(today.ctx, 2, 2, 0x1000, 0)).toBe(EFAULT);
    expect(today.results(today.ctx)).toEqual([1, 1]);
    const seed = setting('linux-2.6.20');
    seed.submit(seed.ctx, seed.read(1), seed.read(2));
    for (const request of seed.asked) request.kick();
    expect(seed.kernel.io_getevents(seed.ctx, 2, 2, 0x1000, 0)).toBe(EFAULT);
    expect(seed.results(seed.ctx)).toEqual([1]);
  });
});
