/**
 * Where the host's file operations run.
 *
 * Each call answers a result (a count or a negative Linux errno) or -EIOCBQUEUED, in which case `done` gets the result
 * later and never before the call has returned.
 */

import type { BouncePool } from '../../common/memory/bounce-pool.ts';

/** Receives the result of an operation. */
export type Done = (result: number) => void;

export interface Executor {
  /** Operations go on while this thread does something else. */
  readonly background: boolean;
  /** Requests run to their end inside `io_submit`, as buffered ones do on Linux (BLOCK-01). */
  readonly runsInSubmit?: boolean;
  /** Where the memory of its reads and writes must come from; without it, from anywhere. */
  readonly bounce?: BouncePool;
  /** Operations on what has no position may wait for ever, and hold up no others: they don't count as running. */
  readonly waitsApart?: boolean;
  /** Reads into `bytes[at, at + length)`. @param position - Place in the file, or `null` for what has none. */
  read(fd: number, bytes: Uint8Array, at: number, length: number, position: Position, done: Done): number;
  readv(fd: number, views: Uint8Array[], position: Position, done: Done): number;
  write(fd: number, bytes: Uint8Array, at: number, length: number, position: Position, done: Done): number;
  writev(fd: number, views: Uint8Array[], position: Position, done: Done): number;
  fsync(fd: number, datasync: boolean, done: Done): number;
  /**
   * Blocks this thread until at least one operation begun here has ended and its `done` was called, or until `ns`
   * nanoseconds have passed (Infinity: no limit).
   *
   * An executor whose operations end only through the event loop of this thread has none.
   *
   * @returns false where nothing is under way that could end (a wait would never return), or the time is over.
   */
  wait?(ns: number): boolean;
}

/** At most 2^53 - 1: `node:fs` ignores a position that is a bigint in several of its calls. */
export type Position = number | null;
