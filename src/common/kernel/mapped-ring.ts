/**
 * The completion ring as a reader in user space sees it: the same bytes behind both kernels.
 *
 * Layout and rules: `fs/aio.c` (`struct aio_ring`); the reader copies the cell at `head`, then stores the next head.
 */
import { HIGH_HALF, LOW_HALF } from '../abi/byte-order.ts';
import { AIO_RING_INCOMPAT_FEATURES, AIO_RING_MAGIC } from '../abi/constants.ts';
import { AIO_RING_HEADER_BYTES, IO_EVENT_BYTES } from '../abi/layout.ts';

/**
 * Receives one event.
 *
 * @param dataLow - Low half of `io_event.data`, unsigned.
 * @param dataHigh - High half of `io_event.data`, unsigned.
 * @param res - `io_event.res`: a count, a poll mask, or a negative Linux errno.
 */
export type EventSink = (dataLow: number, dataHigh: number, res: number) => void;

/** Where events are reaped from. */
export interface AioRing {
  /** Events ready now. */
  readonly ready: number;
  /**
   * Hands up to `max` events to `sink`, in order of completion.
   *
   * Each cell is given back before `sink` runs, so that an exception from `sink` loses nothing but loops cannot repeat.
   *
   * @returns How many.
   */
  reap(max: number, sink: EventSink): number;
  /** Forgets the memory. Afterwards nothing is ever ready. */
  detach(): void;
}

const NR = 1;
const HEAD = 2;
const TAIL = 3;
const MAGIC = 4;
const INCOMPAT_FEATURES = 6;
const HEADER_LENGTH = 7;
const HEADER_WORDS = AIO_RING_HEADER_BYTES / 4;
const EVENT_WORDS = IO_EVENT_BYTES / 4;
const DATA_LOW = LOW_HALF;
const DATA_HIGH = HIGH_HALF;
const RES_LOW = 4 + LOW_HALF;
const RES_HIGH = 4 + HIGH_HALF;
const NOTHING = new Uint32Array(HEADER_WORDS);

/** The value of a signed 64-bit result from its halves; exact for everything the kernel answers. */
export function resultFromHalves(low: number, high: number): number {
  return (high | 0) * 0x1_0000_0000 + low;
}

/** A ring in memory that is readable from JavaScript, in the machine's byte order. */
export class MappedRing implements AioRing {
  #words: Uint32Array;
  #cells: number;

  /**
   * @param bytes - The whole ring, header first.
   * @throws Error if the header is not one this code understands; fall back to `io_getevents`.
   */
  constructor(bytes: ArrayBuffer, byteOffset = 0) {
    const header = new Uint32Array(bytes, byteOffset, HEADER_WORDS);
    const cells = header[NR]!;
    if (header[MAGIC] !== AIO_RING_MAGIC) throw new Error('not an AIO ring: the magic number is missing');
    if (
      header[INCOMPAT_FEATURES] !== AIO_RING_INCOMPAT_FEATURES ||
      header[HEADER_LENGTH] !== AIO_RING_HEADER_BYTES
    ) {
      throw new Error('an AIO ring of a layout that is not known');
    }
    this.#cells = cells;
    this.#words = new Uint32Array(bytes, byteOffset, HEADER_WORDS + cells * EVENT_WORDS);
  }

  get ready(): number {
    if (this.#cells === 0) return 0;
    // The head moves by readers of this process alone; the tail by the kernel, which has written the events before.
    const head = this.#words[HEAD]! % this.#cells;
    const tail = Atomics.load(this.#words, TAIL) % this.#cells;
    return tail >= head ? tail - head : tail - head + this.#cells;
  }

  reap(max: number, sink: EventSink): number {
    let reaped = 0;
    let ready = Math.min(this.ready, max);
    while (ready > 0) {
      for (; ready > 0; ready--) {
        // Read anew each time: the sink may have reaped too, or destroyed the context.
        const words = this.#words;
        const cells = this.#cells;
        if (cells === 0) return reaped;
        const head = words[HEAD]! % cells;
        const cell = HEADER_WORDS + head * EVENT_WORDS;
        const dataLow = words[cell + DATA_LOW]!;
        const dataHigh = words[cell + DATA_HIGH]!;
        const res = resultFromHalves(words[cell + RES_LOW]!, words[cell + RES_HIGH]!);
        Atomics.store(words, HEAD, (head + 1) % cells);
        reaped++;
        sink(dataLow, dataHigh, res);
      }
      // What completed meanwhile, or what the sink reaped itself.
      ready = Math.min(this.ready, max - reaped);
    }
    return reaped;
  }

  detach(): void {
    this.#cells = 0;
    this.#words = NOTHING;
  }
}
