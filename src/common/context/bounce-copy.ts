/** Memory of our own in place of a caller's, for requests that are in flight where nothing keeps the caller's in its place. */
import { IOCB_CMD_PREAD, IOCB_CMD_PREADV } from '../abi/constants.ts';
import type { AioKernel, Memory } from '../kernel/aio-kernel.ts';
import { mayGo, Substitutes } from '../memory/substitutes.ts';
import { WordArray } from '../memory/word-array.ts';
import type { Operation, Substitute } from './operation.ts';

const IOVEC_WORDS = 2;

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

export class BounceCopy implements Substitute {
  /** The address of the bytes, or of the iovecs. */
  readonly buf: number;
  /** Bytes, or iovecs. Segments that were empty are left out. */
  readonly nbytes: number;
  /** Must live until the kernel has copied them, which is on return from `io_submit`. */
  readonly iovecs: WordArray | undefined;
  readonly #substitutes: Substitutes;

  /** @throws RangeError if there is no memory. */
  constructor(memory: Memory, operation: Operation) {
    const { opcode, extent, extents } = operation;
    const reads = opcode === IOCB_CMD_PREAD || opcode === IOCB_CMD_PREADV;
    this.#substitutes = new Substitutes(memory, reads);
    try {
      const views = (extent === undefined ? extents : [extent]).map((one) => this.#substitutes.add(one));
      if (extent !== undefined) {
        this.buf = memory.addressOf(views[0]!);
        this.nbytes = extent.length;
        return;
      }
      const iovecs = new WordArray(memory, views.length * IOVEC_WORDS);
      views.forEach((view, index) => {
        iovecs.set(index * IOVEC_WORDS, memory.addressOf(view));
        iovecs.set(index * IOVEC_WORDS + 1, view.byteLength);
      });
      this.iovecs = iovecs;
      this.buf = memory.addressOf(iovecs.cells);
      this.nbytes = views.length;
    } catch (error) {
      this.release();
      throw error;
    }
  }

  deliver(count: number): boolean {
    return this.#substitutes.deliver(count);
  }

  release(): void {
    this.#substitutes.release();
  }
}
