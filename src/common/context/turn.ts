/** A fair share of each turn of the event loop. */

/** Batches, and requests in them, before timers and I/O get their turn. */
const MOST_BATCHES = 64;
const MOST_REQUESTS = 512;
/** Bytes of them: copying these from the page cache takes about a millisecond. */
const MOST_BYTES = 1 << 22;

/**
 * Says how long work may go on in ticks: cached reads complete inside `io_submit`, so ticks could follow each other for ever.
 *
 * It counts and looks at no clock, because a simulated kernel's history must not depend on how fast the host is.
 */
export class Turn {
  readonly #ended: () => void;
  #end: NodeJS.Immediate | undefined;
  #batches = 0;
  #requests = 0;
  #bytes = 0;

  /** @param ended - Called when a turn with work in it is over. */
  constructor(ended: () => void) {
    this.#ended = ended;
  }

  /** Whether work has been done in this turn. Its end is still to come, and keeps the process alive until then. */
  get isUnderWay(): boolean {
    return this.#end !== undefined;
  }

  /** Counts a batch. @returns Whether it may still be dealt with in this turn. */
  takeBatch(): boolean {
    this.#end ??= setImmediate(this.#finish);
    return this.#batches++ < MOST_BATCHES && this.#requests < MOST_REQUESTS && this.#bytes < MOST_BYTES;
  }

  /** Bytes after which the next batch is full. */
  get bytesLeft(): number {
    return MOST_BYTES - this.#bytes;
  }

  /** Counts what was in a batch, when it is known. */
  count(requests: number, bytes: number): void {
    // What is submitted after this turn's end belongs to the next one.
    this.#end ??= setImmediate(this.#finish);
    this.#requests += requests;
    this.#bytes += bytes;
  }

  /** Nobody is told of the end any more. */
  stop(): void {
    clearImmediate(this.#end);
    this.#end = undefined;
  }

  readonly #finish = (): void => {
    this.#end = undefined;
    this.#batches = 0;
    this.#requests = 0;
    this.#bytes = 0;
    this.#ended();
  };
}
