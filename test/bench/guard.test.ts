/** The regression guard, on reports that are made up. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { type Baseline, guardedCases } from '../../bench/guard.ts';
import { type BenchReport, type EngineName, FLOOR } from '../../bench/index.ts';
import { CLI, type Ended, run } from '../support/kaio.ts';

const root = join(dirname(CLI), '../../..');
const directory = mkdtempSync(join(tmpdir(), 'kaio-guard-'));
const saved = JSON.parse(readFileSync(join(root, 'docs/performance.json'), 'utf8')) as BenchReport;
const baseline = join(directory, 'baseline.json');

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The saved report with the ratios of one engine changed. */
function reportWith(engine: EngineName, factor: number): string {
  const rows = saved.rows.map((row) =>
    row.engine === engine && row.ratioToFloor !== null
      ? { ...row, ratioToFloor: row.ratioToFloor * factor }
      : row,
  );
  const path = join(directory, 'report.json');
  writeFileSync(path, JSON.stringify({ ...saved, rows }));
  return path;
}

function guard(...args: readonly string[]): Ended {
  return run(process.execPath, [
    join(root, 'dist/scripts/checks/bench-guard.js'),
    '--baseline',
    baseline,
    ...args,
  ]);
}

describe('the regression guard', () => {
  it('stores ratios, and tells which have fallen by more than a tenth', () => {
    assert.match(guard('--update', '--report', reportWith('context', 1)).stdout, /^\d+ ratios are stored/);
    const { ratios } = JSON.parse(readFileSync(baseline, 'utf8')) as Baseline;
    const own = ratios.filter(({ engine }) => engine === 'context').length;
    assert.ok(own > 0);
    for (const [factor, fallen] of [
      [1, 0],
      [0.92, 0],
      [0.88, own],
      [1.5, 0],
    ] as const) {
      const report = reportWith('context', factor);
      const { status, stdout } = guard('--report', report);
      assert.equal(stdout.match(/^fallen/gm)?.length ?? 0, fallen);
      assert.match(stdout, new RegExp(`^${fallen} of ${ratios.length} ratios have fallen since`, 'm'));
      assert.equal(status, 0);
      assert.equal(guard('--report', report, '--strict').status, fallen === 0 ? 0 : 1);
    }
  });

  it('measures the floor and what is guarded, and nothing else', () => {
    for (const { engines } of guardedCases()) {
      assert.ok(engines.includes(FLOOR) && engines.length > 1);
      assert.ok(!engines.some((engine) => /fs|fio/.test(engine)));
    }
  });
});
