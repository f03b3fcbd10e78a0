/** Writes of one handle, each in its turn among all that write to the file. */
import { type Extent, isGone } from '../memory/extent.ts';
import { detachedView } from '../validate.ts';
import type { CachedDescriptor } from './cached-descriptor.ts';
import type { DirectRequests } from './direct-requests.ts';
import type { FileRequests } from './file-requests.ts';
import type { TransferFile } from './file-transfer.ts';
import type { Manner } from './manner.ts';
import type { ThreadPoolReason } from './routing.ts';
import { ownCall, type TransferCall } from './transfer-call.ts';
import type { Stretch, Way, WriteOrder } from './write-order.ts';
import type { Writers } from './writers.ts';

/** Of what only the kernel knows the place. */
export const ANYWHERE = { from: 0, to: Number.MAX_SAFE_INTEGER } as const;

export class OrderedWrites {
  readonly #requests: FileRequests;
  readonly #kernels: FileRequests | DirectRequests;
  readonly #writers: Writers | undefined;
  readonly #cached: CachedDescriptor | undefined;

  /**
   * @param direct - `undefined` for a file that is not direct.
   * @param writers - `undefined` for a file that nobody can open with O_DIRECT: its writes need no turns.
   * @param cached - `undefined` for a file that is not direct.
   */
  constructor(
    requests: FileRequests,
    direct: DirectRequests | undefined,
    writers: Writers | undefined,
    cached: CachedDescriptor | undefined,
  ) {
    this.#requests = requests;
    this.#kernels = direct ?? requests;
    this.#writers = writers;
    this.#cached = cached;
  }

  /** One request of the kernel's, at once where nobody is in the way. */
  transfer<T>(call: TransferCall<T>, way: Way): Promise<T> {
    const kernels = this.#kernels;
    const order = this.#writers?.order;
    if (order === undefined) return kernels.transfer(call);
    const { extent, position, signal, manner } = call;
    const stretch = { way, from: position, to: position + extent.length };
    if (!order.tryBegin(stretch)) {
      const write = (): Promise<number> => kernels.whole(ownCall('write', extent, position, signal, manner));
      return this.#requests.answered(() => this.#waited(order, stretch, signal, write), call);
    }
    return kernels.transfer(call, new OrderedFile(this.#requests.file, order, stretch));
  }

  /** One request of a buffered file, submitted by a thread that holds nobody; by the thread pool where somebody is in the way. */
  transferAside<T>(call: TransferCall<T>, aside: FileRequests): Promise<T> {
    const order = this.#writers?.order;
    if (order === undefined) return aside.transfer(call);
    const { extent, position } = call;
    const stretch = stretchOf(position, extent.length);
    if (!order.tryBegin(stretch)) return this.#requests.answered(() => this.toPool(extent, position), call);
    return aside.transfer(call, new OrderedFile(this.#requests.file, order, stretch));
  }

  /** One vectored request of the kernel's. */
  vector(way: Way, extents: readonly Extent[], position: number, manner?: Manner): Promise<number> {
    const length = extents.reduce((sum, extent) => sum + extent.length, 0);
    return this.run({ way, from: position, to: position + length }, undefined, async () => {
      // Somebody else's turn may have been waited for.
      if (extents.some(isGone)) throw detachedView('buffers');
      return this.#kernels.vector('write', extents, position, undefined, undefined, manner);
    });
  }

  /** By the thread pool. @param position - `null` is the descriptor's own, or the end of a file that appends. */
  toPool(extent: Extent, position: number | null, reason?: ThreadPoolReason): Promise<number> {
    return this.run(stretchOf(position, extent.length), undefined, () =>
      this.#requests.writeToPool(extent, position, reason),
    );
  }

  /** As {@link toPool}. */
  vectorToPool(
    extents: readonly Extent[],
    position: number | null,
    reason?: ThreadPoolReason,
  ): Promise<number> {
    const length = extents.reduce((sum, extent) => sum + extent.length, 0);
    return this.run(stretchOf(position, length), undefined, () =>
      this.#requests.writevToPool(extents, position, reason),
    );
  }

  /** Through the page cache, of a direct file. */
  cached(extent: Extent, position: number, signal: AbortSignal | undefined): Promise<number> {
    return this.run(stretchOf(position, extent.length), signal, () => this.writeCached(extent, position));
  }

  /** The same in a turn that the caller has. @param position - `null` is the end of a file that appends. */
  async writeCached(extent: Extent, position: number | null): Promise<number> {
    return this.#requests.writeCached(await this.#cached!.open(), extent, position);
  }

  /** Whether a write up to there may make the file longer: what is known to lie inside it does not. */
  mayExtend(end: number): boolean {
    const order = this.#writers?.order;
    return order !== undefined && end > order.knownEnd;
  }

  /**
   * Asks where the file ends, and remembers it unless something has cut the file off meanwhile.
   *
   * @param look - Asks the file.
   */
  async end(look: () => Promise<number>): Promise<number> {
    const order = this.#writers?.order;
    const cuts = order?.cuts;
    const end = await look();
    if (order !== undefined && order.cuts === cuts && order.cutting === 0) order.knownEnd = end;
    return end;
  }

  /** The file goes at least as far. Preconditions: a turn in which nobody cuts it off there. */
  reached(end: number): void {
    const order = this.#writers?.order;
    if (order !== undefined && end > order.knownEnd) order.knownEnd = end;
  }

  /** Changes the file otherwise than by writing. */
  change(from: number, to: number, body: () => Promise<void>): Promise<void> {
    return this.run({ way: 'cached', from, to }, undefined, async () => {
      const order = this.#writers?.order;
      if (order === undefined) return body();
      order.knownEnd = Math.min(order.knownEnd, from);
      order.cuts++;
      order.cutting++;
      try {
        await body();
      } finally {
        order.cuts++;
        order.cutting--;
      }
    });
  }

  /** Runs what takes a turn of its own. @throws AbortError when the signal fires before. */
  async run<T>(stretch: Stretch, signal: AbortSignal | undefined, body: () => Promise<T>): Promise<T> {
    const order = this.#writers?.order;
    if (order === undefined) return body();
    if (!order.tryBegin(stretch)) await order.begin(stretch, signal);
    try {
      return await body();
    } finally {
      order.end(stretch);
    }
  }

  async #waited<T>(
    order: WriteOrder,
    stretch: Stretch,
    signal: AbortSignal | undefined,
    body: () => Promise<T>,
  ): Promise<T> {
    await order.begin(stretch, signal);
    try {
      return await body();
    } finally {
      order.end(stretch);
    }
  }
}

function stretchOf(position: number | null, length: number): Stretch {
  return position === null
    ? { way: 'cached', ...ANYWHERE }
    : { way: 'cached', from: position, to: position + length };
}

/** A file for the time of one write, whose turn ends with it. */
class OrderedFile implements TransferFile {
  readonly fd: number;
  readonly owner: object;
  readonly isOpen: (() => boolean) | undefined;
  readonly #file: TransferFile;
  readonly #order: WriteOrder;
  readonly #stretch: Stretch;

  constructor(file: TransferFile, order: WriteOrder, stretch: Stretch) {
    this.fd = file.fd;
    this.owner = file.owner;
    this.isOpen = file.isOpen;
    this.#file = file;
    this.#order = order;
    this.#stretch = stretch;
  }

  get activity(): TransferFile['activity'] {
    return this;
  }

  get isUnderWay(): boolean {
    return this.#file.activity.isUnderWay;
  }

  begin(): void {
    this.#file.activity.begin();
  }

  end(): void {
    this.#order.end(this.#stretch);
    this.#file.activity.end();
  }
}
