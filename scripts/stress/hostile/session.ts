/** A process that runs programs one after the other, until one of them finds something. */
import type { Program } from './program.ts';
import { Run } from './run.ts';
import { World, type WorldOptions } from './world.ts';

/** Programs between two looks at everything. */
const CHECK_EVERY = 50;
/** For one program. */
const MOST_MS = 8000;

/** Warnings that are the right answer to what programs do. */
const EXPECTED_WARNINGS = [/^An AioFile \(descriptor/, /^Closing file descriptor \d+ on garbage collection/];
/** Node.js 25 and later say so of a FileHandle that was dropped. */
const EXPECTED_ERROR = /^A FileHandle object was closed during garbage collection/;
const EXPECTED_NAMES: readonly string[] = ['ExperimentalWarning', 'DeprecationWarning'];
const EXPECTED_CODES: readonly unknown[] = ['AIO_FAULTY_FILE'];

/** Who is told. */
export interface Listener {
  ready(world: World): void;
  /** @param steps - Run since the last time. */
  begins(index: number, steps: number): void;
  /** Everything was looked at after program `index`. */
  checked(index: number, steps: number): void;
  /** Something is wrong. Does not return: what is left of this process proves nothing. */
  found(wrong: string): never;
}

function firstLines(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return (error.stack ?? error.message)
    .split('\n')
    .slice(0, 4)
    .map((line) => line.trim())
    .join(' | ');
}

/** Runs programs `from` to `to`. */
export async function runSession(
  options: WorldOptions,
  from: number,
  to: number,
  programAt: (index: number) => Program,
  listener: Listener,
): Promise<void> {
  process.on('uncaughtException', (error) => {
    if (!EXPECTED_ERROR.test(error.message)) listener.found(`uncaught: ${firstLines(error)}`);
  });
  process.on('warning', (warning: Error & { code?: string }) => {
    const { name, code, message } = warning;
    if (EXPECTED_NAMES.includes(name) || EXPECTED_CODES.includes(code)) return;
    if (EXPECTED_WARNINGS.some((one) => one.test(message))) return;
    listener.found(`a warning: ${name} ${code ?? ''} ${message}`);
  });
  const world = await World.make(options);
  listener.ready(world);
  let steps = 0;
  for (let index = from; index < to; index++) {
    listener.begins(index, steps);
    steps = 0;
    const run = new Run(world);
    const timer = setTimeout(() => listener.found(`does not end: ${run.state}`), MOST_MS);
    const outcome = await run.run(programAt(index));
    clearTimeout(timer);
    steps += outcome.steps;
    if (outcome.wrong !== undefined) listener.found(outcome.wrong);
    if ((index + 1 - from) % CHECK_EVERY !== 0 && index !== to - 1) continue;
    const wrong = await world.check();
    if (wrong !== undefined) listener.found(wrong);
    listener.checked(index, steps);
    steps = 0;
  }
  await world.end();
}
