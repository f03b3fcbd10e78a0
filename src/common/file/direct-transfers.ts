/** Transfers past the page cache, also those that the device would refuse as they are. */
import { UIO_MAXIOV } from '../abi/constants.ts';
import { withStackOfCallers } from '../callers-stack.ts';
import { AlignedBufferPool, type Alignment, alignedBuffer, misaligned } from '../memory/aligned.ts';
import { bytesOf, type Extent, extentOfOwn, isGone, partOf } from '../memory/extent.ts';
import { hostPageBytes } from '../memory/host-page.ts';
import { detachedView } from '../validate.ts';
import type { DirectRequests } from './direct-requests.ts';
import { type FileRequests, throwIfAborted } from './file-requests.ts';
import { refuseStale } from './file-transfer.ts';
import type { Manner } from './manner.ts';
import { ANYWHERE, type OrderedWrites } from './ordered-writes.ts';
import { ownCall, type TransferCall } from './transfer-call.ts';

/**
 * What becomes of a direct transfer that the device would refuse.
 *
 * - `'error'`: a RangeError that says what is needed.
 * - `'copy'`: reads are widened and copied; writes are refused.
 * - `'read-modify-write'`: writes too: whole blocks go directly, copied where only their address is wrong, and the parts of blocks at
 *   the two ends through the page cache, where the kernel reads, changes and writes them.
 */
export type Unaligned = 'error' | 'copy' | 'read-modify-write';

const BOUNCE_BYTES = 1 << 16;
const bounces = new AlignedBufferPool(BOUNCE_BYTES, 64);
/** Of memory of ours that stands in for the caller's, at a time. */
const PIECE_BYTES = 1 << 20;

/** Takes memory for a widened transfer; small ones from a pool. */
function takeBounce(bytes: number): Buffer<ArrayBuffer> {
  return bytes <= BOUNCE_BYTES ? bounces.take() : alignedBuffer(bytes);
}

function giveBounce(buffer: Buffer<ArrayBuffer>): void {
  if (buffer.byteLength === BOUNCE_BYTES) bounces.give(buffer);
}

export class DirectTransfers {
  readonly #requests: FileRequests;
  /** Those that the device takes as they are. */
  readonly #direct: DirectRequests;
  readonly #writes: OrderedWrites;
  readonly #alignment: Alignment;
  readonly #appends: boolean;

  /** @param appends - Writes go to the end of the file, whatever their position. */
  constructor(
    requests: FileRequests,
    direct: DirectRequests,
    writes: OrderedWrites,
    alignment: Alignment,
    appends: boolean,
  ) {
    this.#requests = requests;
    this.#direct = direct;
    this.#writes = writes;
    this.#alignment = alignment;
    this.#appends = appends;
  }

  /** @throws RangeError for what the device would refuse, unless it may be widened, or is at the end of the file. */
  read<T>(call: TransferCall<T>, unaligned: Unaligned): Promise<T> {
    const { extent, position, signal, manner } = call;
    const wrong = this.#misalignment(extent, position);
    if (wrong === undefined) return this.#direct.transfer(call);
    return this.#requests.answered(
      unaligned === 'error'
        ? () => this.#readBehindEnd(position, wrong)
        : () => this.#readWidened(extent, position, signal, manner),
      call,
    );
  }

  /** As {@link read}. */
  write<T>(call: TransferCall<T>, unaligned: Unaligned): Promise<T> {
    const { extent, position, signal, manner } = call;
    const wrong = this.#misalignment(extent, this.#appends ? 0 : position);
    if (wrong !== undefined && unaligned !== 'read-modify-write') throw wrong;
    if (this.#appends)
      return this.#requests.answered(() => this.#append(extent, wrong, unaligned, signal, manner), call);
    const isCut = unaligned === 'read-modify-write' && this.#writes.mayExtend(position + extent.length);
    return wrong === undefined && !isCut
      ? this.#writes.transfer(call, 'direct')
      : this.#requests.answered(() => this.#writeInParts(extent, position, signal, manner), call);
  }

  /** Several extents as one transfer. @throws As {@link read}. */
  async readv(
    extents: readonly Extent[],
    position: number,
    unaligned: Unaligned,
    manner?: Manner,
  ): Promise<number> {
    if (extents.length <= UIO_MAXIOV && this.#allAligned(extents, position))
      return this.#direct.vector('read', extents, position, undefined, undefined, manner);
    return this.#requests.inTurn(extents, position, (extent, at) =>
      this.read(ownCall('read', extent, at, undefined, manner), unaligned),
    );
  }

  /** Several extents as one transfer; a copy of them, where they are written in parts or appended. @throws As {@link write}. */
  async writev(
    extents: readonly Extent[],
    position: number,
    unaligned: Unaligned,
    manner?: Manner,
  ): Promise<number> {
    const length = extents.reduce((sum, extent) => sum + extent.length, 0);
    const isCut = unaligned === 'read-modify-write' && this.#writes.mayExtend(position + length);
    const isWhole = !this.#appends && !isCut && extents.length <= UIO_MAXIOV;
    if (isWhole && this.#allAligned(extents, position))
      return this.#writes.vector('direct', extents, position, manner);
    if (unaligned !== 'read-modify-write')
      for (const wrong of this.#misalignments(extents, this.#appends ? 0 : position)) throw wrong;
    const bytes = alignedBuffer(length);
    let at = 0;
    for (const extent of extents) {
      bytes.set(bytesOf(extent), at);
      at += extent.length;
    }
    return this.write(ownCall('write', extentOfOwn(bytes), position, undefined, manner), unaligned);
  }

  /** As {@link read}, here and now. Preconditions: {@link FileRequests.mustReadNow}. */
  readNow(extent: Extent, position: number, unaligned: Unaligned): number {
    const wrong = this.#misalignment(extent, position);
    // What is aligned by an address that is made up need not be so to the host, which is asked here.
    const isRight = wrong === undefined && this.#requests.context.kernel.memory.hasHostAddresses;
    if (isRight) return this.#requests.readNow([extent], position);
    if (wrong !== undefined && unaligned === 'error') throw wrong;
    const { offset } = this.#alignment;
    const start = down(position, offset);
    const span = up(position + extent.length, offset) - start;
    const bounce = takeBounce(span);
    try {
      const bytes = bounce.subarray(0, span);
      const got = this.#requests.readNow([extentOfOwn(bytes)], start);
      return handOut(extent, position - start, bytes.subarray(0, got));
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

  /** Whole blocks into the caller's memory as far as its address allows, in one request with the parts of blocks beside them. */
  async #readWidened(
    extent: Extent,
    position: number,
    signal: AbortSignal | undefined,
    manner: Manner | undefined,
  ): Promise<number> {
    const { offset } = this.#alignment;
    const from = up(position, offset);
    const to = down(position + extent.length, offset);
    if (to - from < BOUNCE_BYTES || !this.#isAddressRight(extent, from - position))
      return this.#readCopied(extent, position, signal, manner);
    throwIfAborted(signal);
    const before = from - position;
    const after = position + extent.length - to;
    const bounce = takeBounce(2 * offset);
    try {
      const head = bounce.subarray(0, before === 0 ? 0 : offset);
      const tail = bounce.subarray(offset, offset + (after === 0 ? 0 : offset));
      const middle = partOf(extent, before, to - from);
      const parts = [extentOfOwn(head), middle, extentOfOwn(tail)].filter(({ length }) => length > 0);
      const start = from - head.length;
      const got = await this.#direct.vector('read', parts, start, signal, undefined, manner);
      if (isGone(extent)) throw detachedView('buffer');
      const end = Math.min(position + extent.length, start + got);
      if (end <= position) return 0;
      const bytes = bytesOf(extent);
      if (before > 0) bytes.set(head.subarray(offset - before, Math.min(offset, end - start)), 0);
      if (end > to) bytes.set(tail.subarray(0, end - to), to - position);
      return end - position;
    } finally {
      giveBounce(bounce);
    }
  }

  /** Through memory of ours, a piece after the other. */
  async #readCopied(
    extent: Extent,
    position: number,
    signal: AbortSignal | undefined,
    manner: Manner | undefined,
  ): Promise<number> {
    const { offset } = this.#alignment;
    let done = 0;
    while (done < extent.length) {
      const at = position + done;
      const start = down(at, offset);
      const span = Math.min(up(position + extent.length, offset) - start, Math.max(PIECE_BYTES, offset));
      const bounce = takeBounce(span);
      try {
        const bytes = bounce.subarray(0, span);
        const first = done === 0 ? signal : undefined;
        const got = await this.#direct.whole(ownCall('read', extentOfOwn(bytes), start, first, manner));
        done += handOut(partOf(extent, done), at - start, bytes.subarray(0, got));
        // The end of the file, or a short read, which the caller may go on after.
        if (got < span) break;
      } finally {
        giveBounce(bounce);
      }
    }
    return done;
  }

  /**
   * Whole blocks directly, what is before and behind them through the page cache; in the order of their places, so that whoever looks in
   * between, or finds what is left when the process is killed, sees a shorter write.
   *
   * The page where the file ends goes through the page cache too: ext4 makes the file longer before it throws out what the cache has of that
   * page, and a reader who comes in between finds zeros behind the old end (observed on Linux 6.18).
   */
  async #writeInParts(
    extent: Extent,
    position: number,
    signal: AbortSignal | undefined,
    manner: Manner | undefined,
  ): Promise<number> {
    const { offset } = this.#alignment;
    const page = this.#pageBytes;
    const end = position + extent.length;
    const from = position % offset === 0 ? position : up(position, page);
    const to = end % offset === 0 ? end : down(end, page);
    const isWhole = from === position && to === end;
    if (!isWhole && to - from < page) return this.#writes.cached(extent, position, signal);
    const isOne = isWhole && extent.length <= PIECE_BYTES && !this.#writes.mayExtend(end);
    const way = isOne ? 'direct' : 'alone';
    return this.#writes.run({ way, from: position, to: end }, signal, async () => {
      throwIfAborted(signal);
      const size = isOne ? 0 : await this.#writes.end(() => this.#size());
      const cachedFrom = Math.min(to, Math.max(from, down(size, page)));
      const cachedTo = Math.max(cachedFrom, Math.min(to, up(size, page)));
      const parts = [
        [position, from, false],
        [from, cachedFrom, true],
        [cachedFrom, cachedTo, false],
        [cachedTo, to, true],
        [to, end, false],
      ] as const;
      let done = 0;
      for (const [at, until, isDirect] of parts) {
        const length = until - at;
        if (length === 0) continue;
        try {
          const part = partOf(extent, at - position, length);
          const count = isDirect
            ? await this.#writeBlocks(part, at, manner)
            : await this.#writes.writeCached(part, at);
          done += count;
          if (count < length) break;
        } catch (error) {
          // As write(2) does: what has been written is told, and the error to whoever goes on.
          if (done === 0) throw error;
          break;
        }
      }
      if (!isOne) this.#writes.reached(position + done);
      return done;
    });
  }

  /**
   * What is not mixed: a page, where the page cache begins and ends what it reads and writes, or a block where that is larger. A part of
   * a block is not mixed with blocks of the same page.
   */
  get #pageBytes(): number {
    const { kernel } = this.#requests.context;
    return Math.max(hostPageBytes(), kernel.memory.pageBytes, this.#alignment.offset);
  }

  /** Where the file ends; nowhere, for a device. */
  async #size(): Promise<number> {
    refuseStale(this.#requests.file, 'write');
    const stat = await this.#requests.calls.fstat(this.#requests.file.fd);
    return stat.isFile() ? stat.size : Number.MAX_SAFE_INTEGER;
  }

  /** Whole blocks at their place. Preconditions: nobody else writes there. */
  async #writeBlocks(extent: Extent, position: number, manner: Manner | undefined): Promise<number> {
    if (this.#isAddressRight(extent, 0))
      return this.#direct.whole(ownCall('write', extent, position, undefined, manner));
    let done = 0;
    while (done < extent.length) {
      const part = partOf(extent, done, Math.min(PIECE_BYTES, extent.length - done));
      if (isGone(part)) throw detachedView('buffer');
      const bounce = takeBounce(part.length);
      try {
        const bytes = bounce.subarray(0, part.length);
        bytes.set(bytesOf(part));
        const count = await this.#direct.whole(
          ownCall('write', extentOfOwn(bytes), position + done, undefined, manner),
        );
        done += count;
        if (count < part.length) break;
      } catch (error) {
        if (done === 0) throw error;
        break;
      } finally {
        giveBounce(bounce);
      }
    }
    return done;
  }

  /** In one call, as whoever appends expects: directly where the file ends between blocks, else through the page cache. */
  async #append(
    extent: Extent,
    wrong: Error | undefined,
    unaligned: Unaligned,
    signal: AbortSignal | undefined,
    manner: Manner | undefined,
  ): Promise<number> {
    return this.#writes.run({ way: 'alone', ...ANYWHERE }, signal, async () => {
      throwIfAborted(signal);
      if (wrong === undefined) {
        const size = await this.#size();
        const { offset } = this.#alignment;
        const isCut = unaligned === 'read-modify-write';
        if (size % (isCut ? this.#pageBytes : offset) === 0)
          return this.#direct.whole(ownCall('write', extent, size, undefined, manner));
        if (!isCut) throw withStackOfCallers(misaligned(this.#alignment, 'position', size));
      }
      return this.#writes.writeCached(extent, null);
    });
  }

  /** @returns The error that tells what is wrong, or `undefined` for what the device accepts. */
  #misalignment(extent: Extent, position: number): Error | undefined {
    const { memory, offset, length } = this.#alignment;
    if (extent.length === 0) return undefined;
    if (position % offset !== 0) return misaligned(this.#alignment, 'position', position);
    if (extent.length % length !== 0) return misaligned(this.#alignment, 'length', extent.length);
    const address = this.#addressOf(extent);
    return address % memory === 0 ? undefined : misaligned(this.#alignment, 'address of the buffer', address);
  }

  *#misalignments(extents: readonly Extent[], position: number): Iterable<Error> {
    let at = position;
    for (const extent of extents) {
      const wrong = this.#misalignment(extent, at);
      if (wrong !== undefined) yield wrong;
      at += extent.length;
    }
  }

  #allAligned(extents: readonly Extent[], position: number): boolean {
    for (const _ of this.#misalignments(extents, position)) return false;
    return true;
  }

  #isAddressRight(extent: Extent, from: number): boolean {
    return (this.#addressOf(extent) + from) % this.#alignment.memory === 0;
  }

  #addressOf({ memory, start }: Extent): number {
    return this.#requests.context.kernel.memory.addressOf(memory) + start;
  }
}

/** Hands out what was read for it, which lies `skip` bytes behind the beginning. @throws TypeError where its memory has gone. */
function handOut(extent: Extent, skip: number, read: Uint8Array): number {
  const bytes = read.subarray(skip, skip + extent.length);
  if (isGone(extent)) throw detachedView('buffer');
  bytesOf(extent).set(bytes);
  return bytes.length;
}

function down(value: number, multiple: number): number {
  return Math.floor(value / multiple) * multiple;
}

function up(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
