/** A small store of counters in one file, each in a block of its own, whose every change is durable before it is acknowledged. */
import { alignedBuffer } from 'kaio';

const BLOCK_BYTES = 4096;

/** What a store needs of a file: an AioFile has it, and so has a FileHandle of Node.js. */
export interface TicketFile {
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  write(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>;
  datasync(): Promise<void>;
}

/** Numbers that are given out once, whatever happens: a number is durable before anybody is told of it. */
export class Tickets {
  readonly #file: TicketFile;
  readonly #last: bigint[];
  readonly #block: Buffer[];

  private constructor(file: TicketFile, last: bigint[], blocks: Buffer[]) {
    this.#file = file;
    this.#last = last;
    this.#block = blocks;
  }

  /** @param counters - How many. Each is used by one writer at a time. */
  static async open(file: TicketFile, counters: number): Promise<Tickets> {
    const blocks = Array.from({ length: counters }, () => alignedBuffer(BLOCK_BYTES));
    const last = await Promise.all(
      blocks.map(async (block, counter) => {
        const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, counter * BLOCK_BYTES);
        return bytesRead < BLOCK_BYTES ? 0n : block.readBigUInt64LE();
      }),
    );
    return new Tickets(file, last, blocks);
  }

  /**
   * Gives out the next number of a counter.
   *
   * There is nothing here about groups: each writer writes and syncs as if he were alone, and the file makes one sync for all who wait.
   *
   * @throws What the file throws. The number may have been used up then, and the store is of no more use.
   */
  async next(counter: number): Promise<bigint> {
    const number = this.#last[counter]! + 1n;
    this.#last[counter] = number;
    const block = this.#block[counter]!;
    block.writeBigUInt64LE(number);
    const { bytesWritten } = await this.#file.write(block, 0, BLOCK_BYTES, counter * BLOCK_BYTES);
    if (bytesWritten < BLOCK_BYTES) throw new Error(`${bytesWritten} bytes of ${BLOCK_BYTES} were written`);
    await this.#file.datasync();
    return number;
  }
}
