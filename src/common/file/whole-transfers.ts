/** Transfers that go on until all is done: after short ones, in chunks, over iterables. */
import { bytesOf, isEncoding } from './file-arguments.ts';

/** Bytes of one request of `readFile` and `writeFile`. */
export const CHUNK_BYTES = 1 << 19;
/** Chunks of `readFile` under way at once. */
const LANES = 4;

/** Chunks of one buffer, a few at once. @returns Bytes up to the first short chunk. */
export async function inLanes(
  buffer: Buffer,
  read: (chunk: Uint8Array, from: number) => Promise<number>,
): Promise<number> {
  let next = 0;
  let end = buffer.byteLength;
  const lane = async (): Promise<void> => {
    while (next < end) {
      const from = next;
      const chunk = buffer.subarray(from, from + CHUNK_BYTES);
      next += chunk.byteLength;
      const count = await read(chunk, from);
      if (count < chunk.byteLength) end = Math.min(end, from + count);
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: LANES }, lane));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return end;
}

/** Goes on after short transfers; ends at 0. Errors say how much was done. */
export async function fully(
  bytes: Uint8Array,
  place: number | null,
  transfer: (rest: Uint8Array, position: number | null) => Promise<number>,
): Promise<number> {
  let done = 0;
  while (done < bytes.byteLength) {
    try {
      const count = await transfer(bytes.subarray(done), place === null ? null : place + done);
      if (count === 0) break;
      done += count;
    } catch (error) {
      if (done > 0 && error instanceof Error) Object.assign(error, { bytesDone: done });
      throw error;
    }
  }
  return done;
}

/** @returns `undefined` for what FileHandle refuses too. */
export function chunksOf(
  data: unknown,
  encoding: BufferEncoding | undefined,
): Iterable<Uint8Array> | AsyncIterable<Uint8Array> | undefined {
  const bytes = (chunk: unknown): Uint8Array | undefined => {
    if (typeof chunk === 'string') return Buffer.from(chunk, isEncoding(encoding) ? encoding : 'utf8');
    return ArrayBuffer.isView(chunk) ? bytesOf(chunk) : undefined;
  };
  const whole = bytes(data);
  if (whole !== undefined) return [whole];
  if (typeof data !== 'object' || data === null) return undefined;
  if (!(Symbol.asyncIterator in data) && !(Symbol.iterator in data)) return undefined;
  return (async function* () {
    for await (const chunk of data as AsyncIterable<unknown>) {
      const piece = bytes(chunk);
      if (piece === undefined) {
        throw Object.assign(new TypeError('The chunks of "data" must be strings or views'), {
          code: 'ERR_INVALID_ARG_TYPE',
        });
      }
      yield piece;
    }
  })();
}
