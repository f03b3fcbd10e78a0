/**
 * Whether one build of kaio is slower than another, on a machine that has other things to do.
 *
 * What is compared is CPU time for each transfer, which other programs disturb much less than rates. Both builds are warmed up in a
 * process of their own, on the same CPU, and take short turns, so that what disturbs one disturbs the other. The median of the pairs'
 * ratios is a round's; the next round has new processes, for V8 compiles the same code in better and worse ways. A sign test over the
 * rounds decides.
 */
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  GUARD_FILE_BYTES,
  type GuardAnswer,
  type GuardCase,
  type GuardJob,
  guardCaseTitle,
} from './guard-job.ts';
import { chanceOfHeads, median } from './statistics.ts';
import { makeTestFile } from './test-file.ts';

const CHILD = fileURLToPath(new URL('./guard-child.js', import.meta.url));
/** Many and short rather than few and long: most of them meet the same neighbours on both sides. */
export const PAIRS = 100;
/** For each pair: V8 has compiled all by then. */
const WARM_UP_TURNS = 2.5;
const ANSWER_LIMIT_MS = 60_000;

/** More than this part more is slower: half of what must be found, so that a tenth and nothing are as far from it. */
export const BOUND = 0.05;
/** The chance of a wrong verdict on one case, of either kind, is below this however many looks are taken. */
export const MOST_WRONG = 0.05;
/** The rounds after which the ratios are looked at. More looks would each have to be surer. */
export const LOOKS = [7, 11, 16, 24, 36] as const;

export type Verdict = 'slower' | 'not slower' | 'undecided';

export interface GuardResult {
  readonly case: GuardCase;
  readonly verdict: Verdict;
  /** CPU time of the new build by that of the base, in each round. */
  readonly ratios: readonly number[];
  /** CPU microseconds for a transfer of the base: the median of the rounds. */
  readonly baseUs: number;
  /** How many more rounds like those would decide; `Infinity` where the ratio is at the bound itself. 0 when it is decided. */
  readonly moreRounds: number;
}

/** What is known of a failure: it is no slowdown. */
export interface GuardFailure {
  readonly case: GuardCase;
  readonly failure: string;
}

function isSure(rounds: number, onOneSide: number): boolean {
  return chanceOfHeads(rounds, onOneSide) <= MOST_WRONG / LOOKS.length;
}

/** The verdict on these ratios, if this is a time to look. */
export function verdictOf(ratios: readonly number[]): Verdict {
  const above = ratios.filter((ratio) => ratio > 1 + BOUND).length;
  if (isSure(ratios.length, above)) return 'slower';
  return isSure(ratios.length, ratios.length - above) ? 'not slower' : 'undecided';
}

/** The fewest rounds beyond these that decide if as large a part of them is on the same side. */
export function roundsMissing(ratios: readonly number[]): number {
  const above = ratios.filter((ratio) => ratio > 1 + BOUND).length;
  const part = Math.max(above, ratios.length - above) / ratios.length;
  const MOST = 1000;
  for (let rounds = ratios.length; rounds <= MOST; rounds++)
    if (isSure(rounds, Math.floor(part * rounds))) return rounds - ratios.length;
  return Infinity;
}

export interface GuardOptions {
  /** Folders that hold a `dist`, and what it loads. */
  readonly base: string;
  readonly build: string;
  readonly cases: readonly GuardCase[];
  /** At most; of {@link LOOKS}. */
  readonly rounds?: number;
  /** Pairs of turns in a round, 100 by itself: with fewer only large differences show. */
  readonly pairs?: number;
  /** Where the file is made that is read. */
  readonly directory: string;
  readonly onResult?: (result: GuardResult | GuardFailure) => void;
}

/** Compares two builds. @throws Error where one is none, or the file cannot be made. */
export async function compareBuilds(options: GuardOptions): Promise<(GuardResult | GuardFailure)[]> {
  for (const folder of [options.base, options.build])
    if (!existsSync(join(folder, 'dist/src/index.js')))
      throw new Error(`${folder} holds no build: there is no dist/src/index.js`);
  const home = mkdtempSync(join(options.directory, 'kaio-guard-'));
  try {
    const path = join(home, 'file');
    await makeTestFile(path, GUARD_FILE_BYTES);
    const results: (GuardResult | GuardFailure)[] = [];
    for (const one of options.cases) {
      const result = await compareCase(one, path, options);
      results.push(result);
      options.onResult?.(result);
    }
    return results;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function compareCase(
  one: GuardCase,
  path: string,
  { base, build, rounds = LOOKS.at(-1)!, pairs = PAIRS }: GuardOptions,
): Promise<GuardResult | GuardFailure> {
  const ratios: number[] = [];
  const baseUs: number[] = [];
  const result = (verdict: Verdict): GuardResult => ({
    case: one,
    verdict,
    ratios,
    baseUs: median(baseUs) / one.transfers,
    moreRounds: verdict === 'undecided' ? roundsMissing(ratios) : 0,
  });
  try {
    while (ratios.length < rounds) {
      const jobOf = (folder: string): GuardJob => ({
        build: resolve(folder),
        case: one,
        path,
        warmUpTurns: Math.ceil(pairs * WARM_UP_TURNS),
      });
      const round = await runRound(jobOf(base), jobOf(build), ratios.length, pairs);
      ratios.push(round.ratio);
      baseUs.push(round.baseUs);
      if (!LOOKS.some((look) => look === ratios.length)) continue;
      const verdict = verdictOf(ratios);
      if (verdict !== 'undecided') return result(verdict);
    }
    return result('undecided');
  } catch (error) {
    return { case: one, failure: error instanceof Error ? error.message : String(error) };
  }
}

async function runRound(
  base: GuardJob,
  build: GuardJob,
  round: number,
  pairs: number,
): Promise<{ ratio: number; baseUs: number }> {
  const cpu = CPUS[round % Math.max(1, CPUS.length)];
  // Each is the first as often as the other, to begin and in the pairs.
  const isBaseFirst = round % 2 === 0;
  await using one = await Runner.start(isBaseFirst ? base : build, cpu);
  await using other = await Runner.start(isBaseFirst ? build : base, cpu);
  const [of, now] = isBaseFirst ? [one, other] : [other, one];
  const ratios: number[] = [];
  const ofBase: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const nowFirst = pair % 2 === 1 ? await now.turn() : undefined;
    const before = await of.turn();
    const after = nowFirst ?? (await now.turn());
    ratios.push(after / before);
    ofBase.push(before);
  }
  return { ratio: median(ratios), baseUs: median(ofBase) };
}

/** The numbers in `0-3,8`. */
export function cpusIn(list: string): number[] {
  return list.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number) as [number, number?];
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** CPUs that a process can be kept on; none where there is no way to. */
function availableCpus(): number[] {
  if (process.platform !== 'linux' || spawnSync('taskset', ['--version']).status !== 0) return [];
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return allowed === null ? [] : cpusIn(allowed[1]!);
}

const CPUS = availableCpus();

/** A process that takes turns. */
class Runner {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Ready, and warm. */
  static async start(job: GuardJob, cpu: number | undefined): Promise<Runner> {
    const kept = { execPath: 'taskset', execArgv: ['-c', String(cpu), process.execPath] };
    const runner = new Runner(
      fork(CHILD, [JSON.stringify(job)], {
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
        ...(cpu === undefined ? { execArgv: [] } : kept),
      }),
    );
    try {
      await runner.#answer();
      return runner;
    } catch (error) {
      await runner[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @returns CPU microseconds. */
  async turn(): Promise<number> {
    const answered = this.#answer();
    this.#child.send('turn');
    return answered;
  }

  async #answer(): Promise<number> {
    const answered = new AbortController();
    const timeout = AbortSignal.timeout(ANSWER_LIMIT_MS);
    const signal = AbortSignal.any([answered.signal, timeout]);
    const died = async (): Promise<never> => {
      const [code, name] = await once(this.#child, 'exit', { signal });
      throw new Error(`its process ended with ${name ?? code}`);
    };
    try {
      const [message] = await Promise.race([once(this.#child, 'message', { signal }), died()]);
      const answer = message as GuardAnswer;
      if ('failure' in answer) throw new Error(answer.failure);
      return answer.cpuUs;
    } catch (error) {
      if (timeout.aborted)
        throw new Error(`no answer in ${ANSWER_LIMIT_MS / 1000} seconds`, { cause: error });
      throw error;
    } finally {
      answered.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What was never started does not end.
    if (this.#child.pid === undefined) return;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** Such as `slower      file: ...: 1.11 of the base's 2.31 us (1.08 to 1.14; 7 rounds)`. */
export function guardLine(result: GuardResult | GuardFailure): string {
  if ('failure' in result) return `failed      ${guardCaseTitle(result.case)}: ${result.failure}`;
  const { verdict, ratios, baseUs, moreRounds } = result;
  const missing =
    verdict !== 'undecided'
      ? ''
      : moreRounds === Infinity
        ? '; it is too near to the bound'
        : `; about ${moreRounds} more would decide`;
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(3));
  return (
    `${verdict.padEnd(10)}  ${guardCaseTitle(result.case)}: ${median(ratios).toFixed(3)} of the base's ${baseUs.toFixed(2)} us ` +
    `(${low} to ${high}; ${ratios.length} rounds${missing})`
  );
}
