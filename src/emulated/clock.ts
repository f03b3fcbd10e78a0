/** Time as a kernel sees it: the host's, or one that a simulation moves on (`simulated/virtual-clock.ts`). */
import { NSEC_PER_MSEC } from '../common/time-units.ts';

/** Everything inside a kernel that depends on time asks here. */
export interface Clock {
  /** Whether this is not the time of the host. Absent: no. */
  readonly isVirtual?: boolean;
  /** Nanoseconds since some moment; never goes back. */
  nowNs(): number;
  /**
   * Calls back once, later, and never from inside this call. 0 is as soon as the event loop gets to it.
   *
   * @returns Calls it off; does nothing once it has been called back.
   */
  after(ns: number, callback: () => void): () => void;
}

/** The host's monotonic clock. What waits in it keeps the process alive. */
export const hostClock: Clock = {
  nowNs: () => Number(process.hrtime.bigint()),
  after(ns, callback) {
    if (ns <= 0) {
      const immediate = setImmediate(callback);
      return () => clearImmediate(immediate);
    }
    const timeout = setTimeout(callback, ns / NSEC_PER_MSEC);
    return () => clearTimeout(timeout);
  },
};
