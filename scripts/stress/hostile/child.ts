/**
 * A child of the fuzzer: `child.js TASK`.
 *
 * What it does is written to descriptor 3, a line at a time: the parent knows where it was whatever happens.
 */
import { readFileSync, writeSync } from 'node:fs';
import { argv, exit } from 'node:process';
import { programs } from './arbitraries.ts';
import { programOf } from './generation.ts';
import type { Program } from './program.ts';
import { runSession } from './session.ts';
import type { WorldOptions } from './world.ts';

/** What a child is to do. */
export interface Task extends WorldOptions {
  /** Programs by their numbers, or as they are. */
  readonly source:
    | { readonly seed: number; readonly from: number; readonly to: number }
    | { readonly programs: readonly Program[]; readonly times: number };
}

/** A line of a child. */
export type Report =
  | { readonly ready: true; readonly noDirect: string | undefined; readonly release: string }
  /** Begins the program of this number. */
  | { readonly at: number; readonly steps: number }
  /** Has looked at everything after the program of this number. */
  | { readonly checked: number; readonly steps: number }
  | { readonly wrong: string };

const REPORT_FD = 3;

function report(line: Report): void {
  writeSync(REPORT_FD, `${JSON.stringify(line)}\n`);
}

async function main({ source, ...options }: Task): Promise<void> {
  const listener = {
    ready: ({ files, kernel }: { files: { noDirect: string | undefined }; kernel: { release: string } }) =>
      report({ ready: true, noDirect: files.noDirect, release: kernel.release }),
    begins: (at: number, steps: number) => report({ at, steps }),
    checked: (checked: number, steps: number) => report({ checked, steps }),
    found: (wrong: string): never => {
      report({ wrong });
      exit(1);
    },
  };
  if ('from' in source) {
    const arbitrary = programs(new Set(options.without), options.backend === 'emulated');
    const programAt = (index: number): Program => programOf(arbitrary, source.seed, index);
    await runSession(options, source.from, source.to, programAt, listener);
    return;
  }
  const list = source.programs;
  await runSession(options, 0, list.length * source.times, (index) => list[index % list.length]!, listener);
}

const task = JSON.parse(argv[2]!) as Task;
// Programs are too long for an argument.
await main(
  'from' in task.source ? task : { ...task, source: JSON.parse(readFileSync(0, 'utf8')) as Task['source'] },
);
