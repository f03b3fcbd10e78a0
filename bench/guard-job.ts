/** What the regression guard measures, and what it asks a process to do. */

/** What a turn repeats. */
export const GUARD_WAYS = ['context', 'file', 'open'] as const;
export type GuardWay = (typeof GUARD_WAYS)[number];

export interface GuardCase {
  readonly name: string;
  /**
   * - `context`: `AioContext.read()` of a descriptor.
   * - `file`: `AioFile.read()`.
   * - `open`: `open()`, a read, `close()`.
   */
  readonly way: GuardWay;
  readonly backend: 'native' | 'emulated';
  readonly direct: boolean;
  /** Reads of 4 KiB, or files, under way at once. */
  readonly depth: number;
  /** Reads, or files, in a turn: about a millisecond of CPU time. */
  readonly transfers: number;
}

const CACHED = { direct: false, depth: 32 } as const;

export const GUARD_CASES: readonly GuardCase[] = [
  { name: 'context', way: 'context', backend: 'native', ...CACHED, transfers: 500 },
  { name: 'file', way: 'file', backend: 'native', ...CACHED, transfers: 500 },
  { name: 'file.direct', way: 'file', backend: 'native', direct: true, depth: 32, transfers: 128 },
  { name: 'file.open', way: 'open', backend: 'native', direct: false, depth: 16, transfers: 32 },
  { name: 'emulation', way: 'context', backend: 'emulated', ...CACHED, transfers: 128 },
];

/** Such as `file: cached reads of 4 KiB by AioFile, native, depth 32`. */
export function guardCaseTitle({ name, way, backend, direct, depth }: GuardCase): string {
  const reads = `${direct ? 'direct' : 'cached'} reads of 4 KiB by ${way === 'context' ? 'AioContext' : 'AioFile'}`;
  const what = way === 'open' ? 'open, read 4 KiB, close' : reads;
  return `${name}: ${what}, ${backend}, depth ${depth}`;
}

export const GUARD_BLOCK_BYTES = 4096;
/** More than the caches nearest to the CPU hold, as files are. */
export const GUARD_FILE_BYTES = 4 << 20;

export interface GuardJob {
  /** The folder with a `dist` whose kaio is measured. */
  readonly build: string;
  readonly case: GuardCase;
  readonly path: string;
  /** Turns before the first that counts. */
  readonly warmUpTurns: number;
}

/** What the process answers: once when it is warm, then for each turn. CPU microseconds of the turn, all threads. */
export type GuardAnswer = { readonly cpuUs: number } | { readonly failure: string };
