/**
 * Memory of our own, through which requests move their data where nothing keeps the caller's in its place: no thread and no kernel
 * touches memory that its owner may give away, reuse or drop.
 *
 * Chunks start at a page boundary, so that data can be placed at the caller's address modulo the page size, and the host judges
 * the alignment of O_DIRECT transfers as it would judge the caller's buffer.
 */
import { hostPageBytes } from './host-page.ts';
import { pageAlignedBuffer } from './page-aligned.ts';

/** A chunk of bounce memory. */
export interface Bounce {
  readonly bytes: Uint8Array;
  /** Index of the size class, or -1 for memory that is not kept. */
  readonly sizeClass: number;
}

const SLAB_BYTES = 1 << 20;
/** Chunks of a page, two pages, four ...: with pages of 4 KiB up to 8 MiB. */
const SIZE_CLASSES = 12;
/** Larger ones are not kept. */
const MOST_KEPT_BYTES = 8 << 20;

const classBytes = (sizeClass: number): number => hostPageBytes() << sizeClass;

/** Makes memory that starts at a page boundary. @param kept - Whether the pool keeps it for good. */
export type Allocate = (bytes: number, kept: boolean) => ArrayBufferLike;

export class BouncePool {
  readonly #free: Bounce[][] = Array.from({ length: SIZE_CLASSES }, () => []);
  readonly #allocate: Allocate;

  constructor(allocate: Allocate = pageAlignedBuffer) {
    this.#allocate = allocate;
  }

  /** At least `bytes` bytes, content undefined. @throws RangeError if there is no memory. */
  take(bytes: number): Bounce {
    let sizeClass = 0;
    while (sizeClass < SIZE_CLASSES && classBytes(sizeClass) < bytes) sizeClass++;
    if (sizeClass === SIZE_CLASSES || classBytes(sizeClass) > MOST_KEPT_BYTES)
      return { bytes: new Uint8Array(this.#allocate(bytes, false)), sizeClass: -1 };
    const free = this.#free[sizeClass]!;
    const chunk = free.pop();
    if (chunk !== undefined) return chunk;
    this.#carve(sizeClass, free);
    return free.pop()!;
  }

  give(chunk: Bounce): void {
    if (chunk.sizeClass >= 0) this.#free[chunk.sizeClass]!.push(chunk);
  }

  #carve(sizeClass: number, free: Bounce[]): void {
    const step = classBytes(sizeClass);
    const slab = this.#allocate(Math.max(SLAB_BYTES, step), true);
    for (let at = 0; at + step <= slab.byteLength; at += step) {
      free.push({ bytes: new Uint8Array(slab, at, step), sizeClass });
    }
  }
}

/** One pool for all of this thread: the chunks carry no state, and slabs are best few. */
export const bouncePool = new BouncePool();
