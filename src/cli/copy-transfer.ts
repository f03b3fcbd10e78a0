/** Moving the bytes of a file through AIO, reads and writes overlapping. */
import type { BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { AioContext } from '../common/context/aio-context.ts';
import { AioError, codeOf } from '../common/errors.ts';
import { pageAlignedBuffer } from '../common/memory/page-aligned.ts';
import { dataRuns, isSparse } from './holes.ts';

/** Alignment that every device with O_DIRECT is content with. */
export const DIRECT_BYTES = 4096;
const MAX_BUFFER_BYTES = 2 ** 31;

export interface TransferOptions {
  readonly context: AioContext;
  readonly queueDepth: number;
  readonly blockBytes: number;
  readonly direct: boolean;
  /** Called as bytes arrive at the destination. */
  readonly onProgress?: (bytesDone: number, bytesTotal: number) => void;
  readonly signal?: AbortSignal;
}

export class Transfer {
  readonly #from: FileHandle;
  readonly #stat: BigIntStats;
  readonly #size: number;
  readonly #options: TransferOptions;
  readonly #blocks: readonly Uint8Array[];
  /** Where the source ended, once that is known. */
  #end: number;
  /** AIO does not read this file: some of proc(5) know read(2) only. */
  #refused = false;
  #next = 0;
  #done = 0;
  #failed = false;

  /** @param stat - Of the source. @throws RangeError for buffers that are too large: before anything is touched. */
  constructor(from: FileHandle, stat: BigIntStats, options: TransferOptions) {
    const { queueDepth, blockBytes } = options;
    this.#from = from;
    this.#stat = stat;
    this.#size = Number(stat.size);
    this.#end = this.#size;
    this.#options = options;
    const lanes = Math.max(1, Math.min(queueDepth, Math.ceil(this.#size / blockBytes)));
    if (lanes * blockBytes > MAX_BUFFER_BYTES) {
      throw new RangeError(
        `${lanes} blocks of ${blockBytes} bytes at once are more than 2 GiB: lower --queue-depth or --block-size`,
      );
    }
    const slab = pageAlignedBuffer(lanes * blockBytes);
    this.#blocks = Array.from(
      { length: lanes },
      (_, lane) => new Uint8Array(slab, lane * blockBytes, blockBytes),
    );
  }

  /** Reads a little: what cannot be read at all must not cost a file that is overwritten in place. */
  async tryReading(): Promise<void> {
    const block = this.#blocks[0]!;
    try {
      await this.#from.read(block, 0, Math.min(block.byteLength, DIRECT_BYTES), 0);
    } catch (error) {
      // Some of proc(5) are read from the start to the end or not at all.
      if (codeOf(error) !== 'ESPIPE') throw error;
    }
  }

  /**
   * Fills `to`, which is empty. Once.
   *
   * @returns Bytes copied.
   * @throws What reading and writing throws, and where the size of the source changes meanwhile.
   */
  async fill(to: FileHandle): Promise<number> {
    // Files of proc(5) say that they are empty; whether they are, reading tells.
    let bytes = this.#size === 0 ? await this.#fillUnsized(to) : await this.#fillSized(to);
    const { size } = await this.#from.stat({ bigint: true });
    if (size === this.#stat.size && bytes === this.#size && (await this.#hasMore())) {
      // More than the file says that it has, and it still says so: its size means nothing.
      await to.truncate(0);
      bytes = await this.#fillUnsized(to);
    }
    if ((await this.#from.stat({ bigint: true })).size !== this.#stat.size)
      throw new Error('the source changed its size while it was copied');
    return bytes;
  }

  async #hasMore(): Promise<boolean> {
    // O_DIRECT takes whole sectors only, and files that lie about their size have none.
    if (this.#options.direct || this.#size === 0) return false;
    const { bytesRead } = await this.#from.read(this.#blocks[0]!, 0, 1, this.#size);
    return bytesRead > 0;
  }

  async #fillSized(to: FileHandle): Promise<number> {
    const outcomes = await Promise.allSettled(this.#blocks.map((block) => this.#lane(to, block)));
    if (this.#refused && this.#done === 0) return await this.#fillUnsized(to);
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
    const { direct } = this.#options;
    // Padding is cut off, and a hole at the end has no write that reaches it.
    if (direct || isSparse(this.#stat) || this.#end < this.#size) await to.truncate(this.#end);
    return this.#end;
  }

  async #lane(to: FileHandle, block: Uint8Array): Promise<void> {
    const { blockBytes, direct, onProgress, signal } = this.#options;
    const sparse = isSparse(this.#stat);
    try {
      while (this.#next < this.#end && !this.#failed) {
        signal?.throwIfAborted();
        const position = this.#next;
        const wanted = Math.min(blockBytes, this.#size - position);
        this.#next += wanted;
        const length = await this.#readFully(block, position, wanted);
        // O_DIRECT writes whole sectors: the tail is padded here and cut off at the end.
        const padded = direct ? Math.ceil(length / DIRECT_BYTES) * DIRECT_BYTES : length;
        block.fill(0, length, padded);
        const runs = sparse ? dataRuns(block.subarray(0, padded)) : [{ start: 0, end: padded }];
        for (const { start, end } of runs)
          await this.#writeFully(to, block.subarray(start, end), position + start);
        this.#done += length;
        onProgress?.(this.#done, this.#size);
      }
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  /** @returns Bytes read; less than `length` only where the file ends earlier than it says, and still says so. */
  async #readFully(block: Uint8Array, position: number, length: number): Promise<number> {
    let got = 0;
    while (got < length) {
      const bytes = await this.#read(block.subarray(got), position + got);
      if (bytes === 0) {
        await this.#judgeEnd(position + got);
        break;
      }
      got += bytes;
    }
    // More than was asked for, where the file has grown: that is told at the end.
    return Math.min(got, length);
  }

  async #read(block: Uint8Array, position: number): Promise<number> {
    const { context, direct } = this.#options;
    try {
      return await context.read(this.#from.fd, block, position);
    } catch (error) {
      if (!direct && codeOf(error) === 'EINVAL') this.#refused = true;
      throw error;
    }
  }

  /** An end before the size that was told: files of sysfs(5) say 4096. Others were truncated. */
  async #judgeEnd(end: number): Promise<void> {
    const { size, mtimeNs } = await this.#from.stat({ bigint: true });
    if (size !== this.#stat.size || mtimeNs !== this.#stat.mtimeNs)
      throw new Error(`the source ended after ${end} bytes: it was truncated while it was copied`);
    this.#end = Math.min(this.#end, end);
  }

  /** One read after the other until there is no more, as read(2) gives it. */
  async #fillUnsized(to: FileHandle): Promise<number> {
    const { direct, onProgress, signal } = this.#options;
    const block = this.#blocks[0]!;
    let done = 0;
    for (;;) {
      signal?.throwIfAborted();
      // At the descriptor's own position, which AIO has not moved: not every file of proc(5) can be read at another.
      const { bytesRead } = await this.#from.read(block, 0, block.byteLength, null);
      if (bytesRead === 0) return done;
      if (direct) throw new Error('the source has more bytes than its size says: leave out --direct');
      await this.#writeFully(to, block.subarray(0, bytesRead), done);
      done += bytesRead;
      onProgress?.(done, done);
    }
  }

  async #writeFully(to: FileHandle, block: Uint8Array, position: number): Promise<void> {
    const { context } = this.#options;
    for (let put = 0; put < block.byteLength; ) {
      const bytes = await context.write(to.fd, block.subarray(put), position + put);
      if (bytes === 0) throw new AioError('EIO', 5, 'pwrite');
      put += bytes;
    }
  }
}
