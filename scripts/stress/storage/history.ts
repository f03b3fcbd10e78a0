/**
 * What was done to one file, and what was seen of it.
 *
 * Moments are numbers of one clock that counts beginnings and ends. An operation precedes another if it ended before that began; any other
 * two may have happened in either order. What never ended (its promise was rejected, its process was killed) may have happened, or not,
 * or in part; its end is `Infinity`.
 */

interface During {
  readonly begin: number;
  readonly end: number;
  /** Who did it, in words. */
  readonly by: string;
}

export interface Write extends During {
  readonly kind: 'write';
  /** Of its stamps. */
  readonly id: number;
  readonly from: number;
  readonly to: number;
}

export interface Append extends During {
  readonly kind: 'append';
  readonly id: number;
  readonly length: number;
  /** The append of the same handle that was asked for before it: a file keeps their order, ended or not. */
  readonly after?: number | undefined;
}

export interface Truncate extends During {
  readonly kind: 'truncate';
  readonly size: number;
}

export type Change = Write | Append | Truncate;

/** A read, or a question for the size. */
export interface Look extends During {
  readonly from: number;
  /** What was read; empty where the size alone was asked for. */
  readonly bytes: Uint8Array;
  /** What became of the read: all that was wanted, less because the file ends there, or less for whatever reason. */
  readonly extent: 'all' | 'to the end' | 'some';
  /** What the file was told to be long. */
  readonly size?: number | undefined;
}

export interface History {
  /** Bytes of stamp 0 that the file began with. */
  readonly initialSize: number;
  readonly changes: readonly Change[];
  readonly looks: readonly Look[];
}

/** What no order of the operations explains. */
export interface Finding {
  readonly kind: FindingKind;
  readonly what: string;
  readonly look: Look | undefined;
  /** Places in the file: the first and the one behind the last. */
  readonly from: number;
  readonly to: number;
  /** Whose bytes should be there, and whose are. */
  readonly involved: readonly Change[];
}

export type FindingKind =
  | 'lost'
  | 'padding'
  | 'stray'
  | 'size'
  | 'append'
  | 'refused'
  | 'stuck'
  | 'undecided';

export function describe(change: Change): string {
  const when = `[${change.begin}..${change.end === Number.POSITIVE_INFINITY ? ' never ended' : change.end}]`;
  switch (change.kind) {
    case 'write':
      return `${when} #${change.id} ${change.by} ${change.from}-${change.to} (${change.to - change.from} bytes)`;
    case 'append':
      return `${when} #${change.id} ${change.by}, ${change.length} bytes`;
    case 'truncate':
      return `${when} ${change.by} to ${change.size}`;
  }
}

export function describeLook(look: Look): string {
  const seen =
    look.size === undefined
      ? `at ${look.from}: ${look.bytes.length} bytes (${look.extent})`
      : `says ${look.size} bytes`;
  return `[${look.begin}..${look.end}] ${look.by} ${seen}`;
}
