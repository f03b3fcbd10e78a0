/**
 * Runs programs, one after the other, until one of them finds something or kills the process.
 *
 * What it does is written to descriptor 3, a line at a time: the parent knows where it was whatever happens.
 */
import { readFileSync, writeSync } from 'node:fs';
import { argv } from 'node:process';
import type { ExecutorName } from '../../../src/emulated/index.ts';
import { programs } from './arbitraries.ts';
import { programOf } from './generation.ts';
import type { Program } from './program.ts';
import { Run } from './run.ts';
import { World } from './world.ts';

/** What a child is to do. */
export interface Task {
  readonly backend: 'native' | 'emulated';
  readonly executor: ExecutorName;
  readonly directory: string;
  readonly without: readonly string[];
  /** Programs by their numbers, or as they are. */
  readonly source:
    | { readonly seed: number; readonly from: number; readonly to: number }
    | { readonly programs: readonly Program[]; readonly times: number };
}

/** A line of a child. */
export type Report =
  /** Begins the program of this number. */
  | { readonly at: number }
  /** Has run so many steps since the last such line. */
  | { readonly steps: number }
  /** Something is wrong with a program, or with those since the last look at everything. */
  | { readonly wrong: string; readonly since: number; readonly at: number }
  | { readonly ready: true; readonly noDirect: string | undefined; readonly release: string }
  | { readonly end: true };

const REPORT_FD = 3;
/** Programs between two looks at everything. */
const CHECK_EVERY = 50;
/** For one program. */
const MOST_MS = 8000;

/** Warnings that are the right answer to what programs do. */
const EXPECTED_WARNINGS = [/^An AioFile \(descriptor/, /^A file of the user/i];
const EXPECTED_CODES = ['AIO_FAULTY_FILE'];

function report(line: Report): void {
  writeSync(REPORT_FD, `${JSON.stringify(line)}\n`);
}

let current = -1;
let since = 0;
let run: Run | undefined;

/** Tells of it and ends: what is left of this process proves nothing. */
function end(wrong: string): never {
  report({ wrong, since, at: current });
  process.exit(1);
}

process.on('uncaughtException', (error) =>
  end(
    `uncaught: ${error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 4).join(' | ') : String(error)}`,
  ),
);
process.on('warning', (warning) => {
  const { code, message, name } = warning as Error & { code?: string };
  if (name === 'ExperimentalWarning' || name === 'DeprecationWarning') return;
  if (EXPECTED_CODES.includes(code ?? '') || EXPECTED_WARNINGS.some((one) => one.test(message))) return;
  end(`a warning: ${name} ${code ?? ''} ${message}`);
});

async function main({ backend, executor, directory, without, source }: Task): Promise<void> {
  const arbitrary = programs(new Set(without), backend === 'emulated');
  const world = await World.make({ backend, executor, directory });
  report({ ready: true, noDirect: world.files.noDirect, release: world.kernel.release });
  const given = 'programs' in source ? source : undefined;
  const { from, to } = 'from' in source ? source : { from: 0, to: source.programs.length * source.times };
  let steps = 0;
  since = from;
  for (current = from; current < to; current++) {
    report({ at: current });
    const program =
      given === undefined
        ? programOf(arbitrary, (source as { seed: number }).seed, current)
        : given.programs[current % given.programs.length]!;
    run = new Run(world);
    const timer = setTimeout(() => end(`does not end: ${run!.state}`), MOST_MS);
    const outcome = await run.run(program);
    clearTimeout(timer);
    steps += outcome.steps;
    if (outcome.wrong !== undefined) end(outcome.wrong);
    if ((current + 1 - from) % CHECK_EVERY === 0 || current === to - 1) {
      const wrong = await world.check();
      if (wrong !== undefined) end(wrong);
      report({ steps });
      steps = 0;
      since = current + 1;
    }
  }
  current = -1;
  await world.end();
  report({ end: true });
}

const task = JSON.parse(argv[2]!) as Task;
const input = 'from' in task.source ? '' : readFileSync(0, 'utf8');
await main(input === '' ? task : { ...task, source: JSON.parse(input) as Task['source'] });
