/** io_pgetevents. */
import assert from 'node:assert/strict';
import { IOCB_CMD_POLL, POLLIN } from '../../src/common/abi/constants.ts';
import { IO_EVENT_BYTES } from '../../src/common/abi/layout.ts';
import type { AioContextId, Word } from '../../src/common/kernel/aio-kernel.ts';
import type { Case } from './case.ts';
import { type Fixture, KERNEL_ADDRESS, UNMAPPED } from './fixture.ts';

const SHORT_NS = 20_000_000;

/** A context whose ring holds one event. */
function filled(f: Fixture): AioContextId {
  const ctx = f.setup();
  f.accepted(ctx, { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: f.eventfd(1), aio_buf: POLLIN });
  return ctx;
}

/** An aio_sigset. */
function sigset(f: Fixture, sigmask: Word, sigsetsize: Word): number {
  return f.pointers(sigmask, sigsetsize);
}

function emptyMask(f: Fixture): number {
  return f.pointers(0);
}

const REFUSED: readonly {
  id: string;
  title: string;
  errno: 'EFAULT' | 'EINVAL';
  ctx?: Word;
  min_nr?: Word;
  nr?: Word;
  timeout?: Word;
  usig(f: Fixture): Word;
}[] = [
  {
    id: 'timeout-first',
    title: 'a bad timeout before a mask of a wrong size',
    errno: 'EFAULT',
    timeout: UNMAPPED,
    usig: (f) => sigset(f, emptyMask(f), 4),
  },
  { id: 'usig-unmapped', title: 'an aio_sigset not mapped', errno: 'EFAULT', usig: () => UNMAPPED },
  { id: 'usig-kernel', title: 'an aio_sigset in the kernel', errno: 'EFAULT', usig: () => KERNEL_ADDRESS },
  {
    id: 'usig-cut',
    title: 'the second half of the aio_sigset not mapped',
    errno: 'EFAULT',
    usig: (f) => f.pages('read-write', 'none') + f.page - f.wordBytes,
  },
  {
    id: 'usig-before-context',
    title: 'a bad aio_sigset before a bad context',
    errno: 'EFAULT',
    ctx: 0,
    usig: () => UNMAPPED,
  },
  {
    id: 'usig-before-counts',
    title: 'a bad aio_sigset before bad counts',
    errno: 'EFAULT',
    min_nr: 2,
    nr: 1,
    usig: () => UNMAPPED,
  },
  ...[0, 4, 7, 9, 16, 128].map((size) => ({
    id: `size-${size}`,
    title: `a mask of ${size} bytes`,
    errno: 'EINVAL' as const,
    usig: (f: Fixture) => sigset(f, emptyMask(f), size),
  })),
  {
    id: 'size-before-mask',
    title: 'a wrong size before a mask that is not mapped',
    errno: 'EINVAL',
    usig: (f) => sigset(f, UNMAPPED, 16),
  },
  {
    id: 'mask-unmapped',
    title: 'a mask not mapped',
    errno: 'EFAULT',
    usig: (f) => sigset(f, UNMAPPED, 8),
  },
  {
    id: 'mask-before-context',
    title: 'a bad mask before a bad context',
    errno: 'EFAULT',
    ctx: 0,
    usig: (f) => sigset(f, UNMAPPED, 8),
  },
  {
    id: 'mask-cut',
    title: 'the last byte of a mask not mapped',
    errno: 'EFAULT',
    usig: (f) => sigset(f, f.pages('read-write', 'none') + f.page - 7, 8),
  },
  {
    id: 'context',
    title: 'a bad context with a good mask',
    errno: 'EINVAL',
    ctx: 0,
    usig: (f) => sigset(f, emptyMask(f), 8),
  },
  {
    id: 'min-over-nr',
    title: 'min_nr over nr with a good mask',
    errno: 'EINVAL',
    min_nr: 2,
    nr: 1,
    usig: (f) => sigset(f, emptyMask(f), 8),
  },
  { id: 'nr-negative', title: 'nr -1 without a mask', errno: 'EINVAL', min_nr: 0, nr: -1, usig: () => 0 },
];

const MASKS: readonly { id: string; title: string; usig(f: Fixture): Word }[] = [
  { id: 'usig-null', title: 'no aio_sigset', usig: () => 0 },
  { id: 'mask-null', title: 'no mask', usig: (f) => sigset(f, 0, 8) },
  { id: 'mask-null-size-0', title: 'no mask of size 0', usig: (f) => sigset(f, 0, 0) },
  { id: 'mask-null-any-size', title: 'no mask of a wrong size', usig: (f) => sigset(f, 0, 12345) },
  { id: 'mask-empty', title: 'a mask that blocks nothing', usig: (f) => sigset(f, emptyMask(f), 8) },
  { id: 'mask-full', title: 'a mask that blocks everything', usig: (f) => sigset(f, f.pointers(-1, -1), 8) },
];

export const ioPgeteventsCases: readonly Case[] = [
  ...REFUSED.map(
    ({ id, title, errno, ctx: handle, min_nr = 0, nr = 1, timeout = 0, usig }): Case => ({
      id: `io_pgetevents/refused-${id}`,
      rule: 'PGET-01',
      title,
      run(f) {
        const ctx = filled(f);
        const { address } = f.bytes(IO_EVENT_BYTES);
        f.fails(
          f.kernel.io_pgetevents(handle ?? ctx, min_nr, nr, address, timeout, usig(f)),
          errno,
          'io_pgetevents',
        );
        assert.equal(f.ready(ctx).length, 1, 'the event stays');
      },
    }),
  ),
  ...MASKS.flatMap(({ id, title, usig }): Case[] => [
    {
      id: `io_pgetevents/${id}`,
      rule: 'PGET-02',
      title: `${title}: takes events as io_getevents`,
      run(f) {
        const { address } = f.bytes(2 * IO_EVENT_BYTES);
        assert.equal(f.kernel.io_pgetevents(filled(f), 1, 2, address, 0, usig(f)), 1);
      },
    },
    {
      id: `io_pgetevents/${id}-timeout`,
      rule: 'PGET-02',
      title: `${title}: the timeout passes`,
      run(f) {
        const { address } = f.bytes(IO_EVENT_BYTES);
        const start = process.hrtime.bigint();
        const timeout = f.timespec(0, SHORT_NS);
        assert.equal(f.kernel.io_pgetevents(f.setup(), 1, 1, address, timeout, usig(f)), 0);
        if (f.kernel.supports.features['host-clock'] === true)
          assert.ok(process.hrtime.bigint() - start >= BigInt(SHORT_NS));
      },
    },
  ]),
];
