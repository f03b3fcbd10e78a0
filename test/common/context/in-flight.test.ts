import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import { IOCB_CMD_PREAD } from '../../../src/common/abi/constants.ts';
import { InFlight } from '../../../src/common/context/in-flight.ts';
import { Operation } from '../../../src/common/context/operation.ts';
import { Counters } from '../../../src/common/context/stats.ts';
import type { AioRing, EventSink } from '../../../src/common/kernel/mapped-ring.ts';
import { emulatedKernel } from '../../../src/emulated/index.ts';

class Ring implements AioRing {
  readonly events: [data: number, res: number][] = [];

  get ready(): number {
    return this.events.length;
  }

  reap(_max: number, sink: EventSink): number {
    const events = this.events.splice(0);
    for (const [data, res] of events) sink(data >>> 0, Math.floor(data / 2 ** 32), res);
    return events.length;
  }

  detach(): void {}
}

class Told extends Operation {
  readonly tell: (res: number) => void;

  constructor(tell: (res: number) => void) {
    super('pread', IOCB_CMD_PREAD, 0, 0, 0, 0, 0, undefined, undefined, undefined);
    this.tell = tell;
  }

  override complete(res: number): void {
    super.complete(res);
    this.tell(res);
  }
}

function make(capacity: number): { ring: Ring; inFlight: InFlight } {
  const ring = new Ring();
  return { ring, inFlight: new InFlight(emulatedKernel(), ring, capacity, new Counters(false), () => {}) };
}

describe('what is in flight', () => {
  it('leaves its slot before anybody is told', () => {
    const { ring, inFlight } = make(2);
    const seen: number[] = [];
    const operations = [1, 2].map(() => new Told(() => seen.push(inFlight.count)));
    for (const operation of operations) ring.events.push([inFlight.put(operation), 5]);
    assert.deepEqual([inFlight.count, inFlight.hasRoom], [2, false]);
    assert.equal(inFlight.collect(), 2);
    assert.deepEqual([inFlight.count, inFlight.hasEnded, seen.length], [0, true, 0]);
    inFlight.settle();
    assert.deepEqual([seen, inFlight.hasEnded], [[0, 0], false]);
  });

  it('is all told although one throws, and that is thrown in the end', async () => {
    const { ring, inFlight } = make(3);
    const told: number[] = [];
    const operations = [0, 1, 2].map(
      (index) =>
        new Told((res) => {
          told.push(res);
          if (index === 0) throw new Error('on purpose');
        }),
    );
    operations.forEach((operation, index) => {
      ring.events.push([inFlight.put(operation), index]);
    });
    inFlight.collect();
    assert.throws(() => inFlight.settle(), /on purpose/);
    assert.deepEqual(told, [0, 1, 2]);
    assert.deepEqual(await Promise.all(operations.map(({ promise }) => promise)), [0, 1, 2]);
  });

  it('is told once to each when somebody comes back from inside', () => {
    const { ring, inFlight } = make(3);
    const told: number[] = [];
    const operations = [0, 1, 2].map(
      (index) =>
        new Told(() => {
          told.push(index);
          inFlight.settle();
        }),
    );
    for (const operation of operations) ring.events.push([inFlight.put(operation), 1]);
    inFlight.collect();
    inFlight.settle();
    assert.deepEqual(told, [0, 1, 2]);
    assert.equal(inFlight.hasEnded, false);
  });

  it('is told a few at a time, in order, also when somebody comes back from inside', () => {
    const { ring, inFlight } = make(5);
    const told: number[] = [];
    const operations = [0, 1, 2, 3, 4].map(
      (index) =>
        new Told(() => {
          told.push(index);
          if (index === 3) inFlight.settle(1);
        }),
    );
    for (const operation of operations) ring.events.push([inFlight.put(operation), 1]);
    inFlight.collect();
    inFlight.settle(2);
    assert.deepEqual([told, inFlight.untold], [[0, 1], 3]);
    // Another one ends meanwhile.
    const last = new Told(() => told.push(5));
    ring.events.push([inFlight.put(last), 1]);
    inFlight.collect();
    inFlight.settle(1);
    assert.deepEqual([told, inFlight.untold], [[0, 1, 2], 3]);
    inFlight.settle(2);
    assert.deepEqual([told, inFlight.untold, inFlight.hasEnded], [[0, 1, 2, 3, 4, 5], 0, false]);
  });

  it('knows an event of an earlier request of the same slot', () => {
    const { ring, inFlight } = make(1);
    const first = inFlight.put(new Told(() => {}));
    inFlight.take(0);
    inFlight.put(new Told(() => {}));
    ring.events.push([first, 1]);
    assert.throws(() => inFlight.collect(), /not in flight/);
  });
});
