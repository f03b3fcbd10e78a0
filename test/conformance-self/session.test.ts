/** Whatever a kernel does, the suite ends, and says in which case. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, it } from 'vitest';
import { ALL_CASES, ConformanceSession, EnvironmentBroken, selectCases } from '../conformance/index.ts';

const module = new URL('../../dist/test/support/hanging-kernel.js', import.meta.url);
/** For cases that hang. */
const HANGS_MS = 3000;
/** For others: they take milliseconds, but a loaded machine may not get to them. */
const DEADLINE_MS = 60_000;

function session(
  options: string,
  { isolated, deadlineMs = DEADLINE_MS }: { isolated?: boolean; deadlineMs?: number | undefined } = {},
): ConformanceSession {
  return new ConformanceSession({
    module,
    options,
    directory: tmpdir(),
    deadlineMs,
    isolated: isolated === true,
  });
}

function named(id: string): (typeof ALL_CASES)[number] {
  return ALL_CASES.find((one) => one.id === id)!;
}

const SETUP = named('io_setup/nr-0');
const WAITS = named('transfer/fsync');
const POLLS = named('ring/head-reduced-when-empty');

describe.concurrent('a kernel whose', () => {
  for (const { fault, one, detail, deadlineMs } of [
    {
      fault: 'io_getevents never returns',
      one: WAITS,
      detail: /^not over after 3 s: some call does not return$/,
      deadlineMs: HANGS_MS,
    },
    {
      fault: 'io_getevents waits for events that were to be polled for',
      one: POLLS,
      detail: /^not over after/,
      deadlineMs: HANGS_MS,
    },
    {
      fault: 'io_destroy never ends',
      one: WAITS,
      detail: /^not over after/,
      deadlineMs: HANGS_MS,
    },
    {
      fault: 'io_cancel crashes',
      one: named('io_cancel/poll'),
      detail: /^the process that ran the case ended with SIG(?:ABRT|SEGV)/,
    },
    {
      fault: 'io_setup ends the process',
      one: WAITS,
      detail: /^the process that ran the case ended with exit code 3/,
    },
  ]) {
    it(`${fault} fails the case, and the next one runs`, async () => {
      await using asked = session(fault, { deadlineMs });
      const { outcome, id, detail: told } = await asked.run(one);
      assert.equal(outcome, 'failed');
      assert.equal(id, one.id);
      assert.match(told!, detail);
      const next = fault.startsWith('io_setup') ? 'failed' : 'passed';
      assert.equal((await asked.run(SETUP)).outcome, next);
    });
  }
});

describe.concurrent('a session', () => {
  it('says why there is no kernel', async () => {
    await using asked = session('no kernel at all');
    const broken = new EnvironmentBroken('there is no such kernel here');
    await assert.rejects(asked.identity(), broken);
    await assert.rejects(asked.run(SETUP), broken);
  });

  it('says why there is no module', async () => {
    const missing = new ConformanceSession({ module: 'file:///nonexistent.js', directory: tmpdir() });
    await assert.rejects(missing.identity(), /Cannot find module/);
  });

  it('runs each case in a process of its own, in an order by seed, with the same outcomes', async () => {
    const rule = 'SETUP-07';
    await using alone = session('none', { isolated: true });
    await using together = session('none');
    const [shuffled, ordered] = await Promise.all([
      alone.runAll({ rule, order: 42 }),
      together.runAll({ rule }),
    ]);
    assert.notDeepEqual(
      shuffled.cases.map(({ id }) => id),
      ordered.cases.map(({ id }) => id),
    );
    const byId = (a: { id: string }, b: { id: string }): number => a.id.localeCompare(b.id);
    assert.deepEqual([...shuffled.cases].sort(byId), [...ordered.cases].sort(byId));
    assert.equal(shuffled.passed, shuffled.cases.length);
  });

  // Three whole suites at once.
  it('runs everything in orders that the seed alone decides', { timeout: 600_000 }, async () => {
    const ids = (order: number): string[] => selectCases({ order }).map(({ id }) => id);
    assert.deepEqual(ids(1), ids(1));
    assert.notDeepEqual(ids(1), ids(2));
    assert.deepEqual(ids(1).sort(), ALL_CASES.map(({ id }) => id).sort());
    const runAll = async (order: number): Promise<void> => {
      await using asked = session('none');
      const { failed, broken, passed } = await asked.runAll({ order });
      assert.deepEqual({ failed, broken }, { failed: 0, broken: 0 }, `--order ${order}`);
      assert.ok(passed > 300);
    };
    await Promise.all([1, 2, 3].map(runAll));
  });
});
