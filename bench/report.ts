/** What a run found, as data. */
import type { Case, EngineName, Measurement } from './job.ts';
import { FLOOR, PERCENTILES } from './job.ts';
import type { Machine } from './machine.ts';
import { median, type Spread, spread } from './statistics.ts';

const P50 = PERCENTILES.indexOf(50);
const P99 = PERCENTILES.indexOf(99);

/** One engine's turn in one round. */
export interface Turn {
  readonly round: number;
  readonly measurement: Measurement;
}

/** One engine in one case: medians over the rounds. */
export interface Row extends Case {
  readonly engine: EngineName;
  readonly iops: number;
  readonly bytesPerSecond: number;
  /** Median of the ratios of iops within each round; `null` without a floor. */
  readonly ratioToFloor: number | null;
  /** The lowest and the highest of those ratios. */
  readonly ratioLow: number | null;
  readonly ratioHigh: number | null;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  /** For the percentiles that the report lists. */
  readonly percentilesUs: readonly number[] | null;
  readonly cpuSecondsPerMillion: number;
  readonly loopDelayMaxMs: number | null;
  readonly maxRssBytes: number | null;
  /** Transfers of all rounds together that were counted. */
  readonly operations: number;
  readonly verifiedBlocks: number;
  /** iops of each round, `null` where it failed: whoever wants other ratios can make them. */
  readonly iopsByRound: readonly (number | null)[];
  readonly loopDelayMaxMsByRound: readonly (number | null)[];
}

/** What could not be measured, and why. */
export interface Failure extends Partial<Case> {
  readonly engine: EngineName | null;
  readonly reason: string;
}

export interface BenchReport {
  readonly machine: Machine;
  /** The command that makes it, seed and all. */
  readonly command: string;
  readonly rounds: number;
  readonly percentiles: readonly number[];
  readonly rows: readonly Row[];
  readonly failures: readonly Failure[];
}

/** Ratios of one engine to another, round by round. */
export function ratios(of: readonly (number | null)[], to: readonly (number | null)[]): number[] {
  return of.flatMap((value, round) => {
    const other = to[round];
    return value === null || other === null || other === undefined || other === 0 ? [] : [value / other];
  });
}

function iopsByRound(turns: readonly Turn[], rounds: number): (number | null)[] {
  return byRound(turns, rounds, ({ operations, seconds }) => operations / seconds);
}

function byRound(
  turns: readonly Turn[],
  rounds: number,
  of: (measurement: Measurement) => number | null,
): (number | null)[] {
  return Array.from({ length: rounds }, (_, round) => {
    const turn = turns.find((one) => one.round === round);
    return turn === undefined ? null : of(turn.measurement);
  });
}

function medianOf(
  turns: readonly Turn[],
  of: (measurement: Measurement) => number | null | undefined,
): number | null {
  const values = turns.map(({ measurement }) => of(measurement)).filter((value) => value != null);
  return values.length === 0 ? null : median(values);
}

/** The rows of one case. @param turns - Of each engine; those without any are left out. */
export function rowsOf(
  { rw, mode, blockSize, queueDepth }: Case,
  turns: ReadonlyMap<EngineName, readonly Turn[]>,
  rounds: number,
): Row[] {
  const floor = iopsByRound(turns.get(FLOOR) ?? [], rounds);
  const rows: Row[] = [];
  for (const [engine, own] of turns) {
    if (own.length === 0) continue;
    const iops = iopsByRound(own, rounds);
    const ratio: Spread | undefined = spread(ratios(iops, floor));
    const percentiles = own[0]!.measurement.percentilesUs?.length ?? 0;
    const percentilesUs = Array.from({ length: percentiles }, (_, index) =>
      medianOf(own, (one) => one.percentilesUs?.[index]),
    );
    const medianIops = median(iops.filter((value) => value !== null));
    rows.push({
      engine,
      rw,
      mode,
      blockSize,
      queueDepth,
      iops: medianIops,
      ratioToFloor: ratio?.median ?? null,
      ratioLow: ratio?.low ?? null,
      ratioHigh: ratio?.high ?? null,
      p50Us: medianOf(own, (one) => one.percentilesUs?.[P50]),
      p99Us: medianOf(own, (one) => one.percentilesUs?.[P99]),
      percentilesUs: percentiles === 0 ? null : percentilesUs.map((value) => value ?? 0),
      cpuSecondsPerMillion: medianOf(own, ({ cpuSeconds, operations }) => (cpuSeconds / operations) * 1e6)!,
      loopDelayMaxMs: medianOf(own, (one) => one.loopDelayMaxMs),
      maxRssBytes: medianOf(own, (one) => one.maxRssBytes),
      bytesPerSecond: medianIops * blockSize,
      operations: own.reduce((sum, { measurement }) => sum + measurement.operations, 0),
      verifiedBlocks: own.reduce((sum, { measurement }) => sum + measurement.verifiedBlocks, 0),
      iopsByRound: iops,
      loopDelayMaxMsByRound: byRound(own, rounds, (one) => one.loopDelayMaxMs),
    });
  }
  return rows;
}
