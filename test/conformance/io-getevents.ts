/** io_getevents: order of checks, waiting, and what stays after an error. */
import assert from 'node:assert/strict';
import type { ErrnoName } from '../../src/common/abi/errno.ts';
import { IO_EVENT_BYTES } from '../../src/common/abi/layout.ts';
import { dataView, decodeIoEvent } from '../../src/common/abi/structs.ts';
import type { Word } from '../../src/common/kernel/aio-kernel.ts';
import type { Case } from './case.ts';
import { type Fixture, KERNEL_ADDRESS, UNMAPPED } from './fixture.ts';

const TWENTY_MS = 20_000_000;

/** A context with `count` events in its ring. */
function withEvents(fixture: Fixture, count: number): number {
  const ctx = fixture.setup(16);
  for (let data = 1; data <= count; data++) fixture.accepted(ctx, fixture.instant({ aio_data: data }));
  return ctx;
}

interface Refusal {
  id: string;
  rule: string;
  title: string;
  ctx?: Word;
  min_nr?: Word;
  nr?: Word | ((f: Fixture) => Word);
  events?: Word;
  timeout?: Word;
  expect: ErrnoName | number;
}

/** Called on a context with two events. */
const CALLS: readonly Refusal[] = [
  {
    id: 'timeout-unmapped',
    rule: 'GET-01',
    title: 'an unmapped timeout',
    timeout: UNMAPPED,
    expect: 'EFAULT',
  },
  {
    id: 'timeout-kernel',
    rule: 'GET-01',
    title: 'a timeout in the kernel',
    timeout: KERNEL_ADDRESS,
    expect: 'EFAULT',
  },
  {
    id: 'timeout-before-context',
    rule: 'GET-01',
    title: 'an unmapped timeout wins over a bad context',
    timeout: UNMAPPED,
    ctx: 0,
    expect: 'EFAULT',
  },
  {
    id: 'timeout-before-nr',
    rule: 'GET-01',
    title: 'an unmapped timeout wins over a bad nr',
    timeout: UNMAPPED,
    nr: -1,
    expect: 'EFAULT',
  },
  { id: 'context-zero', rule: 'GET-01', title: 'context 0', ctx: 0, expect: 'EINVAL' },
  { id: 'context-minus-1', rule: 'GET-01', title: 'context -1', ctx: -1, expect: 'EINVAL' },
  { id: 'min-negative', rule: 'GET-01', title: 'min_nr below 0', min_nr: -1, expect: 'EINVAL' },
  { id: 'min-above-nr', rule: 'GET-01', title: 'min_nr above nr', min_nr: 2, nr: 1, expect: 'EINVAL' },
  { id: 'nr-negative', rule: 'GET-02', title: 'nr below 0', min_nr: 0, nr: -1, expect: 'EINVAL' },
  {
    id: 'nr-and-min-negative',
    rule: 'GET-02',
    title: 'nr and min_nr below 0',
    min_nr: -1,
    nr: -1,
    expect: 'EINVAL',
  },
  { id: 'nr-0', rule: 'GET-03', title: 'nr 0 with events ready', min_nr: 0, nr: 0, expect: 0 },
  { id: 'nr-0-null', rule: 'GET-03', title: 'nr 0 with events NULL', min_nr: 0, nr: 0, events: 0, expect: 0 },
  { id: 'min-0', rule: 'GET-04', title: 'min_nr 0 takes what is there', min_nr: 0, nr: 8, expect: 2 },
  { id: 'min-1', rule: 'GET-05', title: 'min_nr 1 takes up to nr', min_nr: 1, nr: 8, expect: 2 },
  { id: 'nr-1', rule: 'GET-05', title: 'and not more than nr', min_nr: 0, nr: 1, expect: 1 },
  {
    id: 'nr-long-max',
    rule: 'GET-23',
    title: 'nr of LONG_MAX',
    min_nr: 1,
    nr: (f) => f.longest,
    expect: 2,
  },
  { id: 'events-unmapped', rule: 'GET-13', title: 'an unmapped array', events: UNMAPPED, expect: 'EFAULT' },
  { id: 'events-null', rule: 'GET-13', title: 'a NULL array', events: 0, expect: 'EFAULT' },
  {
    id: 'events-kernel',
    rule: 'GET-13',
    title: 'an array in the kernel',
    events: KERNEL_ADDRESS,
    expect: 'EFAULT',
  },
];

/** Timeouts on a context where nothing comes. `atLeastMs` is a lower bound: nothing is asserted that a slow machine breaks. */
const TIMEOUTS: readonly { id: string; title: string; sec: Word; nsec: Word; atLeastMs: number }[] = [
  { id: 'zero', title: '{0, 0} does not wait', sec: 0, nsec: 0, atLeastMs: 0 },
  { id: '20-ms', title: '{0, 20 ms} expires with 0', sec: 0, nsec: TWENTY_MS, atLeastMs: 19 },
  { id: 'negative-nsec', title: '{1, -0.98 s} is 20 ms', sec: 1, nsec: -980_000_000, atLeastMs: 19 },
  { id: 'negative-sec', title: '{-1, 1.02 s} is 20 ms', sec: -1, nsec: 1_020_000_000, atLeastMs: 19 },
  { id: 'wraps-to-zero', title: '{INT64_MIN, 0} does not wait', sec: -(2n ** 63n), nsec: 0, atLeastMs: 0 },
];

export const ioGeteventsCases: readonly Case[] = [
  ...CALLS.map(
    ({ id, rule, title, expect, ...given }): Case => ({
      id: `io_getevents/${id}`,
      rule,
      title: `${title}: ${expect}`,
      run(fixture) {
        const ctx = withEvents(fixture, 2);
        const { kernel } = fixture;
        const events = given.events ?? fixture.bytes(8 * IO_EVENT_BYTES).address;
        const timeout = given.timeout ?? fixture.timespec(0, 0);
        const nr = typeof given.nr === 'function' ? given.nr(fixture) : (given.nr ?? 8);
        const answer = kernel.io_getevents(given.ctx ?? ctx, given.min_nr ?? 1, nr, events, timeout);
        if (typeof expect === 'number') return assert.equal(answer, expect);
        fixture.fails(answer, expect, 'io_getevents');
        assert.deepEqual(
          fixture.reap(ctx, 2).map(({ data }) => data),
          [1n, 2n],
          'the events stay',
        );
      },
    }),
  ),
  ...TIMEOUTS.map(
    ({ id, title, sec, nsec, atLeastMs }): Case => ({
      id: `io_getevents/timeout-${id}`,
      rule: atLeastMs === 0 ? 'GET-06 GET-08' : 'GET-06 GET-07 GET-08 GET-09',
      title,
      run(fixture) {
        const ctx = fixture.setup();
        const timeout = fixture.timespec(sec, nsec);
        const before = fixture.peek(timeout, 16);
        const started = performance.now();
        const answer = fixture.kernel.io_getevents(ctx, 1, 1, fixture.bytes(IO_EVENT_BYTES).address, timeout);
        assert.equal(answer, 0);
        if (fixture.kernel.supports.features['host-clock'] === true)
          assert.ok(performance.now() - started >= atLeastMs, 'it waited too short');
        assert.deepEqual(fixture.peek(timeout, 16), before, 'GET-09: never written back');
      },
    }),
  ),
  {
    id: 'io_getevents/min-0-never-waits',
    rule: 'GET-04',
    title: 'min_nr 0 with a NULL timeout and nothing ready returns 0',
    run(fixture) {
      assert.equal(
        fixture.kernel.io_getevents(fixture.setup(), 0, 4, fixture.bytes(4 * IO_EVENT_BYTES).address, 0),
        0,
      );
    },
  },
  {
    id: 'io_getevents/min-ready-negative-timeout',
    rule: 'GET-05 GET-08',
    title: 'events that are ready are returned whatever the timeout is',
    run(fixture) {
      const ctx = withEvents(fixture, 1);
      const timeout = fixture.timespec(-1, 0);
      assert.equal(fixture.kernel.io_getevents(ctx, 1, 1, fixture.bytes(IO_EVENT_BYTES).address, timeout), 1);
    },
  },
  {
    id: 'io_getevents/partial-on-timeout',
    rule: 'GET-06 GET-19',
    title: 'a timeout returns what was collected',
    run(fixture) {
      const ctx = withEvents(fixture, 2);
      const events = fixture.bytes(8 * IO_EVENT_BYTES).address;
      assert.equal(fixture.kernel.io_getevents(ctx, 5, 8, events, fixture.timespec(0, TWENTY_MS)), 2);
    },
  },
  {
    id: 'io_getevents/room-for-2-of-3',
    rule: 'GET-14',
    title: 'room for 2 of 3: EFAULT and all 3 stay',
    run(fixture) {
      const ctx = withEvents(fixture, 3);
      const events = fixture.pages('read-write', 'none') + fixture.page - 2 * IO_EVENT_BYTES;
      fixture.fails(fixture.kernel.io_getevents(ctx, 3, 3, events, 0), 'EFAULT', 'io_getevents');
      assert.equal(fixture.kernel.io_getevents(ctx, 2, 2, events, 0), 2);
      assert.equal(fixture.ready(ctx).length, 1);
    },
  },
  {
    id: 'io_getevents/events-read-only',
    rule: 'GET-13',
    title: 'a read-only array is EFAULT and the events stay',
    run(fixture) {
      const ctx = withEvents(fixture, 1);
      fixture.fails(
        fixture.kernel.io_getevents(ctx, 1, 1, fixture.pages('read'), 0),
        'EFAULT',
        'io_getevents',
      );
      assert.equal(fixture.ready(ctx).length, 1);
    },
  },
  {
    id: 'io_getevents/events-unused',
    rule: 'GET-16',
    title: 'a bad array is not touched when nothing is ready',
    run(fixture) {
      assert.equal(fixture.kernel.io_getevents(fixture.setup(), 0, 4, UNMAPPED, 0), 0);
    },
  },
  {
    id: 'io_getevents/larger-than-buffer',
    rule: 'GET-16',
    title: 'an nr larger than the buffer is harmless until used',
    run(fixture) {
      const ctx = withEvents(fixture, 1);
      const events = fixture.pages('read-write', 'none') + fixture.page - IO_EVENT_BYTES;
      assert.equal(fixture.kernel.io_getevents(ctx, 1, 1000, events, 0), 1);
    },
  },
  {
    id: 'io_getevents/order-through-wrap',
    rule: 'GET-17',
    title: 'events come in order of completion, also through the wrap of the ring',
    run(fixture) {
      const ctx = fixture.setup(1);
      const { nr } = fixture.ring(ctx);
      let data = 0;
      let seen = 0;
      while (seen < 3 * nr) {
        for (let count = 0; count < 7; count++) {
          fixture.accepted(ctx, fixture.instant({ aio_data: data++ }));
        }
        for (const event of fixture.ready(ctx)) assert.equal(Number(event.data), seen++);
      }
    },
  },
  {
    id: 'io_getevents/aliases-timeout',
    rule: 'GET-23',
    title: 'an events array that lies over the timeout is fine: it was read before',
    run(fixture) {
      const ctx = withEvents(fixture, 1);
      const { bytes, address } = fixture.bytes(IO_EVENT_BYTES);
      assert.equal(fixture.kernel.io_getevents(ctx, 1, 1, address, address), 1);
      assert.equal(decodeIoEvent(dataView(bytes)).data, 1n);
    },
  },
];
