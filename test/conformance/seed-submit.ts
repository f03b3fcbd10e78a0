/** The kernel of 2007 (2.6.20), io_setup and io_submit: what it answers where today's kernel answers otherwise. */
import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { devNull } from 'node:os';
import {
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_POLL,
  IOCB_CMD_PREADV,
  POLLIN,
} from '../../src/common/abi/constants.ts';
import type { Address } from '../../src/common/kernel/aio-kernel.ts';
import type { Case } from './case.ts';
import { type IocbFields, KERNEL_ADDRESS, UNMAPPED } from './fixture.ts';
import { Unsupported } from './outcome.ts';

const TWO_31 = 2 ** 31;
const SSIZE_MAX = 2n ** 63n - 1n;
const KEY_GARBAGE = 0xdeadbeef;

const RESERVED: readonly { id: string; fields: IocbFields }[] = [
  { id: 'rw-flags', fields: { aio_rw_flags: 1 } },
  { id: 'flags', fields: { aio_flags: 1 << 31 } },
  { id: 'resfd', fields: { aio_resfd: 1 } },
];

export const seedSubmitCases: readonly Case[] = [
  {
    id: 'seed/limits',
    rule: 'SETUP-06',
    title: 'nr is not doubled: above aio-max-nr EAGAIN, above 2^28 bytes of requests EINVAL',
    lacks: ['doubled-ring'],
    run(f) {
      const { address } = f.ctxp();
      const max = f.kernel.limits.aio_max_nr();
      f.fails(f.kernel.io_setup(max + 1, address), 'EAGAIN', 'io_setup');
      for (const nr of [8_388_609, TWO_31, TWO_31 + 1, 0xffffffff])
        f.fails(f.kernel.io_setup(nr, address), 'EINVAL', 'io_setup');
    },
  },
  {
    id: 'seed/cells',
    rule: 'CAP-01',
    title: 'a ring has room for nr and two more, rounded up to pages',
    lacks: ['doubled-ring'],
    run(f) {
      for (const [nr, cells] of [
        [1, 127],
        [125, 127],
        [126, 255],
        [253, 255],
        [254, 383],
      ] as const)
        assert.equal(f.ring(f.setup(nr)).nr, cells, `io_setup(${nr})`);
    },
  },
  {
    id: 'seed/capacity',
    rule: 'SEED-04 CAP-02',
    title: 'exactly as many requests as cells but one',
    lacks: ['per-cpu-slots'],
    run(f) {
      const ctx = f.setup(1);
      const iocb = f.iocb(f.held().fields);
      for (let taken = 0; taken < f.ring(ctx).nr - 1; taken++) f.accepted(ctx, iocb);
      f.refused(ctx, 'EAGAIN', iocb);
    },
  },
  {
    id: 'seed/ring-id',
    rule: 'SETUP-13',
    title: 'ring.id is the lower half of the handle',
    lacks: ['ring-lookup'],
    run(f) {
      const ctx = f.setup();
      assert.equal(f.ring(ctx).id, ctx % 2 ** 32);
    },
  },
  {
    id: 'seed/context-by-number',
    rule: 'SEED-10 SUBMIT-11 RING-09 RING-11 RING-12',
    title: 'a context is found by its number: an altered id, or a ring that cannot be read, change nothing',
    lacks: ['ring-lookup'],
    run(f) {
      const ctx = f.setup();
      f.setRing(ctx, 'id', 99);
      f.accepted(ctx, f.instant());
      assert.equal(f.ready(ctx).length, 1);
      assert.equal(f.kernel.memory.mprotect(ctx, f.page, 'none'), 0);
      f.accepted(ctx, f.instant());
      assert.equal(f.ready(ctx).length, 1);
      assert.equal(f.kernel.memory.munmap(ctx, f.page), 0);
      assert.equal(f.submit(ctx), 0);
      f.fails(f.kernel.io_submit(ctx + 8, 0, 0), 'EINVAL', 'io_submit');
      assert.equal(f.destroy(ctx), 0);
      f.fails(f.kernel.io_submit(ctx, 0, 0), 'EINVAL', 'io_submit');
    },
  },
  {
    id: 'seed/array-first',
    rule: 'SUBMIT-01 SUBMIT-02 SUBMIT-03',
    title: 'the range of iocbpp is judged before the context, also for nr 0; nr below 0 is first',
    lacks: ['context-first'],
    run(f) {
      const ctx = f.setup();
      for (const handle of [ctx, 0]) {
        f.fails(f.kernel.io_submit(handle, 0, KERNEL_ADDRESS), 'EFAULT', 'io_submit');
        f.fails(f.kernel.io_submit(handle, 1, KERNEL_ADDRESS), 'EFAULT', 'io_submit');
        f.fails(f.kernel.io_submit(handle, -1, KERNEL_ADDRESS), 'EINVAL', 'io_submit');
      }
      assert.equal(f.kernel.io_submit(ctx, 0, UNMAPPED), 0);
      f.fails(f.kernel.io_submit(0, 1, UNMAPPED), 'EINVAL', 'io_submit');
    },
  },
  {
    id: 'seed/array-wraps',
    rule: 'SUBMIT-01',
    title: 'the size of iocbpp is cut to 64 bits: 2^61 pointers take up nothing, and are fetched one by one',
    lacks: ['context-first'],
    run(f) {
      const ctx = f.setup();
      const array = f.pages('read-write', 'none') + f.page - 2 * f.wordBytes;
      f.pokeWord(array, f.iocb(f.instant()).address);
      f.pokeWord(array + 8, f.iocb(f.instant()).address);
      f.fails(f.kernel.io_submit(ctx, 2n ** 60n, array), 'EFAULT', 'io_submit');
      assert.equal(f.kernel.io_submit(ctx, 2n ** 61n, array), 2);
      assert.equal(f.kernel.io_submit(ctx, 2n ** 61n + 1n, array + 8), 1);
      f.fails(f.kernel.io_submit(ctx, 2n ** 61n, KERNEL_ADDRESS), 'EFAULT', 'io_submit');
      assert.equal(f.ready(ctx).length, 3);
    },
  },
  ...RESERVED.map(
    ({ id, fields }): Case => ({
      id: `seed/reserved-${id}`,
      rule: 'SUBMIT-22 SEED-05 SEED-11',
      title: `${Object.keys(fields)[0]} is reserved: EINVAL, before a bad descriptor, and aio_key stays`,
      lacks: ['request-flags'],
      run(f) {
        const ctx = f.setup();
        const iocb = f.iocb({ ...f.read(f.closedFd(), 0, 0), ...fields, aio_key: KEY_GARBAGE });
        f.refused(ctx, 'EINVAL', iocb);
        assert.equal(iocb.decode().aio_key, KEY_GARBAGE);
      },
    }),
  ),
  {
    id: 'seed/descriptor-before-slot',
    rule: 'SEED-05 SUBMIT-24 CAP-06',
    title: 'a bad descriptor wins over a full context',
    lacks: ['slot-first'],
    run(f) {
      const ctx = f.setup(1);
      const iocb = f.iocb(f.held().fields);
      while (f.submit(ctx, iocb) === 1);
      f.refused(ctx, 'EBADF', f.read(f.closedFd(), 0, 0));
      f.refused(ctx, 'EAGAIN', f.read(f.file('x').fd, 0, 0));
    },
  },
  {
    id: 'seed/poll-unknown',
    rule: 'SUBMIT-28 SEED-11',
    title: 'POLL is unknown: EINVAL, with aio_key written',
    lacks: ['poll'],
    run(f) {
      const ctx = f.setup();
      const iocb = f.iocb({
        aio_lio_opcode: IOCB_CMD_POLL,
        aio_fildes: f.file('x').fd,
        aio_buf: POLLIN,
        aio_key: KEY_GARBAGE,
      });
      f.refused(ctx, 'EINVAL', iocb);
      assert.equal(iocb.decode().aio_key, 0);
    },
  },
  {
    id: 'seed/buffer-before-method',
    rule: 'SEED-05 SUBMIT-32',
    title: 'a buffer in the kernel wins over a file that cannot be read; the open mode over both',
    lacks: ['method-first'],
    run(f) {
      const ctx = f.setup();
      const directory = f.open(f.directory, constants.O_RDONLY);
      f.refused(ctx, 'EFAULT', f.read(directory, KERNEL_ADDRESS, 8));
      f.refused(ctx, 'EINVAL', f.read(directory, f.bytes(8).address, 8));
      f.refused(ctx, 'EBADF', f.write(directory, KERNEL_ADDRESS, 8));
    },
  },
  {
    id: 'seed/lengths',
    rule: 'BUF-02 BUF-03',
    title: 'lengths are judged and counted whole',
    lacks: ['cut-lengths'],
    run(f) {
      const ctx = f.setup();
      const { address } = f.bytes(8);
      f.refused(ctx, 'EFAULT', f.read(f.file('abc').fd, address, SSIZE_MAX));
      if (process.platform === 'win32')
        throw new Unsupported('Windows does not tell the null device by its number');
      assert.equal(f.result(ctx, f.write(f.open(devNull, constants.O_RDWR), address, TWO_31)), TWO_31);
    },
  },
  {
    id: 'seed/iovec-sum',
    rule: 'VEC-08 VEC-01',
    title: 'segments of more than SSIZE_MAX bytes, and a count above 1024 in any of its 64 bits: EINVAL',
    lacks: ['cut-lengths'],
    run(f) {
      const ctx = f.setup();
      const { address } = f.bytes(8);
      const vector = (aio_buf: Address, aio_nbytes: number): IocbFields => ({
        aio_lio_opcode: IOCB_CMD_PREADV,
        aio_fildes: f.file('abc').fd,
        aio_buf,
        aio_nbytes,
      });
      f.refused(ctx, 'EINVAL', vector(f.iovecs([address, SSIZE_MAX], [address, SSIZE_MAX]), 2));
      f.refused(ctx, 'EFAULT', vector(f.iovecs([address, SSIZE_MAX]), 1));
      f.refused(ctx, 'EINVAL', vector(f.iovecs([address, 3]), 2 ** 32 + 1));
    },
  },
  {
    id: 'seed/place',
    rule: 'SUBMIT-34 OFF-01',
    title: 'the place is not judged at submission: a negative one fails in the event',
    lacks: ['judged-place'],
    run(f) {
      f.eventFails(f.setup(), 'EINVAL', f.read(f.file('x').fd, f.bytes(8).address, 8, -1));
    },
  },
  {
    id: 'seed/fsync',
    rule: 'FSYNC-02 SEED-11',
    title: 'FSYNC and FDSYNC of ordinary files are EINVAL',
    lacks: ['file-fsync'],
    run(f) {
      const ctx = f.setup();
      for (const aio_lio_opcode of [IOCB_CMD_FSYNC, IOCB_CMD_FDSYNC])
        f.refused(ctx, 'EINVAL', { aio_lio_opcode, aio_fildes: f.file('x').fd });
    },
  },
];
