/** The emulation in its profile of 2007 beside the model: programs by a seed, until something differs. */
import { type Difference, Machine } from './machine.ts';
import { type Program, program } from './program.ts';

export interface SeedFuzzReport {
  readonly seed: number;
  readonly operations: number;
  readonly programs: number;
  readonly divergence:
    | { readonly program: number; readonly operations: number; readonly text: string }
    | undefined;
}

/** Runs one program. @returns What differed first. */
function differenceIn(made: Program): Difference | undefined {
  const machine = new Machine(made);
  for (const [index, step] of made.steps.entries()) {
    const difference = machine.run(step, index);
    if (difference !== undefined) return difference;
  }
  return machine.end(made.steps.length);
}

/** Something differs, whatever it is; what throws differs too. */
function attempt(made: Program): Difference | undefined {
  try {
    return differenceIn(made);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { step: -1, what: 'an exception', model: 'none', emulated: text };
  }
}

/** Leaves out one step after the other, as long as something still differs. */
function shrunk(made: Program): Program {
  let small = made;
  for (let again = true; again; ) {
    again = false;
    for (let at = small.steps.length - 1; at >= 0; at--) {
      const fewer = { ...small, steps: small.steps.filter((_step, index) => index !== at) };
      if (attempt(fewer) === undefined) continue;
      small = fewer;
      again = true;
    }
  }
  return small;
}

function printed(made: Program): string {
  const text = (value: unknown): string =>
    JSON.stringify(value, (_key, one: unknown) => (typeof one === 'bigint' ? `${one}n` : one));
  const difference = attempt(made);
  return [
    `aio-max-nr ${made.aio_max_nr}`,
    ...made.files.map((script, index) => `file ${index}: ${text(script)}`),
    ...made.steps.map((step, index) => `step ${index}: ${text(step)}`),
    `differs after step ${difference?.step}: ${difference?.what}`,
    `  model:    ${difference?.model}`,
    `  emulated: ${difference?.emulated}`,
  ].join('\n');
}

/**
 * @param operations - Steps to run at least, unless something differs.
 * @param shrinks - Whether a program that differs is made small.
 */
export function fuzzSeed(
  seed: number,
  operations: number,
  onProgress: (operations: number) => void = () => {},
  shrinks = true,
): SeedFuzzReport {
  const quiet = process.emitWarning;
  // Files that answer too much, or twice, are part of it.
  process.emitWarning = () => {};
  try {
    let done = 0;
    let index = 0;
    for (; done < operations; index++) {
      const made = program(seed, index);
      const difference = attempt(made);
      done += made.steps.length;
      if (difference !== undefined) {
        const text = printed(shrinks ? shrunk(made) : made);
        return {
          seed,
          operations: done,
          programs: index + 1,
          divergence: { program: index, operations: done, text },
        };
      }
      onProgress(done);
    }
    return { seed, operations: done, programs: index, divergence: undefined };
  } finally {
    process.emitWarning = quiet;
  }
}
