/** Moving bytes between a file and memory at given places, each request on its route. */
import { RWF_NOWAIT, UIO_MAXIOV } from '../abi/constants.ts';
import type { AioContext } from '../context/aio-context.ts';
import { AbortError, AioError, codeOf } from '../errors.ts';
import type { DescriptorCalls } from '../kernel/kernel-files.ts';
import { AlignedBufferPool, type Alignment, alignedBuffer, misaligned } from '../memory/aligned.ts';
import { refuseUnstable, validateView } from '../validate.ts';
import type { Activity } from './activity.ts';
import { BULK_BYTES, BulkReads } from './bulk-reads.ts';
import { hostCalls } from './descriptor-handle.ts';
import { Exclusion } from './exclusion.ts';
import { bytesOf } from './file-arguments.ts';
import { type Answer, FileTransfer, type NowaitReads, renamed, type TransferFile } from './file-transfer.ts';
import type { Routing, ThreadPoolReason } from './routing.ts';

/**
 * What becomes of a direct transfer that the device would refuse.
 *
 * - `'error'`: a RangeError that says what is needed.
 * - `'copy'`: reads are widened and copied; writes are refused.
 * - `'read-modify-write'`: writes too: the blocks around are read, changed and written, alone.
 */
export type Unaligned = 'error' | 'copy' | 'read-modify-write';

const AT_ONCE: ThreadPoolReason = 'many bytes at once';
const NOT_CACHED: ThreadPoolReason = 'probably not in the page cache';
const BOUNCE_BYTES = 1 << 16;
const bounces = new AlignedBufferPool(BOUNCE_BYTES, 64);

/** Takes memory for a widened transfer; small ones from a pool. */
function takeBounce(bytes: number): Buffer<ArrayBuffer> {
  return bytes <= BOUNCE_BYTES ? bounces.take() : alignedBuffer(bytes);
}

function giveBounce(buffer: Buffer<ArrayBuffer>): void {
  if (buffer.byteLength === BOUNCE_BYTES) bounces.give(buffer);
}

export interface FileIoOptions {
  readonly context: AioContext;
  readonly fd: number;
  /** Counts what is under way. */
  readonly activity: Activity;
  /** What must live while requests are under way. */
  readonly owner: object;
  readonly direct: boolean;
  readonly alignment: Alignment;
  readonly unaligned: Unaligned;
  readonly routing: Routing;
}

export class FileIo {
  readonly #context: AioContext;
  readonly #file: TransferFile;
  /** Past the kernel's AIO: the thread pool, or a kernel's own files. */
  readonly #calls: DescriptorCalls;
  readonly #direct: boolean;
  readonly #alignment: Alignment;
  readonly #unaligned: Unaligned;
  readonly #routing: Routing;
  readonly #nowaitReads: NowaitReads;
  readonly #bulk = new BulkReads();
  readonly #writers = new Exclusion();

  constructor({ context, fd, activity, owner, direct, alignment, unaligned, routing }: FileIoOptions) {
    this.#context = context;
    this.#file = { fd, activity, owner };
    this.#calls = context.kernel.files?.calls ?? hostCalls;
    this.#direct = direct;
    this.#alignment = alignment;
    this.#unaligned = unaligned;
    this.#routing = routing;
    this.#nowaitReads = {
      hit: () => routing.hit(),
      missed: () => routing.missed(),
      refuseNowait: () => routing.refuseNowait(),
      readOn: (bytes, position, done, signal) => this.#readOn(bytes, position, done, signal),
    };
  }

  /**
   * @param position - `null` is the position of the descriptor itself, which only the thread pool knows.
   * @throws At once for a signal that has fired and for memory that cannot be used.
   */
  read(bytes: Uint8Array, position: number | null, signal?: AbortSignal): Promise<number> {
    return this.readFor(countAlone, bytes, bytes, position, signal);
  }

  /** As {@link read}, for a caller who wants `answer(count, buffer)`. */
  readFor<T>(
    answer: Answer<T>,
    buffer: unknown,
    bytes: Uint8Array,
    position: number | null,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    throwIfAborted(signal);
    const { buffer: memory } = bytes;
    refuseUnstable('buffer', memory, bytes.byteLength);
    if (position === null) {
      return this.#answered(this.#readFromPool(bytes, null, 'position of the descriptor'), answer, buffer);
    }
    switch (this.#routing.read) {
      case 'kernel': {
        const wrong = this.#direct ? this.#misalignment(bytes, position) : undefined;
        if (wrong === undefined)
          return this.#transfer('read', bytes, memory, position, signal, answer, buffer);
        if (this.#unaligned === 'error') throw wrong;
        return this.#answered(this.#readWidened(bytes, position, signal), answer, buffer);
      }
      case 'nowait':
        if (bytes.byteLength < BULK_BYTES)
          return this.#readNowait(bytes, memory, position, signal, answer, buffer);
        return this.#readBulk(bytes, memory, position, signal, answer, buffer);
      case 'threadpool':
        return this.#answered(this.#readFromPool(bytes, position), answer, buffer);
    }
  }

  /** As {@link read}. */
  write(bytes: Uint8Array, position: number | null, signal?: AbortSignal): Promise<number> {
    return this.writeFor(countAlone, bytes, bytes, position, signal);
  }

  /** As {@link write}, for a caller who wants `answer(count, buffer)`. */
  writeFor<T>(
    answer: Answer<T>,
    buffer: unknown,
    bytes: Uint8Array,
    position: number | null,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    throwIfAborted(signal);
    const { buffer: memory } = bytes;
    refuseUnstable('buffer', memory, bytes.byteLength);
    if (position === null) {
      return this.#answered(this.#writeToPool(bytes, null, 'position of the descriptor'), answer, buffer);
    }
    if (this.#routing.write === 'threadpool')
      return this.#answered(this.#writeToPool(bytes, position), answer, buffer);
    const wrong = this.#direct ? this.#misalignment(bytes, position) : undefined;
    if (this.#direct && this.#unaligned === 'read-modify-write') {
      const written =
        wrong === undefined
          ? this.#writers.shared(() => this.#whole('write', bytes, position, signal))
          : this.#writers.alone(() => this.#readModifyWrite(bytes, position, signal));
      return this.#answered(written, answer, buffer);
    }
    if (wrong !== undefined) throw wrong;
    return this.#transfer('write', bytes, memory, position, signal, answer, buffer);
  }

  async readv(views: readonly NodeJS.ArrayBufferView[], position: number | null): Promise<number> {
    for (const view of views) validateView('buffers', view);
    if (position === null || this.#routing.read === 'threadpool' || views.length > UIO_MAXIOV) {
      return this.#readvFromPool(
        views,
        position,
        position === null ? 'position of the descriptor' : undefined,
      );
    }
    if (this.#direct) return this.#inTurn(views, position, (bytes, at) => this.read(bytes, at));
    if (this.#routing.read === 'kernel') {
      return this.#named('read', this.#context.readv(this.#file.fd, views, position));
    }
    const total = views.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (total < BULK_BYTES) return this.#readvNowait(views, total, position);
    try {
      return this.#bulk.begin(total)
        ? await this.#readvFromPool(views, position, AT_ONCE)
        : await this.#readvNowait(views, total, position);
    } finally {
      this.#bulk.end(total);
    }
  }

  async #readvNowait(
    views: readonly NodeJS.ArrayBufferView[],
    total: number,
    position: number,
  ): Promise<number> {
    const nowait = this.#routing.tryNowait()
      ? await this.#judged(
          this.#tryNowait(() =>
            this.#context.readv(this.#file.fd, views, position, { rw_flags: RWF_NOWAIT }),
          ),
        )
      : undefined;
    if (nowait === undefined) return this.#readvFromPool(views, position, NOT_CACHED);
    if (nowait === total || nowait === 0) return nowait;
    // Part of it was cached: the rest as one read after the other.
    return this.#inTurn(views, position, (bytes, at) =>
      this.#readNowait(bytes, bytes.buffer, at, undefined, countAlone, bytes),
    );
  }

  async writev(views: readonly NodeJS.ArrayBufferView[], position: number | null): Promise<number> {
    for (const view of views) validateView('buffers', view);
    if (position === null || this.#routing.write === 'threadpool' || views.length > UIO_MAXIOV) {
      this.#routing.count('write', position === null ? 'position of the descriptor' : undefined);
      return (await this.#calls.writev(this.#file.fd, views, position ?? undefined)).bytesWritten;
    }
    if (this.#direct) return this.#inTurn(views, position, (bytes, at) => this.write(bytes, at));
    return this.#named('write', this.#context.writev(this.#file.fd, views, position));
  }

  async sync(operation: 'fsync' | 'fdatasync'): Promise<void> {
    if (this.#routing.sync === 'kernel') {
      try {
        await this.#context[operation](this.#file.fd);
        return;
      } catch (error) {
        // EINVAL is also the answer of files that have no fsync by the kernel's AIO (FSYNC-02).
        if (codeOf(error) !== 'EINVAL') throw error;
        this.#routing.refuseSync();
      }
    }
    this.#routing.count('sync');
    await this.#calls[operation](this.#file.fd);
  }

  /** One request for all of it. Preconditions: the device takes it. */
  #transfer<T>(
    name: 'read' | 'write',
    bytes: Uint8Array,
    memory: ArrayBufferLike,
    position: number,
    signal: AbortSignal | undefined,
    answer: Answer<T>,
    buffer: unknown,
    nowait?: NowaitReads,
  ): Promise<T> {
    const context = this.#context;
    const { byteLength } = bytes;
    const transfer = new FileTransfer(
      name,
      this.#file,
      bytes,
      byteLength === 0 ? 0 : context.kernel.memory.addressOf(memory) + bytes.byteOffset,
      byteLength,
      position,
      nowait === undefined ? 0 : RWF_NOWAIT,
      answer,
      buffer,
      nowait,
    );
    context.begin(transfer, signal);
    // It ends in a later turn at the earliest.
    this.#file.activity.begin();
    return transfer.promise;
  }

  /** The same for ourselves. @throws What {@link read} throws: the memory may have gone while somebody else's turn was waited for. */
  #whole(name: 'read' | 'write', bytes: Uint8Array, position: number, signal?: AbortSignal): Promise<number> {
    throwIfAborted(signal);
    const { buffer: memory } = bytes;
    refuseUnstable('buffer', memory, bytes.byteLength);
    return this.#transfer(name, bytes, memory, position, signal, countAlone, bytes);
  }

  #readNowait<T>(
    bytes: Uint8Array,
    memory: ArrayBufferLike,
    position: number,
    signal: AbortSignal | undefined,
    answer: Answer<T>,
    buffer: unknown,
  ): Promise<T> {
    return this.#routing.tryNowait()
      ? this.#askNowait(bytes, memory, position, signal, answer, buffer, this.#nowaitReads)
      : this.#answered(this.#readFromPool(bytes, position, NOT_CACHED), answer, buffer);
  }

  /** Preconditions: the routing has agreed. */
  #askNowait<T>(
    bytes: Uint8Array,
    memory: ArrayBufferLike,
    position: number,
    signal: AbortSignal | undefined,
    answer: Answer<T>,
    buffer: unknown,
    nowait: NowaitReads,
  ): Promise<T> {
    try {
      return this.#transfer('read', bytes, memory, position, signal, answer, buffer, nowait);
    } catch (error) {
      this.#routing.missed();
      throw error;
    }
  }

  async #readBulk<T>(
    bytes: Uint8Array,
    memory: ArrayBufferLike,
    position: number,
    signal: AbortSignal | undefined,
    answer: Answer<T>,
    buffer: unknown,
  ): Promise<T> {
    let counted = bytes.byteLength;
    const uncount = (): void => {
      this.#bulk.end(counted);
      counted = 0;
    };
    try {
      if (this.#bulk.begin(counted))
        return await this.#answered(this.#readFromPool(bytes, position, AT_ONCE), answer, buffer);
      if (!this.#routing.tryNowait()) {
        uncount();
        return await this.#answered(this.#readFromPool(bytes, position, NOT_CACHED), answer, buffer);
      }
      return await this.#askNowait(bytes, memory, position, signal, answer, buffer, {
        ...this.#nowaitReads,
        missed: () => {
          uncount();
          this.#nowaitReads.missed();
        },
      });
    } finally {
      uncount();
    }
  }

  /** Short, or not cached: the end of the file, or of what was cached. FileHandle would have gone on. */
  async #readOn(
    bytes: Uint8Array,
    position: number,
    from: number,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    if (from === 0) return this.#readFromPool(bytes, position);
    let done = from;
    while (done < bytes.byteLength) {
      const rest = bytes.subarray(done);
      const more = await this.#tryNowait(() =>
        this.#context.read(this.#file.fd, rest, position + done, nowait(signal)),
      );
      if (more === 0) break;
      done += more ?? (await this.#readFromPool(rest, position + done));
      if (more === undefined) break;
    }
    return done;
  }

  /** Waits for what takes more than one request of the kernel's, which is under way from the call on. */
  async #answered<T>(count: Promise<number>, answer: Answer<T>, buffer: unknown): Promise<T> {
    const { activity } = this.#file;
    activity.begin();
    try {
      return answer(await count, buffer as never);
    } finally {
      activity.end();
    }
  }

  /** Lets the routing learn from how a NOWAIT read ended. */
  async #judged(outcome: Promise<number | undefined>): Promise<number | undefined> {
    let found: number | undefined;
    try {
      found = await outcome;
    } finally {
      if (found === undefined) this.#routing.missed();
      else this.#routing.hit();
    }
    return found;
  }

  /** @returns `undefined` where the kernel would have to wait, or cannot say. */
  async #tryNowait(ask: () => Promise<number>): Promise<number | undefined> {
    try {
      return await ask();
    } catch (error) {
      this.#expectMiss(error);
      return undefined;
    }
  }

  /** Takes note of why a NOWAIT read brought nothing. @throws What is no such reason. */
  #expectMiss(error: unknown): void {
    const code = codeOf(error);
    if (code === 'EAGAIN' && error instanceof AioError && error.syscall !== 'io_submit') return;
    if (code !== 'EOPNOTSUPP') throw renamed('read', error);
    this.#routing.refuseNowait();
  }

  async #readFromPool(
    bytes: Uint8Array,
    position: number | null,
    reason?: ThreadPoolReason,
  ): Promise<number> {
    this.#routing.count('read', reason);
    return (await this.#calls.read(this.#file.fd, bytes, 0, bytes.byteLength, position)).bytesRead;
  }

  async #readvFromPool(
    views: readonly NodeJS.ArrayBufferView[],
    position: number | null,
    reason?: ThreadPoolReason,
  ): Promise<number> {
    this.#routing.count('read', reason);
    return (await this.#calls.readv(this.#file.fd, views, position ?? undefined)).bytesRead;
  }

  async #writeToPool(
    bytes: Uint8Array,
    position: number | null,
    reason?: 'position of the descriptor',
  ): Promise<number> {
    this.#routing.count('write', reason);
    return (await this.#calls.write(this.#file.fd, bytes, 0, bytes.byteLength, position)).bytesWritten;
  }

  /** Views one after the other, ending at the first short transfer. */
  async #inTurn(
    views: readonly NodeJS.ArrayBufferView[],
    position: number,
    move: (bytes: Uint8Array, position: number) => Promise<number>,
  ): Promise<number> {
    let done = 0;
    for (const view of views) {
      if (view.byteLength === 0) continue;
      const moved = await move(bytesOf(view), position + done);
      done += moved;
      if (moved < view.byteLength) break;
    }
    return done;
  }

  // Direct transfers

  async #readWidened(bytes: Uint8Array, position: number, signal?: AbortSignal): Promise<number> {
    const { offset } = this.#alignment;
    const start = down(position, offset);
    const span = up(position + bytes.byteLength, offset) - start;
    const bounce = takeBounce(span);
    try {
      const got = await this.#whole('read', bounce.subarray(0, span), start, signal);
      const from = position - start;
      const count = Math.max(0, Math.min(got - from, bytes.byteLength));
      bytes.set(bounce.subarray(from, from + count));
      return count;
    } finally {
      giveBounce(bounce);
    }
  }

  /** Preconditions: no other write of this file is under way. */
  async #readModifyWrite(bytes: Uint8Array, position: number, signal?: AbortSignal): Promise<number> {
    throwIfAborted(signal);
    const { offset } = this.#alignment;
    const end = position + bytes.byteLength;
    const start = down(position, offset);
    const span = up(end, offset) - start;
    const { size } = await this.#calls.fstat(this.#file.fd);
    const bounce = takeBounce(span);
    try {
      const blocks = bounce.subarray(0, span).fill(0);
      for (let got = 0; got < span; ) {
        const count = await this.#whole('read', blocks.subarray(got), start + got);
        got += count;
        // Not whole blocks: the end of the file.
        if (count === 0 || got % offset !== 0) break;
      }
      blocks.set(bytes, position - start);
      const put = await this.#whole('write', blocks, start);
      // The last block is whole on the disk; the file ends where it should.
      const length = Math.max(size, Math.min(end, start + put));
      if (start + put > length) await this.#calls.ftruncate(this.#file.fd, length);
      return Math.max(0, Math.min(put - (position - start), bytes.byteLength));
    } finally {
      giveBounce(bounce);
    }
  }

  /** @returns The error that tells what is wrong, or `undefined` for what the device accepts. */
  #misalignment(bytes: Uint8Array, position: number): Error | undefined {
    const { memory, offset, length } = this.#alignment;
    if (bytes.byteLength === 0) return undefined;
    if (position % offset !== 0) return misaligned(this.#alignment, 'position', position);
    if (bytes.byteLength % length !== 0) return misaligned(this.#alignment, 'length', bytes.byteLength);
    const address = this.#context.kernel.memory.addressOf(bytes);
    return address % memory === 0 ? undefined : misaligned(this.#alignment, 'address of the buffer', address);
  }

  /** Gives errors the operation's name that FileHandle uses. */
  async #named(syscall: string, outcome: Promise<number>): Promise<number> {
    try {
      return await outcome;
    } catch (error) {
      throw renamed(syscall, error);
    }
  }
}

/** The {@link Answer} of those who want the count. */
function countAlone(count: number): number {
  return count;
}

const NOWAIT = { rw_flags: RWF_NOWAIT };

function nowait(signal: AbortSignal | undefined): { signal?: AbortSignal; rw_flags: number } {
  return signal === undefined ? NOWAIT : { rw_flags: RWF_NOWAIT, signal };
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(signal.reason);
}

function down(value: number, multiple: number): number {
  return Math.floor(value / multiple) * multiple;
}

function up(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
