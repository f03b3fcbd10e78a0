/** What programs may contain here, and why something is left out. */
import type { PlaceName } from './program.ts';

/** What can be left out as a whole. */
export const FEATURES = [
  'host-calls',
  'host-position',
  'streams',
  'web-streams',
  'lines',
  'unawaited',
  'fifos',
] as const;
export type Feature = (typeof FEATURES)[number];

export interface FileScope {
  readonly major: number;
  readonly without: readonly Feature[];
  readonly places: readonly PlaceName[];
  /** Whether there is a process with a limit on file sizes. */
  readonly limited: boolean;
}

/** Programs of this many numbers run in one process. */
export const BATCH = 256;
/** One batch of these runs with a limit on file sizes. */
export const LIMITED_EVERY = 6;
/** The limit: less than programs write at most. */
export const LIMIT_BYTES = 24 * 1024;
/** The file system with little room. */
export const SMALL_BYTES = 64 * 1024;
