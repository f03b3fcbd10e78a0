/**
 * Tells when a change makes kaio slower beside the floor: ratios of now against those in `bench/baseline.json`.
 *
 *     npm run bench:guard                   measures, and tells what has fallen by more than a tenth
 *     npm run bench:guard -- --strict       the same, and ends with code 1 if anything has
 *     npm run bench:guard -- --update       measures, and stores what it found
 *     npm run bench:guard -- --report FILE  takes a saved report of kaio bench instead of measuring
 *
 * Ratios are of this machine: on another one, store a baseline of the old code first.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type Baseline,
  baselineOf,
  compareWithBaseline,
  comparisonLine,
  guardedCases,
} from '../../bench/guard.ts';
import {
  type BenchReport,
  failureLine,
  makePlan,
  readReport,
  runBench,
  TARGET_CHOICE,
} from '../../bench/index.ts';
import { packageRoot } from '../package-root.ts';

const { values } = parseArgs({
  options: {
    strict: { type: 'boolean', default: false },
    update: { type: 'boolean', default: false },
    report: { type: 'string' },
    baseline: { type: 'string', default: join(packageRoot(), 'bench', 'baseline.json') },
    rounds: { type: 'string' },
    directory: { type: 'string', default: tmpdir() },
  },
});

async function measure(): Promise<BenchReport> {
  if (values.report !== undefined) return readReport(values.report);
  const rounds = values.rounds === undefined ? {} : { rounds: Number(values.rounds) };
  const { plan } = makePlan('quick', { ...TARGET_CHOICE, ...rounds });
  return runBench({
    plan: { ...plan, cases: guardedCases() },
    directory: values.directory,
    command: 'npm run bench:guard -- --update',
    onFailure: (failure) => console.error(failureLine(failure)),
  });
}

const report = await measure();
if (values.update) {
  const baseline = baselineOf(report);
  writeFileSync(values.baseline, `${JSON.stringify(baseline, undefined, 2)}\n`);
  console.log(`${baseline.ratios.length} ratios are stored in ${values.baseline}`);
} else {
  const baseline = JSON.parse(readFileSync(values.baseline, 'utf8')) as Baseline;
  const comparisons = compareWithBaseline(baseline, report.rows);
  for (const comparison of comparisons) console.log(comparisonLine(comparison));
  const fallen = comparisons.filter(({ verdict }) => verdict === 'fallen').length;
  const { cpu, kernel, date, loadBefore } = baseline.machine;
  console.log(
    `${fallen} of ${comparisons.length} ratios have fallen since ${date} (${cpu}, ${kernel}, load ${loadBefore.toFixed(2)})`,
  );
  if (values.strict && fallen > 0) process.exitCode = 1;
}
