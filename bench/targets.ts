/** What kaio must reach, measured. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { busyTitle } from './busy.ts';
import { messageOf } from './errors.ts';
import { type Case, caseTitle, type EngineName } from './job.ts';
import type { Choice, Plan, PlannedCase } from './plan.ts';
import { type BenchReport, type Row, ratios } from './report.ts';
import { startUpDifferences } from './start-up.ts';
import { spread } from './statistics.ts';
import { systemCallsPerOperation } from './system-calls.ts';
import { result, type TargetResult } from './target-result.ts';
import { runTasks } from './tasks.ts';
import { makeTestFile } from './test-file.ts';

/** A ratio of two engines in one case. */
export interface Target {
  readonly of: EngineName;
  readonly to: EngineName;
  readonly value: 'iops' | 'loopDelayMaxMs' | 'p99Us';
  readonly case: Case;
  readonly bound: number;
  /** Whether the ratio must be at least or at most the bound. */
  readonly must: 'at least' | 'at most';
  /** Engines that are measured in the same case. */
  readonly beside?: readonly EngineName[];
}

export interface TargetsReport extends BenchReport {
  /** What was measured again with busy programs beside it. Reports from before 2026-11-27 have none. */
  readonly beside?: { readonly busy: number; readonly rows: readonly Row[] };
  readonly targets: readonly TargetResult[];
}

/** How it is measured where nothing else is said. */
export const TARGET_CHOICE: Choice = { rounds: 7, seconds: 0.8, size: 256 << 20 };

const READ_4K = { rw: 'randread', blockSize: 4096 } as const;

function atLeast(
  of: EngineName,
  to: EngineName,
  mode: Case['mode'],
  bounds: Readonly<Record<number, number>>,
): Target[] {
  return Object.entries(bounds).map(([depth, bound]) => ({
    of,
    to,
    value: 'iops',
    case: { ...READ_4K, mode, queueDepth: Number(depth) },
    bound,
    must: 'at least',
  }));
}

const COLD: Case = { ...READ_4K, mode: 'cold', queueDepth: 32 };
const LARGE: Case = { rw: 'randread', blockSize: 256 << 10, mode: 'direct', queueDepth: 32 };
const LARGE_CACHED: Case = { ...LARGE, mode: 'cached' };

export const TARGETS: readonly Target[] = [
  ...atLeast('calls', 'c', 'direct', { 1: 0.97, 32: 0.97, 128: 0.97 }),
  ...atLeast('calls', 'c', 'cached', { 1: 0.97, 32: 0.97, 128: 0.97 }),
  ...atLeast('context', 'c', 'direct', { 1: 0.95, 32: 0.95, 128: 0.95 }),
  ...atLeast('context', 'c', 'cached', { 1: 0.85, 32: 0.85, 128: 0.85 }),
  ...atLeast('file', 'c', 'direct', { 32: 0.9, 128: 0.9 }),
  ...atLeast('file', 'c', 'cached', { 32: 0.7 }),
  ...atLeast('context', 'fio-libaio', 'direct', { 1: 1, 32: 1, 128: 1 }),
  ...atLeast('file', 'fs.promises', 'direct', { 1: 1.5, 32: 2.5, 128: 4 }),
  ...atLeast('file', 'fs.promises', 'cached', { 1: 10, 32: 4 }),
  { of: 'file', to: 'fs.promises', value: 'iops', case: COLD, bound: 1, must: 'at least' },
  { of: 'file', to: 'fs.promises', value: 'loopDelayMaxMs', case: COLD, bound: 1, must: 'at most' },
  { of: 'file', to: 'fs.promises', value: 'iops', case: LARGE, bound: 1, must: 'at least' },
  { of: 'file', to: 'fs.promises', value: 'iops', case: LARGE_CACHED, bound: 1, must: 'at least' },
  { of: 'context.threads', to: 'fs.promises', value: 'iops', case: LARGE_CACHED, bound: 1, must: 'at least' },
  ...atLeast('emulation', 'fs.callbacks', 'cached', { 32: 0.85 }),
  ...atLeast('emulation', 'fs.promises', 'cached', { 32: 2 }),
];

/** Who is measured beside those that a bound is about: they show what the device and the kernel allow. */
const BESIDE_WRITES: readonly EngineName[] = [
  'c',
  'fio-libaio',
  'context',
  'file',
  'fs.promises',
  'fs.callbacks',
];
const BESIDE_OPENS: readonly EngineName[] = ['c', 'file', 'fs.promises', 'fs.callbacks'];

/** Open, read 4 KiB and close, 16 at once. */
function opening(rw: 'open' | 'open.kept', mode: Case['mode'], bound: number): Target {
  return {
    of: 'file',
    to: 'fs.promises',
    value: 'iops',
    case: { rw, mode, blockSize: 4096, queueDepth: 16 },
    bound,
    must: 'at least',
    beside: BESIDE_OPENS,
  };
}

function writing(queueDepth: number, bound: number): Target {
  return {
    of: 'file',
    to: 'fs.promises',
    value: 'iops',
    case: { rw: 'randwrite', mode: 'direct', blockSize: 4096, queueDepth },
    bound,
    must: 'at least',
    beside: BESIDE_WRITES,
  };
}

/** What storage engines do all day besides reading at random. */
export const STORAGE_TARGETS: readonly Target[] = [
  opening('open', 'cached', 0.95),
  opening('open', 'direct', 0.8),
  opening('open.kept', 'cached', 1),
  writing(1, 1.2),
  writing(32, 1.8),
];

/** Measured with them, and bound to nothing. */
export const STORAGE_CASES: readonly PlannedCase[] = (
  [
    ['write', 'direct'],
    ['randwrite', 'cached'],
    ['write', 'cached'],
    ['randrw', 'direct'],
    ['randrw', 'cached'],
  ] as const
).flatMap(([rw, mode]) =>
  [1, 32].map((queueDepth) => ({ rw, mode, blockSize: 4096, queueDepth, engines: BESIDE_WRITES })),
);

/** Where a latency counts: measured again with busy programs beside. */
const LATENCY_CASES: readonly Case[] = [
  { ...READ_4K, mode: 'direct', queueDepth: 1 },
  { ...READ_4K, mode: 'cached', queueDepth: 1 },
  { rw: 'randwrite', mode: 'direct', blockSize: 4096, queueDepth: 1 },
  { rw: 'open', mode: 'cached', blockSize: 4096, queueDepth: 16 },
];

/** With busy programs beside, the slow ones are not slower than those of `fs.promises`. */
export const BUSY_TARGETS: readonly Target[] = LATENCY_CASES.map((one) => ({
  of: 'file',
  to: 'fs.promises',
  value: 'p99Us',
  case: one,
  bound: 1,
  must: 'at most',
  beside: one.rw === 'open' ? BESIDE_OPENS : BESIDE_WRITES,
}));

/** A target of the emulation: an engine beside `node:fs`, everything in the page cache. */
function emulated(
  of: EngineName,
  to: EngineName,
  bound: number,
  one: Partial<Case> & Pick<Case, 'queueDepth'>,
): Target {
  return { of, to, value: 'iops', case: { ...READ_4K, mode: 'cached', ...one }, bound, must: 'at least' };
}

/** What the emulation must reach: nothing of it needs Linux, or a C compiler. */
export const EMULATION_TARGETS: readonly Target[] = [
  emulated('emulation.descriptor', 'fs.promises', 1.2, { queueDepth: 32 }),
  emulated('emulation.handle', 'fs.promises', 1.4, { queueDepth: 32 }),
  emulated('emulation', 'fs.promises', 1.4, { queueDepth: 32 }),
  emulated('emulation.file', 'fs.promises', 1, { queueDepth: 1 }),
  emulated('emulation.file', 'fs.promises', 1.3, { queueDepth: 32 }),
  emulated('emulation.file', 'fs.promises', 1.3, { queueDepth: 128 }),
  emulated('emulation', 'fs.callbacks', 0.85, { queueDepth: 32 }),
  emulated('emulation.file', 'fs.promises', 1, { queueDepth: 32, rw: 'randwrite' }),
  emulated('emulation.file', 'fs.promises', 1, { queueDepth: 32, blockSize: 64 << 10 }),
  emulated('emulation.file', 'fs.promises', 1, { queueDepth: 32, blockSize: 1 << 20 }),
];

const MOST_CALLS_PER_OPERATION = 0.15;
const MOST_START_UP_MS = 25;
/** In each round: they take a tenth of a second, and the machine's noise is a third of what is measured. */
const START_UPS = 4;
const CALLS_CASE: Case = { ...READ_4K, mode: 'direct', queueDepth: 32 };
const CALLS_OPERATIONS = 50_000;
const CALLS_FILE_BYTES = 64 << 20;

function keyOf({ rw, mode, blockSize, queueDepth }: Case): string {
  return `${rw} ${mode} ${blockSize} ${queueDepth}`;
}

/** The cases that targets need, each with the engines that they compare. */
export function targetCases(targets: readonly Target[], more: readonly EngineName[] = []): PlannedCase[] {
  const cases = new Map<string, { one: Case; engines: Set<EngineName> }>();
  for (const { of, to, case: one, beside = [] } of targets) {
    const known = cases.get(keyOf(one)) ?? { one, engines: new Set(more) };
    cases.set(keyOf(one), known);
    for (const engine of [of, to, ...beside]) known.engines.add(engine);
  }
  return [...cases.values()].map(({ one, engines }) => ({ ...one, engines: [...engines] }));
}

const VALUE_TITLES = {
  iops: '',
  loopDelayMaxMs: 'longest loop delay, ',
  p99Us: '99th percentile, ',
} as const;

function found({ value }: Target, ours: Row, theirs: Row): number[] {
  switch (value) {
    case 'iops':
      return ratios(ours.iopsByRound, theirs.iopsByRound);
    case 'loopDelayMaxMs':
      return ratios(ours.loopDelayMaxMsByRound, theirs.loopDelayMaxMsByRound);
    case 'p99Us':
      // Of the medians of the rounds.
      return ratios([ours.p99Us], [theirs.p99Us]);
  }
}

/**
 * Compares a target with what was measured.
 *
 * @param busy - Programs that were beside it.
 */
export function judge(target: Target, rows: readonly Row[], busy = 0): TargetResult {
  const { of, to, value, bound, must, case: one } = target;
  const measure = `${of} / ${to}: ${VALUE_TITLES[value]}${caseTitle(one)}${busyTitle(busy)}`;
  const rowOf = (engine: EngineName): Row | undefined =>
    rows.find((row) => row.engine === engine && keyOf(row) === keyOf(one));
  const ours = rowOf(of);
  const theirs = rowOf(to);
  const missing = ours === undefined ? of : to;
  if (ours === undefined || theirs === undefined)
    return result(measure, must, bound, undefined, `${missing} was left out`);
  return result(measure, must, bound, spread(found(target, ours, theirs)), 'no round has both');
}

async function measured(
  measure: string,
  bound: number,
  measureIt: () => Promise<readonly number[]>,
): Promise<TargetResult> {
  try {
    return result(measure, 'at most', bound, spread(await measureIt()), 'nothing was measured');
  } catch (error) {
    return result(measure, 'at most', bound, undefined, messageOf(error));
  }
}

/**
 * Measures everything that kaio must reach.
 *
 * @param plan - Rounds, times and sizes; its cases do not matter.
 * @param run - Runs a plan.
 * @param options.busy - Programs beside it, where it measures latencies again.
 */
export async function runTargets(
  plan: Plan,
  run: (plan: Plan) => Promise<BenchReport>,
  {
    directory,
    signal,
    busy,
    onProgress,
  }: {
    directory: string;
    signal?: AbortSignal;
    busy: number;
    onProgress?: (title: string) => void;
  },
): Promise<TargetsReport> {
  const all = [...TARGETS, ...STORAGE_TARGETS];
  const report = await run({ ...plan, cases: [...targetCases(all), ...STORAGE_CASES] });
  const targets = all.map((target) => judge(target, report.rows));
  const calls = await measured(
    `context: system calls per transfer, ${caseTitle(CALLS_CASE)}`,
    MOST_CALLS_PER_OPERATION,
    async () => [await countCalls(directory, signal)],
  );
  signal?.throwIfAborted();
  const startUp = await measured(
    'import and first read: milliseconds more than node:fs/promises',
    MOST_START_UP_MS,
    () => startUpDifferences(plan.rounds * START_UPS, signal),
  );
  signal?.throwIfAborted();
  const tasks = await runTasks(plan, {
    directory,
    signal,
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const disturbed = await run({ ...plan, cases: targetCases(BUSY_TARGETS), busy });
  const besides = BUSY_TARGETS.map((target) => judge(target, disturbed.rows, busy));
  return {
    ...report,
    failures: [...report.failures, ...disturbed.failures],
    targets: [...targets, ...tasks, calls, startUp, ...besides],
    beside: { busy, rows: disturbed.rows },
  };
}

/** Measures what the emulation must reach. As {@link runTargets} otherwise. */
export async function runEmulationTargets(
  plan: Plan,
  run: (plan: Plan) => Promise<BenchReport>,
): Promise<TargetsReport> {
  const report = await run({ ...plan, cases: targetCases(EMULATION_TARGETS) });
  return { ...report, targets: EMULATION_TARGETS.map((target) => judge(target, report.rows)) };
}

async function countCalls(parent: string, signal?: AbortSignal): Promise<number> {
  const directory = mkdtempSync(join(parent, 'kaio-calls-'));
  try {
    const path = join(directory, 'file');
    await makeTestFile(path, CALLS_FILE_BYTES, { signal });
    return await systemCallsPerOperation({
      ...CALLS_CASE,
      engine: 'context',
      path,
      size: CALLS_FILE_BYTES,
      operations: CALLS_OPERATIONS,
      directory,
      signal,
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A line for each measure. */
export function targetLines(results: readonly TargetResult[]): string[] {
  const width = Math.max(...results.map(({ measure }) => measure.length));
  return results.map(({ measure, must, bound, reached, low, high, met, reason }) => {
    const found =
      reached === null ? reason : `${reached.toFixed(2)} (${low!.toFixed(2)}..${high!.toFixed(2)})`;
    return `${met ? 'reached' : 'MISSED '}  ${measure.padEnd(width)}  ${must} ${String(bound).padEnd(4)}  ${found}`;
  });
}
