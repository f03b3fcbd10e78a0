/** The events that two kernels handed out in the course of one program, and whether they are the same. */
import type { Seen } from './side.ts';

/**
 * Which order Linux promises for the event of a request.
 *
 * - `transfer`: reads and writes that run inside `io_submit` (BLOCK-01): in the order of submission.
 * - `own`: polls woken by the program itself, in the order of the wake-ups (POLL-08), and reads of eventfds. One order with
 *   the others on Linux; a kernel without `runs-in-submit` runs the others later.
 * - `none`: direct I/O, FSYNC, cancelled polls and polls that signal an eventfd end on other threads.
 */
export type OrderClass = 'transfer' | 'own' | 'none';

/** The `obj` of an event that was taken from the ring by a reader that does not look at it. */
export const UNSEEN = -1;

export class Events {
  readonly #taken: readonly [Seen[], Seen[]] = [[], []];
  /** By serial: class and context, where there is an order. */
  readonly #classes = new Map<number, string>();
  /** By serial: which context a request without an order went to. */
  readonly #loose = new Map<number, number>();
  /** Contexts of which not all events could be taken. */
  readonly #cut = new Set<number>();
  readonly #merged: boolean;

  /** @param merged - Both kernels run transfers inside `io_submit`: the order between the classes can be compared, too. */
  constructor(merged: boolean) {
    this.#merged = merged;
  }

  reset(): void {
    this.#taken[0].length = 0;
    this.#taken[1].length = 0;
    this.#classes.clear();
    this.#loose.clear();
    this.#cut.clear();
  }

  /** @param context - Events of several contexts come in no order. */
  classify(serial: number, order: OrderClass, context: number): void {
    if (order === 'none') {
      this.#classes.delete(serial);
      this.#loose.set(serial, context);
    } else this.#classes.set(serial, `${this.#merged ? 'all' : order}, context ${context}`);
  }

  /** A context is gone with the events that nobody took. Which those were, of events without one order, is chance. */
  destroyed(context: number): void {
    if (!this.#merged || [...this.#loose.values()].includes(context)) this.#cut.add(context);
  }

  take(index: number, event: Seen): void {
    this.#taken[index]!.push(event);
  }

  /** The first difference: what came at all, then in which order. */
  differs(): { what: string; native: string; emulated: string } | undefined {
    const [native, emulated] = this.#taken;
    // What is left of contexts that were cut is not looked at: their requests cannot be told from others by the event.
    if (this.#cut.size > 0) return undefined;
    const sorted = this.#taken.map((events) => [...events].sort(bySerial)) as [Seen[], Seen[]];
    if (!sameAll(sorted[0], sorted[1]))
      return { what: 'events', native: show(sorted[0]), emulated: show(sorted[1]) };
    for (const order of new Set(this.#classes.values())) {
      const one = native.filter(({ serial }) => this.#classes.get(serial) === order);
      const two = emulated.filter(({ serial }) => this.#classes.get(serial) === order);
      if (!sameAll(one, two))
        return { what: `order of events: ${order}`, native: show(one), emulated: show(two) };
    }
    return undefined;
  }
}

function bySerial(one: Seen, other: Seen): number {
  return one.serial - other.serial || one.res - other.res;
}

function sameAll(one: readonly Seen[], other: readonly Seen[]): boolean {
  return one.length === other.length && one.every((event, at) => same(event, other[at]!));
}

function same(one: Seen, other: Seen): boolean {
  return (
    one.serial === other.serial &&
    one.res === other.res &&
    (one.obj === other.obj || one.obj === UNSEEN || other.obj === UNSEEN) &&
    one.dataHigh === other.dataHigh &&
    one.res2 === other.res2
  );
}

const MOST_SHOWN = 8;

function show(events: readonly Seen[]): string {
  const shown = events
    .slice(0, MOST_SHOWN)
    .map(
      ({ serial, dataHigh, obj, res, res2 }) =>
        `request ${serial}${dataHigh >>> 0 === Math.imul(serial, 0x9e37_79b1) >>> 0 ? '' : ' (aio_data altered)'}` +
        ` at ${obj}: ${res}${res2 === 0 ? '' : `, res2 ${res2}`}`,
    );
  const more = events.length > MOST_SHOWN ? `; ${events.length - MOST_SHOWN} more` : '';
  return `${events.length} [${shown.join('; ')}${more}]`;
}
