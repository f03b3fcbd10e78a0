/** The kernel of 2007 (2.6.20), from running a request to its end: what it does where today's kernel does otherwise. */
import assert from 'node:assert/strict';
import { LITTLE_ENDIAN } from '../../src/common/abi/byte-order.ts';
import { IOCB_CMD_PREADV, IOCB_CMD_PWRITEV } from '../../src/common/abi/constants.ts';
import { IO_EVENT_BYTES } from '../../src/common/abi/layout.ts';
import { dataView, decodeIoEvent } from '../../src/common/abi/structs.ts';
import type { Address } from '../../src/common/kernel/aio-kernel.ts';
import type { Case } from './case.ts';
import { type Fixture, UNMAPPED } from './fixture.ts';
import { Unsupported } from './outcome.ts';
import { pipe } from './pipes.ts';

const SHORT_NS = 20_000_000;

/** A file whose reads wait until they are cancelled. */
function cancellable(f: Fixture): number {
  const { host } = f;
  if (host.cancellable === undefined) throw new Unsupported('no file here lets its reads be cancelled');
  const fd = host.cancellable();
  f.after(() => f.kernel.close(fd));
  return fd;
}

/** A file that moves at most three bytes at a time. */
function slow(f: Fixture, stream: boolean): number {
  const { host } = f;
  if (host.slow === undefined) throw new Unsupported('no file here moves only a part');
  const fd = host.slow(3, stream);
  f.after(() => f.kernel.close(fd));
  return fd;
}

function eventAt(f: Fixture, address: Address): ReturnType<typeof decodeIoEvent> {
  return decodeIoEvent(dataView(f.peek(address, IO_EVENT_BYTES)));
}

export const seedRunningCases: readonly Case[] = [
  {
    id: 'seed/loops',
    rule: 'SEED-03 BLOCK-11',
    title: 'a file is asked until all is done; for reads from a stream, once',
    lacks: ['single-call'],
    run(f) {
      const ctx = f.setup();
      const { address } = f.bytes(8);
      const [file, stream] = [slow(f, false), slow(f, true)];
      assert.equal(f.result(ctx, f.write(file, address, 8)), 8);
      assert.equal(f.result(ctx, f.read(file, address, 8)), 8);
      assert.equal(f.result(ctx, f.write(stream, address, 8)), 8);
      assert.equal(f.result(ctx, f.read(stream, address, 8)), 3);
    },
  },
  {
    id: 'seed/kicked',
    rule: 'SEED-01 SEED-02',
    title: 'a read that waits is kicked, and io_submit or io_getevents runs it again',
    lacks: ['single-call'],
    run(f) {
      const ctx = f.setup();
      const [one, other] = [f.held({ aio_data: 1 }), f.held({ aio_data: 2 })];
      f.accepted(ctx, one.fields, other.fields);
      assert.equal(f.ready(ctx).length, 0);
      one.release();
      f.accepted(ctx, f.instant({ aio_data: 3 }));
      assert.equal(f.ring(ctx).tail, 2, 'io_submit has run it');
      other.release();
      assert.equal(f.ring(ctx).tail, 2, 'the work queue takes its time');
      assert.deepEqual(
        f.reap(ctx, 3).map(({ data }) => data),
        [3n, 1n, 2n],
      );
    },
  },
  {
    id: 'seed/error-hides-progress',
    rule: 'SEED-03 BUF-05 VEC-10 BLOCK-11',
    title: 'an error that comes after some bytes is the result of the event',
    lacks: ['single-call'],
    run(f) {
      const ctx = f.setup();
      const half = f.pages('read-write', 'none') + f.page - 100;
      const { fd } = f.file(new Uint8Array(300));
      f.eventFails(ctx, 'EFAULT', f.read(fd, half, 300));
      f.eventFails(ctx, 'EFAULT', f.write(fd, half, 300));
      assert.equal(f.result(ctx, f.read(fd, half, 300, 200)), 100, 'nothing more to copy is no error');
      for (const aio_lio_opcode of [IOCB_CMD_PREADV, IOCB_CMD_PWRITEV]) {
        const aio_buf = f.iovecs([f.bytes(8).address, 3], [UNMAPPED, 3]);
        f.eventFails(ctx, 'EFAULT', { aio_lio_opcode, aio_fildes: fd, aio_buf, aio_nbytes: 2 });
      }
      const [reader, writer] = pipe(f);
      const { address } = f.bytes(1 << 20);
      f.eventFails(ctx, 'EAGAIN', f.write(writer, address, 1 << 20));
      assert.ok(
        f.result(ctx, f.read(reader, address, 1 << 20)) >= f.page,
        'what went into the pipe is there',
      );
    },
  },
  {
    id: 'seed/drains-before-it-sleeps',
    rule: 'SEED-02',
    title: 'who has min_nr events, or asks with min_nr 0, drains nothing; who would sleep does',
    lacks: ['single-call'],
    run(f) {
      const ctx = f.setup();
      const one = f.held({ aio_data: 1 });
      f.accepted(ctx, one.fields, f.instant({ aio_data: 2 }));
      one.release();
      const { bytes, address } = f.bytes(4 * IO_EVENT_BYTES);
      assert.equal(f.kernel.io_getevents(ctx, 1, 4, address, 0), 1, 'min_nr are there');
      assert.equal(dataView(bytes).getUint32(0, LITTLE_ENDIAN), 2);
      assert.equal(f.kernel.io_getevents(ctx, 0, 4, address, 0), 0, 'min_nr 0');
      assert.equal(f.ring(ctx).tail, 1);
      assert.equal(f.kernel.io_getevents(ctx, 1, 4, address, f.timespec(0, 0)), 1, 'it would sleep');
      assert.equal(dataView(bytes).getUint32(0, LITTLE_ENDIAN), 1);
    },
  },
  {
    id: 'seed/head-as-it-stands',
    rule: 'RING-05',
    title: 'a head of nr counts as 0, and is stored only together with an event that was taken',
    lacks: ['kept-events'],
    run(f) {
      const ctx = f.setup(1);
      const { nr } = f.ring(ctx);
      f.setRing(ctx, 'head', nr);
      assert.equal(f.ready(ctx).length, 0);
      assert.equal(f.ring(ctx).head, nr);
      f.accepted(ctx, f.instant());
      assert.equal(f.ready(ctx).length, 1);
      assert.equal(f.ring(ctx).head, 1);
    },
  },
  {
    id: 'seed/tail-as-it-stands',
    rule: 'RING-06 SEED-04',
    title:
      'a tail written by the user counts as it stands: beyond the ring it is never reached, and it takes up cells',
    lacks: ['kept-events'],
    run(f) {
      const ctx = f.setup(1);
      const { nr } = f.ring(ctx);
      f.setRing(ctx, 'tail', nr);
      assert.equal(f.ready(ctx, 2 * nr).length, 2 * nr);
      f.setRing(ctx, 'head', 0);
      f.setRing(ctx, 'tail', nr - 1);
      f.refused(ctx, 'EAGAIN', f.instant());
      f.setRing(ctx, 'tail', nr);
      f.accepted(ctx, f.instant());
      assert.equal(f.ring(ctx).tail, 1, 'the kernel has a tail of its own');
      assert.equal(f.ready(ctx).length, 1);
    },
  },
  {
    id: 'seed/deferred-put',
    rule: 'SEED-09 BLOCK-12',
    title: 'a request in flight keeps its file open; with it the last reference goes, a little later',
    lacks: ['single-call'],
    async run(f) {
      const ctx = f.setup();
      const [reader, writer] = pipe(f, false);
      const { address } = f.bytes(8);
      f.accepted(ctx, f.read(reader, address, 1));
      assert.equal(f.host.call('close', reader), 0);
      assert.equal(f.host.call('write', writer, address, 1), 1);
      assert.equal(f.reap(ctx, 1)[0]!.res, 1n);
      await new Promise((resolve) => setImmediate(resolve));
      f.fails(f.host.call('write', writer, address, 1), 'EPIPE', 'write');
    },
  },
  {
    id: 'seed/timeout-last',
    rule: 'GET-01',
    title: 'the timeout is read only by a call that has to wait, and after the context and the numbers',
    lacks: ['timeout-first'],
    run(f) {
      const ctx = f.setup();
      const { address } = f.bytes(4 * IO_EVENT_BYTES);
      f.fails(f.kernel.io_getevents(0, 1, 1, address, UNMAPPED), 'EINVAL', 'io_getevents');
      f.fails(f.kernel.io_getevents(ctx, 2, 1, address, UNMAPPED), 'EINVAL', 'io_getevents');
      assert.equal(f.kernel.io_getevents(ctx, 0, 1, address, UNMAPPED), 0);
      f.fails(f.kernel.io_getevents(ctx, 1, 1, address, UNMAPPED), 'EFAULT', 'io_getevents');
      f.accepted(ctx, f.instant(), f.instant());
      assert.equal(f.kernel.io_getevents(ctx, 1, 1, address, UNMAPPED), 1);
      assert.equal(f.kernel.io_getevents(ctx, 2, 2, address, UNMAPPED), 1, 'what was taken wins');
    },
  },
  {
    id: 'seed/ticks',
    rule: 'GET-07 GET-08',
    title: 'a timeout is whole clock ticks: a nanosecond is one, nothing is none',
    lacks: ['nanosecond-timeouts'],
    requires: ['host-clock'],
    run(f) {
      const ctx = f.setup();
      const { address } = f.bytes(IO_EVENT_BYTES);
      assert.equal(f.kernel.io_getevents(ctx, 1, 1, address, f.timespec(0, 0)), 0);
      const started = performance.now();
      assert.equal(f.kernel.io_getevents(ctx, 1, 1, address, f.timespec(0, 1)), 0);
      assert.ok(performance.now() - started >= 0.5, 'no kernel of that time ticked faster than that');
    },
  },
  {
    id: 'seed/fault-loses-event',
    rule: 'SEED-07 GET-13',
    title: 'EFAULT loses the event in hand',
    lacks: ['kept-events'],
    run(f) {
      const ctx = f.setup();
      f.accepted(ctx, f.instant({ aio_data: 1 }), f.instant({ aio_data: 2 }));
      f.fails(f.kernel.io_getevents(ctx, 1, 2, UNMAPPED, 0), 'EFAULT', 'io_getevents');
      assert.deepEqual(
        f.ready(ctx).map(({ data }) => data),
        [2n],
      );
    },
  },
  {
    id: 'seed/fault-after-two',
    rule: 'SEED-07 GET-14',
    title: 'room for 2 of 3: 2 are returned, the third is lost',
    lacks: ['kept-events'],
    run(f) {
      const ctx = f.setup();
      f.accepted(ctx, f.instant(), f.instant(), f.instant());
      const events = f.pages('read-write', 'none') + f.page - 2 * IO_EVENT_BYTES;
      assert.equal(f.kernel.io_getevents(ctx, 3, 3, events, 0), 2);
      assert.equal(f.ready(ctx).length, 0);
    },
  },
  {
    id: 'seed/fault-drains-nothing',
    rule: 'SEED-02 SEED-07',
    title: 'room for 1 of 2: 1 is returned, and what was kicked is not run for it',
    lacks: ['kept-events', 'single-call'],
    run(f) {
      const ctx = f.setup();
      const waiting = f.held({ aio_data: 3 });
      f.accepted(ctx, waiting.fields, f.instant(), f.instant());
      waiting.release();
      const events = f.pages('read-write', 'none') + f.page - IO_EVENT_BYTES;
      assert.equal(f.kernel.io_getevents(ctx, 3, 3, events, f.timespec(0, 0)), 1);
      assert.equal(f.ring(ctx).tail, 2, 'only who is about to sleep runs what was kicked');
      assert.deepEqual(
        f.reap(ctx, 1).map(({ data }) => data),
        [3n],
      );
    },
  },
  {
    id: 'seed/collects',
    rule: 'GET-18 GET-19',
    title: 'a waiter takes what comes, and returns it when its time is over',
    lacks: ['batched-wait'],
    run(f) {
      const ctx = f.setup();
      f.accepted(ctx, f.instant());
      const { address } = f.bytes(4 * IO_EVENT_BYTES);
      assert.equal(f.kernel.io_getevents(ctx, 2, 4, address, f.timespec(0, SHORT_NS)), 1);
      assert.equal(f.ready(ctx).length, 0);
    },
  },
  {
    id: 'seed/no-pgetevents',
    rule: 'SEED-11',
    title: 'io_pgetevents does not exist',
    lacks: ['io_pgetevents'],
    run(f) {
      f.fails(f.kernel.io_pgetevents(f.setup(), 0, 0, 0, 0, 0), 'ENOSYS', 'io_pgetevents');
    },
  },
  {
    id: 'seed/no-eventfd',
    rule: 'SEED-11',
    title: 'there are no eventfds',
    lacks: ['eventfd'],
    run(f) {
      f.fails(f.kernel.eventfd(0, 0), 'ENOSYS', 'eventfd');
    },
  },
  {
    id: 'seed/cancel',
    rule: 'SEED-06 CANCEL-04 CANCEL-05 CANCEL-06',
    title: 'a cancelled request: 0, the event in result and none in the ring; a second time EINVAL',
    lacks: ['ring-cancel'],
    run(f) {
      const ctx = f.setup();
      const { bytes, address } = f.bytes(IO_EVENT_BYTES);
      bytes.fill(0xaa);
      const iocb = f.iocb(f.read(cancellable(f), f.bytes(8).address, 8, 0, { aio_data: 9 }));
      f.accepted(ctx, iocb);
      assert.equal(f.kernel.io_cancel(ctx, iocb.address, address), 0);
      const { data, obj, res2 } = eventAt(f, address);
      assert.deepEqual([data, obj, res2], [9n, BigInt(iocb.address), 0n]);
      assert.equal(f.ready(ctx).length, 0);
      f.fails(f.kernel.io_cancel(ctx, iocb.address, address), 'EINVAL', 'io_cancel');
    },
  },
  {
    id: 'seed/cancel-result',
    rule: 'CANCEL-05',
    title: 'a result that cannot be written: EFAULT, and the request is gone all the same',
    lacks: ['ring-cancel'],
    run(f) {
      const ctx = f.setup();
      const iocb = f.iocb(f.read(cancellable(f), f.bytes(8).address, 8));
      f.accepted(ctx, iocb);
      f.fails(f.kernel.io_cancel(ctx, iocb.address, UNMAPPED), 'EFAULT', 'io_cancel');
      f.fails(f.kernel.io_cancel(ctx, iocb.address, UNMAPPED), 'EINVAL', 'io_cancel');
    },
  },
  {
    id: 'seed/cancel-newest',
    rule: 'CANCEL-09',
    title: 'of several requests with one iocb, the newest is cancelled first',
    lacks: ['ring-cancel'],
    run(f) {
      const ctx = f.setup();
      const { address } = f.bytes(IO_EVENT_BYTES);
      const iocb = f.iocb(f.read(cancellable(f), f.bytes(8).address, 8));
      for (const aio_data of [1, 2, 3]) {
        iocb.set({ aio_data });
        f.accepted(ctx, iocb);
      }
      for (const data of [3n, 2n, 1n]) {
        assert.equal(f.kernel.io_cancel(ctx, iocb.address, address), 0);
        assert.equal(eventAt(f, address).data, data);
      }
    },
  },
  {
    id: 'seed/destroy',
    rule: 'SEED-08',
    title: 'io_destroy cancels what waits and returns; nothing of it is written afterwards',
    lacks: ['ring-cancel'],
    run(f) {
      const ctx = f.setup();
      const held = f.held();
      const iocb = f.iocb(f.read(cancellable(f), f.bytes(8).address, 8));
      f.accepted(ctx, iocb, held.fields);
      assert.equal(f.destroy(ctx), 0);
      held.release();
      assert.equal(f.ready(f.setup()).length, 0);
    },
  },
];
