/** Reads through the page cache that never hold the event loop: by RWF_NOWAIT where the cache has the bytes, else by the thread pool. */
import { RWF_NOWAIT } from '../abi/constants.ts';
import { codeOf } from '../errors.ts';
import { bytesOf, type Extent, isGone, partOf } from '../memory/extent.ts';
import { detachedView } from '../validate.ts';
import { BULK_BYTES, BulkReads } from './bulk-reads.ts';
import type { FileRequests } from './file-requests.ts';
import { isDoubtful, type NowaitRequest, refuseStale, renamed } from './file-transfer.ts';
import type { Routing, ThreadPoolReason } from './routing.ts';
import { ownCall, type TransferCall } from './transfer-call.ts';

const AT_ONCE: ThreadPoolReason = 'many bytes at once';
const NOT_CACHED: ThreadPoolReason = 'probably not in the page cache';

export class BufferedReads {
  readonly #requests: FileRequests;
  readonly #routing: Routing;
  readonly #nowaitReads: NowaitRequest;
  readonly #bulk = new BulkReads();

  constructor(requests: FileRequests, routing: Routing) {
    this.#requests = requests;
    this.#routing = routing;
    this.#nowaitReads = {
      rw_flags: RWF_NOWAIT,
      endsInside: true,
      hit: () => routing.hit(),
      missed: () => routing.missed(),
      refuseNowait: () => routing.refuseNowait(),
      readOn: (extent, position, done, signal) => this.#readOn(extent, position, done, signal),
    };
  }

  /** @returns What `answer` makes of the count. */
  read<T>(call: TransferCall<T>): Promise<T> {
    return call.extent.length < BULK_BYTES ? this.#readNowait(call) : this.#readBulk(call);
  }

  async readv(extents: readonly Extent[], position: number): Promise<number> {
    const total = extents.reduce((sum, { length }) => sum + length, 0);
    if (total < BULK_BYTES) return this.#readvNowait(extents, total, position);
    try {
      return this.#bulk.begin(total)
        ? await this.#requests.readvFromPool(extents, position, AT_ONCE)
        : await this.#readvNowait(extents, total, position);
    } finally {
      this.#bulk.end(total);
    }
  }

  async #readvNowait(extents: readonly Extent[], total: number, position: number): Promise<number> {
    const nowait = this.#routing.tryNowait()
      ? await this.#judged(
          this.#tryNowait(() => this.#requests.vector('read', extents, position, undefined, RWF_NOWAIT)),
        )
      : undefined;
    if (nowait === undefined) return this.#requests.readvFromPool(extents, position, NOT_CACHED);
    if (nowait === total || nowait === 0) return nowait;
    // Part of it was cached: the rest as one read after the other.
    return this.#requests.inTurn(extents, position, (extent, at) =>
      this.#readNowait(ownCall('read', extent, at)),
    );
  }

  #readNowait<T>(call: TransferCall<T>): Promise<T> {
    return this.#routing.tryNowait()
      ? this.#askNowait(call, this.#nowaitReads)
      : this.#readFromPool(call, NOT_CACHED);
  }

  #readFromPool<T>(call: TransferCall<T>, reason: ThreadPoolReason): Promise<T> {
    const { extent, position } = call;
    return this.#requests.answered(() => this.#requests.readFromPool(extent, position, reason), call);
  }

  /** Preconditions: the routing has agreed. */
  #askNowait<T>(call: TransferCall<T>, nowait: NowaitRequest): Promise<T> {
    try {
      return this.#requests.transfer(call, undefined, nowait);
    } catch (error) {
      this.#routing.missed();
      throw error;
    }
  }

  async #readBulk<T>(call: TransferCall<T>): Promise<T> {
    let counted = call.extent.length;
    const uncount = (): void => {
      this.#bulk.end(counted);
      counted = 0;
    };
    try {
      if (this.#bulk.begin(counted)) return await this.#readFromPool(call, AT_ONCE);
      if (!this.#routing.tryNowait()) {
        uncount();
        return await this.#readFromPool(call, NOT_CACHED);
      }
      return await this.#askNowait(call, {
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
    extent: Extent,
    position: number,
    from: number,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    if (from === 0) return this.#requests.readFromPool(extent, position);
    let done = from;
    while (done < extent.length) {
      refuseStale(this.#requests.file, 'read');
      if (isGone(extent)) throw detachedView('buffer');
      const rest = partOf(extent, done);
      const more = await this.#tryNowait(() =>
        this.#requests.context.read(this.#requests.file.fd, bytesOf(rest), position + done, nowait(signal)),
      );
      if (more === 0) break;
      done += more ?? (await this.#requests.readFromPool(rest, position + done));
      if (more === undefined) break;
    }
    return done;
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
    if (code === 'EAGAIN') return;
    if (code === 'EOPNOTSUPP') this.#routing.refuseNowait();
    else if (!isDoubtful(error)) throw renamed('read', error);
  }
}

const NOWAIT = { rw_flags: RWF_NOWAIT };

function nowait(signal: AbortSignal | undefined): { signal?: AbortSignal; rw_flags: number } {
  return signal === undefined ? NOWAIT : { rw_flags: RWF_NOWAIT, signal };
}
