/** `kaio bench`: how fast it is here, beside C, fio and node:fs. */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { SingleBar } from 'cli-progress';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  type BenchReport,
  busyTitle,
  type Choice,
  type CommitRow,
  caseTitle,
  commitCaseTitle,
  commitLines,
  ENGINES,
  failureLine,
  MODES,
  machineLines,
  makePlan,
  type Plan,
  PRESETS,
  type PresetName,
  type Row,
  readReport,
  reportPage,
  runBench,
  runCommits,
  runEmulationTargets,
  runTargets,
  TARGET_CHOICE,
  type TargetsReport,
  TRANSFERS,
  tableLines,
  taskReport,
  targetLines,
} from '../../bench/index.ts';
import { blockSizeArgument, countArgument } from './options.ts';
import { printable } from '../command/printable.ts';

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const MAX_SECONDS = 3600;

interface BenchCommand extends Choice {
  readonly preset: PresetName;
  readonly suite?: 'targets' | 'tasks' | 'commits' | 'emulation';
  readonly busy: number;
  readonly directory: string;
  readonly json?: boolean;
  readonly html?: string;
  readonly save?: string;
  readonly from?: string;
}

async function bench(options: BenchCommand): Promise<void> {
  const { preset, suite, busy, directory, json = false, html, save, from, ...choice } = options;
  if (from !== undefined) {
    if (html === undefined) throw new Error('--from needs --html: the page to make of it');
    writeFileSync(html, reportPage(readReport(from)));
    return;
  }
  if (suite === 'commits') {
    await commits(options);
    return;
  }
  const { plan, left } = makePlan(preset, suite === undefined ? choice : { ...TARGET_CHOICE, ...choice });
  for (const line of left) console.error(`kaio: ${printable(line)}`);
  if (suite === undefined && plan.cases.length === 0) throw new Error('nothing is left to measure');
  const screen = new Screen(json);
  const interrupted = new AbortController();
  const onSignal = (): void => interrupted.abort(new Error('interrupted'));
  for (const signal of ENDING_SIGNALS) process.on(signal, onSignal);
  const { signal } = interrupted;
  const onProgress = (title: string): void => screen.progress(0, 1, title);
  try {
    if (suite === 'tasks') {
      const report = await taskReport(plan, commandLine(), { directory, signal, onProgress });
      screen.close();
      if (save !== undefined) writeFileSync(save, `${JSON.stringify(report, undefined, 2)}\n`);
      showTargets(report, json);
      return;
    }
    const run = (wanted: Plan): Promise<BenchReport> =>
      runBench({
        plan: wanted,
        directory,
        command: commandLine(),
        signal: interrupted.signal,
        onProgress: (done, total, title) => screen.progress(done, total, title),
        onFailure: (failure) => screen.error(`kaio: ${printable(failureLine(failure))}`),
        onRows: (rows) => screen.rows(rows, wanted.busy),
      });
    const report: BenchReport & Partial<TargetsReport> =
      suite === undefined
        ? await run(plan)
        : suite === 'emulation'
          ? await runEmulationTargets(plan, run)
          : await runTargets(plan, run, { directory, signal, busy, onProgress });
    screen.close();
    if (save !== undefined) writeFileSync(save, `${JSON.stringify(report, undefined, 2)}\n`);
    if (html !== undefined) writeFileSync(html, reportPage(report));
    showTargets(report, json);
    if (report.rows.length === 0) throw new Error('nothing could be measured');
  } finally {
    screen.close();
    for (const signal of ENDING_SIGNALS) process.off(signal, onSignal);
  }
}

/** 4 KiB written and made durable, beside `fs.promises`. */
async function commits({
  busy,
  directory,
  json = false,
  save,
  rounds = 7,
  seconds = 1,
}: BenchCommand): Promise<void> {
  const interrupted = new AbortController();
  const onSignal = (): void => interrupted.abort(new Error('interrupted'));
  for (const signal of ENDING_SIGNALS) process.on(signal, onSignal);
  try {
    const report = await runCommits({
      rounds,
      seconds,
      busy,
      directory,
      command: commandLine(),
      signal: interrupted.signal,
      onRows: (rows) => {
        if (!json) showCommits(rows);
      },
    });
    if (report.withoutC !== undefined) console.error(`kaio: c: left out: ${printable(report.withoutC)}`);
    for (const failure of report.failures) console.error(`kaio: ${printable(failure)}`);
    if (save !== undefined) writeFileSync(save, `${JSON.stringify(report, undefined, 2)}\n`);
    if (!json) console.log('');
    showTargets(report, json);
    if (report.rows.length === 0) throw new Error('nothing could be measured');
  } finally {
    for (const signal of ENDING_SIGNALS) process.off(signal, onSignal);
  }
}

/** What was reached, and on which machine. */
function showTargets(
  report: Partial<Pick<TargetsReport, 'targets'>> & Pick<BenchReport, 'machine'>,
  json: boolean,
): void {
  if (json) {
    console.log(JSON.stringify(report, undefined, 2));
    return;
  }
  for (const line of targetLines(report.targets ?? [])) console.log(printable(line));
  console.log('');
  for (const [name, value] of machineLines(report.machine))
    console.log(`${name.padEnd(12)} ${printable(value)}`);
}

function showCommits(rows: readonly CommitRow[]): void {
  const [first] = rows;
  if (first === undefined) return;
  console.log(`\n${commitCaseTitle(first)}`);
  for (const line of commitLines(rows)) console.log(line);
}

/** What a person sees while it runs: rows on standard output, progress and failures on standard error. */
class Screen {
  readonly #json: boolean;
  #bar: SingleBar | undefined;

  constructor(json: boolean) {
    this.#json = json;
  }

  progress(done: number, total: number, title: string): void {
    if (!process.stderr.isTTY) return;
    if (this.#bar === undefined) {
      this.#bar = new SingleBar({ format: '{bar} {value}/{total} | {title}', clearOnComplete: true });
      this.#bar.start(total, done, { title });
    }
    this.#bar.update(done, { title });
  }

  rows(rows: readonly Row[], busy = 0): void {
    const [first] = rows;
    if (this.#json || first === undefined) return;
    this.close();
    console.log(`\n${caseTitle(first)}${busyTitle(busy)}`);
    for (const line of tableLines(rows)) console.log(line);
  }

  error(line: string): void {
    this.close();
    console.error(line);
  }

  close(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

/** Where things go is nothing that numbers depend on, beyond the file system, which the report names. */
const PLACES = ['--directory', '--save', '--html'];

/** As it can be typed again. */
function commandLine(): string {
  const words = process.argv
    .slice(2)
    .filter((word, index, all) => !PLACES.includes(word) && !PLACES.includes(all[index - 1] ?? ''))
    .filter((word) => word !== '--json' && !PLACES.some((place) => word.startsWith(`${place}=`)));
  return ['kaio', ...words].join(' ');
}

/** A list with commas, each part read by `parse`. */
function listOf<T>(parse: (text: string) => T): (text: string) => T[] {
  return (text) => text.split(',').map((part) => parse(part.trim()));
}

function oneOf<T extends string>(choices: readonly T[]): (text: string) => T {
  return (text) => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw new InvalidArgumentError(`There is ${choices.join(', ')}.`);
    return found;
  };
}

function secondsArgument(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= MAX_SECONDS))
    throw new InvalidArgumentError(`Not more than 0 and at most ${MAX_SECONDS}.`);
  return value;
}

function integerArgument(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 0xffff_ffff)
    throw new InvalidArgumentError('Not between 1 and 4294967295.');
  return value;
}

export function addBench(program: Command): void {
  program
    .command('bench')
    .description('measure kaio beside a loop in C, fio and node:fs, in turns, on a file of its own')
    .addOption(
      new Option('--preset <name>', 'what is measured where nothing else is said')
        .choices(Object.keys(PRESETS))
        .default('quick'),
    )
    .addOption(
      new Option('--suite <name>', 'measure what kaio must reach, and tell').choices([
        'targets',
        'tasks',
        'commits',
        'emulation',
      ]),
    )
    .option(
      '--busy <n>',
      'of --suite commits and targets: programs that do nothing but compute, beside it in the second half',
      countArgument,
      2,
    )
    .option('--engines <list>', `of ${ENGINES.join(', ')}`, listOf(oneOf(ENGINES)))
    .option('--rw <list>', `of ${TRANSFERS.join(', ')}`, listOf(oneOf(TRANSFERS)))
    .option('--mode <list>', `of ${MODES.join(', ')}`, listOf(oneOf(MODES)))
    .option('--block-size <list>', 'bytes, such as 512,4k,1m', listOf(blockSizeArgument))
    .option('--queue-depth <list>', 'transfers under way at once', listOf(countArgument))
    .option('--rounds <n>', 'turns of each engine', countArgument)
    .option('--seconds <s>', 'of each timed stretch of a turn', secondsArgument)
    .option('--operations <n>', 'a fixed number of transfers for each stretch instead', integerArgument)
    .option('--size <bytes>', 'of the file', blockSizeArgument)
    .option('--seed <n>', 'of the random order', integerArgument)
    .option('--verify', 'check address and checksum of every block, also while it is timed')
    .option(
      '--patience <s>',
      'beyond its time, before an engine that does not end is given up',
      secondsArgument,
    )
    .option('--directory <dir>', 'where to make the file', tmpdir())
    .option('--json', 'print one JSON object')
    .option('--save <file>', 'write that JSON to a file')
    .option('--html <file>', 'write a page with plots')
    .option('--from <file>', 'make the page of a saved report instead of measuring')
    .action(bench);
}
