/**
 * The completion ring: cells in memory that user space maps too.
 *
 * The number of cells and the tail are trusted copies; head, and the tail as the reader sees it, are whatever user space
 * left in the header.
 */

import { HIGH_HALF, LOW_HALF } from '../../common/abi/byte-order.ts';
import {
  AIO_RING_COMPAT_FEATURES,
  AIO_RING_INCOMPAT_FEATURES,
  AIO_RING_MAGIC,
} from '../../common/abi/constants.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import { AIO_RING_HEADER_BYTES, IO_EVENT_BYTES } from '../../common/abi/layout.ts';
import { type AddressSpace, PAGE_SIZE } from '../memory/mm.ts';
import { highHalf } from '../memory/registers.ts';

const ID = 0;
const NR = 1;
const HEAD = 2;
const TAIL = 3;
const MAGIC = 4;
const COMPAT_FEATURES = 5;
const INCOMPAT_FEATURES = 6;
const HEADER_LENGTH = 7;
const HEADER_WORDS = AIO_RING_HEADER_BYTES / 4;
const EVENT_WORDS = IO_EVENT_BYTES / 4;

/** Bytes of a ring for `nr_events`: two cells more, since one stays empty, rounded up to pages. */
export function ringBytes(nr_events: number): number {
  const bytes = AIO_RING_HEADER_BYTES + (nr_events + 2) * IO_EVENT_BYTES;
  return Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;
}

export class AioRingInfo {
  readonly memory: ArrayBuffer;
  /** Event cells. */
  readonly nr: number;
  #tail = 0;
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;

  /** `aio_setup_ring`. @param memory - Zeroed. */
  constructor(memory: ArrayBuffer) {
    this.memory = memory;
    this.#bytes = new Uint8Array(memory);
    const words = new Uint32Array(memory);
    this.#words = words;
    this.nr = (memory.byteLength - AIO_RING_HEADER_BYTES) / IO_EVENT_BYTES;
    words[NR] = this.nr;
    words[MAGIC] = AIO_RING_MAGIC;
    words[COMPAT_FEATURES] = AIO_RING_COMPAT_FEATURES;
    words[INCOMPAT_FEATURES] = AIO_RING_INCOMPAT_FEATURES;
    words[HEADER_LENGTH] = AIO_RING_HEADER_BYTES;
  }

  set id(index: number) {
    this.#words[ID] = index;
  }

  /** The head as user space left it. */
  get head(): number {
    return this.#words[HEAD]!;
  }

  /** Unread events, by the kernel's own tail. */
  get unread(): number {
    const head = this.head % this.nr;
    return head <= this.#tail ? this.#tail - head : this.nr - (head - this.#tail);
  }

  /** Events that {@link read} would find: here the reader's tail is believed. */
  get ready(): number {
    const words = this.#words;
    const head = words[HEAD]! % this.nr;
    const tail = words[TAIL]! % this.nr;
    return tail >= head ? tail - head : this.nr - head + tail;
  }

  /** Free cells of the seed (`aio_ring_avail`): from head and tail as user space left them, in 32 bits. */
  get available(): number {
    const words = this.#words;
    return ((words[HEAD]! + this.nr - 1 - words[TAIL]!) >>> 0) % this.nr;
  }

  /** Writes one event, then publishes it. */
  add(dataLow: number, dataHigh: number, user: number, result: number): void {
    const words = this.#words;
    const cell = HEADER_WORDS + this.#tail * EVENT_WORDS;
    words[cell + LOW_HALF] = dataLow;
    words[cell + HIGH_HALF] = dataHigh;
    words[cell + 2 + LOW_HALF] = user;
    words[cell + 2 + HIGH_HALF] = highHalf(user);
    words[cell + 4 + LOW_HALF] = result;
    // A kernel that does not cut lengths may count beyond 32 bits.
    words[cell + 4 + HIGH_HALF] = result < 0 ? 0xffff_ffff : highHalf(result);
    words[cell + 6] = 0;
    words[cell + 7] = 0;
    this.#tail = this.#tail + 1 === this.nr ? 0 : this.#tail + 1;
    Atomics.store(words, TAIL, this.#tail);
  }

  /**
   * `aio_read_events_ring`: moves up to `max` events to user memory.
   *
   * @returns How many; -EFAULT, and then all events stay although some may have been copied.
   */
  read(mm: AddressSpace, events: number, max: number): number {
    const words = this.#words;
    let head = words[HEAD]!;
    let tail = words[TAIL]!;
    if (head === tail) return 0;
    head %= this.nr;
    tail %= this.nr;
    let taken = 0;
    while (taken < max && head !== tail) {
      const run = Math.min((head < tail ? tail : this.nr) - head, max - taken);
      if (!this.#copyToUser(mm, events + taken * IO_EVENT_BYTES, head, run)) return -ERRNO.EFAULT;
      taken += run;
      head = (head + run) % this.nr;
    }
    words[HEAD] = head;
    return taken;
  }

  /**
   * `aio_read_evt` of the seed, one event after the other: the event that cannot be copied is lost, and what came before it
   * counts.
   *
   * The tail is compared as it stands, so one beyond the ring is never reached (RING-06); head is stored only together with an
   * event taken (RING-05).
   */
  readOne(mm: AddressSpace, event: number): number {
    const words = this.#words;
    const tail = words[TAIL]!;
    if (words[HEAD]! === tail) return 0;
    const head = words[HEAD]! % this.nr;
    if (head === tail) return 0;
    const copied = this.#copyToUser(mm, event, head, 1);
    words[HEAD] = (head + 1) % this.nr;
    return copied ? 1 : -ERRNO.EFAULT;
  }

  #copyToUser(mm: AddressSpace, address: number, cell: number, count: number): boolean {
    const from = AIO_RING_HEADER_BYTES + cell * IO_EVENT_BYTES;
    const wanted = count * IO_EVENT_BYTES;
    const bytes = mm.accessible(address, wanted, 'write');
    const user = bytes === 0 ? undefined : mm.reach(address, bytes, 'write');
    if (user === undefined) return false;
    user.bytes.set(this.#bytes.subarray(from, from + bytes), address - user.base);
    return bytes === wanted;
  }
}
