/**
 * What this thread and its workers share. The workers of a crew have a mailbox each, for one operation at a time, and a bell for all. The worker
 * for short transfers has a quay: many berths, which it comes to in the order in which they were posted.
 *
 * A mailbox goes IDLE -> POSTED (this thread) -> DONE (the worker) -> IDLE; for a berth see {@link BERTH}. Whoever changes the state has written
 * the rest before, and only the one whose turn it is writes at all.
 */

/** Words (Int32) of a mailbox. The position is a double in the first two. */
export const MAIL = {
  STATE: 2,
  OPERATION: 3,
  FD: 4,
  SLAB: 5,
  /** How many pairs of place and length follow in the table. */
  SEGMENTS: 6,
  /** A count, or -1. */
  RESULT: 7,
  /** The number in the error that `node:fs` threw, or 0 for an error without. */
  ERRNO: 8,
  /** When it ended: a mailbox with a smaller number ended before. */
  TURN: 9,
  TABLE: 10,
} as const;

export const STATE = { IDLE: 0, POSTED: 1, DONE: 2 } as const;

export const OPERATION = { READ: 0, WRITE: 1, FSYNC: 2, FDATASYNC: 3 } as const;

/** Words of what all workers of a crew share. */
export const BELL = {
  /** Rung (added to) at each end. */
  ENDED: 0,
  /** Numbers for MAIL.TURN. */
  TURNS: 1,
  /** Whether a message that wakes the event loop is on its way. */
  WAKING: 2,
  WORDS: 3,
} as const;

/** Words of what this thread and a transfer thread share besides the berths. Places count on without end, modulo 2^32. */
export const QUAY = {
  /** Berths that were given to the worker. It sleeps on this one. */
  POSTED: 0,
  /** Berths that the worker has passed, in the order in which they were posted. */
  PASSED: 1,
  /** Whether the worker sleeps, or is about to. */
  ASLEEP: 2,
  /** Whether a message that wakes the event loop is on its way. */
  WAKING: 3,
  /** Counted up at each read that took long, and at each write. */
  SLOW_READS: 4,
  SLOW_WRITES: 5,
  /** Whether the other thread looks for what has ended: then it need not be woken. */
  LOOKED_FOR: 6,
  /** How likely more is to be posted soon: 0, 1 or 2. */
  STAYS_AWAKE: 7,
  WORDS: 16,
} as const;

/**
 * Words of a berth: one transfer.
 *
 * It goes FREE -> POSTED (this thread) -> RUNNING -> DONE (the worker) -> FREE, or POSTED -> FREE where this thread takes it back. Whoever takes
 * it out of POSTED, by compare and exchange, has it.
 */
export const BERTH = {
  STATE: 0,
  OPERATION: 1,
  FD: 2,
  /** Place in the memory of all berths. */
  AT: 3,
  BYTES: 4,
  /** A count, or -1. */
  RESULT: 5,
  /** The number in the error that `node:fs` threw, or 0 for an error without. */
  ERRNO: 6,
  /** The position is a double, in two words. */
  POSITION: 8,
  WORDS: 16,
} as const;

export const BERTH_STATE = { FREE: 0, POSTED: 1, RUNNING: 2, DONE: 3 } as const;

/** Segments of one operation, at most: `UIO_MAXIOV`. */
const MAX_SEGMENTS = 1024;

export function bellMemory(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(BELL.WORDS * 4));
}

export function mailMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer((MAIL.TABLE + 2 * MAX_SEGMENTS) * 4);
}
