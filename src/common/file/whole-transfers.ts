/** Transfers that go on until all is done: after short ones, in chunks, over iterables. */
import { isArrayBufferView } from '../intrinsics.ts';
import { type Extent, extentOf, extentOfOwn, partOf } from '../memory/extent.ts';
import type { Pins } from '../memory/pins.ts';

/** Bytes of one request of `readFile` and `writeFile`. */
export const CHUNK_BYTES = 1 << 19;
/** Chunks of `readFile` under way at once. */
const LANES = 4;

/** Chunks of one buffer, a few at once. @returns Bytes up to the first short chunk. */
export async function inLanes(
  buffer: Buffer,
  read: (chunk: Extent, from: number) => Promise<number>,
): Promise<number> {
  let next = 0;
  let end = buffer.byteLength;
  const lane = async (): Promise<void> => {
    while (next < end) {
      const from = next;
      const chunk = extentOfOwn(buffer.subarray(from, from + CHUNK_BYTES));
      next += chunk.length;
      const count = await read(chunk, from);
      if (count < chunk.length) end = Math.min(end, from + count);
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: LANES }, lane));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return end;
}

/** Bytes of one transfer at most: no host takes 2 GiB at once. Whole blocks. */
export const MOST_BYTES = 1 << 30;

/**
 * Goes on after short transfers; ends at 0. Errors say how much was done.
 *
 * @param most - Bytes of one transfer.
 * @param blockBytes - What a direct read brings whole: a short one that ends inside a block has met the end of the file.
 */
export async function fully(
  extent: Extent,
  place: number | null,
  transfer: (rest: Extent, position: number | null) => Promise<number>,
  most = MOST_BYTES,
  blockBytes = 1,
): Promise<number> {
  let done = 0;
  while (done < extent.length) {
    try {
      const part = partOf(extent, done, Math.min(most, extent.length - done));
      const count = await transfer(part, place === null ? null : place + done);
      done += count;
      if (count === 0 || (count < part.length && ((place ?? 0) + done) % blockBytes !== 0)) break;
    } catch (error) {
      if (done > 0 && error instanceof Error) Object.assign(error, { bytesDone: done });
      throw error;
    }
  }
  return done;
}

/** A string or a view. @returns `undefined` for what is neither. */
export function wholeOf(
  data: unknown,
  encoding: BufferEncoding | undefined,
  pins: Pins | undefined,
): Extent | undefined {
  if (typeof data === 'string') return extentOfOwn(Buffer.from(data, encoding ?? 'utf8'));
  return isArrayBufferView(data) ? extentOf('data', data, pins) : undefined;
}

/** @returns `undefined` for what is no iterable: FileHandle refuses it too. */
export function piecesOf(data: unknown): AsyncIterable<unknown> | Iterable<unknown> | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  return Symbol.asyncIterator in data || Symbol.iterator in data ? (data as Iterable<unknown>) : undefined;
}

/**
 * A piece that an iterable has brought. Of an array of numbers, say, Buffer makes something, as for FileHandle.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE` for what it makes nothing of.
 */
export function pieceOf(
  piece: unknown,
  encoding: BufferEncoding | undefined,
  pins: Pins | undefined,
): Extent {
  return wholeOf(piece, encoding, pins) ?? extentOfOwn(Buffer.from(piece as string, encoding ?? 'utf8'));
}
