/** One transfer as it was asked for: made once, and handed down to whatever carries it out. */
import type { Extent } from '../memory/extent.ts';
import type { Manner } from './manner.ts';

/** What the caller gets for a count and the buffer that came with the call. */
export type Answer<T> = (count: number, buffer: never) => T;

/** What the promise of a call resolves with: `answer(count, buffer)`. */
export interface Reply<T> {
  readonly answer: Answer<T>;
  readonly buffer: unknown;
}

/** Moves one extent at a known place. */
export interface TransferCall<T> extends Reply<T> {
  readonly name: 'read' | 'write';
  readonly extent: Extent;
  readonly position: number;
  readonly signal: AbortSignal | undefined;
  readonly manner: Manner | undefined;
}

/** A call of ours, which wants the count alone. */
export function ownCall(
  name: 'read' | 'write',
  extent: Extent,
  position: number,
  signal?: AbortSignal,
  manner?: Manner,
): TransferCall<number> {
  return { name, extent, position, signal, manner, answer: countAlone, buffer: undefined };
}

/** The {@link Answer} of those who want the count. */
export function countAlone(count: number): number {
  return count;
}
