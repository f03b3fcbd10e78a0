/** Moving bytes between a file and memory at given places, each request on its route. */
import { UIO_MAXIOV } from '../abi/constants.ts';
import type { AioContext } from '../context/aio-context.ts';
import { codeOf } from '../errors.ts';
import type { Alignment } from '../memory/aligned.ts';
import { type Extent, isGone } from '../memory/extent.ts';
import { detachedView } from '../validate.ts';
import type { Activity } from './activity.ts';
import { AwakeLoop } from './awake-loop.ts';
import { BufferedReads } from './buffered-reads.ts';
import type { CachedDescriptor } from './cached-descriptor.ts';
import { DirectRequests } from './direct-requests.ts';
import { DirectTransfers, type Unaligned } from './direct-transfers.ts';
import { FileRequests, throwIfAborted } from './file-requests.ts';
import { FileSyncs, type SyncOperation } from './file-syncs.ts';
import { hadNoRoom, refuseStale, renamed } from './file-transfer.ts';
import type { Call, Manner } from './manner.ts';
import { OrderedWrites } from './ordered-writes.ts';
import type { Routing, ThreadPoolReason } from './routing.ts';
import { type Answer, countAlone } from './transfer-call.ts';
import { fully, MOST_BYTES } from './whole-transfers.ts';
import { SHORT_WRITE_BYTES, WriteThread } from './write-thread.ts';
import type { Writers } from './writers.ts';

export interface FileIoOptions {
  readonly context: AioContext;
  readonly fd: number;
  /** Whether the descriptor still is the file's. Absent: it is. */
  readonly isOpen: (() => boolean) | undefined;
  /** Counts what is under way. */
  readonly activity: Activity;
  /** What must live while requests are under way. */
  readonly owner: object;
  readonly direct: boolean;
  readonly alignment: Alignment;
  readonly unaligned: Unaligned;
  readonly appends: boolean;
  readonly writers: Writers | undefined;
  readonly cached: CachedDescriptor | undefined;
  readonly routing: Routing;
}

export class FileIo {
  readonly #requests: FileRequests;
  readonly #buffered: BufferedReads;
  /** `undefined` for a buffered file. */
  readonly #direct: DirectTransfers | undefined;
  readonly #unaligned: Unaligned;
  readonly #writes: OrderedWrites;
  readonly #routing: Routing;
  /** Requests of the same file by {@link WriteThread}. */
  #aside: FileRequests | undefined;
  #fileSyncs: FileSyncs | undefined;

  constructor({
    context,
    fd,
    isOpen,
    activity,
    owner,
    direct,
    alignment,
    unaligned,
    appends,
    writers,
    cached,
    routing,
  }: FileIoOptions) {
    this.#requests = new FileRequests(context, { fd, isOpen, activity, owner }, routing);
    this.#buffered = new BufferedReads(this.#requests, routing);
    const aligned = direct ? new DirectRequests(this.#requests, routing, alignment.offset) : undefined;
    this.#writes = new OrderedWrites(this.#requests, aligned, writers, cached);
    this.#direct =
      aligned === undefined
        ? undefined
        : new DirectTransfers(this.#requests, aligned, this.#writes, alignment, appends);
    this.#unaligned = unaligned;
    this.#routing = routing;
  }

  /** Made for the first write or sync. */
  get #syncs(): FileSyncs {
    const { context } = this.#requests;
    this.#fileSyncs ??= new FileSyncs(
      (operation) => this.#makeSync(operation),
      context.kernel.after,
      this.#direct !== undefined && context.mayPoll ? new AwakeLoop() : undefined,
    );
    return this.#fileSyncs;
  }

  /**
   * @param position - `null` is the position of the descriptor itself, which only the thread pool knows.
   * @throws At once for a signal that has fired and for memory that cannot be used.
   */
  read(extent: Extent, position: number | null, call: Call = {}): Promise<number> {
    return this.readFor(countAlone, undefined, extent, position, call);
  }

  /** As {@link read}, for a caller who wants `answer(count, buffer)`. */
  readFor<T>(
    answer: Answer<T>,
    buffer: unknown,
    extent: Extent,
    position: number | null,
    { signal, cut, manner }: Call,
  ): Promise<T> {
    throwIfAborted(signal);
    if (isGone(extent)) throw detachedView('buffer');
    const requests = this.#requests;
    if (requests.mustReadNow([extent]))
      return requests.answered(async () => this.#readNow(extent, position, cut), { answer, buffer });
    if (position === null) {
      const read = (): Promise<number> => requests.readFromPool(extent, null, 'position of the descriptor');
      return requests.answered(read, { answer, buffer });
    }
    const call = { name: 'read', extent, position, signal, manner, answer, buffer } as const;
    switch (this.#routing.read) {
      case 'kernel':
        return this.#direct === undefined
          ? requests.transfer(call)
          : this.#direct.read(call, this.#unalignedIn(cut));
      case 'nowait':
        return this.#buffered.read(call);
      case 'threadpool':
        return requests.answered(() => requests.readFromPool(extent, position), call);
    }
  }

  /** As {@link read}. */
  write(extent: Extent, position: number | null, call: Call = {}): Promise<number> {
    return this.writeFor(countAlone, undefined, extent, position, call);
  }

  /** As {@link write}, for a caller who wants `answer(count, buffer)`. */
  writeFor<T>(
    answer: Answer<T>,
    buffer: unknown,
    extent: Extent,
    position: number | null,
    call: Call,
  ): Promise<T> {
    const written = this.#written(answer, buffer, extent, position, call);
    this.#syncs.expect(written);
    return written;
  }

  #written<T>(
    answer: Answer<T>,
    buffer: unknown,
    extent: Extent,
    position: number | null,
    { signal, cut, manner }: Call,
  ): Promise<T> {
    throwIfAborted(signal);
    if (isGone(extent)) throw detachedView('buffer');
    const requests = this.#requests;
    const writes = this.#writes;
    if (position === null) {
      const write = (): Promise<number> => writes.toPool(extent, null, 'position of the descriptor');
      return requests.answered(write, { answer, buffer });
    }
    const call = { name: 'write', extent, position, signal, manner, answer, buffer } as const;
    if (this.#direct !== undefined) return this.#direct.write(call, this.#unalignedIn(cut));
    if (this.#routing.write !== 'threadpool') return writes.transfer(call, 'cached');
    const aside = manner === undefined ? this.#writesAside(extent) : undefined;
    return aside === undefined
      ? requests.answered(() => writes.toPool(extent, position), call)
      : writes.transferAside(call, aside);
  }

  /** Who submits a buffered write on another thread. @returns `undefined` where that is the thread pool. */
  #writesAside({ length }: Extent): FileRequests | undefined {
    const { context, file } = this.#requests;
    // Between the look whether a borrowed descriptor is still open and the call, nobody may run; and a pipe may never answer.
    if (file.isOpen !== undefined || !this.#routing.seekable) return undefined;
    if (length === 0 || length > SHORT_WRITE_BYTES) return undefined;
    const aside = WriteThread.of(context).take(file.activity.isUnderWay);
    if (aside === undefined) return undefined;
    if (this.#aside?.context !== aside) this.#aside = new FileRequests(aside, file, this.#routing);
    return this.#aside;
  }

  async readv(extents: readonly Extent[], position: number | null, manner?: Manner): Promise<number> {
    // Since it was handed over, others have had the cursor.
    if (extents.some(isGone)) throw detachedView('buffers');
    const requests = this.#requests;
    if (requests.mustReadNow(extents)) {
      return this.#direct === undefined || position === null
        ? requests.readNow(extents, position)
        : requests.inTurn(extents, position, async (extent, at) => this.#readNow(extent, at));
    }
    if (position === null || this.#routing.read === 'threadpool' || extents.length > UIO_MAXIOV) {
      const reason = position === null ? 'position of the descriptor' : undefined;
      return requests.readvFromPool(extents, position, reason);
    }
    if (this.#direct !== undefined)
      return this.#named('read', this.#direct.readv(extents, position, this.#unaligned, manner));
    if (this.#routing.read === 'kernel') {
      return this.#named('read', requests.vector('read', extents, position, undefined, undefined, manner));
    }
    return this.#buffered.readv(extents, position);
  }

  async writev(
    extents: readonly Extent[],
    position: number | null,
    { cut, manner }: Call = {},
  ): Promise<number> {
    if (extents.some(isGone)) throw detachedView('buffers');
    if (extents.reduce((sum, { length }) => sum + length, 0) > MOST_BYTES)
      return this.#writeOneByOne(extents, position);
    const writes = this.#writes;
    if (this.#direct !== undefined && position !== null)
      return this.#named('write', this.#direct.writev(extents, position, this.#unalignedIn(cut), manner));
    if (position === null || this.#routing.write === 'threadpool' || extents.length > UIO_MAXIOV) {
      const reason = position === null ? 'position of the descriptor' : undefined;
      return writes.vectorToPool(extents, position, reason);
    }
    return this.#named('write', writes.vector('cached', extents, position, manner));
  }

  /** More than any host takes at once. */
  async #writeOneByOne(extents: readonly Extent[], position: number | null): Promise<number> {
    let done = 0;
    for (const extent of extents) {
      const place = position === null ? null : position + done;
      const count = await fully(extent, place, (rest, at) => this.write(rest, at));
      done += count;
      if (count < extent.length) break;
    }
    return done;
  }

  #readNow(extent: Extent, position: number | null, cut?: boolean): number {
    return this.#direct === undefined || position === null
      ? this.#requests.readNow([extent], position)
      : this.#direct.readNow(extent, position, this.#unalignedIn(cut));
  }

  #unalignedIn(cut: boolean | undefined): Unaligned {
    return cut === true ? 'read-modify-write' : this.#unaligned;
  }

  /** Runs what changes the file from one place to another, and is no write, in its turn among the writes there. */
  change(from: number, to: number, body: () => Promise<void>): Promise<void> {
    return this.#writes.change(from, to, body);
  }

  /** Resolves when what has ended by now is durable. */
  sync(operation: SyncOperation): Promise<void> {
    return this.#syncs.sync(operation);
  }

  /** One sync, of what has ended by now. */
  async #makeSync(operation: SyncOperation): Promise<void> {
    const { context, calls, file } = this.#requests;
    refuseStale(file, operation);
    let reason: ThreadPoolReason | undefined;
    if (this.#routing.sync === 'kernel') {
      try {
        await context[operation](file.fd);
        return;
      } catch (error) {
        if (hadNoRoom(error)) reason = 'no room in the kernel';
        // EINVAL is also the answer of files that have no fsync by the kernel's AIO (FSYNC-02).
        else if (codeOf(error) === 'EINVAL') this.#routing.refuseSync();
        else throw renamed(operation, error);
      }
    }
    this.#routing.count('sync', reason);
    refuseStale(file, operation);
    await calls[operation](file.fd);
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
