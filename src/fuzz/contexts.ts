/**
 * The contexts of both kernels.
 *
 * `io_destroy` takes 30 to 40 ms on Linux (DESTROY-07), so programs share contexts, and what they leave behind is destroyed
 * off to the side, a few at a time.
 */
import { EnvironmentBroken } from './environment.ts';
import type { ContextSlot } from './program.ts';
import type { Side } from './side.ts';

/** Requests of the shared contexts: two sizes of ring. */
const SHARED: readonly { readonly slot: ContextSlot; readonly nr: number }[] = [
  { slot: 0, nr: 8 },
  { slot: 1, nr: 64 },
];
/** Destroyed at a time: a thread of the pool stays free. */
const AT_ONCE = 3;
/** Waiting to be destroyed: their quota counts for the whole machine. */
const MOST_WAITING = 48;

export class Contexts {
  readonly #sides: readonly Side[];
  readonly #waiting: { readonly side: Side; readonly handle: number }[] = [];
  readonly #destroying = new Set<Promise<void>>();

  constructor(sides: readonly Side[]) {
    this.#sides = sides;
    this.renew();
  }

  /** Gives all programs to come new shared contexts. */
  renew(): void {
    for (const side of this.#sides)
      for (const { slot, nr } of SHARED) {
        this.retire(side, slot);
        const { answer, handle } = side.setup(nr, 'start');
        if (answer !== 0)
          throw new EnvironmentBroken(`io_setup answered errno ${-answer}: is fs.aio-max-nr exhausted?`);
        side.contexts[slot] = side.context(handle);
      }
  }

  /** Whether nothing is being destroyed: then nobody here changes `aio-nr`. */
  get isQuiet(): boolean {
    return this.#destroying.size === 0;
  }

  /** Takes a context away from the programs. */
  retire(side: Side, slot: ContextSlot): void {
    const context = side.forget(slot);
    if (context === undefined) return;
    this.#waiting.push({ side, handle: context.handle });
    this.#next();
  }

  #next(): void {
    while (this.#destroying.size < AT_ONCE) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const { side, handle } = next;
      const destroyed = side.kernel.destroyInBackground(handle).then((answer) => {
        this.#destroying.delete(destroyed);
        side.destroyed(handle);
        if (answer !== 0)
          throw new Error(
            `a context of the ${side.kernel.name} kernel could not be destroyed (errno ${-answer})`,
          );
        this.#next();
      });
      this.#destroying.add(destroyed);
    }
  }

  /** Waits while too many are waiting to be destroyed. */
  async keepUp(): Promise<void> {
    while (this.#waiting.length > MOST_WAITING) await Promise.race(this.#destroying);
  }

  /** Waits until all that were taken away are gone, with whatever they still did. */
  async settled(): Promise<void> {
    while (this.#destroying.size > 0) await Promise.all(this.#destroying);
  }

  async close(): Promise<void> {
    for (const side of this.#sides) for (const slot of [0, 1, 2, 3] as const) this.retire(side, slot);
    await this.settled();
    for (const { kernel } of this.#sides) await kernel.settled();
  }
}
