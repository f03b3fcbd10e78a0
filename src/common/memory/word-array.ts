/** Machine words in memory that a kernel reads or writes: pointers, handles of contexts, iovecs. */
import { HIGH_HALF, LOW_HALF } from '../abi/byte-order.ts';

const TWO_32 = 0x1_0000_0000;
const CELL_BYTES = 4;

/** A fixed number of words, in the machine's byte order and as wide as the kernel's: 8 bytes, or 4 where it has 32 bits. */
export class WordArray {
  /** What the kernel sees: `memory.addressOf(words.cells)`. */
  readonly cells: Uint32Array;
  /** Bytes of one word. */
  readonly wordBytes: number;
  readonly #isWide: boolean;

  constructor({ wordBytes }: { readonly wordBytes: 4 | 8 }, length: number) {
    this.wordBytes = wordBytes;
    this.#isWide = wordBytes === 2 * CELL_BYTES;
    this.cells = new Uint32Array((length * wordBytes) / CELL_BYTES);
  }

  /** Exact up to 2^53. */
  get(index: number): number {
    const { cells } = this;
    return this.#isWide
      ? cells[index * 2 + LOW_HALF]! + cells[index * 2 + HIGH_HALF]! * TWO_32
      : cells[index]!;
  }

  /** @param value - An exact integer that is not negative and fits into a word. */
  set(index: number, value: number): void {
    const { cells } = this;
    if (!this.#isWide) {
      cells[index] = value;
      return;
    }
    cells[index * 2 + LOW_HALF] = value;
    cells[index * 2 + HIGH_HALF] = Math.floor(value / TWO_32);
  }
}
