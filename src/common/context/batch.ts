/** Requests that go to the kernel in one `io_submit`. */

import type { Address, Memory } from '../kernel/aio-kernel.ts';
import { WordArray } from '../memory/word-array.ts';
import type { IocbSlab } from './iocb-slab.ts';

/** Slots of a slab, and the array of pointers to their iocbs that `io_submit` takes. */
export class Batch {
  /** Requests in it. */
  length = 0;
  /** Bytes that they move at most. */
  bytes = 0;
  /** Requests that were begun without it, by the kernel's shorter way. */
  plain = 0;
  readonly #slab: IocbSlab;
  readonly #slots: Uint32Array;
  readonly #pointers: WordArray;
  readonly #iocbpp: Address;

  constructor(memory: Memory, slab: IocbSlab) {
    this.#slab = slab;
    this.#slots = new Uint32Array(slab.capacity);
    this.#pointers = new WordArray(memory, slab.capacity);
    this.#iocbpp = memory.addressOf(this.#pointers.cells);
  }

  clear(): void {
    this.length = 0;
    this.bytes = 0;
    this.plain = 0;
  }

  /** @param bytes - That the request moves at most. */
  add(slot: number, bytes: number): void {
    const at = this.length++;
    this.#slots[at] = slot;
    this.bytes += bytes;
    this.#pointers.set(at, this.#slab.addressOf(slot));
  }

  /** The slot of request `index`. */
  slotAt(index: number): number {
    return this.#slots[index]!;
  }

  /** Where the pointers from request `index` on are: `iocbpp`. */
  iocbppAt(index: number): Address {
    return this.#iocbpp + index * this.#pointers.wordBytes;
  }
}
