/** The parts of `kaio bench` that numbers depend on. */
import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import { check, FRESH, stamp, UNIT_BYTES } from '../../bench/blocks.ts';
import { type Case, caseTitle, type EngineName, type Measurement, mixWrites } from '../../bench/job.ts';
import { lossesOf } from '../../bench/losses.ts';
import { blockOrder } from '../../bench/order.ts';
import { Phase, type PhaseOptions } from '../../bench/phase.ts';
import { makePlan, takesPart } from '../../bench/plan.ts';
import { rowsOf, type Turn } from '../../bench/report.ts';
import { median, spread } from '../../bench/statistics.ts';
import { totalOf } from '../../bench/system-calls.ts';
import {
  judge,
  STORAGE_CASES,
  STORAGE_TARGETS,
  TARGETS,
  type Target,
  targetCases,
} from '../../bench/targets.ts';

const CASE: Case = { rw: 'randread', mode: 'direct', blockSize: 4096, queueDepth: 2 };

describe('blocks', () => {
  const stamped = (position: number, generation = FRESH): Buffer => {
    const block = Buffer.alloc(4 * UNIT_BYTES);
    stamp(block, position, generation);
    return block;
  };

  it('are accepted where they belong, also far beyond 4 GiB', () => {
    for (const position of [0, 2048, 2 ** 33, 2 ** 52]) check(stamped(position), position, FRESH);
  });

  it('are refused elsewhere, of another generation, and with any byte changed', () => {
    assert.throws(() => check(stamped(2048), 4096, FRESH), /at 4096 is what belongs at 2048/);
    assert.throws(() => check(stamped(2048, 1), 2048, 2), /what was written there before/);
    for (let at = 0; at < 4 * UNIT_BYTES; at++) {
      const block = stamped(2048);
      block[at]! ^= 1;
      assert.throws(() => check(block, 2048, FRESH), /wrong data/);
    }
  });
});

describe('the order of blocks', () => {
  it('has each block once, shuffled by the seed alone', () => {
    const order = blockOrder(1000, true, 7);
    assert.deepEqual(
      [...order].sort((a, b) => a - b),
      [...blockOrder(1000, false, 7)],
    );
    assert.notDeepEqual(order, blockOrder(1000, false, 7));
    assert.deepEqual(order, blockOrder(1000, true, 7));
    assert.notDeepEqual(order, blockOrder(1000, true, 8));
  });
});

describe('a phase', () => {
  const block = Buffer.alloc(4096);
  const options: PhaseOptions = {
    order: Uint32Array.of(3, 1, 2),
    blockSize: 4096,
    queueDepth: 1,
    length: { ms: 60_000, operations: 5 },
    once: false,
    timed: false,
    verify: undefined,
    generation: FRESH,
  };
  const run = (phase: Phase): number[] => {
    const positions: number[] = [];
    phase.begin();
    for (let at = phase.take(0, block); at >= 0; at = phase.take(0, block)) {
      positions.push(at / 4096);
      phase.end(0, block, 4096);
    }
    return positions;
  };

  it('finds a block that was written and should only be read', () => {
    const read = [0, 1, 2, 3, 4, 5, 6, 7].find((number) => !mixWrites(number))!;
    const mixed = { verify: 'mixed', generation: 1, order: Uint32Array.of(read), queueDepth: 1 } as const;
    const phase = new Phase({ ...options, ...mixed });
    phase.begin();
    const position = phase.take(0, block);
    stamp(block, position, 1);
    assert.throws(() => phase.end(0, block, block.length), /what was written there before/);
  });

  it('gives out as many as it should, beginning again at the end of the order', () => {
    const phase = new Phase(options);
    assert.deepEqual(run(phase), [3, 1, 2, 3, 1]);
    assert.equal(phase.completed, 5);
    assert.equal(phase.samples.length, 0);
  });

  it('ends with the order where nothing may be read twice', () => {
    assert.deepEqual(run(new Phase({ ...options, once: true })), [3, 1, 2]);
  });

  it('ends when its time is over', () => {
    assert.deepEqual(run(new Phase({ ...options, length: { ms: 0, operations: 5 } })), []);
  });

  it('times each transfer', () => {
    const phase = new Phase({ ...options, timed: true });
    run(phase);
    assert.equal(phase.samples.length, 5);
    assert.ok(phase.samples.every((ms) => ms >= 0));
  });

  it('does not count a transfer that is not whole, or brings the wrong data', () => {
    const phase = new Phase({ ...options, verify: 'check' });
    phase.begin();
    phase.take(0, block);
    assert.throws(() => phase.end(0, block, 512), /4096 bytes ended after 512/);
    assert.throws(() => phase.end(0, block, 4096), /wrong data/);
    assert.equal(phase.completed, 0);
  });
});

describe('statistics', () => {
  it('are of the numbers given', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 2, 3]), 2.5);
    assert.deepEqual(spread([3, 1, 2]), { median: 2, low: 1, high: 3 });
    assert.equal(spread([]), undefined);
  });
});

function turn(round: number, iops: number, loopDelayMaxMs: number | null = null): Turn {
  const measurement: Measurement = {
    operations: iops,
    seconds: 1,
    cpuSeconds: iops / 1e6,
    percentilesUs: null,
    loopDelayMaxMs,
    maxRssBytes: null,
    verifiedBlocks: 0,
  };
  return { round, measurement };
}

describe('rows', () => {
  it('compare within rounds, and only rounds that both have', () => {
    const turns = new Map<EngineName, Turn[]>([
      ['c', [turn(0, 100), turn(1, 1000), turn(2, 100)]],
      ['context', [turn(0, 90), turn(1, 800)]],
      ['file', []],
    ]);
    const rows = rowsOf(CASE, turns, 3);
    assert.deepEqual(
      rows.map(({ engine }) => engine),
      ['c', 'context'],
    );
    const [, context] = rows;
    assert.equal(context!.ratioToFloor, (0.9 + 0.8) / 2);
    assert.equal(context!.ratioLow, 0.8);
    assert.deepEqual(context!.iopsByRound, [90, 800, null]);
    assert.ok(Math.abs(context!.cpuSecondsPerMillion - 1) < 1e-9);
  });

  it('have no ratio without a floor', () => {
    const [row] = rowsOf(CASE, new Map([['context', [turn(0, 90)]]]), 1);
    assert.equal(row!.ratioToFloor, null);
  });
});

describe('targets', () => {
  const target: Target = { of: 'context', to: 'c', value: 'iops', case: CASE, bound: 0.85, must: 'at least' };
  const rows = rowsOf(
    CASE,
    new Map<EngineName, Turn[]>([
      ['c', [turn(0, 100, 4)]],
      ['context', [turn(0, 90, 6)]],
    ]),
    1,
  );

  it('are reached or missed by the median', () => {
    assert.equal(judge(target, rows).met, true);
    assert.equal(judge({ ...target, bound: 0.95 }, rows).met, false);
    const delay = judge({ ...target, value: 'loopDelayMaxMs', bound: 1, must: 'at most' }, rows);
    assert.deepEqual([delay.met, delay.reached], [false, 1.5]);
  });

  it('compare 99th percentiles, and tell of the programs beside', () => {
    const slow = rows.map((row) => ({ ...row, p99Us: row.engine === 'c' ? 10 : 15 }));
    const { met, reached, measure } = judge(
      { ...target, value: 'p99Us', bound: 1, must: 'at most' },
      slow,
      2,
    );
    assert.deepEqual([met, reached], [false, 1.5]);
    assert.match(measure, /^context \/ c: 99th percentile, .*, 2 busy programs beside$/);
  });

  it('say who was left out', () => {
    const { met, reason } = judge({ ...target, to: 'fio-libaio' }, rows);
    assert.deepEqual([met, reason], [false, 'fio-libaio was left out']);
  });

  it('are measured in cases that have both engines', () => {
    const all = [...TARGETS, ...STORAGE_TARGETS];
    for (const { of, to, case: one } of all) {
      const found = targetCases(all).filter(
        ({ rw, mode, blockSize, queueDepth }) =>
          rw === one.rw && mode === one.mode && blockSize === one.blockSize && queueDepth === one.queueDepth,
      );
      assert.equal(found.length, 1);
      assert.ok(found[0]!.engines.includes(of) && found[0]!.engines.includes(to));
    }
  });
});

describe('what storage engines do', () => {
  it('is measured by those that can, each case once', () => {
    const cases = [...targetCases([...TARGETS, ...STORAGE_TARGETS]), ...STORAGE_CASES];
    assert.equal(new Set(cases.map(caseTitle)).size, cases.length);
    for (const one of cases) for (const engine of one.engines) assert.ok(takesPart(engine, one), engine);
  });

  it('leaves out files that are opened cold, and who opens none', () => {
    const { plan, left } = makePlan('quick', { rw: ['open'], mode: ['cached', 'cold'], queueDepth: [1] });
    assert.match(left.join('\n'), /^cold files to open are left out/);
    assert.equal(plan.cases.length, 1);
    assert.ok(plan.cases[0]!.engines.includes('c') && plan.cases[0]!.engines.includes('file'));
    for (const engine of plan.cases[0]!.engines) assert.doesNotMatch(engine, /context|calls|fio|^emulation$/);
  });
});

describe('a mix', () => {
  it('writes three of ten blocks, wherever they are', () => {
    for (const from of [0, 1000, 2 ** 24]) {
      const written = Array.from({ length: 1000 }, (_, index) => from + index).filter(mixWrites).length;
      assert.ok(Math.abs(written - 300) < 20, String(written));
    }
  });
});

describe('losses', () => {
  it('are told of rates and of 99th percentiles, the worst first, and of nobody but kaio', () => {
    const rows = rowsOf(
      CASE,
      new Map<EngineName, Turn[]>([
        ['c', [turn(0, 1000)]],
        ['file', [turn(0, 50), turn(1, 60)]],
        ['context', [turn(0, 150)]],
        ['fs.promises', [turn(0, 100), turn(1, 100)]],
      ]),
      2,
    ).map((row) => ({ ...row, p99Us: row.engine === 'file' ? 40 : row.engine === 'context' ? 20 : 10 }));
    assert.deepEqual(
      lossesOf(rows).map(({ engine, peer, measure, part }) => [engine, peer, measure, part]),
      [
        ['file', 'fs.promises', '99th percentile', 0.25],
        ['context', 'fs.promises', '99th percentile', 0.5],
        ['file', 'fs.promises', 'rate', 0.55],
      ],
    );
  });
});

describe('a plan', () => {
  it('tells what makes no sense and keeps the rest', () => {
    const { plan, left } = makePlan('quick', {
      rw: ['read', 'write'],
      mode: ['cold'],
      blockSize: [4096, 1 << 30],
    });
    assert.deepEqual(
      plan.cases.map(({ rw, blockSize, queueDepth }) => [rw, blockSize, queueDepth]),
      [
        ['read', 4096, 1],
        ['read', 4096, 32],
      ],
    );
    assert.match(left.join('\n'), /1024 MiB are left out: larger than the file/);
    assert.match(left.join('\n'), /cold writes are left out/);
  });

  it('has the synchronous calls at depth 1 alone', () => {
    const { plan } = makePlan('quick', {});
    for (const { queueDepth, engines } of plan.cases)
      assert.equal(engines.includes('fs.sync'), queueDepth === 1);
  });
});

describe("strace's summary", () => {
  it('is read', () => {
    const summary =
      '    calls syscall\n--------- ----------------\n       12 read\n      340 io_submit\n--------- ----------------\n      352 total\n';
    assert.equal(totalOf(summary), 352);
    assert.throws(() => totalOf(''), /no total/);
  });
});
