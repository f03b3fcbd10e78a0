import { describe, expect, it } from 'vitest';
import { AioRingInfo, ringBytes } from '../../../src/emulated/aio/aio-ring.ts';
import { PerCpuSlots, type Slots } from '../../../src/emulated/aio/slots.ts';
import { AddressSpace } from '../../../src/emulated/memory/mm.ts';
import { user } from '../user.ts';

const POLL = 5;
const EBADF = -9;
const EAGAIN = -11;

/** A ring as `io_setup(nr)` makes it on `cpus` CPUs. */
const ringFor = (nr: number, cpus: number) =>
  new AioRingInfo(new ArrayBuffer(ringBytes(2 * Math.max(nr, 4 * cpus))));

function takeAll(slots: Slots, ring: AioRingInfo): number {
  let taken = 0;
  while (slots.get(ring)) taken++;
  return taken;
}

describe('slots', () => {
  it.each([
    [2, 1, 127, 120],
    [2, 63, 255, 248],
    [2, 127, 383, 376],
    [2, 256, 639, 632],
    [2, 500, 1023, 1016],
    [2, 1000, 2047, 2040],
    [2, 1024, 2175, 2168],
    [1, 1, 127, 124],
    [1, 256, 639, 636],
    [1, 1000, 2047, 2044],
  ])('with %i CPUs io_setup(%i) has %i cells and takes %i requests', (cpus, nr, cells, capacity) => {
    const ring = ringFor(nr, cpus);
    expect(ring.nr).toBe(cells);
    expect(takeAll(new PerCpuSlots(ring.nr, cpus), ring)).toBe(capacity);
  });

  it('come back when a submission is refused', () => {
    const ring = ringFor(1, 2);
    const slots = new PerCpuSlots(ring.nr, 2);
    for (let i = 0; i < 1000; i++) {
      expect(slots.get(ring)).toBe(true);
      slots.put(1);
    }
    expect(takeAll(slots, ring)).toBe(120);
  });

  it('come back when an event is reaped, not when it completes', () => {
    const mm = new AddressSpace();
    const ring = ringFor(1, 2);
    const slots = new PerCpuSlots(ring.nr, 2);
    const memory = new Uint8Array(32 * 128);
    expect(takeAll(slots, ring)).toBe(120);
    for (let i = 0; i < 120; i++) {
      ring.add(i, 0, 0, i);
      slots.completed(ring);
    }
    expect(takeAll(slots, ring)).toBe(0);
    expect(ring.read(mm, mm.addressOf(memory), 7)).toBe(7);
    expect(takeAll(slots, ring)).toBe(7);
    // A reader in user space moves the head by itself.
    new Uint32Array(ring.memory)[2] = 7 + 16;
    expect(takeAll(slots, ring)).toBe(16);
  });
});

describe('ring', () => {
  it('hands events out in order through many laps', () => {
    const mm = new AddressSpace();
    const ring = ringFor(1, 2);
    const events = new BigInt64Array(4 * 100);
    const address = mm.addressOf(events);
    let next = 0;
    let expected = 0n;
    for (let lap = 0; lap < 20; lap++) {
      for (let i = 0; i < 100; i++) ring.add(next, 0, 0, next++);
      expect(ring.ready).toBe(100);
      expect(ring.read(mm, address, 100)).toBe(100);
      for (let i = 0; i < 100; i++) {
        expect(events[4 * i]).toBe(expected);
        expect(events[4 * i + 2]).toBe(expected++);
      }
    }
  });

  it('writes negative results, user addresses and data whole', () => {
    const mm = new AddressSpace();
    const ring = ringFor(1, 2);
    ring.add(0xffff_fffe, 0xffff_ffff, 0x1234_5678_9abc, -5);
    const events = new BigInt64Array(4);
    expect(ring.read(mm, mm.addressOf(events), 1)).toBe(1);
    expect([...events]).toEqual([-2n, 0x1234_5678_9abcn, -5n, 0n]);
  });

  it('keeps every event when user memory faults half way', () => {
    const mm = new AddressSpace();
    const ring = ringFor(1, 2);
    for (let i = 0; i < 3; i++) ring.add(i, 0, 0, i);
    const page = mm.mmap(4096, 'read-write');
    expect(ring.read(mm, page + 4096 - 64, 3)).toBe(-14);
    expect(ring.ready).toBe(3);
    expect(ring.read(mm, page + 4096 - 64, 2)).toBe(2);
    expect(ring.ready).toBe(1);
  });
});

describe('a full context', () => {
  it('says EAGAIN before it looks at the descriptor, and nothing leaks', () => {
    const u = user();
    const ctx = u.setup(1);
    const efd = u.kernel.eventfd(0, 0);
    const poll = u.iocb({ aio_lio_opcode: POLL, aio_fildes: efd, aio_buf: 1 });
    const bad = u.iocb({ aio_lio_opcode: POLL, aio_fildes: 12345, aio_buf: 1 });
    expect(u.submit(ctx, bad)).toBe(EBADF);
    expect(u.submit(ctx, ...Array<number>(200).fill(poll))).toBe(120);
    expect(u.submit(ctx, bad)).toBe(EAGAIN);
    expect(u.kernel.eventfd_write(efd, 1n)).toBe(0);
    expect(u.results(ctx, 50)).toEqual(Array(50).fill(1));
    expect(u.submit(ctx, ...Array<number>(200).fill(poll))).toBe(50);
  });
});
