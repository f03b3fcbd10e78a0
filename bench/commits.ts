/** Commits: 4 KiB written and made durable, by writers at once; on a quiet machine and with busy programs beside. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BusyPrograms } from './busy.ts';
import type { CommitAnswer, CommitJob, CommitMeasurement, CommitMode, CommitWay } from './commit-job.ts';
import { BLOCK_BYTES, COMMIT_WAYS, REGION_BLOCKS } from './commit-job.ts';
import { messageOf } from './errors.ts';
import { describeMachine, type Machine } from './machine.ts';
import { compiled } from './outside/compiler.ts';
import { runProgram } from './process.ts';
import { type Spread, spread } from './statistics.ts';
import { result, type TargetResult } from './target-result.ts';
import { makeTestFile } from './test-file.ts';

const CHILD = fileURLToPath(new URL('./commit-child.js', import.meta.url));
const PEER: CommitWay = 'fs.promises';
const LIMIT_MS = 60_000;
/** As long as the others warm up. */
const C_WARM_UP_NS = 1.5e9;

const LATENCY_WRITERS = [1, 8];
const GROUP_WRITERS = 32;
const MOST_MEDIAN = 1.2;
const MOST_P99 = 1.5;
const LEAST_RATE = 3;

/** What all ways do in turns. */
export interface CommitCase {
  readonly mode: CommitMode;
  readonly writers: number;
  /** Programs beside it that do nothing but compute. */
  readonly busy: number;
}

export interface CommitRow extends CommitCase {
  readonly way: CommitWay;
  /** Of the rounds. */
  readonly medianUs: Spread;
  readonly p99Us: Spread;
  readonly commitsPerSecond: Spread;
}

export interface CommitsReport {
  /** Why there is no `c`. */
  readonly withoutC?: string;
  readonly machine: Machine;
  readonly command: string;
  readonly rounds: number;
  readonly rows: readonly CommitRow[];
  readonly targets: readonly TargetResult[];
  readonly failures: readonly string[];
}

export interface CommitsOptions {
  readonly rounds: number;
  /** Of each turn. */
  readonly seconds: number;
  /** In the second half. */
  readonly busy: number;
  readonly directory: string;
  readonly command: string;
  readonly signal?: AbortSignal;
  readonly onRows?: (rows: readonly CommitRow[]) => void;
}

/** Measures all cases, quiet ones first. @throws What making the file throws. */
export async function runCommits(options: CommitsOptions): Promise<CommitsReport> {
  const home = mkdtempSync(join(options.directory, 'kaio-commits-'));
  try {
    const path = join(home, 'file');
    await makeTestFile(path, GROUP_WRITERS * REGION_BLOCKS * BLOCK_BYTES, { signal: options.signal });
    const commits = new Commits(path, options);
    await commits.compile(home);
    return await commits.run();
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

class Commits {
  readonly #path: string;
  readonly #options: CommitsOptions;
  readonly #rows: CommitRow[] = [];
  readonly #targets: TargetResult[] = [];
  readonly #failures: string[] = [];
  /** The program in C, where it could be compiled. */
  #program: string | undefined;
  #withoutC: string | undefined;

  constructor(path: string, options: CommitsOptions) {
    this.#path = path;
    this.#options = options;
  }

  async compile(directory: string): Promise<void> {
    try {
      this.#program = await compiled('group-commit.c', directory, this.#options.signal);
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      this.#withoutC = messageOf(error);
    }
  }

  get #ways(): readonly CommitWay[] {
    return this.#program === undefined ? COMMIT_WAYS.filter((way) => way !== 'c') : COMMIT_WAYS;
  }

  async run(): Promise<CommitsReport> {
    const { busy, command, directory, rounds } = this.#options;
    for (const programs of new Set([0, busy])) {
      using _beside = await BusyPrograms.start(programs);
      for (const mode of ['direct', 'cached'] as const)
        for (const writers of [...LATENCY_WRITERS, GROUP_WRITERS])
          await this.#case({ mode, writers, busy: programs });
    }
    const machine = describeMachine(directory, { fio: 'not asked for', compiler: 'not asked for' });
    return {
      ...(this.#withoutC === undefined ? {} : { withoutC: this.#withoutC }),
      machine,
      command,
      rounds,
      rows: this.#rows,
      targets: this.#targets,
      failures: this.#failures,
    };
  }

  async #case(one: CommitCase): Promise<void> {
    const ways = this.#ways;
    const found = new Map<CommitWay, CommitMeasurement[]>(ways.map((way) => [way, []]));
    for (let round = 0; round < this.#options.rounds; round++) {
      // All ways or none: what is compared was measured in the same minute.
      const turns: [CommitWay, CommitMeasurement][] = [];
      for (let turn = 0; turn < ways.length; turn++) {
        const way = ways[(turn + round) % ways.length]!;
        const measurement = await this.#turn(way, one);
        if (measurement === undefined) break;
        turns.push([way, measurement]);
      }
      if (turns.length < ways.length) break;
      for (const [way, measurement] of turns) found.get(way)!.push(measurement);
    }
    const rows = ways.flatMap((way) => rowOf(one, way, found.get(way)!));
    this.#rows.push(...rows);
    this.#options.onRows?.(rows);
    this.#targets.push(...judged(one, found));
  }

  async #turn(way: CommitWay, { mode, writers }: CommitCase): Promise<CommitMeasurement | undefined> {
    const { seconds, signal } = this.#options;
    const job: CommitJob = { way, mode, writers, path: this.#path, seconds };
    try {
      const [program, args] =
        way === 'c'
          ? [
              this.#program!,
              [this.#path, mode, String(writers), String(C_WARM_UP_NS), String(Math.round(seconds * 1e9))],
            ]
          : [process.execPath, [CHILD, JSON.stringify(job)]];
      const { stdout, stderr, status } = await runProgram(program, args, {
        limitMs: LIMIT_MS + seconds * 1000,
        signal,
        isComplete: (text) => text.endsWith('\n'),
      });
      if (stdout === '') throw new Error(stderr.trim().split('\n')[0] || `it ended with code ${status}`);
      const answer = JSON.parse(stdout) as CommitAnswer;
      if ('failure' in answer) throw new Error(answer.failure);
      return answer.measurement;
    } catch (error) {
      signal?.throwIfAborted();
      this.#failures.push(`${mode}, ${writers} at once, ${way}: ${messageOf(error)}`);
      return undefined;
    }
  }
}

function rowOf(one: CommitCase, way: CommitWay, found: readonly CommitMeasurement[]): CommitRow[] {
  const medianUs = spread(found.map((measurement) => measurement.medianUs));
  const p99Us = spread(found.map((measurement) => measurement.p99Us));
  const commitsPerSecond = spread(found.map((measurement) => measurement.commitsPerSecond));
  if (medianUs === undefined || p99Us === undefined || commitsPerSecond === undefined) return [];
  return [{ ...one, way, medianUs, p99Us, commitsPerSecond }];
}

/** Such as `direct, 8 at once, 2 busy programs beside`. */
export function commitCaseTitle({ mode, writers, busy }: CommitCase): string {
  return `${mode}, ${writers} at once, ${busy === 0 ? 'quiet' : `${busy} busy programs beside`}`;
}

function judged(
  one: CommitCase,
  found: ReadonlyMap<CommitWay, readonly CommitMeasurement[]>,
): TargetResult[] {
  const ratio = (value: keyof CommitMeasurement): Spread | undefined => {
    const peers = found.get(PEER)!;
    return spread(found.get('file')!.map((measurement, round) => measurement[value] / peers[round]![value]));
  };
  const target = (
    what: string,
    value: keyof CommitMeasurement,
    must: TargetResult['must'],
    bound: number,
  ): TargetResult =>
    result(`${what}, file / ${PEER}: ${commitCaseTitle(one)}`, must, bound, ratio(value), 'not measured');
  return one.writers === GROUP_WRITERS
    ? [target('commits per second', 'commitsPerSecond', 'at least', LEAST_RATE)]
    : [
        target('median', 'medianUs', 'at most', MOST_MEDIAN),
        target('99th percentile', 'p99Us', 'at most', MOST_P99),
      ];
}

/** A line for each way of a case. */
export function commitLines(rows: readonly CommitRow[]): string[] {
  return rows.map(({ way, medianUs, p99Us, commitsPerSecond }) => {
    const us = (value: Spread): string => value.median.toFixed(0).padStart(8);
    return `  ${way.padEnd(12)} median ${us(medianUs)} us   99% ${us(p99Us)} us   ${us(commitsPerSecond)} commits/s`;
  });
}
