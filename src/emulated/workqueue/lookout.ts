/**
 * Looks for what a worker has ended at each turn of the event loop, for as long as that is likely to be found.
 *
 * To be woken from its sleep takes a thread ten times as long as what it is woken for: copying 4 KiB out of the page cache. But who looks for
 * what does not come keeps a CPU from others, and from that worker perhaps: then it is given a rest, which is longer each time.
 */
import { QUAY } from './mail.ts';
import { Pace } from './pace.ts';

// Whatever timers a program puts in its place: a clock that stands still would stop transfers.
const { setImmediate } = globalThis;
const now = performance.now.bind(performance);

/** So many times as long it takes until a worker that slept has ended something. */
const WAKING = 8;
/** After so many in a row that had to wake the worker they come too seldom. */
const MOST_WOKEN = 8;
/** What was looked for in vain may be chance when so many were found before. */
const FOUND_BETWEEN = 16;
const MOST_REST = 16_384;
/** Two threads that are awake get a CPU each, in time: a kernel that is a guest wakes one on the CPU of who wakes it, for it takes those that sleep for lost. */
const SETTLING_MS = 8;

/** What is looked for. */
export interface Watched {
  /** Something has ended that was not collected. */
  hasNews(): boolean;
  isBusy(): boolean;
  /** Takes what has ended. @returns What tells its owners, who may begin more. */
  collect(): () => void;
  /** It is not looked for any more, and rings when it ends. */
  gaveUp(): void;
}

export class Lookout {
  readonly #quay: Int32Array;
  readonly #watched: Watched;
  readonly #mostMs: number;
  readonly #nowMs: () => number;
  readonly #pace = new Pace(MOST_REST, FOUND_BETWEEN);
  #inVain = 0;
  #woken = 0;
  #isOut = false;
  #untilMs = 0;
  #settledMs: number | undefined;

  /** @param mostMs - It gives up when nothing has ended for so long. 0: it never looks. */
  constructor(quay: Int32Array, watched: Watched, mostMs: number, nowMs: () => number = now) {
    this.#nowMs = nowMs;
    this.#quay = quay;
    this.#watched = watched;
    this.#mostMs = mostMs;
  }

  /** Whether it looks: then the worker need not ring. */
  get isOut(): boolean {
    return this.#isOut;
  }

  /** Whether what begins next is likely to be found. To be asked once for each, unless {@link isOut}. */
  mayBegin(): boolean {
    return this.#mostMs > 0 && this.#pace.mayGo();
  }

  /**
   * Something has begun which {@link mayBegin}, or {@link isOut}.
   *
   * @param isAsleep - The worker has to be woken first, which is worth waiting for: both are awake then.
   */
  begin(isAsleep: boolean): void {
    if (this.#isOut) {
      if (isAsleep) this.#goOn(WAKING * this.#mostMs);
      return;
    }
    if (!isAsleep) this.#woken = 0;
    this.#settledMs ??= this.#nowMs() + SETTLING_MS;
    const hasSettled = this.#hasSettled();
    Atomics.store(this.#quay, QUAY.STAYS_AWAKE, hasSettled ? 1 : 2);
    if (isAsleep && ++this.#woken >= MOST_WOKEN && hasSettled) {
      this.#woken = 0;
      this.#pace.slowDown();
      this.#rests();
    }
    this.#goOn(isAsleep ? WAKING * this.#mostMs : this.#mostMs);
    this.#isOut = true;
    Atomics.store(this.#quay, QUAY.LOOKED_FOR, 1);
    setImmediate(this.#look);
  }

  #hasSettled(): boolean {
    return this.#settledMs !== undefined && this.#nowMs() >= this.#settledMs;
  }

  /** What comes next is the first of a new try. */
  #rests(): void {
    this.#settledMs = undefined;
    Atomics.store(this.#quay, QUAY.STAYS_AWAKE, 0);
  }

  #goOn(ms: number): void {
    this.#untilMs = this.#nowMs() + ms;
  }

  readonly #look = (): void => {
    const watched = this.#watched;
    if (watched.hasNews()) {
      this.#pace.ended();
      this.#pace.sees(this.#inVain);
      const tell = watched.collect();
      if (watched.isBusy()) {
        this.#goOn(this.#mostMs);
        setImmediate(this.#look);
      } else this.#end();
      tell();
    } else if (!watched.isBusy()) this.#end();
    else if (this.#nowMs() < this.#untilMs) setImmediate(this.#look);
    else {
      this.#end();
      if (this.#hasSettled() && this.#pace.sees(++this.#inVain)) this.#rests();
      watched.gaveUp();
      // What ended before the worker could know that it has to ring.
      if (watched.hasNews()) watched.collect()();
    }
  };

  #end(): void {
    this.#isOut = false;
    Atomics.store(this.#quay, QUAY.LOOKED_FOR, 0);
  }
}
