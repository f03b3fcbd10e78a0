/** Runs a package on a machine that ends at each moment in turn, and looks at what is left. */
import { check, type Simulation, simulate } from 'kaio/emulated';
import type { Subject } from './subject.ts';

const STEPS = 5;
/** Multiples of it, without what is before the point, are spread evenly however many there are: the golden ratio. */
const SPREAD = (Math.sqrt(5) - 1) / 2;

/** How a machine ends: only the process, or the power is lost. */
export type End = 'kill' | 'power';

/** What is left: all that was saved; less; something that cannot be read, or is not what was saved. */
export type Verdict = 'whole' | 'lost' | 'damaged';

export interface Trial {
  readonly verdict: Verdict;
  /** In words. */
  readonly told: string;
  /** Operations on the disk until the end. */
  readonly events: number;
  /** Steps that had returned. */
  readonly saved: number;
  readonly after: Simulation;
}

/** @param atEvent - Which operation on the disk it ends at; none is the end of the program. */
export async function trial(
  subject: Subject,
  seed: number,
  end: End,
  atEvent = Number.MAX_SAFE_INTEGER,
): Promise<Trial> {
  const simulation = simulate({ seed });
  return check(simulation, async () => {
    let saved = 0;
    const after = await simulation.crashDuring(
      async () => {
        await subject.begin(simulation.fs);
        for (let number = 1; number <= STEPS; number++) {
          await subject.step(simulation.fs, number);
          // After its end nobody hears of it any more.
          if (simulation.isCrashed) return;
          saved = number;
          simulation.note(`saved ${number}`);
        }
      },
      { atEvent, kill: end === 'kill' },
    );
    const { events } = simulation;
    const result = (verdict: Verdict, told: string): Trial => ({ verdict, told, events, saved, after });
    let found: number;
    try {
      found = await subject.find(after.fs);
    } catch (error) {
      // Before anything was saved there need not be anything to read.
      if (saved === 0) return result('whole', 'nothing was saved');
      const message = error instanceof Error ? error.message : String(error);
      return result('damaged', `${saved} were saved: ${message.split('\n')[0]}`);
    }
    if (found < saved) return result('lost', `${saved} were saved, ${found} are there`);
    if (found > saved + 1) return result('damaged', `${saved} were saved, ${found} are there`);
    return result('whole', `${saved} were saved, ${found} are there`);
  });
}

export interface Trials {
  readonly counts: Readonly<Record<Verdict, number>>;
  /** The first of those that were not whole. */
  readonly first: { readonly seed: number; readonly atEvent: number; readonly told: string } | undefined;
}

/** Many ends, all over the program, each with a seed of its own. */
export async function trials(subject: Subject, end: End, count: number): Promise<Trials> {
  const { events } = await trial(subject, 1, end);
  const counts = { whole: 0, lost: 0, damaged: 0 };
  let first: Trials['first'];
  for (let done = 0; done < count; done++) {
    const seed = 1 + done;
    const atEvent = 1 + Math.floor(((done * SPREAD) % 1) * events);
    const { verdict, told } = await trial(subject, seed, end, atEvent);
    counts[verdict]++;
    if (verdict !== 'whole') first ??= { seed, atEvent, told };
  }
  return { counts, first };
}
