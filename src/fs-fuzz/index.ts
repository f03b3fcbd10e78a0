/** The differential fuzzer for the simulated file system: programs made up from a seed run on `node:fs` and on `simulation.fs`. */
import { execFileSync } from 'node:child_process';
import * as nodeFs from 'node:fs';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simulate } from '../emulated/index.ts';
import { EnvironmentBroken, messageOf } from '../fuzz/environment.ts';
import { literalOf } from '../fuzz/print.ts';
import { smallestOf } from '../fuzz/smallest.ts';
import { declaredDifference } from './declared.ts';
import { generateFsProgram } from './generator.ts';
import type { FsDifference, FsProgram, Item } from './program.ts';
import { smallerPrograms } from './shrink.ts';
import { type Fs, Side } from './side.ts';

export type { FsDifference, FsProgram } from './program.ts';

export interface FsFuzzOptions {
  /** A 32-bit integer. The same seed makes the same programs. */
  readonly seed: number;
  /** Calls, each made on both sides. */
  readonly calls?: number;
  readonly seconds?: number;
  /** Where to make files. Default: the system's directory for temporary files. */
  readonly directory?: string;
  /** Divergences after which it stops. Default 1. */
  readonly most?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (calls: number, programs: number) => void;
}

/** A program that differs, made small. */
export interface FsDivergence {
  readonly seed: number;
  /** Which of the programs of the seed. */
  readonly index: number;
  /** Calls that had been made when it was found. */
  readonly calls: number;
  readonly program: FsProgram;
  readonly difference: FsDifference;
  /** Source of a test that fails. */
  readonly testCase: string;
}

export interface FsFuzzReport {
  readonly seed: number;
  readonly fsCalls: number;
  readonly programs: number;
  readonly divergences: readonly FsDivergence[];
  /** How often each declared difference showed. */
  readonly declared: Readonly<Record<string, number>>;
}

const UMASK = 0o022;
const MOST_TRIES = 600;

/**
 * Runs programs until a limit is reached.
 *
 * @throws EnvironmentBroken where `node:fs` is not that of Linux for root, which the simulation is like, or no files can be made.
 */
export async function fuzzFs({
  seed,
  calls = Number.POSITIVE_INFINITY,
  seconds = Number.POSITIVE_INFINITY,
  most = 1,
  signal,
  onProgress,
  directory = tmpdir(),
}: FsFuzzOptions): Promise<FsFuzzReport> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    throw new EnvironmentBroken(
      'the simulated file system is like that of Linux for root, and is compared with it alone',
    );
  const until = Date.now() + seconds * 1000;
  const divergences: FsDivergence[] = [];
  const declared: Record<string, number> = {};
  const report = { seed, fsCalls: 0, programs: 0 };
  const before = process.umask(UMASK);
  const runner = new FsRunner(directory);
  try {
    while (report.fsCalls < calls && divergences.length < most) {
      if (Date.now() >= until || signal?.aborted) break;
      const index = report.programs++;
      const program = generateFsProgram(seed, index);
      const difference = await runner.difference(program, declared);
      report.fsCalls += program.steps.length;
      onProgress?.(report.fsCalls, report.programs);
      if (difference === undefined) continue;
      const smallest = await runner.shrunk(program);
      const last = (await runner.difference(smallest)) ?? difference;
      divergences.push({
        seed,
        index,
        calls: report.fsCalls,
        program: smallest,
        difference: last,
        testCase: testCaseOf(`seed ${seed}, program ${index}: ${last.what}`, smallest, last),
      });
    }
  } finally {
    runner.close();
    process.umask(before);
  }
  return { ...report, divergences, declared };
}

/** Runs single programs, each side in a folder of the same name. */
export class FsRunner {
  readonly #directory: string;
  #programs = 0;

  constructor(parent: string) {
    try {
      this.#directory = realpathSync(mkdtempSync(join(parent, 'kaio-fuzz-fs-')));
    } catch (cause) {
      throw new EnvironmentBroken(messageOf(cause), { cause });
    }
  }

  /** The first difference that is not declared. @param declared - Counts the others. */
  async difference(
    program: FsProgram,
    declared: Record<string, number> = {},
  ): Promise<FsDifference | undefined> {
    // A link out of the folder leads no further than to the one around it.
    const around = join(this.#directory, String(this.#programs++));
    const folder = join(around, 'in');
    mkdirSync(folder, { recursive: true });
    const node = await new Side(nodeFs, folder).run(program);
    removeTree(around);
    const simulation = simulate({ seed: 1 });
    const fs = simulation.fs as unknown as Fs;
    fs.mkdirSync(folder, { recursive: true });
    const simulated = await new Side(fs, folder).run(program);
    return firstDifference(program, node, simulated, declared);
  }

  /** The smallest program that still differs, as far as leaving out and simplifying go. */
  shrunk(program: FsProgram): Promise<FsProgram> {
    const differs = async (one: FsProgram): Promise<boolean> => (await this.difference(one)) !== undefined;
    return smallestOf(program, smallerPrograms, differs, MOST_TRIES);
  }

  close(): void {
    removeTree(this.#directory);
  }
}

/** What a program leaves may be deeper than Node.js has stack or a path for, which goes down by recursion and by whole paths: `cp` of a folder into itself. */
function removeTree(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    const isTooDeep = error instanceof RangeError || (error as NodeJS.ErrnoException).code === 'ENAMETOOLONG';
    if (!isTooDeep) throw error;
    execFileSync('rm', ['-rf', '--', path]);
  }
}

function firstDifference(
  program: FsProgram,
  node: readonly Item[],
  simulated: readonly Item[],
  declared: Record<string, number>,
): FsDifference | undefined {
  for (let at = 0; at < Math.max(node.length, simulated.length); at++) {
    const [one, other] = [node[at], simulated[at]];
    if (one?.step === other?.step && one?.what === other?.what && one?.value === other?.value) continue;
    const { step, what } = one ?? other!;
    const difference: FsDifference = {
      step,
      what: one?.what === other?.what ? what : `${one?.what} and ${other?.what}`,
      node: one === undefined ? 'nothing' : `${one.what} ${one.value}`,
      simulated: other === undefined ? 'nothing' : `${other.what} ${other.value}`,
    };
    const name = declaredDifference(program, difference);
    if (name === undefined) return difference;
    declared[name] = (declared[name] ?? 0) + 1;
    // What comes after it may follow from it.
    return undefined;
  }
  return undefined;
}

/** A test for `test/regression/fs-fuzz.test.ts`. */
function testCaseOf(title: string, program: FsProgram, { step, node, simulated }: FsDifference): string {
  const comment = `// step ${step}:\n//   node:fs       ${oneLine(node)}\n//   simulation.fs ${oneLine(simulated)}`;
  return `${comment}\nit(${JSON.stringify(title)}, () =>\n  asNode(${literalOf(program)}));\n`;
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]/g, ' ');
}
