/** `kaio conformance`: what this machine's kernel, the emulation, or somebody's own kernel does. */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  C_RULES,
  ConformanceSession,
  cProgram,
  directoryFault,
  EnvironmentBroken,
  Expectations,
  type SessionOptions,
  selectCases,
} from '../../test/conformance/index.ts';
import { EXECUTORS, type ExecutorName, PROFILES, type ProfileName } from '../emulated/index.ts';
import { askAbiOracle, loadAddon } from '../native/index.ts';
import { type BackendPreference, preferenceOf } from '../select.ts';
import { changesBetween, describeChanges, readReport } from './conformance-compare.ts';
import type { WantedKernel } from './conformance-kernel.ts';
import { backendOption, type WithBackend } from './options.ts';
import { printable } from '../command/printable.ts';
import { REPORTERS, type ReporterName, reporter } from './reporters/index.ts';
import type { AbiReport } from './reporters/report.ts';

interface ConformanceOptions extends WithBackend {
  readonly profile?: ProfileName;
  readonly executor?: ExecutorName;
  readonly kernel?: string;
  readonly reporter: ReporterName;
  readonly json?: boolean;
  readonly rule?: string;
  readonly order?: number;
  readonly isolated?: boolean;
  readonly deadline: number;
  readonly directory: string;
  readonly compare?: readonly string[];
  readonly c?: boolean;
  readonly expect?: string;
}

const NOT_CONFORMANT = 1;
const ENVIRONMENT_BROKEN = 2;
const MILLISECONDS = 1000;
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
const ENDED_BY_SIGNAL = 128;

/** The tables against the C compiler's view of this very machine, where the addon brings it. */
function abi(): AbiReport | undefined {
  const { addon } = loadAddon();
  if (addon === undefined) return undefined;
  const { compared, differences } = askAbiOracle(addon);
  const lines = differences.map(({ title, expected, actual }) => `${title}: ${expected}, not ${actual}`);
  return { compared, differences: lines };
}

/**
 * Which of kaio's kernels is meant. Who asks what a Linux machine does, and names no kernel, is not told about the emulation; on other
 * systems there is nothing else to ask.
 */
function wanted({ backend, profile, executor }: ConformanceOptions): WantedKernel {
  if (profile !== undefined || executor !== undefined) {
    if (backend === 'native')
      throw new Error('profiles and executors are the emulation’s: --backend native has none');
    return {
      ...(profile === undefined ? {} : { profile }),
      ...(executor === undefined ? {} : { executor }),
    };
  }
  const named: BackendPreference | undefined =
    backend ?? (process.env.KAIO_BACKEND ? preferenceOf() : undefined);
  return { backend: named ?? (process.platform === 'linux' ? 'native' : 'emulated') };
}

function sessionOptions(options: ConformanceOptions): SessionOptions {
  const { kernel, directory, deadline, isolated = false } = options;
  const ours = [options.backend, options.profile, options.executor].some((one) => one !== undefined);
  if (kernel !== undefined && ours)
    throw new Error(
      '--kernel names a kernel of your own: --backend, --profile and --executor are for those of kaio',
    );
  const own = new URL('./conformance-kernel.js', import.meta.url);
  return {
    ...(kernel === undefined
      ? { module: own, options: wanted(options) }
      : { module: pathToFileURL(resolve(kernel)) }),
    directory,
    deadlineMs: deadline * MILLISECONDS,
    isolated,
  };
}

/** @throws Error without a rule, or for one that there is no program for. */
function printProgram(rule: string | undefined): void {
  const program = rule === undefined ? undefined : cProgram(rule);
  if (program === undefined) throw new Error(`--c takes --rule with one of ${C_RULES.join(', ')}`);
  process.stdout.write(program);
}

/** Exit code 1 where something changed, as diff(1) has it. */
function compare(paths: readonly string[]): void {
  const [before, after, ...more] = paths;
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error('--compare takes two reports, which --json has printed');
  const reports = [readReport(before), readReport(after)] as const;
  for (const line of describeChanges(...reports)) console.log(printable(line));
  if (changesBetween(...reports).length > 0) process.exitCode = NOT_CONFORMANT;
}

/** @throws Error that names the file, where it is none of expectations. */
function readExpectations(path: string): Expectations {
  try {
    return new Expectations(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function conformance(options: ConformanceOptions): Promise<void> {
  if (options.c === true) {
    printProgram(options.rule);
    return;
  }
  if (options.compare !== undefined) {
    compare(options.compare);
    return;
  }
  const { rule, order, json = false, directory } = options;
  const selection = { ...(rule === undefined ? {} : { rule }), ...(order === undefined ? {} : { order }) };
  if (selectCases(selection).length === 0) throw new Error(`no case has the rule '${rule}'`);
  const expectations = options.expect === undefined ? undefined : readExpectations(options.expect);
  const session = new ConformanceSession(sessionOptions(options));
  const { onCase, onEnd, onBroken } = reporter(json ? 'json' : options.reporter, selection);
  // The child process is killed at exit, which a signal by itself skips.
  for (const [signal, number] of Object.entries(SIGNALS))
    process.once(signal, () => process.exit(ENDED_BY_SIGNAL + number));
  try {
    const fault = directoryFault(directory);
    if (fault !== undefined) throw new EnvironmentBroken(fault);
    expectations?.assertMeans(await session.identity());
    const found = await session.runAll({
      ...selection,
      onCase: (one) => onCase?.(expectations?.judge(one) ?? one),
    });
    const judgement = expectations?.judgeAll(found);
    const report = judgement?.report ?? found;
    const oracle = abi();
    onEnd({
      ...report,
      ...(judgement === undefined ? {} : { expectations: { met: judgement.met, stale: judgement.stale } }),
      ...(order === undefined ? {} : { order }),
      ...(oracle === undefined ? {} : { abi: oracle }),
    });
    if (report.failed > 0 || (oracle?.differences.length ?? 0) > 0) process.exitCode = NOT_CONFORMANT;
    else if (report.broken > 0) process.exitCode = ENVIRONMENT_BROKEN;
  } catch (error) {
    if (!(error instanceof EnvironmentBroken)) throw error;
    onBroken(error.message);
    console.error(`kaio: environment broken: ${error.message}`);
    process.exitCode = ENVIRONMENT_BROKEN;
  } finally {
    await session.close();
  }
}

function seedArgument(text: string): number {
  if (text === 'random') return Math.floor(Math.random() * 2 ** 32);
  if (!/^\d{1,10}$/.test(text) || Number(text) >= 2 ** 32)
    throw new InvalidArgumentError('Neither random nor a number below 2^32.');
  return Number(text);
}

function secondsArgument(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 86_400)) throw new InvalidArgumentError('Not between 0 and 86400 seconds.');
  return seconds;
}

export function addConformance(program: Command): void {
  program
    .command('conformance')
    .description(
      'run the conformance suite; exit code 1: not conformant, 2: the environment stands in the way',
    )
    .addOption(backendOption())
    .addOption(new Option('--profile <name>', 'which kernel the emulation is').choices(Object.keys(PROFILES)))
    .addOption(new Option('--executor <name>', 'what runs its file operations').choices(EXECUTORS))
    .option(
      '--kernel <module>',
      'a kernel of your own: its default export is a function that answers an AioKernel',
    )
    .option('--rule <id>', 'only the cases of one rule, such as SETUP-03')
    .addOption(new Option('--reporter <name>', 'how to tell').choices(REPORTERS).default('table'))
    .option('--json', 'the same as --reporter json')
    .option('--directory <dir>', 'where to make files', tmpdir())
    .option('--order <seed>', 'run the cases in an order that the seed decides, or random', seedArgument)
    .option('--isolated', 'run each case in a process of its own')
    .option(
      '--deadline <seconds>',
      'how long a case may take before it counts as hanging',
      secondsArgument,
      90,
    )
    .option(
      '--expect <file>',
      'what this kernel is known to do otherwise: that does not fail, and what no longer holds does',
    )
    .option('--c', 'print a C program that asks for what the rule of --rule says; runs nothing')
    .option('--compare <reports...>', 'what changed between two reports of --json; runs nothing')
    .action(conformance);
}
