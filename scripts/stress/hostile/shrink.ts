/** Makes a program that finds something as small as can be, each trial in a process of its own. */
import type fc from 'fast-check';
import type { Program } from './program.ts';

/** Halves, quarters and so on of a program left out, as long as it still fails: most of it goes in few trials. */
async function withoutChunks(
  program: Program,
  fails: (program: Program) => Promise<boolean>,
  isLate: () => boolean,
): Promise<Program> {
  let current = program;
  for (let chunk = current.length >> 1; chunk >= 1; chunk >>= 1) {
    for (let at = 0; at < current.length && !isLate(); ) {
      const candidate = [...current.slice(0, at), ...current.slice(at + chunk)];
      if (candidate.length > 0 && (await fails(candidate))) current = candidate;
      else at += chunk;
    }
  }
  return current;
}

/**
 * The smallest program that was found in the time given.
 *
 * @param fails - Whether a program finds the same.
 */
export async function shrunk(
  program: Program,
  arbitrary: fc.Arbitrary<Program>,
  fails: (program: Program) => Promise<boolean>,
  seconds: number,
): Promise<Program> {
  const until = Date.now() + seconds * 1000;
  const isLate = (): boolean => Date.now() > until;
  let current = await withoutChunks(program, fails, isLate);
  if (!arbitrary.canShrinkWithoutContext(current)) return current;
  // fast-check's own: simpler steps, smaller numbers, shorter bodies.
  for (let progress = true; progress && !isLate(); ) {
    progress = false;
    for (const { value } of arbitrary.shrink(current, undefined)) {
      if (isLate()) break;
      if (!(await fails(value))) continue;
      current = value;
      progress = true;
      break;
    }
  }
  return current;
}
