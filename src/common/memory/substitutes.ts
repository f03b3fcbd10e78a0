/** Memory of our own in place of a caller's, where nothing keeps that in its place while others write to it. */
import { isShared } from '../intrinsics.ts';
import { type Bounce, bouncePool } from './bounce-pool.ts';
import { bytesOf, type Extent, isGone } from './extent.ts';
import { hostPageBytes } from './host-page.ts';
import { isPageAligned } from './page-aligned.ts';

interface Piece {
  readonly extent: Extent;
  readonly bytes: Uint8Array;
  /** Absent where the caller's memory itself can be used. */
  readonly chunk: Bounce | undefined;
}

/** Where memory lies, so that a substitute lies in its page as the original does. */
export interface Addresses {
  addressOf(memory: ArrayBufferLike): number;
  /** Whether they are what the host sees. */
  readonly hasHostAddresses: boolean;
}

/** Whether memory can be given away. Slabs of our own cannot, and neither can shared memory. */
export function mayGo({ memory }: Extent): boolean {
  return !isPageAligned(memory) && !isShared(memory);
}

/** The memory of one request: pieces in the order in which it fills or empties them. */
export class Substitutes {
  readonly #memory: Addresses;
  readonly #reads: boolean;
  readonly #pieces: Piece[] = [];

  /** @param reads - The request writes to its memory; else it reads from it, and gets a copy. */
  constructor(memory: Addresses, reads: boolean) {
    this.#memory = memory;
    this.#reads = reads;
  }

  /**
   * Adds a piece. Preconditions: its memory is there.
   *
   * @returns What to use in its place: the memory itself, if that stays by itself.
   * @throws RangeError if there is no memory.
   */
  add(extent: Extent): Uint8Array {
    const own = bytesOf(extent);
    if (extent.length === 0 || this.#canBeUsed(extent)) {
      this.#pieces.push({ extent, bytes: own, chunk: undefined });
      return own;
    }
    // Where the alignment of O_DIRECT is judged, a substitute lies in its page as the original does.
    const at = (this.#memory.addressOf(extent.memory) + extent.start) % hostPageBytes();
    const chunk = bouncePool.take(at + extent.length);
    const bytes = chunk.bytes.subarray(at, at + extent.length);
    this.#pieces.push({ extent, bytes, chunk });
    if (!this.#reads) bytes.set(own);
    return bytes;
  }

  /**
   * Hands out what was read. Preconditions: the request has ended.
   *
   * @param from - Where in the first piece it begins.
   * @returns `false` where memory that was to get it has been given away meanwhile.
   */
  deliver(count: number, from = 0): boolean {
    if (!this.#reads) return true;
    let left = count;
    let at = from;
    for (const { extent, bytes, chunk } of this.#pieces) {
      if (left <= 0) break;
      if (isGone(extent)) return false;
      const part = Math.max(0, Math.min(left, extent.length - at));
      if (chunk !== undefined) bytesOf(extent).set(bytes.subarray(at, at + part), at);
      left -= part;
      at = 0;
    }
    return true;
  }

  /** Shared memory stays, but it lies elsewhere to the host than by an address that is made up. */
  #canBeUsed(extent: Extent): boolean {
    return !mayGo(extent) && (this.#memory.hasHostAddresses || isPageAligned(extent.memory));
  }

  /** Preconditions: nobody uses them any more. */
  release(): void {
    for (const { chunk } of this.#pieces) if (chunk !== undefined) bouncePool.give(chunk);
    this.#pieces.length = 0;
  }
}
