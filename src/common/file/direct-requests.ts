/** One aligned direct request that does not hold the event loop: by the kernel where that need not wait, else by the thread pool. */
import { codeOf } from '../errors.ts';
import { type Extent, isGone, partOf } from '../memory/extent.ts';
import { detachedView } from '../validate.ts';
import type { DirectKind, DirectPoolReason, DirectRouting } from './direct-routing.ts';
import { type FileRequests, restOf, throwIfAborted } from './file-requests.ts';
import { isDoubtful, type NowaitRequest, refuseStale, type TransferFile } from './file-transfer.ts';
import type { ExtentsOwner } from './known-extents.ts';
import type { Manner } from './manner.ts';
import type { Routing } from './routing.ts';
import { ownCall, type TransferCall } from './transfer-call.ts';

const WOULD_HOLD: DirectPoolReason = 'would hold the event loop';

export class DirectRequests {
  readonly #requests: FileRequests;
  /** `undefined` for a kernel that holds nobody. */
  readonly #routing: DirectRouting | undefined;
  readonly #blockBytes: number;
  readonly #owner: ExtentsOwner;

  /** @param blockBytes - What the file's bytes come in: a request that ends inside a block has met the end of the file. */
  constructor(requests: FileRequests, routing: Pick<Routing, 'direct'>, blockBytes: number) {
    this.#requests = requests;
    this.#routing = routing.direct;
    this.#blockBytes = blockBytes;
    const { file } = requests;
    this.#owner = {
      begin: () => file.activity.begin(),
      end: () => file.activity.end(),
      isOpen: () => file.activity.isUnderWay && file.isOpen?.() !== false,
    };
  }

  /** As {@link FileRequests.transfer}. */
  transfer<T>(call: TransferCall<T>, file = this.#requests.file): Promise<T> {
    const routing = this.#routing;
    const { name, extent, position } = call;
    const { length } = extent;
    if (routing === undefined || length === 0) return this.#requests.transfer(call, file);
    const kind = routing.kindOf(name, position, length);
    const { device } = routing;
    const units = device === undefined ? 0 : device.unitsOf(length);
    const reason = routing.poolReason(kind, position, length, this.#owner);
    if (reason !== undefined)
      return this.#requests.answered(() => this.#byPool(name, extent, position, reason), call, file);
    if (device?.take(units) === false)
      return this.#requests.answered(() => this.#inTurn(call, kind, units), call, file);
    return this.#ask(call, kind, units, file);
  }

  /** The same for ourselves. @throws What the calls of a file throw: the memory may have gone while somebody else's turn was waited for. */
  whole(call: TransferCall<number>): Promise<number> {
    throwIfAborted(call.signal);
    refuseStale(this.#requests.file, call.name);
    if (isGone(call.extent)) throw detachedView('buffer');
    return this.transfer(call);
  }

  /** One vectored request. Preconditions: at most UIO_MAXIOV extents, which the device takes. */
  async vector(
    name: 'read' | 'write',
    extents: readonly Extent[],
    position: number,
    signal?: AbortSignal,
    _rw_flags?: undefined,
    manner?: Manner,
  ): Promise<number> {
    const routing = this.#routing;
    if (routing === undefined)
      return this.#requests.vector(name, extents, position, signal, undefined, manner);
    const length = extents.reduce((sum, extent) => sum + extent.length, 0);
    const kind = routing.kindOf(name, position, length);
    const reason = routing.poolReason(kind, position, length, this.#owner);
    if (reason !== undefined) return this.#vectorByPool(name, extents, position, reason);
    const { device } = routing;
    const units = device === undefined ? 0 : device.unitsOf(length);
    if (device?.take(units) === false) await device.turn(units, signal);
    let count = 0;
    try {
      throwIfAborted(signal);
      refuseStale(this.#requests.file, name);
      if (extents.some(isGone)) throw detachedView('buffers');
      count = await this.#requests.vector(name, extents, position, signal, routing.rw_flags, manner);
      routing.accepted(kind, position, count);
    } catch (error) {
      routing.refused(kind);
      if (codeOf(error) === 'EOPNOTSUPP') routing.refuseNowait(name);
      if (codeOf(error) !== 'EAGAIN' && !isDoubtful(error)) throw error;
      // By the pool it would have no priority: what the kernel says may be about that.
      if (codeOf(error) === 'EINVAL' && manner !== undefined && manner.priority !== 0) throw error;
    } finally {
      device?.give(units);
    }
    if (count === length || this.#isEnd(name, position, count)) return count;
    refuseStale(this.#requests.file, name);
    return this.#after(count, () =>
      this.#vectorByPool(name, restOf(extents, count), position + count, WOULD_HOLD),
    );
  }

  async #vectorByPool(
    name: 'read' | 'write',
    extents: readonly Extent[],
    position: number,
    reason: DirectPoolReason,
  ): Promise<number> {
    if (name === 'read') return this.#requests.readvFromPool(extents, position, reason);
    const count = await this.#requests.writevToPool(extents, position, reason);
    this.#routing!.reached(position + count);
    return count;
  }

  /** Preconditions: there is room in the device's queue, which is taken. */
  #ask<T>(call: TransferCall<T>, kind: DirectKind, units: number, file?: TransferFile): Promise<T> {
    const attempt = new Attempt(this, this.#routing!, call, kind, units);
    try {
      return this.#requests.transfer(call, file, attempt);
    } catch (error) {
      attempt.missed();
      throw error;
    }
  }

  async #inTurn(
    { name, extent, position, signal, manner }: TransferCall<unknown>,
    kind: DirectKind,
    units: number,
  ): Promise<number> {
    const device = this.#routing!.device!;
    await device.turn(units, signal);
    try {
      throwIfAborted(signal);
      refuseStale(this.#requests.file, name);
      if (isGone(extent)) throw detachedView('buffer');
    } catch (error) {
      device.give(units);
      throw error;
    }
    return this.#ask(ownCall(name, extent, position, signal, manner), kind, units);
  }

  /** @internal The kernel has done less than all: nothing, or it has met the file's end or something to wait for. FileHandle would have gone on. */
  async goOn(name: 'read' | 'write', extent: Extent, position: number, done: number): Promise<number> {
    if (this.#isEnd(name, position, done)) return done;
    return this.#after(done, () =>
      this.#byPool(name, done === 0 ? extent : partOf(extent, done), position + done, WOULD_HOLD),
    );
  }

  /** Whether there is nothing behind what has been moved, as far as is known. */
  #isEnd(name: 'read' | 'write', position: number, done: number): boolean {
    if (done === 0) return false;
    const reached = position + done;
    return reached % this.#blockBytes !== 0 || (name === 'read' && reached === this.#routing!.end);
  }

  /** Adds what the rest moves. A system call that has moved something does not fail. */
  async #after(done: number, rest: () => Promise<number>): Promise<number> {
    try {
      return done + (await rest());
    } catch (error) {
      if (done > 0 && isSystemError(error)) return done;
      throw error;
    }
  }

  async #byPool(
    name: 'read' | 'write',
    extent: Extent,
    position: number,
    reason: DirectPoolReason,
  ): Promise<number> {
    if (name === 'read') return this.#requests.readFromPool(extent, position, reason);
    const count = await this.#requests.writeToPool(extent, position, reason);
    this.#routing!.reached(position + count);
    return count;
  }
}

/** What becomes of one request that the kernel has been asked for. */
class Attempt implements NowaitRequest {
  readonly #requests: DirectRequests;
  readonly #routing: DirectRouting;
  readonly #name: 'read' | 'write';
  readonly #kind: DirectKind;
  readonly #position: number;
  readonly #units: number;

  constructor(
    requests: DirectRequests,
    routing: DirectRouting,
    { name, position }: Pick<TransferCall<unknown>, 'name' | 'position'>,
    kind: DirectKind,
    units: number,
  ) {
    this.#requests = requests;
    this.#routing = routing;
    this.#name = name;
    this.#kind = kind;
    this.#position = position;
    this.#units = units;
  }

  get rw_flags(): number {
    return this.#routing.rw_flags;
  }

  get endsInside(): boolean {
    return false;
  }

  hit(count: number): void {
    this.#routing.accepted(this.#kind, this.#position, count);
    this.#routing.device?.give(this.#units);
  }

  missed(): void {
    this.#routing.refused(this.#kind);
    this.#routing.device?.give(this.#units);
  }

  refuseNowait(): void {
    this.#routing.refuseNowait(this.#name);
  }

  held(atMs: number): void {
    this.#routing.held(this.#kind, atMs);
  }

  readOn(extent: Extent, position: number, done: number): Promise<number> {
    return this.#requests.goOn(this.#name, extent, position, done);
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'errno' in error;
}
