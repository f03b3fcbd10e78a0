/** Transfers past the page cache, also those that the device would refuse as they are. */
import { withStackOfCallers } from '../callers-stack.ts';
import { AlignedBufferPool, type Alignment, alignedBuffer, misaligned } from '../memory/aligned.ts';
import { bytesOf, type Extent, extentOfOwn, isGone } from '../memory/extent.ts';
import { detachedView } from '../validate.ts';
import { Exclusion } from './exclusion.ts';
import { type FileRequests, throwIfAborted } from './file-requests.ts';
import { type Answer, refuseStale } from './file-transfer.ts';
import type { Manner } from './manner.ts';

/**
 * What becomes of a direct transfer that the device would refuse.
 *
 * - `'error'`: a RangeError that says what is needed.
 * - `'copy'`: reads are widened and copied; writes are refused.
 * - `'read-modify-write'`: writes too: the blocks around are read, changed and written, alone.
 */
export type Unaligned = 'error' | 'copy' | 'read-modify-write';

const BOUNCE_BYTES = 1 << 16;
const bounces = new AlignedBufferPool(BOUNCE_BYTES, 64);

/** Takes memory for a widened transfer; small ones from a pool. */
function takeBounce(bytes: number): Buffer<ArrayBuffer> {
  return bytes <= BOUNCE_BYTES ? bounces.take() : alignedBuffer(bytes);
}

function giveBounce(buffer: Buffer<ArrayBuffer>): void {
  if (buffer.byteLength === BOUNCE_BYTES) bounces.give(buffer);
}

export class DirectTransfers {
  readonly #requests: FileRequests;
  readonly #alignment: Alignment;
  readonly #unaligned: Unaligned;
  readonly #writers = new Exclusion();

  constructor(requests: FileRequests, alignment: Alignment, unaligned: Unaligned) {
    this.#requests = requests;
    this.#alignment = alignment;
    this.#unaligned = unaligned;
  }

  /** @throws RangeError for what the device would refuse, unless it may be widened, or is at the end of the file. */
  read<T>(
    extent: Extent,
    position: number,
    signal: AbortSignal | undefined,
    answer: Answer<T>,
    buffer: unknown,
    manner?: Manner,
  ): Promise<T> {
    const wrong = this.#misalignment(extent, position);
    if (wrong === undefined)
      return this.#requests.transfer('read', extent, position, signal, answer, buffer, undefined, manner);
    if (this.#unaligned !== 'error')
      return this.#requests.answered(() => this.#readWidened(extent, position, signal), answer, buffer);
    return this.#requests.answered(() => this.#readBehindEnd(position, wrong), answer, buffer);
  }

  /** As {@link read}. */
  write<T>(
    extent: Extent,
    position: number,
    signal: AbortSignal | undefined,
    answer: Answer<T>,
    buffer: unknown,
    manner?: Manner,
  ): Promise<T> {
    const wrong = this.#misalignment(extent, position);
    if (this.#unaligned === 'read-modify-write') {
      const write = (): Promise<number> =>
        wrong === undefined
          ? this.#writers.shared(() => this.#requests.whole('write', extent, position, signal))
          : this.#writers.alone(() => this.#readModifyWrite(extent, position, signal));
      return this.#requests.answered(write, answer, buffer);
    }
    if (wrong !== undefined) throw wrong;
    return this.#requests.transfer('write', extent, position, signal, answer, buffer, undefined, manner);
  }

  /** As {@link read}, here and now. Preconditions: {@link FileRequests.mustReadNow}. */
  readNow(extent: Extent, position: number): number {
    const wrong = this.#misalignment(extent, position);
    // Addresses of the emulation are its own: what is aligned there need not be so to the host, which is asked here.
    const isReal = this.#requests.context.kernel.completesAside === true;
    if (wrong === undefined && isReal) return this.#requests.readNow([extent], position);
    if (wrong !== undefined && this.#unaligned === 'error') throw wrong;
    const { start, bounce, bytes } = this.#widened(extent, position);
    try {
      return handOut(extent, position, start, bytes, this.#requests.readNow([extentOfOwn(bytes)], start));
    } finally {
      giveBounce(bounce);
    }
  }

  /** As with O_DIRECT itself, nothing is judged at the end of the file or behind it: whoever reads on until 0 is told 0. */
  async #readBehindEnd(position: number, wrong: Error): Promise<number> {
    refuseStale(this.#requests.file, 'read');
    const { size } = await this.#requests.calls.fstat(this.#requests.file.fd);
    if (position < size) throw withStackOfCallers(wrong);
    return 0;
  }

  async #readWidened(extent: Extent, position: number, signal?: AbortSignal): Promise<number> {
    const { start, bounce, bytes } = this.#widened(extent, position);
    try {
      const got = await this.#requests.whole('read', extentOfOwn(bytes), start, signal);
      return handOut(extent, position, start, bytes, got);
    } finally {
      giveBounce(bounce);
    }
  }

  /** Memory for the blocks that have the bytes, and where these begin. */
  #widened(
    { length }: Extent,
    position: number,
  ): { start: number; bounce: Buffer<ArrayBuffer>; bytes: Buffer } {
    const { offset } = this.#alignment;
    const start = down(position, offset);
    const span = up(position + length, offset) - start;
    const bounce = takeBounce(span);
    return { start, bounce, bytes: bounce.subarray(0, span) };
  }

  /** Preconditions: no other write of this file is under way. */
  async #readModifyWrite(extent: Extent, position: number, signal?: AbortSignal): Promise<number> {
    throwIfAborted(signal);
    const { offset } = this.#alignment;
    const end = position + extent.length;
    const start = down(position, offset);
    const span = up(end, offset) - start;
    const { size } = await this.#requests.calls.fstat(this.#requests.file.fd);
    const bounce = takeBounce(span);
    try {
      const blocks = bounce.subarray(0, span).fill(0);
      for (let got = 0; got < span; ) {
        const count = await this.#requests.whole('read', extentOfOwn(blocks.subarray(got)), start + got);
        got += count;
        // Not whole blocks: the end of the file.
        if (count === 0 || got % offset !== 0) break;
      }
      if (isGone(extent)) throw detachedView('buffer');
      blocks.set(bytesOf(extent), position - start);
      const put = await this.#requests.whole('write', extentOfOwn(blocks), start);
      // The last block is whole on the disk; the file ends where it should.
      const length = Math.max(size, Math.min(end, start + put));
      if (start + put > length) await this.#requests.calls.ftruncate(this.#requests.file.fd, length);
      return Math.max(0, Math.min(put - (position - start), extent.length));
    } finally {
      giveBounce(bounce);
    }
  }

  /** @returns The error that tells what is wrong, or `undefined` for what the device accepts. */
  #misalignment(extent: Extent, position: number): Error | undefined {
    const { memory, offset, length } = this.#alignment;
    if (extent.length === 0) return undefined;
    if (position % offset !== 0) return misaligned(this.#alignment, 'position', position);
    if (extent.length % length !== 0) return misaligned(this.#alignment, 'length', extent.length);
    const address = this.#requests.context.kernel.memory.addressOf(extent.memory) + extent.start;
    return address % memory === 0 ? undefined : misaligned(this.#alignment, 'address of the buffer', address);
  }
}

/** What of `got` bytes from `start` on belongs to the extent at `position`. @throws TypeError where its memory has gone. */
function handOut(extent: Extent, position: number, start: number, bytes: Uint8Array, got: number): number {
  const from = position - start;
  const count = Math.max(0, Math.min(got - from, extent.length));
  if (isGone(extent)) throw detachedView('buffer');
  bytesOf(extent).set(bytes.subarray(from, from + count));
  return count;
}

function down(value: number, multiple: number): number {
  return Math.floor(value / multiple) * multiple;
}

function up(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
