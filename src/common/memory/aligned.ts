/** Buffers fit for O_DIRECT: page-aligned views of few large slabs. */

import { invalidArgType, outOfRange, validateInteger } from '../validate.ts';
import { hostPageBytes } from './host-page.ts';
import { pageAlignedBuffer, pageAlignedBuffers } from './page-aligned.ts';

const SLAB_BYTES = 16 * 1024 * 1024;
const MAX_BYTES = 2 ** 32;
/**
 * A slab reserves 10 GiB of addresses, however small it is, and a process has 128 TiB (x86-64). From so many on, large buffers share
 * larger slabs.
 */
const MANY_SLABS = 1024;
const SHARED_SLAB_BYTES = 256 * 1024 * 1024;

/** A Buffer with memory of its own. Before TypeScript 5.7 it has no parameter to say so with. */
export type OwnBuffer = ReturnType<typeof Buffer.alloc>;

interface Slab {
  readonly memory: ArrayBuffer;
  used: number;
}

let small: Slab | undefined;
let large: Slab | undefined;

function roundUp(bytes: number): number {
  const page = hostPageBytes();
  return Math.ceil(bytes / page) * page;
}

function roomIn(slab: Slab | undefined, bytes: number): boolean {
  return slab !== undefined && slab.used + bytes <= slab.memory.byteLength;
}

function newSlab(bytes: number): Slab {
  return { memory: pageAlignedBuffer(bytes), used: 0 };
}

/** The slab that whole pages are cut off next. A slab lives as long as one of its buffers does. */
function slabFor(bytes: number): Slab {
  if (bytes <= SLAB_BYTES / 4) {
    if (!roomIn(small, bytes)) small = newSlab(SLAB_BYTES);
    return small!;
  }
  // A large buffer gets a slab of its own, so that it goes when it is dropped.
  if (pageAlignedBuffers() < MANY_SLABS) return newSlab(bytes);
  if (!roomIn(large, bytes)) large = newSlab(Math.max(bytes, SHARED_SLAB_BYTES));
  return large!;
}

/**
 * Makes a zeroed buffer that starts at a page boundary, as O_DIRECT wants it.
 *
 * @remarks
 * *Ownership*: an ordinary Buffer, reclaimed with the rest of its slab (16 MiB; a large buffer has one of its own, until there are a
 * thousand of them) when the last buffer of it is dropped.
 * Its memory cannot be transferred to another thread; where there is no WebAssembly (`node --jitless`) it is a SharedArrayBuffer. Code that makes and drops many should use an
 * {@link AlignedBufferPool}.
 *
 * @param bytes - Its length. Use a multiple of `file.alignment.length` for direct transfers.
 * @throws RangeError `ERR_OUT_OF_RANGE` for what is no length; RangeError where there is no memory.
 */
export function alignedBuffer(bytes: number): OwnBuffer {
  validateInteger('bytes', bytes, 0, MAX_BYTES);
  const wanted = roundUp(Math.max(bytes, 1));
  const slab = slabFor(wanted);
  const offset = slab.used;
  slab.used += wanted;
  return Buffer.from(slab.memory, offset, bytes);
}

/**
 * Page-aligned buffers of one length that are handed out and returned.
 *
 * @example
 * ```ts
 * const pool = new AlignedBufferPool(65536);
 * const buffer = pool.take();
 * try {
 *   await file.read(buffer, { position: 0 });
 * } finally {
 *   pool.give(buffer);
 * }
 * ```
 */
export class AlignedBufferPool {
  /** Length of each buffer. */
  readonly bufferBytes: number;
  readonly #maxFree: number;
  readonly #free: OwnBuffer[] = [];
  readonly #out = new WeakSet<Uint8Array>();

  /**
   * @param bufferBytes - Length of each buffer.
   * @param maxFree - Returned buffers kept for the next taker. Default 256.
   * @throws RangeError `ERR_OUT_OF_RANGE`.
   */
  constructor(bufferBytes: number, maxFree = 256) {
    this.bufferBytes = validateInteger('bufferBytes', bufferBytes, 1, MAX_BYTES);
    this.#maxFree = validateInteger('maxFree', maxFree, 0, MAX_BYTES);
  }

  /** Hands out a buffer. What was in it before is still in it. */
  take(): OwnBuffer {
    const buffer = this.#free.pop() ?? alignedBuffer(this.bufferBytes);
    this.#out.add(buffer);
    return buffer;
  }

  /**
   * Takes a buffer back. No request may use it any more, and neither may you.
   *
   * @throws TypeError `ERR_INVALID_ARG_TYPE` for what this pool has not handed out, or has back already.
   */
  give(buffer: Uint8Array): void {
    if (!this.#out.delete(buffer))
      throw invalidArgType('buffer', 'a buffer that this pool has handed out', buffer);
    if (this.#free.length < this.#maxFree) this.#free.push(buffer as OwnBuffer);
  }
}

/** The three multiples that direct transfers of a file need, in bytes; all 1 for a buffered file. */
export interface Alignment {
  /** Of the buffer's address. */
  readonly memory: number;
  /** Of the position in the file. */
  readonly offset: number;
  /** Of the length. */
  readonly length: number;
}

/** What every file without direct I/O is content with. */
export const UNALIGNED: Alignment = { memory: 1, offset: 1, length: 1 };

/** The RangeError for a direct transfer that the kernel would refuse; it names what is needed and what broke it. */
export function misaligned({ memory, offset, length }: Alignment, what: string, value: number): Error {
  return outOfRange(
    what,
    `a multiple of ${what === 'position' ? offset : what === 'length' ? length : memory} for direct I/O on this file ` +
      `(memory ${memory}, position ${offset}, length ${length}; see file.alignment and the 'unaligned' option)`,
    value,
  );
}
