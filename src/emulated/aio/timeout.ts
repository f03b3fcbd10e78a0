/** Timeouts of `io_getevents`, with the kernel's arithmetic. Nothing is ever refused. */
import { NSEC_PER_MSEC } from '../../common/time-units.ts';

/** A wait without end. */
export const FOREVER = Number.POSITIVE_INFINITY;
const NSEC_PER_SEC = 1_000_000_000n;
/** Seconds from which on a time does not fit into signed 64-bit nanoseconds and counts as the end of time. */
const KTIME_SEC_MAX = 9_223_372_036n;

/** Nanoseconds to wait: 0, or {@link FOREVER}, or between. The sum wraps, and a negative one never comes. */
export function timespecToNs(sec: bigint, nsec: bigint): number {
  if (sec >= KTIME_SEC_MAX) return FOREVER;
  const ns = BigInt.asIntN(64, sec * NSEC_PER_SEC + nsec);
  return ns < 0n ? FOREVER : Number(ns);
}

/** The same in clock ticks, as in 2007: rounded up to whole ones, and a negative time never comes. */
export function timespecToTicks(sec: bigint, nsec: bigint, tickNs: number): number {
  if (sec < 0n || nsec < 0n || sec >= KTIME_SEC_MAX) return FOREVER;
  return Math.ceil(Number(sec * NSEC_PER_SEC + nsec) / tickNs) * tickNs;
}

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Holds this thread. */
export function sleepNs(ns: number): void {
  const end = process.hrtime.bigint() + BigInt(Math.ceil(ns));
  for (let left = ns; left > 0; left = Number(end - process.hrtime.bigint())) {
    Atomics.wait(nobody, 0, 0, left / NSEC_PER_MSEC);
  }
}
