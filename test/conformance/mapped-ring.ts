/** The ring in memory: what a reader or writer in user space sees and may do. */
import assert from 'node:assert/strict';
import { AIO_RING_HEADER_BYTES, IO_EVENT_BYTES } from '../../src/common/abi/layout.ts';
import { dataView, decodeIoEvent } from '../../src/common/abi/structs.ts';
import type { Case } from './case.ts';
import { type Fixture, UNMAPPED } from './fixture.ts';

/** A context with `count` events, data 1 to `count`. */
function withEvents(fixture: Fixture, count: number): number {
  const ctx = fixture.setup(8);
  for (let data = 1; data <= count; data++) fixture.accepted(ctx, fixture.instant({ aio_data: data }));
  return ctx;
}

const data = (fixture: Fixture, ctx: number): number[] =>
  fixture.ready(ctx, 256).map((event) => Number(event.data));

export const mappedRingCases: readonly Case[] = [
  {
    id: 'ring/cells',
    rule: 'RING-01 RING-02',
    title: 'events lie in the cells from head to tail, and io_getevents moves head',
    run(fixture) {
      const ctx = withEvents(fixture, 3);
      assert.deepEqual([fixture.ring(ctx).head, fixture.ring(ctx).tail], [0, 3]);
      const cell = fixture.peek(ctx + AIO_RING_HEADER_BYTES + IO_EVENT_BYTES, IO_EVENT_BYTES);
      assert.equal(decodeIoEvent(dataView(cell)).data, 2n);
      assert.equal(fixture.ready(ctx, 2).length, 2);
      assert.deepEqual([fixture.ring(ctx).head, fixture.ring(ctx).tail], [2, 3]);
    },
  },
  {
    id: 'ring/reaped-in-user-space',
    rule: 'RING-02',
    title: 'io_getevents goes on where a reader in user space stopped',
    run(fixture) {
      const ctx = withEvents(fixture, 3);
      fixture.setRing(ctx, 'head', 2);
      assert.deepEqual(data(fixture, ctx), [3]);
    },
  },
  {
    id: 'ring/mapped-reader',
    rule: 'RING-02 GET-17',
    title: 'the mapped reader hands out the same events in the same order',
    requires: ['mapped-ring'],
    run(fixture) {
      const ctx = withEvents(fixture, 3);
      const ring = fixture.kernel.mapRing(ctx);
      const seen: number[][] = [];
      assert.equal(
        ring!.reap(2, (...event) => seen.push(event)),
        2,
      );
      assert.deepEqual(seen, [
        [1, 0, 1],
        [2, 0, 1],
      ]);
      assert.deepEqual(data(fixture, ctx), [3]);
      assert.equal(ring!.ready, 0);
    },
  },
  {
    id: 'ring/head-back',
    rule: 'RING-03 RING-17',
    title: 'a head moved back hands out the old events again',
    run(fixture) {
      const ctx = withEvents(fixture, 3);
      assert.deepEqual(data(fixture, ctx), [1, 2, 3]);
      fixture.setRing(ctx, 'head', 1);
      assert.deepEqual(data(fixture, ctx), [2, 3]);
    },
  },
  {
    id: 'ring/head-past-tail',
    rule: 'RING-04',
    title: 'a head moved past the tail hands out the rest of the ring',
    run(fixture) {
      const ctx = withEvents(fixture, 1);
      const { nr } = fixture.ring(ctx);
      fixture.setRing(ctx, 'head', 3);
      assert.equal(fixture.ready(ctx, nr).length, nr - 2);
    },
  },
  {
    id: 'ring/head-beyond-nr',
    rule: 'RING-05',
    title: 'a head of nr is taken as 0 and written back',
    run(fixture) {
      const ctx = fixture.setup(1);
      fixture.setRing(ctx, 'head', fixture.ring(ctx).nr);
      assert.equal(fixture.ready(ctx).length, 0);
      assert.equal(fixture.ring(ctx).head, 0);
    },
  },
  {
    id: 'ring/tail-written',
    rule: 'RING-06',
    title: 'a tail written by the user is believed until the next completion',
    run(fixture) {
      const ctx = withEvents(fixture, 2);
      fixture.setRing(ctx, 'tail', 1);
      assert.deepEqual(data(fixture, ctx), [1]);
      fixture.accepted(ctx, fixture.instant({ aio_data: 3 }));
      assert.equal(fixture.ring(ctx).tail, 3);
      assert.deepEqual(data(fixture, ctx), [2, 3]);
    },
  },
  {
    id: 'ring/cell-altered',
    rule: 'RING-07',
    title: 'an altered cell is delivered as it is',
    run(fixture) {
      const ctx = withEvents(fixture, 1);
      fixture.pokeWord(ctx + AIO_RING_HEADER_BYTES, 77);
      assert.deepEqual(data(fixture, ctx), [77]);
    },
  },
  ...(['nr', 'magic', 'compat_features'] as const).map(
    (word): Case => ({
      id: `ring/${word}-altered`,
      rule: 'RING-08',
      title: `the kernel does not care about ${word}`,
      run(fixture) {
        const ctx = withEvents(fixture, 2);
        fixture.setRing(ctx, word, 5);
        assert.deepEqual(data(fixture, ctx), [1, 2]);
      },
    }),
  ),
  {
    id: 'ring/id-altered',
    rule: 'RING-09',
    title: 'an altered id makes every call EINVAL until it is restored',
    run(fixture) {
      const ctx = withEvents(fixture, 1);
      const { id } = fixture.ring(ctx);
      const { kernel } = fixture;
      fixture.setRing(ctx, 'id', 12345);
      fixture.fails(kernel.io_submit(ctx, 0, 0), 'EINVAL', 'io_submit');
      fixture.fails(kernel.io_getevents(ctx, 0, 1, UNMAPPED, 0), 'EINVAL', 'io_getevents');
      fixture.fails(kernel.io_destroy(ctx), 'EINVAL', 'io_destroy');
      fixture.setRing(ctx, 'id', id);
      assert.deepEqual(data(fixture, ctx), [1]);
    },
  },
  {
    id: 'ring/fake-header',
    rule: 'RING-10',
    title: 'the same id in a header elsewhere is EINVAL',
    run(fixture) {
      const ctx = fixture.setup();
      const fake = fixture.pages('read-write');
      fixture.poke(fake, fixture.peek(ctx, AIO_RING_HEADER_BYTES));
      fixture.fails(fixture.kernel.io_submit(fake, 0, 0), 'EINVAL', 'io_submit');
    },
  },
  {
    id: 'ring/read-only',
    rule: 'RING-11',
    title: 'a read-only ring works',
    requires: ['ring-protection'],
    run(fixture) {
      const ctx = withEvents(fixture, 2);
      assert.equal(fixture.kernel.memory.mprotect(ctx, fixture.page, 'read'), 0);
      assert.deepEqual(data(fixture, ctx), [1, 2]);
    },
  },
  {
    id: 'ring/unreadable',
    rule: 'RING-11',
    title: 'a ring that can not be read makes every call EINVAL until it can',
    requires: ['ring-protection', 'kernel-obeys-protection'],
    run(fixture) {
      const ctx = withEvents(fixture, 1);
      const { memory } = fixture.kernel;
      assert.equal(memory.mprotect(ctx, fixture.page, 'none'), 0);
      fixture.fails(fixture.kernel.io_submit(ctx, 0, 0), 'EINVAL', 'io_submit');
      fixture.fails(fixture.kernel.io_destroy(ctx), 'EINVAL', 'io_destroy');
      assert.equal(memory.mprotect(ctx, fixture.page, 'read-write'), 0);
      assert.deepEqual(data(fixture, ctx), [1]);
    },
  },
];
