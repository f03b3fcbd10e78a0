/** io_destroy: what it refuses, what it ends, and what it gives back. */
import assert from 'node:assert/strict';
import { IOCB_CMD_POLL, IOCB_FLAG_RESFD, POLLIN } from '../../src/common/abi/constants.ts';
import type { Word } from '../../src/common/kernel/aio-kernel.ts';
import type { Case } from './case.ts';
import { type Fixture, type Held, KERNEL_ADDRESS } from './fixture.ts';

const BAD_HANDLES: readonly { id: string; handle: (ctx: number) => Word }[] = [
  { id: '0', handle: () => 0 },
  { id: 'minus-1', handle: () => -1 },
  { id: 'plus-4', handle: (ctx) => ctx + 4 },
  { id: 'plus-page', handle: (ctx) => ctx + 4096 * 64 },
  { id: 'kernel', handle: () => KERNEL_ADDRESS },
];

/** A context with a request in flight. */
function pending(fixture: Fixture): { ctx: number; held: Held } {
  const ctx = fixture.setup();
  const held = fixture.held({ aio_data: 9 });
  fixture.accepted(ctx, held.fields);
  return { ctx, held };
}

export const ioDestroyCases: readonly Case[] = [
  ...BAD_HANDLES.map(
    ({ id, handle }): Case => ({
      id: `io_destroy/handle-${id}`,
      rule: 'DESTROY-01',
      title: `handle ${id} is EINVAL`,
      run(fixture) {
        fixture.fails(fixture.kernel.io_destroy(handle(fixture.setup())), 'EINVAL', 'io_destroy');
      },
    }),
  ),
  {
    id: 'io_destroy/twice',
    rule: 'DESTROY-01',
    title: 'a second destroy is EINVAL, and so is every other call',
    run(fixture) {
      const ctx = fixture.setup();
      const { kernel } = fixture;
      assert.equal(fixture.destroy(ctx), 0);
      fixture.fails(kernel.io_destroy(ctx), 'EINVAL', 'io_destroy');
      fixture.fails(kernel.io_submit(ctx, 1, 0), 'EINVAL', 'io_submit');
      fixture.fails(kernel.io_getevents(ctx, 0, 1, 0, 0), 'EINVAL', 'io_getevents');
      fixture.fails(kernel.io_cancel(ctx, fixture.iocb({}).address, 0), 'EINVAL', 'io_cancel');
    },
  },
  {
    id: 'io_destroy/unreaped',
    rule: 'DESTROY-02',
    title: 'unreaped events are discarded, and a new context has none',
    run(fixture) {
      const { ctx, held } = pending(fixture);
      held.release();
      assert.equal(fixture.destroy(ctx), 0);
      assert.equal(fixture.ready(fixture.setup()).length, 0);
    },
  },
  {
    id: 'io_destroy/pending-poll',
    rule: 'DESTROY-03',
    title: 'a request that waits does not hold it up, and a wake-up afterwards harms nobody',
    run(fixture) {
      const { ctx, held } = pending(fixture);
      assert.equal(fixture.destroy(ctx), 0);
      held.release();
    },
  },
  {
    id: 'io_destroy/ring-gone',
    rule: 'DESTROY-08',
    title: 'the ring is no longer mapped',
    run(fixture) {
      const ctx = fixture.setup();
      assert.equal(fixture.destroy(ctx), 0);
      assert.equal(fixture.kernel.memory.read(ctx, 32), undefined);
    },
  },
  {
    id: 'io_destroy/mapped-reader',
    rule: 'DESTROY-08',
    title: 'a mapped reader of a destroyed ring finds nothing instead of crashing',
    requires: ['mapped-ring'],
    run(fixture) {
      const ctx = fixture.setup();
      const ring = fixture.kernel.mapRing(ctx);
      fixture.accepted(ctx, fixture.instant());
      assert.equal(ring!.ready, 1);
      assert.equal(fixture.destroy(ctx), 0);
      assert.equal(ring!.ready, 0);
      assert.equal(
        ring!.reap(10, () => assert.fail('there is nothing to reap')),
        0,
      );
    },
  },
  {
    id: 'io_destroy/background',
    rule: 'DESTROY-01 DESTROY-09',
    title: 'destroyed in the background, the context is gone and its quota is back',
    run: (fixture) =>
      fixture.undisturbed(async () => {
        const { kernel } = fixture;
        const before = kernel.limits.aio_nr();
        const { address, value } = fixture.ctxp();
        assert.equal(kernel.io_setup(50, address), 0);
        const ctx = Number(value());
        fixture.accepted(ctx, fixture.held().fields);
        assert.equal(await kernel.destroyInBackground(ctx), 0);
        fixture.fails(kernel.io_destroy(ctx), 'EINVAL', 'io_destroy');
        assert.equal(kernel.limits.aio_nr(), before);
      }),
  },

  {
    id: 'io_destroy/pending-polls-signal',
    rule: 'DESTROY-03',
    requires: ['poll'],
    title: 'the eventfds of pending polls are signalled before it returns',
    run(f) {
      const ctx = f.setup();
      const aio_resfd = f.eventfd(0);
      const iocb = {
        aio_lio_opcode: IOCB_CMD_POLL,
        aio_fildes: f.eventfd(0),
        aio_buf: POLLIN,
        aio_flags: IOCB_FLAG_RESFD,
        aio_resfd,
      };
      f.accepted(ctx, iocb, iocb, iocb);
      assert.equal(f.destroy(ctx), 0);
      assert.equal(f.kernel.eventfd_read(aio_resfd), 3n);
    },
  },
  {
    id: 'io_destroy/quota-unreaped',
    rule: 'DESTROY-02 DESTROY-09',
    title: 'the quota comes back with events unreaped',
    run: (f) =>
      f.undisturbed(() => {
        const before = f.kernel.limits.aio_nr();
        const ctx = f.setup(50);
        assert.equal(f.kernel.limits.aio_nr() - before, 50);
        f.accepted(ctx, f.instant(), f.instant());
        assert.equal(f.destroy(ctx), 0);
        assert.equal(f.kernel.limits.aio_nr(), before);
      }),
  },
  {
    id: 'io_destroy/others-stay',
    rule: 'DESTROY-01',
    title: 'another context keeps its events and its requests in flight',
    run(f) {
      const other = f.setup();
      const held = f.held({ aio_data: 2 });
      f.accepted(other, f.instant({ aio_data: 1 }), held.fields);
      assert.equal(f.destroy(f.setup()), 0);
      assert.equal(f.reap(other, 1)[0]!.data, 1n);
      held.release();
      assert.equal(f.reap(other, 1)[0]!.data, 2n);
    },
  },
];
