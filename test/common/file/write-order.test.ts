import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { it } from 'vitest';
import { type Stretch, type Way, WriteOrder } from '../../../src/common/file/write-order.ts';

const MIB = 1 << 20;

function course(order: WriteOrder, log: string[]) {
  return async (name: string, way: Way, from: number, to: number, signal?: AbortSignal): Promise<void> => {
    const stretch = { way, from, to };
    await order.begin(stretch, signal);
    log.push(`+${name}`);
    await setImmediate();
    log.push(`-${name}`);
    order.end(stretch);
  };
}

it('lets writes of one way go together, and those of two take turns where they meet, first come, first served', async () => {
  const log: string[] = [];
  const write = course(new WriteOrder(), log);
  await Promise.all([
    write('d1', 'direct', 0, 512),
    write('d2', 'direct', 512, 1024),
    write('c1', 'cached', 100, 101),
    write('far', 'cached', 8 * MIB, 9 * MIB),
    write('c2', 'cached', 5, 6),
    write('d3', 'direct', 0, 512),
  ]);
  assert.deepEqual(log.slice(0, 3), ['+d1', '+d2', '+far']);
  const here = log.filter((line) => !line.endsWith('far'));
  assert.deepEqual(here, ['+d1', '+d2', '-d1', '-d2', '+c1', '+c2', '-c1', '-c2', '+d3', '-d3']);
});

it('lets nobody come between the calls of a write that is alone', async () => {
  const log: string[] = [];
  const write = course(new WriteOrder(), log);
  await Promise.all([
    write('a', 'alone', 0, 10_000),
    write('b', 'alone', 5000, 6000),
    write('c', 'cached', 9999, 10_005),
    write('d', 'direct', 4 * MIB, 5 * MIB),
  ]);
  assert.deepEqual(log.slice(0, 2), ['+a', '+d']);
  const here = log.filter((line) => !line.endsWith('d'));
  assert.deepEqual(here, ['+a', '-a', '+b', '-b', '+c', '-c']);
});

it('a signal ends the waiting, and those behind it go on', async () => {
  const log: string[] = [];
  const write = course(new WriteOrder(), log);
  const abort = new AbortController();
  const first = write('first', 'direct', 0, 512);
  const given = write('given up', 'cached', 0, 5, abort.signal);
  const behind = write('behind', 'direct', 0, 512);
  abort.abort();
  await assert.rejects(given, { name: 'AbortError' });
  await Promise.all([first, behind]);
  assert.deepEqual(log, ['+first', '+behind', '-first', '-behind']);
  await assert.rejects(write('never', 'cached', 0, 5, abort.signal), { code: 'ABORT_ERR' });
});

it('nobody ever meets whom it must not, and everybody has a turn', async () => {
  const stretches = fc.array(
    fc.record({
      way: fc.constantFrom<Way>('direct', 'cached', 'alone'),
      from: fc.integer({ min: 0, max: 12 }),
      length: fc.integer({ min: 1, max: 6 }),
      turns: fc.integer({ min: 0, max: 4 }),
      aborted: fc.boolean(),
    }),
    { maxLength: 24 },
  );
  const meet = (one: Stretch, other: Stretch): boolean =>
    (one.way !== other.way || one.way === 'alone') && one.from < other.to && other.from < one.to;
  await fc.assert(
    fc.asyncProperty(stretches, async (writes) => {
      const order = new WriteOrder();
      const underWay = new Set<Stretch>();
      let ended = 0;
      await Promise.all(
        writes.map(async ({ way, from, length, turns, aborted }) => {
          const stretch = { way, from: from * MIB, to: (from + length) * MIB };
          const abort = new AbortController();
          const begun = order.begin(stretch, aborted ? abort.signal : undefined);
          if (aborted) void setImmediate().then(() => abort.abort());
          try {
            await begun;
          } catch {
            assert.ok(aborted);
            ended++;
            return;
          }
          for (const other of underWay) assert.ok(!meet(stretch, other));
          underWay.add(stretch);
          for (let turn = 0; turn < turns; turn++) await setImmediate();
          underWay.delete(stretch);
          order.end(stretch);
          ended++;
        }),
      );
      assert.equal(ended, writes.length);
      assert.ok(order.tryBegin({ way: 'alone', from: 0, to: Number.MAX_SAFE_INTEGER }));
    }),
    { numRuns: 200 },
  );
});
