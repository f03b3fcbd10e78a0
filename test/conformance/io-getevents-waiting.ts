/** io_getevents that waits: timeouts that are none, and what comes while it waits. */
import assert from 'node:assert/strict';
import { IOCB_CMD_POLL, POLLIN } from '../../src/common/abi/constants.ts';
import { ERRNO } from '../../src/common/abi/errno.ts';
import { IO_EVENT_BYTES } from '../../src/common/abi/layout.ts';
import { dataView, decodeIoEvent, encodeTimespec } from '../../src/common/abi/structs.ts';
import type { Address, AioContextId, Word } from '../../src/common/kernel/aio-kernel.ts';
import type { Case } from './case.ts';
import type { Fixture, IocbFields } from './fixture.ts';

const LONG_MAX = (1n << 63n) - 1n;
const SHORT_NS = 20_000_000;
/** No stall is longer. */
const LONG_NS = 5_000_000_000;
const CLOCK_MONOTONIC = 1;
const TFD_NONBLOCK_CLOEXEC = 0o2004000;

function poll(fd: number, data: number): IocbFields {
  return { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: fd, aio_buf: POLLIN, aio_data: data };
}

function dataAt(f: Fixture, address: Address, index = 0): bigint {
  return decodeIoEvent(dataView(f.peek(address + index * IO_EVENT_BYTES, IO_EVENT_BYTES))).data;
}

/** A pending poll of a timer: it completes by itself after `ns`, whatever this thread does. */
function later(f: Fixture, ctx: AioContextId, ns: number, data: number): void {
  const { host } = f;
  const fd = host.call('timerfd_create', CLOCK_MONOTONIC, TFD_NONBLOCK_CLOEXEC);
  f.succeeds(fd, 'timerfd_create');
  f.after(() => f.kernel.close(fd));
  const { bytes, address } = f.bytes(32);
  encodeTimespec(
    { tv_sec: Math.floor(ns / 1e9), tv_nsec: ns % 1e9 },
    dataView(bytes),
    f.abi.timespec.size,
    f.abi,
  );
  f.accepted(ctx, poll(fd, data));
  f.succeeds(host.call('timerfd_settime', fd, 0, address, 0), 'timerfd_settime');
}

/** More than the smallest ring has with pages of 64 KiB. */
const MOST_CELLS = 10_000;

const FOREVER: readonly { id: string; timespec?: readonly [Word, Word] }[] = [
  { id: 'null' },
  { id: 'minus-one-second', timespec: [-1, 0] },
  { id: 'minus-one-ns', timespec: [0, -1] },
  { id: 'largest-seconds', timespec: [9_223_372_036, 0] },
  { id: 'long-max', timespec: [LONG_MAX, 0] },
  { id: 'long-max-both', timespec: [LONG_MAX, LONG_MAX] },
];

export const ioGeteventsWaitingCases: readonly Case[] = [
  ...FOREVER.map(
    ({ id, timespec }): Case => ({
      id: `io_getevents/forever-${id}`,
      rule: 'GET-07 GET-08',
      title: `the timeout ${timespec === undefined ? 'NULL' : `{${timespec.join(', ')}}`} waits for the event`,
      requires: ['polls-descriptors', 'blocking-wait'],
      run(f) {
        const ctx = f.setup();
        const { address } = f.bytes(IO_EVENT_BYTES);
        const timeout = timespec === undefined ? 0 : f.timespec(...timespec);
        later(f, ctx, SHORT_NS, 1);
        assert.equal(f.kernel.io_getevents(ctx, 1, 1, address, timeout), 1);
      },
    }),
  ),
  {
    id: 'io_getevents/fault-after-delivery',
    rule: 'GET-15',
    title: 'EFAULT after an earlier pass delivered: the count, and the event stays',
    requires: ['polls-descriptors', 'blocking-wait'],
    run(f) {
      const at = f.pages('read-write', 'none') + f.page - IO_EVENT_BYTES;
      const attempt = (ns: number): void => {
        const ctx = f.setup();
        f.accepted(ctx, poll(f.eventfd(1), 1));
        later(f, ctx, ns, 2);
        const answer = f.kernel.io_getevents(ctx, 2, 2, at, f.timespec(10, 0));
        // This thread stood still until the second event was there, too: one pass met both.
        if (answer === -ERRNO.EFAULT && ns < LONG_NS) {
          attempt(2 * ns);
          return;
        }
        assert.equal(answer, 1);
        assert.equal(dataAt(f, at), 1n);
        assert.equal(f.reap(ctx, 1)[0]!.data, 2n);
      };
      attempt(SHORT_NS);
    },
  },
  {
    id: 'io_getevents/waits-for-all',
    rule: 'GET-18',
    title: 'a waiter collects what was there and what comes',
    requires: ['polls-descriptors', 'blocking-wait'],
    run(f) {
      const ctx = f.setup();
      f.accepted(ctx, poll(f.eventfd(1), 1));
      later(f, ctx, SHORT_NS, 2);
      later(f, ctx, 2 * SHORT_NS, 3);
      const { address } = f.bytes(3 * IO_EVENT_BYTES);
      assert.equal(f.kernel.io_getevents(ctx, 3, 3, address, f.timespec(10, 0)), 3);
      assert.deepEqual(
        [0, 1, 2].map((index) => dataAt(f, address, index)),
        [1n, 2n, 3n],
      );
    },
  },
  {
    id: 'io_getevents/min-over-capacity',
    rule: 'GET-19',
    title: 'min_nr over the capacity, with a timeout: what the ring holds',
    run(f) {
      const ctx = f.setup(1);
      let held = 0;
      let submitted = f.submit(ctx, f.instant());
      while (submitted === 1) {
        held++;
        assert.ok(held < MOST_CELLS, 'the ring never fills');
        submitted = f.submit(ctx, f.instant());
      }
      f.fails(submitted, 'EAGAIN', 'io_submit');
      const { address } = f.bytes(MOST_CELLS * IO_EVENT_BYTES);
      const answer = f.kernel.io_getevents(ctx, MOST_CELLS, MOST_CELLS, address, f.timespec(0, SHORT_NS));
      assert.equal(answer, held);
    },
  },
  {
    id: 'io_getevents/timeout-untouched',
    rule: 'GET-09',
    title: 'the timeout is never written back, whether it expires or not',
    run(f) {
      const ctx = f.setup();
      const address = f.timespec(0, 2_000_000);
      const timeout = (): bigint[] => [f.peekWord(address), f.peekWord(address + f.wordBytes)];
      const { address: events } = f.bytes(32);
      assert.equal(f.kernel.io_getevents(ctx, 1, 1, events, address), 0);
      assert.deepEqual(timeout(), [0n, 2_000_000n]);
      f.accepted(ctx, f.instant());
      assert.equal(f.kernel.io_getevents(ctx, 1, 1, events, address), 1);
      assert.deepEqual(timeout(), [0n, 2_000_000n]);
    },
  },
];
