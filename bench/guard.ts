/** Ratios to the floor of an earlier run, and what has become of them. */
import { type Case, caseTitle, type EngineName, FLOOR } from './job.ts';
import type { Machine } from './machine.ts';
import type { PlannedCase } from './plan.ts';
import type { BenchReport, Row } from './report.ts';
import { TARGETS, targetCases } from './targets.ts';

/** Kaio's own: how others change is not ours to guard. */
const GUARDED: readonly EngineName[] = ['calls', 'context', 'context.threads', 'file', 'emulation'];
/** More than this part less is a fall. */
const MOST_LOST = 0.1;

interface StoredRatio extends Case {
  readonly engine: EngineName;
  readonly ratioToFloor: number;
}

/** What `bench/baseline.json` holds. */
export interface Baseline {
  readonly machine: Machine;
  readonly command: string;
  readonly ratios: readonly StoredRatio[];
}

export type Verdict = 'fallen' | 'as it was' | 'not measured';

export interface Comparison extends StoredRatio {
  readonly now: Row | undefined;
  readonly verdict: Verdict;
}

/** The cases of the targets, for the guarded engines and the floor alone. */
export function guardedCases(): PlannedCase[] {
  return targetCases(TARGETS, [FLOOR])
    .map((one) => ({
      ...one,
      engines: one.engines.filter((engine) => engine === FLOOR || GUARDED.includes(engine)),
    }))
    .filter(({ engines }) => engines.length > 1);
}

export function baselineOf({ machine, command, rows }: BenchReport): Baseline {
  return {
    machine,
    command,
    ratios: rows.flatMap(({ engine, rw, mode, blockSize, queueDepth, ratioToFloor }) =>
      ratioToFloor !== null && GUARDED.includes(engine)
        ? [{ engine, rw, mode, blockSize, queueDepth, ratioToFloor: Number(ratioToFloor.toFixed(4)) }]
        : [],
    ),
  };
}

export function compareWithBaseline({ ratios }: Baseline, rows: readonly Row[]): Comparison[] {
  return ratios.map((stored) => {
    const now = rows.find(
      ({ engine, rw, mode, blockSize, queueDepth }) =>
        engine === stored.engine &&
        rw === stored.rw &&
        mode === stored.mode &&
        blockSize === stored.blockSize &&
        queueDepth === stored.queueDepth,
    );
    return { ...stored, now, verdict: verdictOf(stored.ratioToFloor, now?.ratioToFloor ?? undefined) };
  });
}

function verdictOf(before: number, now: number | undefined): Verdict {
  if (now === undefined) return 'not measured';
  return now < before * (1 - MOST_LOST) ? 'fallen' : 'as it was';
}

export function comparisonLine(comparison: Comparison): string {
  const { engine, ratioToFloor, now, verdict } = comparison;
  const found =
    now?.ratioToFloor == null
      ? '-'
      : `${now.ratioToFloor.toFixed(2)} (${now.ratioLow!.toFixed(2)}..${now.ratioHigh!.toFixed(2)})`;
  return `${verdict.padEnd(12)}  ${engine.padEnd(15)}  ${caseTitle(comparison)}: ${ratioToFloor.toFixed(2)} before, ${found} now`;
}
