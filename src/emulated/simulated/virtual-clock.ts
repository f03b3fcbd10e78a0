/** Virtual time. */
import type { Clock } from '../clock.ts';

/** A call that waits in a {@link VirtualClock}. */
interface Waiting {
  readonly at: number;
  /** Breaks ties: first come, first called. */
  readonly order: number;
  callback: (() => void) | undefined;
}

/** Turns of the event loop without any sign of life after which nobody is about to ask for anything. */
const QUIET_TURNS = 4;

/**
 * Time that stands still while the program does something, and jumps to the next thing that is due when it does not.
 *
 * @remarks
 * Between two jumps the event loop goes round until {@link QUIET_TURNS} turns have passed in which nobody called
 * {@link touch}: promises, `process.nextTick` and `setImmediate` of the program and of the layers between have had their
 * say by then. Nothing of the host's time enters, so the order of everything follows from the program and the clock alone,
 * as long as the program waits for nothing of the host's (timers, files, sockets).
 */
export class VirtualClock implements Clock {
  readonly isVirtual = true;
  #now = 0;
  #order = 0;
  #quiet = 0;
  #turn: NodeJS.Immediate | undefined;
  #holds = 0;
  #isTurn = false;
  /** A binary heap, the next one first. */
  readonly #heap: Waiting[] = [];

  nowNs(): number {
    return this.#now;
  }

  after(ns: number, callback: () => void): () => void {
    const waiting: Waiting = {
      at: this.#now + Math.max(0, Math.round(ns)),
      order: this.#order++,
      callback,
    };
    this.#push(waiting);
    this.touch();
    return () => {
      waiting.callback = undefined;
    };
  }

  /** A sign of life: time stands still for some turns of the event loop more. */
  touch(): void {
    this.#quiet = 0;
    if (this.#turn === undefined && this.#heap.length > 0) this.#arm();
  }

  /** Whether what is being called was due in a turn of the event loop, and not because somebody blocks and waits for it. */
  get isTurn(): boolean {
    return this.#isTurn;
  }

  /** Lets no time pass by itself until the answer is called. */
  hold(): () => void {
    this.#holds++;
    return () => {
      this.#holds--;
      this.touch();
    };
  }

  /** When the next call is due; Infinity if nothing waits. */
  get nextNs(): number {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (first.callback !== undefined) return first.at;
      this.#pop();
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Jumps to the next call and makes it. @returns `false` if nothing waits. */
  step(): boolean {
    const { nextNs } = this;
    if (nextNs === Number.POSITIVE_INFINITY) return false;
    const { callback } = this.#pop()!;
    this.#now = nextNs;
    callback!();
    return true;
  }

  /** Lets time pass in which nothing is due. Preconditions: {@link nextNs} is not before then. */
  passUntil(ns: number): void {
    if (Number.isFinite(ns) && ns > this.#now) this.#now = Math.round(ns);
  }

  /** Forgets everything that waits. */
  clear(): void {
    this.#heap.length = 0;
  }

  #arm(): void {
    this.#turn = setImmediate(() => {
      this.#turn = undefined;
      if (this.#holds > 0 || this.nextNs === Number.POSITIVE_INFINITY) return;
      if (++this.#quiet >= QUIET_TURNS) {
        this.#quiet = 0;
        this.#isTurn = true;
        try {
          this.step();
        } finally {
          this.#isTurn = false;
        }
      }
      // What was called may have armed it already.
      if (this.#turn === undefined) this.#arm();
    });
  }

  #push(waiting: Waiting): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(waiting);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(waiting, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = waiting;
  }

  #pop(): Waiting | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (let child = 1; child < heap.length; child = at * 2 + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(one: Waiting, other: Waiting): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
