/** Runs a package on a machine that ends at each moment in turn, and looks at what is left. */
import { check, type Ending, type ModelName, type Simulation, simulate } from '../../src/emulated/index.ts';
import { during } from '../../src/simulated.ts';
import type { Store } from './subject.ts';

const STEPS = 5;
/** Multiples of it, without what is before the point, are spread evenly however many there are: the golden ratio. */
const SPREAD = (Math.sqrt(5) - 1) / 2;

/** What `check` says of who waits while nothing is due. */
const NEVER = 'the program waits for something that never happens';

/** How a machine ends. */
export interface End {
  readonly how: Ending['how'];
  readonly model: ModelName;
}

/** What is left: all that was saved; less, but whole; something that cannot be read, or was never saved. */
export type Verdict = 'whole' | 'older' | 'damaged';

export interface Trial {
  readonly verdict: Verdict;
  /** In words. */
  readonly told: string;
  /** Operations on the disk until the end. */
  readonly events: number;
  readonly after: Simulation;
}

/** @param atEvent - Which operation on the disk it ends at; none is the end of the program. */
export async function trial(
  make: () => Store,
  { how, model }: End,
  seed: number,
  atEvent = Number.MAX_SAFE_INTEGER,
): Promise<Trial> {
  const simulation = simulate({ seed, model });
  let saved = 0;
  const life = check(simulation, async (): Promise<Trial> => {
    const program = async (): Promise<void> => {
      const store = make();
      await store.begin?.();
      for (let number = 1; number <= STEPS; number++) {
        await store.step(number);
        // After its end nobody hears of it any more.
        if (simulation.isCrashed) return;
        saved = number;
        simulation.note(`saved ${number}`);
      }
    };
    const after = await during(simulation, () =>
      simulation.crashDuring(program, { atEvent, kill: how === 'kill' }),
    );
    const { events } = simulation;
    const result = (verdict: Verdict, told: string): Trial => ({ verdict, told, events, after });
    let found: number;
    try {
      found = await during(after, () => make().find());
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return result('damaged', `${saved} were saved; then: ${message.split('\n')[0]}`);
    }
    const told = `${saved} were saved, ${found} are there`;
    if (found > saved + 1) return result('damaged', told);
    return result(found < saved ? 'older' : 'whole', told);
  });
  return life.catch((error: Error): Trial => {
    if (!error.message.startsWith(NEVER)) throw error;
    const told = `${saved} were saved; then reading never ends`;
    return { verdict: 'damaged', told, events: simulation.events, after: simulation };
  });
}

export interface Trials {
  readonly counts: Readonly<Record<Verdict, number>>;
  /** The first of each kind that was not whole. */
  readonly first: Readonly<
    Partial<Record<Verdict, { readonly seed: number; readonly atEvent: number; readonly told: string }>>
  >;
}

/** Many ends, all over the program, each with a seed of its own. */
export async function trials(make: () => Store, end: End, count: number): Promise<Trials> {
  const { events } = await trial(make, end, 1);
  if (events < STEPS) throw new Error('it does not use the simulated disk');
  const counts = { whole: 0, older: 0, damaged: 0 };
  const first: Partial<Record<Verdict, { seed: number; atEvent: number; told: string }>> = {};
  for (let done = 0; done < count; done++) {
    const seed = 1 + done;
    const atEvent = 1 + Math.floor(((done * SPREAD) % 1) * events);
    const { verdict, told } = await trial(make, end, seed, atEvent);
    counts[verdict]++;
    if (verdict !== 'whole') first[verdict] ??= { seed, atEvent, told };
  }
  return { counts, first };
}
