/** One program by itself: what a printed finding ends with. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { Program } from './program.ts';
import { runSession } from './session.ts';
import type { WorldOptions } from './world.ts';

/**
 * Runs a program some times, and ends the process: with 0 when nothing is wrong, with 1 when something is.
 *
 * @param times - What a program finds may take some luck.
 */
export async function alone(
  { backend, executor }: Pick<WorldOptions, 'backend' | 'executor'>,
  times: number,
  program: Program,
): Promise<never> {
  const found = (wrong: string): never => {
    console.log(`WRONG: ${wrong}`);
    process.exit(1);
  };
  if (!existsSync('/proc/self/fd')) throw new Error('descriptors can be counted on Linux only');
  await runSession({ backend, executor, directory: tmpdir(), without: [] }, 0, times, () => program, {
    ready: () => {},
    begins: () => {},
    checked: () => {},
    found,
  });
  console.log('right');
  process.exit(0);
}
