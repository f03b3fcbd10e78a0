/** What is moved whole, in as many transfers as it takes: views, and the contents of files. */
import { type Alignment, alignedBuffer, UNALIGNED } from '../memory/aligned.ts';
import { type Extent, extentOfOwn } from '../memory/extent.ts';
import { outOfRange } from '../validate.ts';
import { FileError } from './file-error.ts';
import type { FileIo } from './file-io.ts';
import { throwIfAborted } from './file-requests.ts';
import type { Manner } from './manner.ts';
import { CHUNK_BYTES, fully, inLanes, MOST_BYTES } from './whole-transfers.ts';

/** What one Buffer of `readFile` holds at most, as FileHandle has it. */
export const MAX_READ_FILE_BYTES = 2 ** 31 - 1;

/** A transfer that is told its position, or that its host knows it. */
type Placed = (position: number | null) => Promise<number>;

/** Runs a transfer at a place, or at the cursor for `null`, which it moves. */
export interface Places {
  /** What reads. */
  at(place: number | null, transfer: Placed): Promise<number>;
  /** What writes. */
  to(place: number | null, transfer: Placed): Promise<number>;
}

export class WholeFiles {
  readonly #io: FileIo;
  readonly #places: Places;
  readonly #alignment: Alignment;
  readonly #seekable: boolean;

  constructor(io: FileIo, places: Places, alignment: Alignment, seekable: boolean) {
    this.#io = io;
    this.#places = places;
    this.#alignment = alignment;
    this.#seekable = seekable;
  }

  /** Fills a view, as far as the file goes. */
  read(
    extent: Extent,
    position: number | null,
    signal: AbortSignal | undefined,
    manner: Manner | undefined,
  ): Promise<number> {
    return this.#places.at(position, (place) => this.#readAll(extent, place, signal, manner));
  }

  /** Writes all of a view. */
  write(
    extent: Extent,
    position: number | null,
    signal: AbortSignal | undefined,
    manner: Manner | undefined,
  ): Promise<number> {
    const write = (rest: Extent, at: number | null): Promise<number> =>
      this.#writeSome(rest, at, signal, manner);
    return this.#places.to(position, (place) => fully(extent, place, write));
  }

  /**
   * From the cursor to the end of the file.
   *
   * @param size - Bytes of the file, as far as they are known.
   */
  async readToEnd(size: number, signal: AbortSignal | undefined): Promise<Buffer> {
    const chunks: Buffer[] = [];
    await this.#places.at(null, (place) => this.#readToEnd(place, size, chunks, signal));
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  }

  /** Writes at the cursor, as FileHandle does it: in parts, and the signal is looked at between them, not while one is written. */
  async writeChunk(chunk: Extent, signal: AbortSignal | undefined): Promise<void> {
    // Where nobody can tell them apart, they need not be small.
    const most = signal === undefined && this.#seekable ? undefined : CHUNK_BYTES;
    let isFirst = true;
    const write = (rest: Extent, at: number | null): Promise<number> => {
      if (!isFirst) throwIfAborted(signal);
      isFirst = false;
      return this.#writeSome(rest, at, undefined);
    };
    if (chunk.length > 0) await this.#places.to(null, (place) => fully(chunk, place, write, most));
  }

  #readAll(
    extent: Extent,
    place: number | null,
    signal: AbortSignal | undefined,
    manner?: Manner,
  ): Promise<number> {
    const read = (rest: Extent, at: number | null): Promise<number> =>
      this.#io.read(rest, at, { signal, cut: true, manner });
    return fully(extent, place, read, MOST_BYTES, this.#alignment.offset);
  }

  /** @throws Error `EIO` for a write that goes nowhere: whoever goes on would do so for ever. */
  async #writeSome(
    extent: Extent,
    place: number | null,
    signal: AbortSignal | undefined,
    manner?: Manner,
  ): Promise<number> {
    const count = await this.#io.write(extent, place, { signal, cut: true, manner });
    if (count === 0)
      throw new FileError('EIO', 5, 'write', { help: 'the kernel wrote nothing and gave no reason' });
    return count;
  }

  /** Several chunks at once as far as the size is known, then one after the other until nothing comes. */
  async #readToEnd(
    place: number | null,
    size: number,
    chunks: Buffer[],
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const read = (extent: Extent, at: number | null): Promise<number> => {
      throwIfAborted(signal);
      return this.#readAll(extent, at, undefined);
    };
    let done = 0;
    if (place !== null && size > place) {
      const known = this.#allocate(size - place);
      done = await inLanes(known, (chunk, from) => read(chunk, place + from));
      chunks.push(known.subarray(0, done));
      // Short of what was asked for, which is the end of the file; or all that there was when it was asked for its size, as FileHandle has it.
      if (done < known.byteLength || done === size) return done;
    }
    for (;;) {
      const chunk = this.#allocate(CHUNK_BYTES);
      const count = await read(extentOfOwn(chunk), place === null ? null : place + done);
      if (count === 0) return done;
      chunks.push(chunk.subarray(0, count));
      done += count;
      if (((place ?? 0) + done) % this.#alignment.offset !== 0) return done;
      if (done > MAX_READ_FILE_BYTES) throw outOfRange('size', `<= ${MAX_READ_FILE_BYTES}`, done);
    }
  }

  /** Memory for whole blocks, so that direct reads need no detour. */
  #allocate(bytes: number): Buffer {
    if (this.#alignment === UNALIGNED) return Buffer.allocUnsafeSlow(bytes);
    const { length } = this.#alignment;
    return alignedBuffer(Math.ceil(bytes / length) * length);
  }
}
