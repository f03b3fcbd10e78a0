/** io_cancel: what can be given up, and how one hears of it. */
import assert from 'node:assert/strict';
import { IOCB_CMD_POLL, IOCB_FLAG_RESFD, POLLIN } from '../../src/common/abi/constants.ts';
import type { Case } from './case.ts';
import { type Fixture, type Held, type IocbInMemory, KERNEL_ADDRESS, UNMAPPED } from './fixture.ts';

/** A context with a request that can be cancelled. */
function pending(fixture: Fixture): { ctx: number; iocb: IocbInMemory; held: Held } {
  const ctx = fixture.setup();
  const held = fixture.held({ aio_data: 9 });
  const iocb = fixture.iocb(held.fields);
  fixture.accepted(ctx, iocb);
  return { ctx, iocb, held };
}

export const ioCancelCases: readonly Case[] = [
  {
    id: 'io_cancel/poll',
    rule: 'CANCEL-04 POLL-13',
    title: 'a pending poll: EINPROGRESS, and an event of 0 through the ring',
    run(fixture) {
      const { ctx, iocb } = pending(fixture);
      fixture.fails(fixture.kernel.io_cancel(ctx, iocb.address, 0), 'EINPROGRESS', 'io_cancel');
      const [event] = fixture.reap(ctx, 1);
      assert.deepEqual(event, { data: 9n, obj: BigInt(iocb.address), res: 0n, res2: 0n });
    },
  },
  {
    id: 'io_cancel/result-untouched',
    rule: 'CANCEL-05',
    title: 'the result argument is not written',
    run(fixture) {
      const { ctx, iocb } = pending(fixture);
      const { bytes, address } = fixture.bytes(32);
      bytes.fill(0xaa);
      fixture.fails(fixture.kernel.io_cancel(ctx, iocb.address, address), 'EINPROGRESS', 'io_cancel');
      assert.ok(bytes.every((byte) => byte === 0xaa));
    },
  },
  {
    id: 'io_cancel/result-garbage',
    rule: 'CANCEL-05',
    title: 'the result argument may be garbage',
    run(fixture) {
      const { ctx, iocb } = pending(fixture);
      fixture.fails(fixture.kernel.io_cancel(ctx, iocb.address, KERNEL_ADDRESS), 'EINPROGRESS', 'io_cancel');
    },
  },
  {
    id: 'io_cancel/twice',
    rule: 'CANCEL-06',
    title: 'a second cancel is EINVAL',
    run(fixture) {
      const { ctx, iocb } = pending(fixture);
      fixture.fails(fixture.kernel.io_cancel(ctx, iocb.address, 0), 'EINPROGRESS', 'io_cancel');
      fixture.fails(fixture.kernel.io_cancel(ctx, iocb.address, 0), 'EINVAL', 'io_cancel');
    },
  },
  ...(
    [
      ['null', 0],
      ['unmapped', UNMAPPED],
      ['kernel', KERNEL_ADDRESS],
    ] as const
  ).flatMap(([id, address]) =>
    ['good', 'bad'].map(
      (context): Case => ({
        id: `io_cancel/iocb-${id}-context-${context}`,
        rule: 'CANCEL-01',
        title: `an iocb that is ${id} is EFAULT with a ${context} context`,
        run(fixture) {
          const { ctx } = pending(fixture);
          fixture.fails(
            fixture.kernel.io_cancel(context === 'good' ? ctx : 0, address, 0),
            'EFAULT',
            'io_cancel',
          );
        },
      }),
    ),
  ),
  {
    id: 'io_cancel/key',
    rule: 'CANCEL-01',
    title: 'an aio_key that is not 0 is EINVAL, and the request goes on',
    run(fixture) {
      const { ctx, iocb, held } = pending(fixture);
      iocb.set({ aio_key: 1 });
      fixture.fails(fixture.kernel.io_cancel(ctx, iocb.address, 0), 'EINVAL', 'io_cancel');
      held.release();
      assert.equal(fixture.reap(ctx, 1)[0]!.res, 1n);
    },
  },
  {
    id: 'io_cancel/only-the-key-is-read',
    rule: 'CANCEL-02',
    title: 'only bytes 8 to 11 of the iocb are looked at',
    run(fixture) {
      const { ctx, iocb } = pending(fixture);
      iocb.set({ aio_data: 1, aio_lio_opcode: 99, aio_fildes: 0xffffffff, aio_reserved2: 1 });
      fixture.fails(fixture.kernel.io_cancel(ctx, iocb.address, 0), 'EINPROGRESS', 'io_cancel');
    },
  },
  {
    id: 'io_cancel/copy',
    rule: 'CANCEL-03',
    title: 'a copy of the iocb elsewhere is EINVAL',
    run(fixture) {
      const { ctx, iocb } = pending(fixture);
      const copy = fixture.bytes(64);
      copy.bytes.set(fixture.peek(iocb.address, 64));
      fixture.fails(fixture.kernel.io_cancel(ctx, copy.address, 0), 'EINVAL', 'io_cancel');
    },
  },
  {
    id: 'io_cancel/other-context',
    rule: 'CANCEL-03',
    title: 'another context is EINVAL',
    run(fixture) {
      const { iocb } = pending(fixture);
      fixture.fails(fixture.kernel.io_cancel(fixture.setup(), iocb.address, 0), 'EINVAL', 'io_cancel');
    },
  },
  {
    id: 'io_cancel/never-submitted',
    rule: 'CANCEL-07',
    title: 'an iocb that was never submitted is EINVAL',
    run(fixture) {
      fixture.fails(
        fixture.kernel.io_cancel(fixture.setup(), fixture.iocb({}).address, 0),
        'EINVAL',
        'io_cancel',
      );
    },
  },
  ...[false, true].map(
    (reaped): Case => ({
      id: `io_cancel/completed-${reaped ? 'reaped' : 'unreaped'}`,
      rule: 'CANCEL-07',
      title: `a completed request, ${reaped ? 'reaped' : 'not reaped'}, is EINVAL`,
      run(fixture) {
        const ctx = fixture.setup();
        const iocb = fixture.iocb(fixture.instant());
        fixture.accepted(ctx, iocb);
        if (reaped) fixture.reap(ctx, 1);
        fixture.fails(fixture.kernel.io_cancel(ctx, iocb.address, 0), 'EINVAL', 'io_cancel');
      },
    }),
  ),
  {
    id: 'io_cancel/oldest-first',
    rule: 'CANCEL-09',
    title: 'the same iocb pending three times: three cancels, the oldest first, then EINVAL',
    run(fixture) {
      const ctx = fixture.setup();
      const iocb = fixture.iocb({
        aio_lio_opcode: IOCB_CMD_POLL,
        aio_fildes: fixture.eventfd(),
        aio_buf: POLLIN,
      });
      for (let data = 1; data <= 3; data++) {
        iocb.set({ aio_data: data });
        fixture.accepted(ctx, iocb);
      }
      for (let data = 1n; data <= 3n; data++) {
        fixture.fails(fixture.kernel.io_cancel(ctx, iocb.address, 0), 'EINPROGRESS', 'io_cancel');
        assert.equal(fixture.reap(ctx, 1)[0]!.data, data);
      }
      fixture.fails(fixture.kernel.io_cancel(ctx, iocb.address, 0), 'EINVAL', 'io_cancel');
    },
  },
  {
    id: 'io_cancel/key-straddles',
    rule: 'CANCEL-01 CANCEL-02',
    title: 'only the four bytes of aio_key are read: they must be there, the rest of the iocb need not',
    run(f) {
      const ctx = f.setup();
      const page = f.pages('read-write', 'none');
      const end = page + f.page;
      const { offset, size } = f.abi.iocb.fields.aio_key;
      // The key ends where the page does: read, and then not found.
      f.fails(f.kernel.io_cancel(ctx, end - offset - size, 0), 'EINVAL', 'io_cancel');
      f.fails(f.kernel.io_cancel(ctx, end - offset - size + 1, 0), 'EFAULT', 'io_cancel');
      f.fails(f.kernel.io_cancel(ctx, end - offset, 0), 'EFAULT', 'io_cancel');
    },
  },
  {
    id: 'io_cancel/resfd',
    rule: 'CANCEL-04 RESFD-01',
    title: 'a cancelled poll signals its eventfd, once',
    run(f) {
      const ctx = f.setup();
      const aio_resfd = f.eventfd(0);
      const iocb = f.iocb({
        aio_lio_opcode: IOCB_CMD_POLL,
        aio_fildes: f.eventfd(0),
        aio_buf: POLLIN,
        aio_flags: IOCB_FLAG_RESFD,
        aio_resfd,
      });
      f.accepted(ctx, iocb);
      f.fails(f.kernel.io_cancel(ctx, iocb.address, 0), 'EINPROGRESS', 'io_cancel');
      f.reap(ctx, 1);
      assert.equal(f.kernel.eventfd_read(aio_resfd), 1n);
    },
  },
  {
    id: 'io_cancel/resubmitted',
    rule: 'CANCEL-03 CANCEL-07',
    title: 'an iocb submitted again after its event can be cancelled again',
    run(f) {
      const { ctx, iocb, held } = pending(f);
      held.release();
      f.reap(ctx, 1);
      f.fails(f.kernel.io_cancel(ctx, iocb.address, 0), 'EINVAL', 'io_cancel');
      iocb.set(f.held().fields);
      f.accepted(ctx, iocb);
      f.fails(f.kernel.io_cancel(ctx, iocb.address, 0), 'EINPROGRESS', 'io_cancel');
      assert.equal(f.reap(ctx, 1)[0]!.res, 0n);
    },
  },
  {
    id: 'io_cancel/iocb-reused',
    rule: 'CANCEL-02 CANCEL-03',
    title: 'the address counts, not what the iocb says by now',
    run(f) {
      const { ctx, iocb } = pending(f);
      iocb.set({ aio_lio_opcode: 0xffff, aio_fildes: -1 >>> 0, aio_data: 1, aio_reserved2: 7 });
      f.fails(f.kernel.io_cancel(ctx, iocb.address, 0), 'EINPROGRESS', 'io_cancel');
      assert.equal(f.reap(ctx, 1)[0]!.data, 9n);
    },
  },
];
