/**
 * Iocbs in one stable piece of memory, written through typed arrays: the hot path of the upper half. In the machine's byte order.
 */
import { HIGH_HALF, LITTLE_ENDIAN, LOW_HALF } from '../abi/byte-order.ts';
import { IOCB_BYTES } from '../abi/layout.ts';
import type { Address, Memory } from '../kernel/aio-kernel.ts';

const IOCB_WORDS = IOCB_BYTES / 4;
const DATA_LOW = LOW_HALF;
const DATA_HIGH = HIGH_HALF;
// As if they were the halves of one number.
const KEY = 2 + LOW_HALF;
const RW_FLAGS = 2 + HIGH_HALF;
const OPCODE_AND_PRIORITY = 4;
const FILDES = 5;
const BUF_LOW = 6 + LOW_HALF;
const BUF_HIGH = 6 + HIGH_HALF;
const NBYTES_LOW = 8 + LOW_HALF;
const NBYTES_HIGH = 8 + HIGH_HALF;
const OFFSET_LOW = 10 + LOW_HALF;
const OFFSET_HIGH = 10 + HIGH_HALF;
const RESERVED2_LOW = 12 + LOW_HALF;
const RESERVED2_HIGH = 12 + HIGH_HALF;
const FLAGS = 14;
const RESFD = 15;
const HIGH = 0x1_0000_0000;

/** A fixed number of iocbs, in memory that neither moves nor shrinks. */
export class IocbSlab {
  /** Number of iocbs. */
  readonly capacity: number;
  readonly #memory: ArrayBuffer;
  readonly #words: Uint32Array;
  readonly #firstIocb: Address;

  constructor(memory: Memory, capacity: number) {
    this.capacity = capacity;
    this.#memory = new ArrayBuffer(capacity * IOCB_BYTES);
    this.#words = new Uint32Array(this.#memory);
    this.#firstIocb = memory.addressOf(this.#memory);
  }

  /** The address of iocb `index`. */
  addressOf(index: number): Address {
    return this.#firstIocb + index * IOCB_BYTES;
  }

  /** Fills iocb `index`; `aio_data` becomes `data`. Numbers must be exact: at most 2^53. */
  prepare(
    index: number,
    opcode: number,
    fd: number,
    buf: number,
    nbytes: number,
    offset: number,
    rw_flags: number,
    flags: number,
    resfd: number,
    data: number,
    reqprio = 0,
  ): void {
    const words = this.#words;
    const at = index * IOCB_WORDS;
    words[at + DATA_LOW] = data;
    words[at + DATA_HIGH] = Math.floor(data / HIGH);
    words[at + KEY] = 0;
    words[at + RW_FLAGS] = rw_flags;
    // Two numbers of 16 bits, the opcode first.
    words[at + OPCODE_AND_PRIORITY] = LITTLE_ENDIAN
      ? opcode | (reqprio << 16)
      : (opcode << 16) | (reqprio & 0xffff);
    words[at + FILDES] = fd;
    words[at + BUF_LOW] = buf;
    words[at + BUF_HIGH] = Math.floor(buf / HIGH);
    words[at + NBYTES_LOW] = nbytes;
    words[at + NBYTES_HIGH] = Math.floor(nbytes / HIGH);
    words[at + OFFSET_LOW] = offset;
    words[at + OFFSET_HIGH] = Math.floor(offset / HIGH);
    words[at + RESERVED2_LOW] = 0;
    words[at + RESERVED2_HIGH] = 0;
    words[at + FLAGS] = flags;
    words[at + RESFD] = resfd;
  }
}
