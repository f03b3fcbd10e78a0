/** The error that brings a history with it. */
import type { Trace } from '../simulated/trace.ts';

/** What a failure is said to belong to. */
export interface Failing {
  readonly seed: bigint;
  readonly trace: Trace;
}

/**
 * A program failed in a simulation. The message has the seed and the end of the trace; `cause` is what was thrown.
 */
export class SimulationError extends Error {
  static {
    Object.defineProperty(SimulationError.prototype, 'name', {
      value: 'SimulationError',
      configurable: true,
      writable: true,
    });
  }
  readonly code = 'ERR_AIO_SIMULATION';
  /** Makes this history again. */
  readonly seed: bigint;
  /** The history, as far as it is kept. */
  readonly trace: string;

  constructor(message: string, { seed, trace }: Failing, cause?: unknown) {
    super(
      `${message}\nseed ${seed}, the end of its history:\n${trace.tail()}`,
      cause === undefined ? undefined : { cause },
    );
    this.seed = seed;
    this.trace = trace.toString();
  }
}
