/** The differential fuzzer for files: programs made up from a seed run on FileHandle and on AioFile, and whatever differs is shrunk. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EnvironmentBroken, messageOf } from '../fuzz/environment.ts';
import { Worker, type Wrappers, wrappersHere } from './children.ts';
import { compare, differencesOf, NODE_MAJOR } from './compare.ts';
import { generateFileProgram, surroundingsOf } from './generator.ts';
import { fileTestCaseOf } from './print.ts';
import {
  type FileDifference,
  type FileProgram,
  PACES,
  PLACES,
  type Run,
  SIDES,
  type SideName,
  type Surroundings,
} from './program.ts';
import { BATCH, type Feature, type FileScope } from './scope.ts';
import { shrinkFileProgram } from './shrink.ts';

export type { FileDifference, FileProgram } from './program.ts';
export { FEATURES, type Feature } from './scope.ts';

export interface FileFuzzOptions {
  /** A 32-bit integer. The same seed makes the same programs on one version of Node.js. */
  readonly seed: number;
  /** Steps of programs, each made on all sides. */
  readonly calls?: number;
  readonly seconds?: number;
  /** Where to make files. Default: the system's directory for temporary files. */
  readonly directory?: string;
  /** Divergences after which it stops. Default 1. */
  readonly most?: number;
  /** What programs shall not contain. */
  readonly without?: readonly Feature[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (calls: number, programs: number) => void;
}

/** A program that differs, made small. */
export interface FileDivergence {
  readonly seed: number;
  /** Which of the programs of the seed. */
  readonly index: number;
  /** Calls that had been made when it was found. */
  readonly calls: number;
  readonly program: FileProgram;
  readonly difference: FileDifference;
  /** Source of a test that fails. */
  readonly testCase: string;
}

export interface FileFuzzReport {
  readonly seed: number;
  readonly calls: number;
  readonly programs: number;
  readonly divergences: readonly FileDivergence[];
  readonly leftOut: readonly string[];
  /** How often each decided divergence showed. */
  readonly decided: Readonly<Record<string, number>>;
  /** Programs that FileHandle itself runs differently from time to time. */
  readonly unstable: number;
  /** Programs that differed once and then no more. */
  readonly unconfirmed: readonly { readonly index: number; readonly difference: FileDifference }[];
}

/** A step of a program that differed gets as long as this, before it counts as one that hangs. */
const PATIENT_MS = 1500;
/** While it is made small, time matters more. */
const SHRINK_MS = 200;
const SHRINK_SECONDS = 20;
/** A difference counts if it shows again, as often as this. */
const AGAIN = 2;

/**
 * Runs programs until a limit is reached.
 *
 * @throws EnvironmentBroken where there is no native kernel, or no files can be made.
 */
export async function fuzzFiles({
  seed,
  calls = Infinity,
  seconds = Infinity,
  most = 1,
  without = [],
  signal,
  onProgress,
  directory: parent = tmpdir(),
}: FileFuzzOptions): Promise<FileFuzzReport> {
  const runner = openRunner(parent, without);
  const { scope } = runner;
  const until = Date.now() + seconds * 1000;
  const divergences: FileDivergence[] = [];
  const unconfirmed: { index: number; difference: FileDifference }[] = [];
  const decided: Record<string, number> = {};
  const report = { seed, calls: 0, programs: 0, unstable: 0 };
  try {
    while (report.calls < calls && divergences.length < most) {
      if (Date.now() >= until || signal?.aborted) break;
      const from = report.programs;
      // Not beyond the batch: the next one may need another kind of process.
      const end = (Math.floor(from / BATCH) + 1) * BATCH;
      const asked = { seed, from, until: end, scope };
      const answer = await runner.worker(surroundingsOf(from, scope)).ask(asked);
      if ('died' in answer) {
        if (answer.at < from) throw new EnvironmentBroken(answer.died);
        report.programs = answer.at + 1;
      } else if ('next' in answer) {
        report.programs = answer.next;
        report.calls += answer.calls;
        for (const [name, count] of Object.entries(answer.decided))
          decided[name] = (decided[name] ?? 0) + count;
      }
      onProgress?.(report.calls, report.programs);
      const first = 'died' in answer ? diedAt(answer.died) : 'next' in answer ? answer.difference : undefined;
      if (first === undefined) continue;
      const index = report.programs - 1;
      const program = generateFileProgram(seed, index, scope);
      const confirmed = await runner.confirmed(program, PATIENT_MS);
      if (confirmed === undefined) {
        unconfirmed.push({ index, difference: first });
        continue;
      }
      if (confirmed === 'unstable') {
        report.unstable++;
        continue;
      }
      const deadline = Date.now() + SHRINK_SECONDS * 1000;
      const smallest = await shrinkFileProgram(program, async (candidate) => {
        if (Date.now() > deadline) return false;
        const shows = await runner.confirmed(candidate, SHRINK_MS);
        return shows !== undefined && shows !== 'unstable';
      });
      const last = await runner.confirmed(smallest, PATIENT_MS);
      const [shown, difference] =
        last === undefined || last === 'unstable' ? [program, confirmed] : [smallest, last];
      divergences.push({
        seed,
        index,
        calls: report.calls,
        program: shown,
        difference,
        testCase: fileTestCaseOf(`seed ${seed}, program ${index}: ${difference.what}`, shown, difference),
      });
    }
  } finally {
    runner.close();
  }
  return { ...report, divergences, decided, unconfirmed, leftOut: runner.leftOut };
}

function diedAt(died: string): FileDifference {
  return { step: 'end', what: 'the process', side: 'native', fileHandle: 'lives', other: died };
}

/** Runs single programs, each side with its own files. */
export interface FileRunner {
  readonly scope: FileScope;
  readonly leftOut: readonly string[];
  worker(surroundings: Surroundings): Worker;
  /** The difference if it shows every time; `'unstable'` where FileHandle is not the same every time. */
  confirmed(program: FileProgram, hangMs: number): Promise<FileDifference | 'unstable' | undefined>;
  /** What the program does on each side, once. */
  runs(program: FileProgram, sides: readonly SideName[], hangMs: number): Promise<Run[]>;
  close(): void;
}

/**
 * @param script - The worker's, where it is not beside this file.
 * @throws EnvironmentBroken where no files can be made below `parent`.
 */
export function openRunner(
  parent: string,
  without: readonly Feature[] = [],
  script = new URL('./worker.js', import.meta.url),
): FileRunner {
  let directory: string;
  try {
    directory = mkdtempSync(join(parent, 'kaio-fuzz-files-'));
  } catch (cause) {
    throw new EnvironmentBroken(messageOf(cause), { cause });
  }
  const wrappers = wrappersHere(directory);
  const scope: FileScope = {
    major: NODE_MAJOR,
    without,
    places: PLACES.filter(
      (place) =>
        (place !== 'small' || wrappers.small !== undefined) &&
        (place !== 'fifo' || !without.includes('fifos')),
    ),
    limited: wrappers.limit !== undefined,
  };
  const workers = {
    plain: new Worker(directory, 'plain', wrappers, script),
    limited: new Worker(directory, 'limited', wrappers, script),
  };
  const worker = (surroundings: Surroundings): Worker => workers[surroundings];
  const runs = async (program: FileProgram, sides: readonly SideName[], hangMs: number): Promise<Run[]> => {
    const { surroundings = 'plain' } = program;
    const answer = await worker(surroundings).ask({ program, sides, hangMs });
    if ('runs' in answer) return [...answer.runs];
    const died = 'died' in answer ? answer.died : 'it answered otherwise';
    if (sides.length === 1)
      return [{ items: [{ step: 'end', what: 'the process', value: died }], stained: false }];
    // Whose death it was shows when each is alone.
    const alone: Run[] = [];
    for (const side of sides) alone.push(...(await runs(program, [side], hangMs)));
    return alone;
  };
  /** Whether FileHandle shows something else there, or before, when its transfers are slower, or quicker: the rest follows from that. */
  const takesLuck = async (
    program: FileProgram,
    { step }: FileDifference,
    hangMs: number,
  ): Promise<boolean> => {
    const [host, ...paced] = await runs(program, ['FileHandle', ...PACES], hangMs);
    return paced.some((run, at) =>
      [...differencesOf(host!, run, PACES[at]!)].some(
        (one) => step === 'end' || (one.step !== 'end' && one.step <= step),
      ),
    );
  };
  const confirmed: FileRunner['confirmed'] = async (program, hangMs) => {
    let difference: FileDifference | undefined;
    for (let again = 0; again < AGAIN; again++) {
      const [host, ...others] = await runs(program, [...SIDES, 'FileHandle'], hangMs);
      const once = others.pop()!;
      if (compare(program, host!, once, 'FileHandle', { without, decisions: [] }).difference !== undefined)
        return 'unstable';
      difference = undefined;
      for (const [at, other] of others.entries())
        difference ??= compare(program, host!, other, SIDES[at + 1]!, { without }).difference;
      if (difference === undefined) return undefined;
    }
    return (await takesLuck(program, difference!, hangMs)) ? 'unstable' : difference;
  };
  return {
    scope,
    leftOut: leftOutOf(wrappers, without),
    worker,
    confirmed,
    runs,
    close: () => {
      for (const each of Object.values(workers)) each.stop();
      rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
    },
  };
}

function leftOutOf({ small, limit }: Wrappers, without: readonly Feature[]): string[] {
  return [
    ...(small === undefined ? ['a full file system (ENOSPC): no tmpfs can be mounted here'] : []),
    ...(limit === undefined ? ['a limit on file sizes (EFBIG): there is no prlimit here'] : []),
    ...without.map((feature) => `${feature}: by --without`),
  ];
}
