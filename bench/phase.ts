/** A stretch of transfers that an engine runs: what comes next, what has ended, and when to stop. */
import { check, FRESH, stamp } from './blocks.ts';
import { type Length, mixWrites } from './job.ts';

/** Transfers between two looks at the clock, at most. */
const MOST_BETWEEN_LOOKS = 256;
const LOOK_EVERY_MS = 1;
/** Latencies kept, at most. */
const MOST_SAMPLES = 1 << 20;

export interface PhaseOptions {
  /** Block numbers, repeated as needed. */
  readonly order: Uint32Array;
  readonly blockSize: number;
  readonly queueDepth: number;
  readonly length: Length;
  /** Ends with the order instead of beginning again. */
  readonly once: boolean;
  readonly timed: boolean;
  /** Stamps blocks before they are written, or checks them after they were read; of mixed ones each does what its number tells. */
  readonly verify: 'stamp' | 'check' | 'mixed' | undefined;
  readonly generation: number;
}

export class Phase {
  /** Transfers that have ended. */
  completed = 0;
  readonly #order: Uint32Array;
  readonly #blockSize: number;
  readonly #once: boolean;
  readonly #length: Length;
  readonly #verify: 'stamp' | 'check' | 'mixed' | undefined;
  readonly #generation: number;
  readonly #starts: Float64Array | undefined;
  readonly #samples: Float64Array | undefined;
  readonly #positions: Float64Array;
  #at = 0;
  #begun = 0;
  #left: number;
  #untilLook = 1;
  #betweenLooks = 1;
  #lastLook = 0;
  #deadline = 0;

  constructor({ order, blockSize, queueDepth, length, once, timed, verify, generation }: PhaseOptions) {
    this.#order = order;
    this.#blockSize = blockSize;
    this.#once = once;
    this.#length = length;
    this.#verify = verify;
    this.#generation = generation;
    this.#left = length.operations;
    this.#positions = new Float64Array(queueDepth);
    if (timed) {
      this.#starts = new Float64Array(queueDepth);
      this.#samples = new Float64Array(Math.min(length.operations, MOST_SAMPLES));
    }
  }

  /** Starts the clock. */
  begin(): void {
    this.#lastLook = performance.now();
    this.#deadline = this.#lastLook + this.#length.ms;
  }

  /**
   * What lane `lane` should transfer now.
   *
   * @param block - The memory of the lane.
   * @returns The position in bytes, or -1 when the phase is over for this lane.
   */
  take(lane: number, block: Buffer): number {
    if (--this.#untilLook === 0) this.#look();
    if (this.#left === 0) return -1;
    this.#left--;
    this.#begun++;
    const position = this.#order[this.#at]! * this.#blockSize;
    if (++this.#at === this.#order.length) {
      this.#at = 0;
      if (this.#once) this.#left = 0;
    }
    if (this.#verify !== undefined) {
      this.#positions[lane] = position;
      if (this.#verify === 'stamp' || (this.#verify === 'mixed' && this.#isMixWrite(position)))
        stamp(block, position, this.#generation);
    }
    if (this.#starts !== undefined) this.#starts[lane] = performance.now();
    return position;
  }

  /**
   * What lane `lane` took has ended.
   *
   * @param bytes - What the engine says was transferred.
   * @throws Error if that is not the whole block, or not the right one.
   */
  end(lane: number, block: Buffer, bytes: number): void {
    if (this.#samples !== undefined && this.completed < this.#samples.length)
      this.#samples[this.completed] = performance.now() - this.#starts![lane]!;
    if (bytes !== this.#blockSize)
      throw new Error(`a transfer of ${this.#blockSize} bytes ended after ${bytes}`);
    if (this.#verify === 'check') check(block, this.#positions[lane]!, this.#generation);
    else if (this.#verify === 'mixed' && !this.#isMixWrite(this.#positions[lane]!))
      check(block, this.#positions[lane]!, FRESH);
    this.completed++;
  }

  /** Milliseconds from the beginning to the end of each transfer. */
  get samples(): Float64Array {
    return this.#samples?.subarray(0, this.completed) ?? new Float64Array();
  }

  /** Block numbers that were taken, in order; some may be there more than once. */
  get taken(): Uint32Array {
    return this.#order.subarray(0, Math.min(this.#begun, this.#order.length));
  }

  #isMixWrite(position: number): boolean {
    return mixWrites(position / this.#blockSize);
  }

  // A look costs as much as a cached read takes; too few looks would let a slow device run on for minutes.
  #look(): void {
    const now = performance.now();
    if (now >= this.#deadline) this.#left = 0;
    const elapsed = now - this.#lastLook;
    if (elapsed < LOOK_EVERY_MS) this.#betweenLooks = Math.min(this.#betweenLooks * 2, MOST_BETWEEN_LOOKS);
    else if (elapsed > 4 * LOOK_EVERY_MS) this.#betweenLooks = Math.max(1, this.#betweenLooks >> 1);
    this.#lastLook = now;
    this.#untilLook = this.#betweenLooks;
  }
}
