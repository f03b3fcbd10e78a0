/** Memory of our own in place of a caller's, for requests that are in flight where nothing keeps the caller's in its place. */
import { IOCB_CMD_PREAD, IOCB_CMD_PREADV } from '../abi/constants.ts';
import { isShared } from '../intrinsics.ts';
import type { AioKernel, Memory } from '../kernel/aio-kernel.ts';
import { type Bounce, bouncePool } from '../memory/bounce-pool.ts';
import { bytesOf, type Extent, isGone } from '../memory/extent.ts';
import { isPageAligned } from '../memory/page-aligned.ts';
import type { Operation, Substitute } from './operation.ts';

/** Where the kernel judges the alignment of O_DIRECT, the copy lies in its page as the original does. */
const PAGE_BYTES = 4096;
const IOVEC_WORDS = 2;

interface Piece {
  readonly extent: Extent;
  readonly chunk: Bounce;
  readonly bytes: Uint8Array;
}

/** Whether a kernel must not be given memory that may go away: it writes by itself, and nothing keeps memory in its place. */
export function bounces(kernel: AioKernel): boolean {
  return kernel.completesAside === true && kernel.memory.pins === undefined;
}

/**
 * Whether a request uses such memory while others may give it away.
 *
 * @param isHere - `io_submit` is called on this thread.
 */
export function needsBounce(operation: Operation, isHere: boolean): boolean {
  if (!operation.isTransfer || (isHere && operation.endsInside)) return false;
  if (operation.extent !== undefined) return mayGo(operation.extent);
  return operation.extents.some(mayGo);
}

/** Slabs of our own cannot be given away, and neither can shared memory. */
export function mayGo({ memory }: Extent): boolean {
  return !isPageAligned(memory) && !isShared(memory);
}

export class BounceCopy implements Substitute {
  /** The address of the bytes, or of the iovecs. */
  readonly buf: number;
  /** Bytes, or iovecs. Segments that were empty are left out. */
  readonly nbytes: number;
  readonly #pieces: Piece[] = [];
  /** Must live until the kernel has copied them, which is on return from `io_submit`. */
  readonly iovecs: BigUint64Array | undefined;
  readonly #reads: boolean;

  /** @throws RangeError if there is no memory. */
  constructor(memory: Memory, operation: Operation) {
    const { opcode, extent, extents } = operation;
    this.#reads = opcode === IOCB_CMD_PREAD || opcode === IOCB_CMD_PREADV;
    try {
      for (const one of extent === undefined ? extents : [extent]) this.#add(memory, one);
    } catch (error) {
      this.release();
      throw error;
    }
    if (extent !== undefined) {
      this.buf = memory.addressOf(this.#pieces[0]!.bytes);
      this.nbytes = extent.length;
      return;
    }
    const iovecs = new BigUint64Array(this.#pieces.length * IOVEC_WORDS);
    this.#pieces.forEach(({ bytes }, index) => {
      iovecs[index * IOVEC_WORDS] = BigInt(memory.addressOf(bytes));
      iovecs[index * IOVEC_WORDS + 1] = BigInt(bytes.byteLength);
    });
    this.iovecs = iovecs;
    this.buf = memory.addressOf(iovecs);
    this.nbytes = this.#pieces.length;
  }

  /**
   * Hands out what was read. Preconditions: the request has completed.
   *
   * @returns `false` where memory that was to get it has been given away meanwhile.
   */
  deliver(count: number): boolean {
    if (!this.#reads) return true;
    let left = count;
    for (const { extent, bytes } of this.#pieces) {
      if (left <= 0) break;
      if (isGone(extent)) return false;
      const part = Math.min(left, extent.length);
      bytesOf(extent).set(bytes.subarray(0, part));
      left -= part;
    }
    return true;
  }

  /** Preconditions: the kernel has nothing of the request any more. */
  release(): void {
    for (const { chunk } of this.#pieces) bouncePool.give(chunk);
    this.#pieces.length = 0;
  }

  #add(memory: Memory, extent: Extent): void {
    const at = (memory.addressOf(extent.memory) + extent.start) % PAGE_BYTES;
    const chunk = bouncePool.take(at + extent.length);
    const bytes = chunk.bytes.subarray(at, at + extent.length);
    this.#pieces.push({ extent, chunk, bytes });
    if (!this.#reads) bytes.set(bytesOf(extent));
  }
}
