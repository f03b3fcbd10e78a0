/**
 * What a stream of a direct file will ask for next, read while its consumer has what came before: of direct files the kernel reads nothing
 * ahead, so that the device would wait for the consumer, and the consumer for the device.
 *
 * It changes nothing of what a stream brings, but when it is read. What is there already is thrown away where somebody of this thread
 * has begun or ended a write of the file since, where the stream goes on elsewhere, and where it is shorter than was asked for, or an error:
 * then the piece is read anew.
 */

/** With the piece that is asked for, four requests are under way: more have no more of a disk (Linux 6.18, a virtual one). */
const PIECES_AHEAD = 3;
/** What is longer keeps a disk busy by itself, and would take much memory. */
const MOST_BYTES_AHEAD = 3 << 20;

/** What a stream will ask for. */
export interface Wants {
  /** The last byte; infinity for no end. */
  readonly end: number;
  /** It has no place of its own, and counts `end` from where it begins. */
  readonly isFromCursor: boolean;
}

/** What a piece is read by. */
export interface PieceSource {
  /** Memory of its own that suits the place. */
  memoryFor(place: number | null, bytes: number): Buffer;
  /** @param place - `null` is the descriptor's own, which nobody here knows. */
  read(chunk: Buffer, place: number | null): Promise<number>;
  /** Counts writes of the file that have begun and ended. `undefined` where nobody does: then nothing is read ahead. */
  changes(): number | undefined;
}

/** What was read: `count` bytes at the beginning of `chunk`. */
export interface ReadPiece {
  readonly chunk: Buffer;
  readonly count: number;
}

interface Piece {
  readonly place: number;
  readonly chunk: Buffer;
  readonly changes: number | undefined;
  readonly count: Promise<number>;
}

export class ReadAhead {
  readonly #source: PieceSource;
  readonly #wants: Wants;
  /** Behind it nobody asks. */
  #limit: number | undefined;
  /** In the order of their places. */
  readonly #ahead: Piece[] = [];
  /** Where the next piece is, if the last one was whole. */
  #goesOnAt = -1;

  constructor(source: PieceSource, wants: Wants) {
    this.#source = source;
    this.#wants = wants;
  }

  /** Reads the next piece. Preconditions: the one before has been read. */
  async piece(place: number | null, bytes: number): Promise<ReadPiece> {
    if (place === null) {
      const chunk = this.#source.memoryFor(null, bytes);
      return { chunk, count: await this.#source.read(chunk, null) };
    }
    this.#limit ??= (this.#wants.isFromCursor ? place : 0) + this.#wants.end + 1;
    const goesOn = place === this.#goesOnAt;
    const early = this.#take(place, bytes);
    const piece = early ?? this.#begin(place, bytes);
    // A part of what there is, is the last of a stream.
    if (goesOn && piece.chunk.length === bytes && piece.changes !== undefined)
      this.#fill(place + bytes, bytes);
    const count = await (early === undefined ? piece.count : piece.count.catch(() => 0));
    if (early !== undefined && count < bytes) return this.#anew(place, bytes);
    return this.#told(piece, bytes, count);
  }

  /** Where the file ends, or somebody else has to say what is wrong: nothing that was found out before is believed. */
  async #anew(place: number, bytes: number): Promise<ReadPiece> {
    this.#ahead.length = 0;
    const piece = this.#begin(place, bytes);
    return this.#told(piece, bytes, await piece.count);
  }

  #told({ place, chunk }: Piece, bytes: number, count: number): ReadPiece {
    const isWhole = count >= bytes;
    if (!isWhole) this.#ahead.length = 0;
    this.#goesOnAt = isWhole ? place + bytes : -1;
    return {
      chunk: chunk.length === bytes ? chunk : chunk.subarray(0, bytes),
      count: Math.min(count, bytes),
    };
  }

  /** What was read of it before; nothing of all that, where it is not to be had. */
  #take(place: number, bytes: number): Piece | undefined {
    const piece = this.#ahead.shift();
    if (piece?.place === place && piece.chunk.length >= bytes && piece.changes === this.#source.changes())
      return piece;
    this.#ahead.length = 0;
    return undefined;
  }

  #begin(place: number, bytes: number): Piece {
    const chunk = this.#source.memoryFor(place, bytes);
    const changes = this.#source.changes();
    return { place, chunk, changes, count: this.#source.read(chunk, place) };
  }

  /** @returns `undefined` where it cannot begin: that is told to whoever asks for the piece, and so is how it ends. Perhaps nobody does. */
  #tryToBegin(place: number, bytes: number): Piece | undefined {
    try {
      const piece = this.#begin(place, bytes);
      piece.count.catch(() => {});
      return piece;
    } catch {
      return undefined;
    }
  }

  #fill(from: number, bytes: number): void {
    const most = Math.min(PIECES_AHEAD, Math.floor(MOST_BYTES_AHEAD / bytes));
    const last = this.#ahead.at(-1);
    let place = last === undefined ? from : last.place + last.chunk.length;
    while (this.#ahead.length < most && place < this.#limit!) {
      const piece = this.#tryToBegin(place, Math.min(bytes, this.#limit! - place));
      if (piece === undefined) return;
      this.#ahead.push(piece);
      place += piece.chunk.length;
    }
  }
}
