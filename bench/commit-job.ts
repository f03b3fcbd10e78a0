/** What a process that commits is asked to do, and what it answers. */

/**
 * - `c`: a loop in C, one `fdatasync` for the blocks of all writers.
 * - `file`: `write()` and `datasync()` of an AioFile.
 * - `file.dsync`: its `write()` with `dsync`.
 * - `fs.promises`: `write()` and `datasync()` of a FileHandle.
 */
export const COMMIT_WAYS = ['c', 'file', 'file.dsync', 'fs.promises'] as const;
export type CommitWay = (typeof COMMIT_WAYS)[number];
export type CommitMode = 'direct' | 'cached';

export const BLOCK_BYTES = 4096;
/** Each writer overwrites blocks of its own, one after the other and around. */
export const REGION_BLOCKS = 256;

export interface CommitJob {
  readonly way: CommitWay;
  readonly mode: CommitMode;
  readonly writers: number;
  readonly path: string;
  readonly seconds: number;
}

export interface CommitMeasurement {
  readonly medianUs: number;
  readonly p99Us: number;
  readonly commitsPerSecond: number;
}

export type CommitAnswer = { readonly measurement: CommitMeasurement } | { readonly failure: string };
