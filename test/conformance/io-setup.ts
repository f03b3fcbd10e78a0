/** io_setup, and how many requests a context takes. */
import assert from 'node:assert/strict';
import { AIO_RING_MAGIC, IOCB_CMD_POLL, POLLIN } from '../../src/common/abi/constants.ts';
import type { ErrnoName } from '../../src/common/abi/errno.ts';
import { IO_EVENT_BYTES } from '../../src/common/abi/layout.ts';
import type { Word } from '../../src/common/kernel/aio-kernel.ts';
import type { Case } from './case.ts';
import { describe, type Fixture, KERNEL_ADDRESS, UNMAPPED } from './fixture.ts';
import { Unsupported } from './outcome.ts';

const MAX_DOUBLED = 8388608;
const CPU_SET_BYTES = 128;

/** Refused setups: what stands in the word, what is asked. */
const REFUSALS: readonly {
  id: string;
  rule: string;
  title: string;
  at?: number;
  initial?: Word;
  nr: Word;
  expect: ErrnoName;
}[] = [
  { id: 'ctxp-null', rule: 'SETUP-02', title: 'a NULL ctxp is EFAULT', at: 0, nr: 1, expect: 'EFAULT' },
  {
    id: 'ctxp-null-nr-0',
    rule: 'SETUP-02',
    title: 'a NULL ctxp with nr 0 is EFAULT first',
    at: 0,
    nr: 0,
    expect: 'EFAULT',
  },
  {
    id: 'ctxp-unmapped',
    rule: 'SETUP-02',
    title: 'an unmapped ctxp is EFAULT',
    at: UNMAPPED,
    nr: 1,
    expect: 'EFAULT',
  },
  {
    id: 'ctxp-unmapped-nr-huge',
    rule: 'SETUP-01',
    title: 'an unmapped ctxp wins over an nr that is too large',
    at: UNMAPPED,
    nr: 0xffffffff,
    expect: 'EFAULT',
  },
  {
    id: 'ctxp-kernel',
    rule: 'SETUP-02',
    title: 'a kernel address is EFAULT',
    at: KERNEL_ADDRESS,
    nr: 1,
    expect: 'EFAULT',
  },
  {
    id: 'ctxp-not-zero',
    rule: 'SETUP-03',
    title: 'a handle that is not 0 is EINVAL',
    initial: 1,
    nr: 1,
    expect: 'EINVAL',
  },
  {
    id: 'ctxp-not-zero-nr-0',
    rule: 'SETUP-03',
    title: 'a handle that is not 0 is EINVAL for nr 0 too',
    initial: 1,
    nr: 0,
    expect: 'EINVAL',
  },
  {
    id: 'ctxp-all-ones',
    rule: 'SETUP-03',
    title: 'a handle of -1 is EINVAL',
    initial: -1,
    nr: 1,
    expect: 'EINVAL',
  },
  {
    id: 'ctxp-high-half',
    rule: 'SETUP-03',
    title: 'only the high half of the handle set is EINVAL',
    initial: 2n ** 32n,
    nr: 1,
    expect: 'EINVAL',
  },
  {
    id: 'ctxp-not-zero-nr-above-max',
    rule: 'SETUP-01',
    title: 'a handle that is not 0 wins over EAGAIN',
    initial: 1,
    nr: 4194304,
    expect: 'EINVAL',
  },
  { id: 'nr-0', rule: 'SETUP-04', title: 'nr 0 is EINVAL', nr: 0, expect: 'EINVAL' },
  {
    id: 'nr-2-to-the-32',
    rule: 'SETUP-05',
    title: 'nr is cut to 32 bits: 2^32 is 0',
    nr: 2 ** 32,
    expect: 'EINVAL',
  },
  { id: 'nr-limit-eagain', rule: 'SETUP-07', title: 'nr 4194304 is EAGAIN', nr: 4194304, expect: 'EAGAIN' },
  { id: 'nr-limit-einval', rule: 'SETUP-07', title: 'nr 4194305 is EINVAL', nr: 4194305, expect: 'EINVAL' },
  { id: 'nr-int-max', rule: 'SETUP-07', title: 'nr 0x7fffffff is EINVAL', nr: 0x7fffffff, expect: 'EINVAL' },
  {
    id: 'nr-wraps-to-0',
    rule: 'SETUP-06',
    title: 'nr 0x80000000 doubles to 0: EAGAIN',
    nr: 0x80000000,
    expect: 'EAGAIN',
  },
  {
    id: 'nr-wraps-to-small',
    rule: 'SETUP-06',
    title: 'nr 0x80000001 doubles to 2: EAGAIN',
    nr: 0x80000001,
    expect: 'EAGAIN',
  },
  {
    id: 'nr-wraps-to-limit',
    rule: 'SETUP-07',
    title: 'nr 0x80400000 is EAGAIN',
    nr: 0x80400000,
    expect: 'EAGAIN',
  },
  {
    id: 'nr-wraps-past-limit',
    rule: 'SETUP-07',
    title: 'nr 0x80400001 is EINVAL',
    nr: 0x80400001,
    expect: 'EINVAL',
  },
  { id: 'nr-uint-max', rule: 'SETUP-07', title: 'nr UINT_MAX is EINVAL', nr: 0xffffffff, expect: 'EINVAL' },
  { id: 'nr-minus-1', rule: 'SETUP-05', title: 'nr -1 is UINT_MAX: EINVAL', nr: -1, expect: 'EINVAL' },
];

/** Cells for a request count, as the kernel computes them. */
export function ringCells(nr: number, possibleCpus: number, pageBytes: number): number {
  const doubled = 2 * Math.max(nr, 4 * possibleCpus);
  return Math.ceil(((doubled + 3) * IO_EVENT_BYTES) / pageBytes) * (pageBytes / IO_EVENT_BYTES) - 1;
}

/** Requests one CPU can have in flight. */
export function capacity(cells: number, possibleCpus: number): number {
  const room = cells - 1;
  const batch = Math.max(1, Math.floor(room / (4 * possibleCpus)));
  return batch * Math.floor(room / batch);
}

/** Fills a context with requests that stay in flight. @returns How many it took. */
function fill(fixture: Fixture, ctx: number, chunk = 64): number {
  const iocb = fixture.iocb(fixture.held().fields);
  const pointers = fixture.pointers(...Array<number>(chunk).fill(iocb.address));
  for (let taken = 0; ; ) {
    const answer = fixture.kernel.io_submit(ctx, chunk, pointers);
    if (answer < 0) {
      fixture.fails(answer, 'EAGAIN', 'io_submit');
      return taken;
    }
    taken += answer;
  }
}

/** CPUs that this thread may run on. Everything is as it was when the case ends. */
function affinity(fixture: Fixture): { cpus: number[]; runOn(cpu: number): void } {
  const { host } = fixture;
  const { bytes: before, address: beforeAt } = fixture.bytes(CPU_SET_BYTES);
  fixture.succeeds(host.call('sched_getaffinity', 0, CPU_SET_BYTES, beforeAt), 'sched_getaffinity');
  fixture.after(() => host.call('sched_setaffinity', 0, CPU_SET_BYTES, beforeAt));
  const cpus = Array.from({ length: CPU_SET_BYTES * 8 }, (_, cpu) => cpu).filter(
    (cpu) => (before[cpu >> 3]! & (1 << (cpu & 7))) !== 0,
  );
  return {
    cpus,
    runOn(cpu) {
      const { bytes, address } = fixture.bytes(CPU_SET_BYTES);
      bytes[cpu >> 3] = 1 << (cpu & 7);
      fixture.succeeds(host.call('sched_setaffinity', 0, CPU_SET_BYTES, address), 'sched_setaffinity');
    },
  };
}

/** Keeps the thread on one CPU where slots are taken by CPU. */
function pin(fixture: Fixture): void {
  if (!fixture.has('per-cpu-slots')) return;
  const { cpus, runOn } = affinity(fixture);
  runOn(cpus[0]!);
}

export const ioSetupCases: readonly Case[] = [
  ...REFUSALS.map(
    ({ id, rule, title, at, initial = 0, nr, expect }): Case => ({
      id: `io_setup/${id}`,
      rule: `${rule} SETUP-09`,
      title,
      run: (fixture) =>
        fixture.undisturbed(() => {
          const before = fixture.kernel.limits.aio_nr();
          const { address, value } = fixture.ctxp(initial);
          fixture.fails(fixture.kernel.io_setup(nr, at ?? address), expect, 'io_setup');
          const left = BigInt.asUintN(fixture.wordBytes * 8, BigInt(initial));
          assert.equal(value(), left, 'SETUP-09: *ctxp stays as it was');
          assert.equal(fixture.kernel.limits.aio_nr(), before, 'SETUP-09: aio-nr stays as it was');
        }),
    }),
  ),
  {
    id: 'io_setup/ctxp-read-only',
    rule: 'SETUP-10',
    title: 'a ctxp that can be read but not written is EFAULT and leaves no context',
    run: (fixture) =>
      fixture.undisturbed(() => {
        const before = fixture.kernel.limits.aio_nr();
        fixture.fails(fixture.kernel.io_setup(8, fixture.pages('read')), 'EFAULT', 'io_setup');
        assert.equal(fixture.kernel.limits.aio_nr(), before);
      }),
  },
  {
    id: 'io_setup/nr-register',
    rule: 'SETUP-05',
    title: 'nr 0x100000001 acts as 1',
    run: (fixture) =>
      fixture.undisturbed(() => {
        const before = fixture.kernel.limits.aio_nr();
        fixture.setup(2 ** 32 + 1);
        assert.equal(fixture.kernel.limits.aio_nr() - before, 1);
      }),
  },
  {
    id: 'io_setup/nr-above-max',
    rule: 'SETUP-06',
    title: 'nr above aio-max-nr is EAGAIN',
    run(fixture) {
      const max = fixture.kernel.limits.aio_max_nr();
      if (2 * (max + 1) > MAX_DOUBLED) return;
      fixture.fails(fixture.kernel.io_setup(max + 1, fixture.ctxp().address), 'EAGAIN', 'io_setup');
    },
  },
  {
    id: 'io_setup/quota-exact',
    rule: 'SETUP-08',
    title: 'what is left of aio-max-nr can be had, and not one more',
    run: (fixture) =>
      fixture.undisturbed(() => {
        const { limits } = fixture.kernel;
        const left = limits.aio_max_nr() - limits.aio_nr();
        const most = fixture.setup(left - 6);
        try {
          fixture.fails(fixture.kernel.io_setup(7, fixture.ctxp().address), 'EAGAIN', 'io_setup');
          fixture.setup(6);
        } finally {
          assert.equal(fixture.destroy(most), 0);
        }
      }),
  },
  {
    id: 'io_setup/aio-nr-exact',
    rule: 'SETUP-11',
    title: 'aio-nr rises by exactly nr and falls back at io_destroy',
    run: (fixture) =>
      fixture.undisturbed(() => {
        const { limits } = fixture.kernel;
        const before = limits.aio_nr();
        const ctx = fixture.setup(100);
        assert.equal(limits.aio_nr() - before, 100);
        assert.equal(fixture.destroy(ctx), 0);
        assert.equal(limits.aio_nr(), before);
      }),
  },
  {
    id: 'io_setup/handle-page-aligned',
    rule: 'SETUP-12',
    title: 'the handle is the page-aligned address of the ring',
    run(fixture) {
      const ctx = fixture.setup(1);
      assert.ok(ctx > 0);
      assert.equal(ctx % fixture.kernel.memory.pageBytes, 0);
      assert.equal(fixture.ring(ctx).magic, AIO_RING_MAGIC);
    },
  },
  {
    id: 'io_setup/ring-id-lowest',
    rule: 'SETUP-13',
    title: 'ring ids count up, and a freed one is taken again first',
    run(fixture) {
      const [a, b, c] = [fixture.setup(1), fixture.setup(1), fixture.setup(1)];
      const ids = [a, b, c].map((ctx) => fixture.ring(ctx).id);
      assert.equal(new Set(ids).size, 3);
      assert.deepEqual(
        ids,
        [...ids].sort((x, y) => x - y),
      );
      assert.equal(fixture.destroy(b), 0);
      assert.equal(fixture.ring(fixture.setup(1)).id, ids[1]);
    },
  },
  {
    id: 'io_setup/ring-header',
    rule: 'SETUP-12 CAP-01',
    title: 'the fresh header: head 0, tail 0, magic, features, header length',
    run(fixture) {
      const { head, tail, magic, compat_features, incompat_features, header_length } = fixture.ring(
        fixture.setup(1),
      );
      assert.deepEqual(
        { head, tail, magic, compat_features, incompat_features, header_length },
        {
          head: 0,
          tail: 0,
          magic: AIO_RING_MAGIC,
          compat_features: 1,
          incompat_features: 0,
          header_length: 32,
        },
      );
    },
  },
  ...[1, 62, 63, 126, 127, 190, 191, 256, 500, 512, 1000, 1024, 4096].map(
    (nr): Case => ({
      id: `io_setup/cells-${nr}`,
      rule: 'CAP-01',
      title: `io_setup(${nr}) makes a ring of the kernel's arithmetic`,
      run(fixture) {
        const { page } = fixture;
        const expected = ringCells(nr, fixture.kernel.supports.possibleCpus, page);
        assert.equal(fixture.ring(fixture.setup(nr)).nr, expected);
      },
    }),
  ),
  ...[1, 63, 127, 256, 1000].map(
    (nr): Case => ({
      id: `io_setup/capacity-${nr}`,
      rule: 'CAP-02 CAP-03',
      title: `io_setup(${nr}): one CPU can have exactly the batches in flight, then EAGAIN`,
      requires: ['per-cpu-slots'],
      run(fixture) {
        pin(fixture);
        const ctx = fixture.setup(nr);
        const { nr: cells } = fixture.ring(ctx);
        assert.equal(fill(fixture, ctx), capacity(cells, fixture.kernel.supports.possibleCpus));
      },
    }),
  ),
  {
    id: 'io_setup/capacity-promise',
    rule: 'CAP-05',
    title: 'at least nr requests are accepted',
    run(fixture) {
      for (const nr of [1, 7, 64, 200]) assert.ok(fill(fixture, fixture.setup(nr)) >= nr);
    },
  },
  {
    id: 'io_setup/refusals-keep-capacity',
    rule: 'CAP-06',
    title: '1000 refused submissions leave the capacity as it was',
    run(fixture) {
      pin(fixture);
      const ctx = fixture.setup(1);
      const bad = fixture.iocb(fixture.read(fixture.closedFd(), 0, 0));
      for (let count = 0; count < 1000; count++) fixture.refused(ctx, 'EBADF', bad);
      const cells = fixture.ring(ctx).nr;
      const full = fixture.has('per-cpu-slots')
        ? capacity(cells, fixture.kernel.supports.possibleCpus)
        : cells - 1;
      assert.equal(fill(fixture, ctx), full);
    },
  },
  {
    id: 'io_setup/slot-until-reaped',
    rule: 'CAP-06 CAP-07',
    title: 'slots come back when events are reaped, not when requests complete: reap k, submit k',
    run(fixture) {
      pin(fixture);
      const ctx = fixture.setup(1);
      const iocb = fixture.iocb(fixture.instant());
      let taken = 0;
      while (fixture.submit(ctx, iocb) === 1) taken++;
      fixture.refused(ctx, 'EAGAIN', iocb);
      assert.equal(fixture.ready(ctx, 5).length, 5);
      for (let count = 0; count < 5; count++) fixture.accepted(ctx, iocb);
      fixture.refused(ctx, 'EAGAIN', iocb);
      assert.ok(taken > 5, describe(taken));
    },
  },
  {
    id: 'io_setup/slot-by-head',
    rule: 'CAP-08',
    title: 'moving ring.head in user memory gives as many slots',
    run(fixture) {
      pin(fixture);
      const ctx = fixture.setup(1);
      const iocb = fixture.iocb(fixture.instant());
      while (fixture.submit(ctx, iocb) === 1);
      fixture.setRing(ctx, 'head', 3);
      for (let count = 0; count < 3; count++) fixture.accepted(ctx, iocb);
      fixture.refused(ctx, 'EAGAIN', iocb);
    },
  },
  {
    id: 'io_setup/completions-kept',
    rule: 'CAP-09',
    title: 'a full context delivers every event',
    run(fixture) {
      const ctx = fixture.setup(1);
      let taken = 0;
      while (fixture.submit(ctx, fixture.instant({ aio_data: taken })) === 1) taken++;
      const events = fixture.reap(ctx, taken);
      assert.deepEqual(
        events.map(({ data }) => Number(data)),
        Array.from({ length: taken }, (_, index) => index),
      );
    },
  },
  {
    id: 'io_setup/slots-left-behind',
    rule: 'CAP-04',
    title: 'a thread that moves to another CPU leaves the rest of its batch of slots behind',
    requires: ['per-cpu-slots'],
    run(fixture) {
      const { cpus, runOn } = affinity(fixture);
      const [first, second] = cpus;
      if (first === undefined || second === undefined) throw new Unsupported('there is one CPU to run on');
      const ctx = fixture.setup(1);
      const requests = 4 * fixture.kernel.supports.possibleCpus;
      const room = fixture.ring(ctx).nr - 1;
      const batch = Math.max(1, Math.floor(room / requests));
      const poll = { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: fixture.eventfd(0), aio_buf: POLLIN };
      const fill = (): number => {
        for (let taken = 0; ; taken++) {
          const answer = fixture.submit(ctx, poll);
          if (answer === 1) continue;
          fixture.fails(answer, 'EAGAIN', 'io_submit');
          return taken;
        }
      };
      runOn(first);
      fixture.accepted(ctx, poll);
      runOn(second);
      assert.equal(fill(), batch * (Math.floor(room / batch) - 1));
      runOn(first);
      assert.equal(fill(), batch - 1);
    },
  },
];
