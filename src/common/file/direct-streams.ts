/** What a stream of a direct file is given: pieces that are worth a request, in memory that needs no copy. */
import type { Memory } from '../kernel/aio-kernel.ts';
import type { Alignment } from '../memory/aligned.ts';
import type { Wants } from './read-ahead.ts';

/**
 * Of a piece, where nobody says otherwise. The kernel reads nothing ahead for direct files, so that each piece waits for the device: pieces of
 * 64 KiB, as `node:fs` has them, had less than half of what it gives (Linux 6.18, a virtual disk).
 */
const PIECE_BYTES = 1 << 20;

interface Pieces {
  readonly highWaterMark?: number | undefined;
}

/** Options of a ReadStream, read once as it would do itself. What is no object, it judges. */
export function readingDirectly<T extends Pieces>(options: T | undefined): T {
  if (options !== undefined && (typeof options !== 'object' || options === null)) return options;
  const given = { ...options } as T;
  return { ...given, highWaterMark: given.highWaterMark ?? PIECE_BYTES };
}

/** What a ReadStream with these options will ask for. */
export function wantsOf(options: { start?: unknown; end?: unknown } | undefined): Wants {
  const { start, end } = options ?? {};
  return { end: typeof end === 'number' ? end : Number.POSITIVE_INFINITY, isFromCursor: start === undefined };
}

/**
 * Memory of its own for one piece, such that its whole blocks lie where direct transfers need them. A chunk is the consumer's, who may give
 * its memory away.
 */
export function chunkFor(
  memory: Pick<Memory, 'addressOf'>,
  { memory: multiple }: Alignment,
  position: number | null,
  bytes: number,
): Buffer {
  const place = position === null ? 0 : position % multiple;
  // Not filled with zeros, as the memory of node:fs's streams is not: the C library can give out again what was touched before.
  const room = Buffer.allocUnsafeSlow(bytes + 2 * multiple);
  const from = multiple - (memory.addressOf(room) % multiple) + place;
  return room.subarray(from, from + bytes);
}
