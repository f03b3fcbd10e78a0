/** Running a program over many seeds, and telling which history made it fail. */
import { validateInteger } from '../../common/validate.ts';
import { type Seed, seedOf } from '../simulated/random.ts';
import { simulate } from './simulate.ts';
import type { SimulateOptions } from './simulate-options.ts';
import type { Simulation } from './simulation.ts';
import { type Pages, SimulationError } from './simulation-error.ts';

/** What is run, and how often. */
export interface ExploreOptions extends Omit<SimulateOptions, 'seed'> {
  /** How many seeds. */
  readonly seeds: number;
  /** The first; the others follow it. Default 1. To see one history again: `{ seeds: 1, firstSeed: '1234' }`. */
  readonly firstSeed?: Seed;
  /** The program. What it throws is a failure. */
  readonly program: (simulation: Simulation) => Promise<unknown>;
  /** Told after each seed. */
  readonly progress?: (done: number) => void;
  /** Where a page is put that shows the history that fails. Default `true`: in one of the host's temporary folders. */
  readonly pages?: Pages;
}

/** How {@link check} tells of a failure. */
export interface CheckOptions {
  /** Where a page is put that shows the history. Default `false`: nowhere. */
  readonly pages?: Pages;
}

/** What was explored. */
export interface Explored {
  /** Seeds whose program ended well: all that were asked for. */
  readonly seeds: number;
  /** Lines of all histories together. */
  readonly entries: number;
}

/**
 * Turns of the event loop, and time of the host, without a sign of life after which a program that has not ended is said to
 * wait in vain. The host's time decides about nothing but that.
 */
const VAIN_TURNS = 20_000;
const VAIN_MS = 2000;

/**
 * Runs a program in a simulation for each of many seeds, one after the other, until one fails.
 *
 * @throws SimulationError with the seed and the trace, and the path of a page that shows it; `cause` is what the program threw.
 */
export async function explore(options: ExploreOptions): Promise<Explored> {
  const { seeds, firstSeed = 1, program, progress, pages = true, ...simulateOptions } = options;
  validateInteger('options.seeds', seeds, 1, Number.MAX_SAFE_INTEGER);
  const first = seedOf(firstSeed);
  let entries = 0;
  for (let done = 0; done < seeds; done++) {
    const simulation = simulate({ ...simulateOptions, seed: BigInt.asUintN(64, first + BigInt(done)) });
    await check(simulation, program, { pages });
    entries += simulation.trace.length;
    progress?.(done + 1);
  }
  return { seeds, entries };
}

/**
 * Runs a program in a simulation.
 *
 * @throws SimulationError with the seed and the trace, when the program throws, and when it waits for what never comes: nothing
 * has happened on any machine of the simulation for thousands of turns of the event loop, and nothing is due.
 */
export async function check<T>(
  simulation: Simulation,
  program: (simulation: Simulation) => Promise<T>,
  { pages = false }: CheckOptions = {},
): Promise<T> {
  const { trace } = simulation;
  let ended = false;
  const vain = new Promise<never>((_resolve, reject) => {
    let idle = 0;
    let since = performance.now();
    let seen = trace.signs;
    const look = (): void => {
      if (ended) return;
      if (seen === trace.signs) idle++;
      else {
        idle = 0;
        since = performance.now();
        seen = trace.signs;
      }
      if (idle > VAIN_TURNS && performance.now() - since > VAIN_MS)
        reject(new Error('the program waits for something that never happens'));
      else setImmediate(look);
    };
    look();
  });
  try {
    return await Promise.race([program(simulation), vain]);
  } catch (error) {
    // One that brings its own history with it: of a machine that was tried within.
    if (error instanceof SimulationError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new SimulationError(message, simulation, error, pages);
  } finally {
    ended = true;
  }
}
