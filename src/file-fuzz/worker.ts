/** A process that runs programs on all sides; its parent asks for them. */
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { open } from '../index.ts';
import { compare } from './compare.ts';
import { generateFileProgram } from './generator.ts';
import { catchAll, type Patience, runOn, type Side } from './machine.ts';
import type { FileDifference, FileProgram, Run, SideName, Step } from './program.ts';
import type { FileScope } from './scope.ts';
import { openPaces, openSides } from './sides.ts';

/** What the parent asks for. */
export type Request =
  | Search
  | { readonly program: FileProgram; readonly sides: readonly SideName[]; readonly hangMs: number };

/** Runs programs of a seed, until one differs. */
interface Search {
  readonly seed: number;
  readonly from: number;
  readonly until: number;
  readonly scope: FileScope;
}

/** What it hears. */
export type Report =
  | { readonly ready: true }
  /** About to run this program. */
  | { readonly at: number }
  | {
      /** How far it came. */
      readonly next: number;
      readonly calls: number;
      readonly difference?: FileDifference;
      /** Cannot go on: something stayed open. */
      readonly stained: boolean;
      readonly decided: Readonly<Record<string, number>>;
    }
  | { readonly runs: readonly Run[]; readonly stained: boolean };

/** The first look at a program; what differs is looked at again with patience. */
const HASTE: Patience = { hangMs: 150, restMs: 0 };
const REST_MS = 4;
/** Descriptors and threads held by what hangs. */
const MOST_STAINS = 16;

/** Exit code. */
const FAILED = 3;

const [directory, small] = process.argv.slice(2) as [string, string | undefined];
const sides = openSides(directory, small);
const paces = openPaces(directory, small);
/** Files that keep the contexts that all share. */
const kept: unknown[] = [];
let stains = 0;

function report(message: Report): void {
  process.send!(message);
}

async function runOnSide(side: Side, program: FileProgram, patience: Patience): Promise<Run> {
  const run = await runOn(side, program, patience);
  if (run.stained) stains += program.steps.some(holdsRoom) ? MOST_STAINS : 1;
  return run;
}

/** Files that stay open here are in the way of the next program. */
function holdsRoom(step: Step): boolean {
  return step.op === 'open' && (step.place === 'small' || step.place === 'fifo');
}

async function search({ seed, from, until, scope }: Search): Promise<Report> {
  let calls = 0;
  let index = from;
  const decided: Record<string, number> = {};
  for (; index < until && stains < MOST_STAINS; index++) {
    report({ at: index });
    const program = generateFileProgram(seed, index, scope);
    calls += program.steps.length;
    const [host, ...others] = sides as [Side, ...Side[]];
    const expected = await runOnSide(host, program, HASTE);
    for (const side of others) {
      const found = compare(program, expected, await runOnSide(side, program, HASTE), side.name, scope);
      for (const { name } of found.decided) decided[name] = (decided[name] ?? 0) + 1;
      if (found.difference !== undefined)
        return {
          next: index + 1,
          calls,
          difference: found.difference,
          stained: stains >= MOST_STAINS,
          decided,
        };
    }
  }
  return { next: index, calls, stained: stains >= MOST_STAINS, decided };
}

async function answer(request: Request): Promise<void> {
  if ('seed' in request) {
    report(await search(request));
    return;
  }
  const runs: Run[] = [];
  for (const name of request.sides) {
    const side = [...sides, ...paces].find((each) => each.name === name)!;
    runs.push(await runOnSide(side, request.program, { hangMs: request.hangMs, restMs: REST_MS }));
  }
  report({ runs, stained: stains >= MOST_STAINS });
}

/** What goes wrong with the fuzzer itself ends the process: the parent waits for an answer. */
function fail(error: unknown): void {
  console.error(error);
  process.exit(FAILED);
}

async function begin(): Promise<void> {
  catchAll();
  // Contexts and what modules open on first use, before descriptors are counted.
  const held = join(directory, 'held');
  mkdirSync(held);
  closeSync(openSync(join(held, 'file'), 'w'));
  for (const backend of ['native', 'emulated'] as const) {
    const file = await open(join(held, 'file'), 'r+', 0o666, { backend });
    kept.push(file);
    await file.write('warm', 0);
  }
  for (const side of sides) await runOn(side, WARM_UP, { hangMs: 1000, restMs: 0 });
  process.on('message', (request: Request) => void answer(request).catch(fail));
  process.on('disconnect', () => process.exit());
  report({ ready: true });
}

/** Makes everything once that is made once. */
const WARM_UP: FileProgram = {
  steps: [
    { op: 'open', slot: 0, place: 'text', flags: 'r+' },
    { op: 'call', slot: 0, method: 'read', args: [{ $: 'bytes', length: 5 }] },
    { op: 'call', slot: 0, method: 'write', args: ['x', 0] },
    { op: 'call', slot: 0, method: 'writeFile', args: ['x'] },
    { op: 'lines', slot: 0 },
  ],
};

void begin().catch(fail);
