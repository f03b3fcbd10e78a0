/** Where `io_submit` is called when it may be called on a thread of its own: decided by how long the calls take here. */

/** A call that holds the event loop up for longer than this is better made elsewhere; a hand-over takes some microseconds. */
const HELD_UP_MS = 0.5;
/** Weight of the latest call in the average: one call of some milliseconds decides, and so do several of one. */
const WEIGHT = 1 / 8;
/** Times that the queue goes to threads before a batch is tried here again; twice as many each time that it comes out badly. */
const FIRST_TRIAL = 64;
const LAST_TRIAL = 4096;
/** Batches in a row that went well here, after which earlier trouble is forgotten. */
const FORGET_AFTER = 1024;

/**
 * Moves the calls to the thread while they hold the event loop up, and back when they no longer do.
 *
 * Only calls made here are measured. What a call on the thread takes is seen from here together with everything else that
 * the event loop does, so now and then one batch is tried here.
 */
export class SubmitPolicy {
  #elsewhere = false;
  #averageMs = 0;
  #trialAfter = FIRST_TRIAL;
  #untilTrial = 0;
  #well = 0;

  /** Whether what is queued goes to threads. */
  get isElsewhere(): boolean {
    return this.#elsewhere && this.#untilTrial > 0;
  }

  /** Decides for what is queued, and counts that. */
  goesElsewhere(): boolean {
    if (!this.#elsewhere) return false;
    return this.#untilTrial-- > 0;
  }

  /** Takes note of a call that was made here. */
  tookHere(ms: number): void {
    // A trial stands for itself: the average is the one that sent the calls away.
    this.#averageMs = this.#elsewhere ? ms : this.#averageMs + (ms - this.#averageMs) * WEIGHT;
    if (this.#averageMs > HELD_UP_MS) {
      this.#elsewhere = true;
      this.#untilTrial = this.#trialAfter;
      this.#trialAfter = Math.min(this.#trialAfter * 2, LAST_TRIAL);
      this.#well = 0;
      return;
    }
    this.#elsewhere = false;
    if (++this.#well === FORGET_AFTER) this.#trialAfter = FIRST_TRIAL;
  }
}
