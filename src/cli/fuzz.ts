/** `kaio fuzz`: programs made up by a seed, run on Linux and on the emulation, or on FileHandle and AioFile, and whatever differs made small. */
import { randomInt } from 'node:crypto';
import { tmpdir } from 'node:os';
import { SingleBar } from 'cli-progress';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { FEATURES, type Feature, type FileFuzzReport, fuzzFiles } from '../file-fuzz/index.ts';
import { type FsFuzzReport, fuzzFs } from '../fs-fuzz/index.ts';
import { EnvironmentBroken, type FuzzReport, fuzz } from '../fuzz/index.ts';

const DEFAULT_OPERATIONS = 100_000;
const DIVERGES = 1;
const ENVIRONMENT_BROKEN = 2;
const MAX_SEED = 2 ** 31;
/** Between two lines of progress where there is no terminal. */
const LINE_MS = 10_000;
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM'] as const;

interface FuzzCommand {
  readonly seed?: number;
  readonly operations?: number;
  readonly seconds?: number;
  readonly divergences: number;
  readonly json?: boolean;
  readonly directory: string;
  readonly files?: boolean;
  readonly simulatedFs?: boolean;
  readonly without?: readonly Feature[];
}

type Progress = (operations: number, programs: number) => void;

/** Tells on standard error how far it is: a bar on a terminal, else a line now and then. */
function progressOf(total: number): { tell: Progress; stop: () => void } {
  if (process.stderr.isTTY) {
    const bar = new SingleBar({
      format: '{bar} {percentage}% | {value}/{total} operations | {eta_formatted}',
      clearOnComplete: true,
    });
    bar.start(total, 0);
    return { tell: (operations) => bar.update(Math.min(operations, total)), stop: () => bar.stop() };
  }
  const started = performance.now();
  let told = started;
  const tell: Progress = (operations, programs) => {
    const now = performance.now();
    if (now - told < LINE_MS) return;
    told = now;
    const rate = Math.round((operations / (now - started)) * 1000);
    console.error(`kaio fuzz: ${operations} operations in ${programs} programs, ${rate} a second`);
  };
  return { tell, stop: () => {} };
}

async function run(options: FuzzCommand): Promise<void> {
  const { seconds, divergences: most, json = false, directory, files = false, without = [] } = options;
  const { simulatedFs = false } = options;
  const seed = options.seed ?? randomInt(MAX_SEED);
  const command = `kaio fuzz${files ? ' --files' : ''}${simulatedFs ? ' --simulated-fs' : ''}`;
  const operations = options.operations ?? (seconds === undefined ? DEFAULT_OPERATIONS : undefined);
  // Said at once: whatever happens later can be had again.
  const which = without.length === 0 ? '' : ` --without ${without.join(' ')}`;
  console.error(
    `kaio fuzz: seed ${seed}; again: ${command} --seed ${seed}${limitsOf(operations, seconds)}${which}`,
  );
  const progress = progressOf(operations ?? Number.NaN);
  const interrupted = new AbortController();
  const onSignal = (): void => interrupted.abort();
  for (const signal of ENDING_SIGNALS) process.on(signal, onSignal);
  try {
    const limits = {
      seed,
      most,
      directory,
      signal: interrupted.signal,
      onProgress: progress.tell,
      ...(seconds === undefined ? {} : { seconds }),
    };
    const calls = operations === undefined ? {} : { calls: operations };
    const report = simulatedFs
      ? await fuzzFs({ ...limits, ...calls })
      : files
        ? await fuzzFiles({ ...limits, without, ...calls })
        : await fuzz({ ...limits, ...(operations === undefined ? {} : { operations }) });
    progress.stop();
    if (json) console.log(JSON.stringify(report, oddAsText, 2));
    else if ('fsCalls' in report) printFs(report);
    else if ('calls' in report) printFiles(report);
    else print(report);
    if (report.divergences.length > 0) process.exitCode = DIVERGES;
  } catch (error) {
    if (!(error instanceof EnvironmentBroken)) throw error;
    progress.stop();
    if (json) console.log(JSON.stringify({ seed, broken: error.message }, undefined, 2));
    console.error(`kaio fuzz: the environment stands in the way: ${error.message}`);
    process.exitCode = ENVIRONMENT_BROKEN;
  } finally {
    progress.stop();
    for (const signal of ENDING_SIGNALS) process.off(signal, onSignal);
  }
}

function limitsOf(operations: number | undefined, seconds: number | undefined): string {
  return (
    (operations === undefined ? '' : ` --operations ${operations}`) +
    (seconds === undefined ? '' : ` --seconds ${seconds}`)
  );
}

function print({ seed, operations, programs, divergences, leftOut, unconfirmed }: FuzzReport): void {
  for (const what of leftOut) console.log(`left out: ${what}`);
  for (const { testCase } of divergences) console.log(testCase);
  for (const { index, difference } of unconfirmed) {
    const { step, what, native, emulated } = difference;
    console.log(
      `program ${index} differed once and not again: step ${step}, ${what}: ${native} and ${emulated}`,
    );
  }
  console.log(
    `seed ${seed}: ${operations} operations in ${programs} programs, ${divergences.length} divergences`,
  );
}

function printFiles({
  seed,
  calls,
  programs,
  divergences,
  leftOut,
  unconfirmed,
  unstable,
  decided,
}: FileFuzzReport): void {
  for (const what of leftOut) console.log(`left out: ${what}`);
  for (const { testCase } of divergences) console.log(testCase);
  for (const { index, difference } of unconfirmed) {
    const { step, what, side, fileHandle, other } = difference;
    console.log(
      `program ${index} differed once and not again: step ${step}, ${what}: ${fileHandle} and (${side}) ${other}`,
    );
  }
  for (const [name, count] of Object.entries(decided)) console.log(`decided: ${name}, ${count} times`);
  if (unstable > 0)
    console.log(`${unstable} programs left out, which FileHandle itself runs differently from time to time`);
  console.log(`seed ${seed}: ${calls} calls in ${programs} programs, ${divergences.length} divergences`);
}

function printFs({ seed, fsCalls, programs, divergences, declared }: FsFuzzReport): void {
  for (const { testCase } of divergences) console.log(testCase);
  for (const [name, count] of Object.entries(declared)) console.log(`declared: ${name}, ${count} times`);
  console.log(`seed ${seed}: ${fsCalls} calls in ${programs} programs, ${divergences.length} divergences`);
}

/** JSON has no bigint, NaN and infinity: as in source. */
function oddAsText(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most)
      throw new InvalidArgumentError(`Not an integer from ${least} to ${most}.`);
    return value;
  };
}

export function addFuzz(program: Command): void {
  program
    .command('fuzz')
    .description(
      'run random programs on Linux and on the emulation; exit code 1: they differ, 2: the environment stands in the way',
    )
    .option('--seed <n>', 'the same programs again; default: a new one, printed', integer(0, MAX_SEED))
    .option(
      '--operations <n>',
      `operations on each kernel, ${DEFAULT_OPERATIONS} by default`,
      integer(1, 1e12),
    )
    .option('--seconds <n>', 'or how long', integer(1, 1e7))
    .option('--divergences <n>', 'how many to look for before it stops', integer(1, 1000), 1)
    .addOption(
      new Option('--profile <name>', 'which kernel the emulation is: one that can be compared with this one')
        .choices(['linux-6.x'])
        .default('linux-6.x'),
    )
    .option('--files', 'programs over files instead, on FileHandle and on AioFile; operations are calls')
    .addOption(
      new Option(
        '--simulated-fs',
        'programs over names and files instead, on node:fs and on simulation.fs; operations are calls',
      ).conflicts('files'),
    )
    .addOption(
      new Option('--without <features...>', 'with --files: what programs shall not contain').choices(
        FEATURES,
      ),
    )
    .option('--json', 'print one JSON object')
    .option('--directory <dir>', 'where to make files', tmpdir())
    .action(run);
}
