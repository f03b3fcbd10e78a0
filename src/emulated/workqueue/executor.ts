/**
 * Where the host's file operations run.
 *
 * Each call answers a result (a count or a negative Linux errno) or -EIOCBQUEUED, in which case `done` gets the result
 * later and never before the call has returned.
 */

/** Receives the result of an operation. */
export type Done = (result: number) => void;

export interface Executor {
  /** Operations go on while this thread does something else. */
  readonly background: boolean;
  /** Reads into `bytes[at, at + length)`. @param position - Place in the file, or `null` for what has none. */
  read(fd: number, bytes: Uint8Array, at: number, length: number, position: Position, done: Done): number;
  readv(fd: number, views: Uint8Array[], position: Position, done: Done): number;
  write(fd: number, bytes: Uint8Array, at: number, length: number, position: Position, done: Done): number;
  writev(fd: number, views: Uint8Array[], position: Position, done: Done): number;
  fsync(fd: number, datasync: boolean, done: Done): number;
}

/** At most 2^53 - 1: `node:fs` ignores a position that is a bigint in several of its calls. */
export type Position = number | null;
