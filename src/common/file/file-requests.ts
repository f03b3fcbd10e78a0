/** One request after the other of a file, by the kernel or by the thread pool. */
import { RWF_NOWAIT } from '../abi/constants.ts';
import type { AioContext } from '../context/aio-context.ts';
import { AbortError } from '../errors.ts';
import { abortReason, isAborted } from '../intrinsics.ts';
import type { DescriptorCalls } from '../kernel/kernel-files.ts';
import { type Extent, isGone, partOf } from '../memory/extent.ts';
import { mayGrow } from '../memory/growable.ts';
import { WordArray } from '../memory/word-array.ts';
import { detachedView } from '../validate.ts';
import { hostCalls } from './descriptor-handle.ts';
import {
  FileTransfer,
  FileVector,
  hadNoRoom,
  isDoubtful,
  type NowaitRequest,
  type OtherMeans,
  refuseStale,
  type TransferFile,
} from './file-transfer.ts';
import type { Manner } from './manner.ts';
import { PoolTransfers } from './pool-transfers.ts';
import type { Routing, ThreadPoolReason } from './routing.ts';
import type { Reply, TransferCall } from './transfer-call.ts';

function reasonOf(error: unknown): ThreadPoolReason {
  return hadNoRoom(error) ? 'no room in the kernel' : 'refused by the kernel';
}

export class FileRequests {
  readonly context: AioContext;
  readonly file: TransferFile;
  /** Past the kernel's AIO: the thread pool, or a kernel's own files. */
  readonly calls: DescriptorCalls;
  readonly #pool: PoolTransfers;
  readonly #routing: Routing;
  readonly #otherMeans: OtherMeans = (name, extent, position, error) =>
    name === 'read'
      ? this.readFromPool(extent, position, reasonOf(error))
      : this.writeToPool(extent, position, reasonOf(error));

  constructor(context: AioContext, file: TransferFile, routing: Routing) {
    this.context = context;
    this.file = file;
    this.calls = context.kernel.files?.calls ?? hostCalls;
    this.#pool = new PoolTransfers(this.calls, file, context.kernel.memory, routing.judgesMemory);
    this.#routing = routing;
  }

  /** One request for all of it. Preconditions: the device takes it. @param file - In place of the file, what stands for it this time. */
  transfer<T>(call: TransferCall<T>, file = this.file, nowait?: NowaitRequest): Promise<T> {
    const { context } = this;
    const { extent, signal } = call;
    const address = extent.length === 0 ? 0 : context.kernel.memory.addressOf(extent.memory) + extent.start;
    const transfer = new FileTransfer(call, file, address, nowait, this.#otherMeans);
    // First, so that no code of the signal's can close the file under it.
    file.activity.begin();
    try {
      context.begin(transfer, signal);
    } catch (error) {
      file.activity.end();
      throw error;
    }
    return transfer.promise;
  }

  /** One vectored request. Preconditions: at most UIO_MAXIOV extents. */
  async vector(
    name: 'read' | 'write',
    extents: readonly Extent[],
    position: number,
    signal?: AbortSignal,
    rw_flags = 0,
    manner?: Manner,
  ): Promise<number> {
    const priority = manner?.priority ?? 0;
    try {
      return await this.#vector(name, extents, position, rw_flags, signal, priority);
    } catch (error) {
      if (!isDoubtful(error) || (rw_flags & RWF_NOWAIT) !== 0) throw error;
      if (priority !== 0 && !hadNoRoom(error)) throw error;
      refuseStale(this.file, name);
      return name === 'read'
        ? this.readvFromPool(extents, position, reasonOf(error))
        : this.writevToPool(extents, position, reasonOf(error));
    }
  }

  #vector(
    name: 'read' | 'write',
    extents: readonly Extent[],
    position: number,
    rw_flags: number,
    signal: AbortSignal | undefined,
    priority: number,
  ): Promise<number> {
    const { context, file } = this;
    const { memory } = context.kernel;
    const used = extents.filter(({ length }) => length > 0);
    const iovecs = new WordArray(memory, used.length * 2);
    used.forEach((extent, index) => {
      iovecs.set(index * 2, memory.addressOf(extent.memory) + extent.start);
      iovecs.set(index * 2 + 1, extent.length);
    });
    const vector = new FileVector(
      name,
      file,
      used,
      iovecs,
      memory.addressOf(iovecs.cells),
      position,
      rw_flags,
    );
    vector.priority = priority;
    context.begin(vector, signal);
    return vector.promise;
  }

  /** The same for ourselves. @throws What the calls of a file throw: the memory may have gone while somebody else's turn was waited for. */
  whole(call: TransferCall<number>): Promise<number> {
    throwIfAborted(call.signal);
    refuseStale(this.file, call.name);
    if (isGone(call.extent)) throw detachedView('buffer');
    return this.transfer(call);
  }

  /**
   * Makes and awaits what takes more than one request of the kernel's. It is under way before anything of it is: who is told of it, a
   * subscriber of `kaio:threadpool` say, may close the file.
   */
  async answered<T>(
    move: () => Promise<number>,
    { answer, buffer }: Reply<T>,
    { activity }: Pick<TransferFile, 'activity'> = this.file,
  ): Promise<T> {
    activity.begin();
    try {
      return answer(await move(), buffer as never);
    } finally {
      activity.end();
    }
  }

  readFromPool(extent: Extent, position: number | null, reason?: ThreadPoolReason): Promise<number> {
    this.#routing.count('read', reason);
    return this.#pool.read(extent, position);
  }

  readvFromPool(
    extents: readonly Extent[],
    position: number | null,
    reason?: ThreadPoolReason,
  ): Promise<number> {
    this.#routing.count('read', reason);
    return this.#pool.readv(extents, position);
  }

  /** Whether a read into this memory has to be made here and now: it may grow, and nothing holds it. */
  mustReadNow(extents: readonly Extent[]): boolean {
    const { kernel } = this.context;
    if (kernel.memory.pins !== undefined || kernel.files !== undefined || !this.#routing.seekable)
      return false;
    return extents.some(({ memory }) => mayGrow(memory));
  }

  /** Holds the thread. Preconditions: {@link mustReadNow}. */
  readNow(extents: readonly Extent[], position: number | null): number {
    return this.#pool.readNow(extents, position);
  }

  writeToPool(extent: Extent, position: number | null, reason?: ThreadPoolReason): Promise<number> {
    this.#routing.count('write', reason);
    return this.#pool.write(extent, position);
  }

  /** By the thread pool, through another descriptor of a direct file. */
  writeCached(fd: number, extent: Extent, position: number | null): Promise<number> {
    this.#routing.count('write', 'not whole blocks');
    const pool = new PoolTransfers(this.calls, { ...this.file, fd }, this.context.kernel.memory, false);
    return pool.write(extent, position);
  }

  writevToPool(
    extents: readonly Extent[],
    position: number | null,
    reason?: ThreadPoolReason,
  ): Promise<number> {
    this.#routing.count('write', reason);
    return this.#pool.writev(extents, position);
  }

  /** Extents one after the other, ending at the first short transfer. */
  async inTurn(
    extents: readonly Extent[],
    position: number,
    move: (extent: Extent, position: number) => Promise<number>,
  ): Promise<number> {
    let done = 0;
    for (const extent of extents) {
      if (extent.length === 0) continue;
      if (isGone(extent)) throw detachedView('buffers');
      const moved = await move(extent, position + done);
      done += moved;
      if (moved < extent.length) break;
    }
    return done;
  }
}

/** What is left of extents after their first bytes. */
export function restOf(extents: readonly Extent[], done: number): Extent[] {
  const rest: Extent[] = [];
  let skip = done;
  for (const extent of extents) {
    if (skip < extent.length) rest.push(partOf(extent, skip));
    skip = Math.max(0, skip - extent.length);
  }
  return rest;
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal !== undefined && isAborted(signal)) throw new AbortError(abortReason(signal));
}
