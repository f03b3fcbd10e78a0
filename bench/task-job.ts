/** Tasks that are done whole, as programs do them: what one child process is asked for, and what it answers. */
import type { NodeEngine } from './job.ts';

/** Beside engines, how each thread of several reads. */
export type TaskEngine = NodeEngine | 'c';

/**
 * - `stream`: a big file read from its beginning to its end by `createReadStream`, in so many parts at once.
 * - `tree`: a directory tree walked; each file is asked for its size, opened, read whole, and hashed.
 * - `threads`: 4 KiB read at random, directly, 32 at once on each of so many threads.
 */
export const TASKS = ['stream', 'tree', 'threads'] as const;
export type TaskName = (typeof TASKS)[number];

export interface Task {
  readonly name: TaskName;
  /** Nothing is in the page cache, or everything; `direct` is past it, with a cold cache for who is not direct. */
  readonly mode: 'direct' | 'cold' | 'cached';
  /** Readers, files at once, or threads. */
  readonly atOnce: number;
}

export interface TaskJob extends Task {
  readonly engine: TaskEngine;
  /** A file, or the tree. */
  readonly path: string;
  /** Bytes of the file. */
  readonly size: number;
  readonly seconds: number;
}

export interface TaskAnswer {
  /** Bytes, files or reads. */
  readonly units: number;
  readonly seconds: number;
  /** CPU seconds, user and system. */
  readonly cpuSeconds: number;
}

export function taskTitle({ name, mode, atOnce }: Task): string {
  switch (name) {
    case 'stream':
      return `a stream of a big file, ${mode}, ${atOnce === 1 ? 'one reader' : `${atOnce} readers`}`;
    case 'tree':
      return `a directory tree walked and hashed, ${mode}, ${atOnce} files at once`;
    case 'threads':
      return `4 KiB random reads, ${mode}, depth 32 on each of ${atOnce} threads`;
  }
}
