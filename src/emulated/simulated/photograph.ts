/** A disk as it was at one moment: what a crash would start from then, as often as one likes. */
import { crash } from './crash.ts';
import type { Crash, InFlightWrite } from './fates.ts';
import type { Inode } from './inode.ts';
import type { Namespace } from './namespace.ts';
import type { Random } from './random.ts';

interface State {
  readonly names: Namespace;
  readonly inFlight: readonly InFlightWrite[];
}

export class Photograph {
  readonly #state: State;

  /** What it is taken of may go on. */
  constructor(names: Namespace, inFlight: readonly InFlightWrite[]) {
    this.#state = copyOf({ names, inFlight });
  }

  /** What is found when the power was lost then. */
  crashed(context: Omit<Crash, keyof State>): Namespace {
    return crash({ ...context, ...copyOf(this.#state) });
  }

  /**
   * What is found when the process was killed then, and the machine was not. Each write that was in flight has happened as a whole
   * or has not.
   */
  killed(random: Random, nowNs: number): Namespace {
    const { names, inFlight } = copyOf(this.#state);
    for (const { inode, change } of inFlight) {
      if (random.chance(0.5)) inode.write(change.id, change.position, change.bytes, nowNs);
    }
    return names;
  }
}

function copyOf({ names, inFlight }: State): State {
  const copies = new Map<Inode, Inode>();
  return {
    names: names.fork(copies),
    inFlight: inFlight.map(({ inode, change }) => ({ inode: inode.fork(copies), change })),
  };
}
