/**
 * Transfers by the thread pool, whose threads write to memory while JavaScript runs.
 *
 * `node:fs` gives them the caller's memory as it is: when that is given away meanwhile, they write into somebody else's. Here it is
 * kept in its place until they have done; where nothing can, they get memory of ours.
 */
import { readvSync } from 'node:fs';
import { withStackOfCallers } from '../callers-stack.ts';
import type { Memory } from '../kernel/aio-kernel.ts';
import type { DescriptorCalls } from '../kernel/kernel-files.ts';
import { bytesOf, type Extent, isGone, isLost } from '../memory/extent.ts';
import type { Pins } from '../memory/pins.ts';
import { Substitutes } from '../memory/substitutes.ts';
import { detachedView } from '../validate.ts';
import { refuseStale, type TransferFile } from './file-transfer.ts';

export class PoolTransfers {
  readonly #calls: DescriptorCalls;
  readonly #file: TransferFile;
  readonly #memory: Memory;
  readonly #needsPlace: boolean;

  /** @param judgesMemory - The host refuses memory for the place that it lies at. */
  constructor(calls: DescriptorCalls, file: TransferFile, memory: Memory, judgesMemory: boolean) {
    this.#calls = calls;
    this.#file = file;
    this.#memory = memory;
    this.#needsPlace = judgesMemory && !memory.hasHostAddresses;
  }

  read(extent: Extent, position: number | null): Promise<number> {
    return this.#moved([extent], true, async ([bytes]) => {
      const { bytesRead } = await this.#calls.read(this.#file.fd, bytes!, 0, extent.length, position);
      return bytesRead;
    });
  }

  /**
   * Reads here and now, into memory that may grow where nothing can hold it: when it has grown there is no way to it any more. It
   * holds the thread. Preconditions: the file has its bytes, and keeps nobody waiting.
   */
  readNow(extents: readonly Extent[], position: number | null): number {
    refuseStale(this.#file, 'read');
    return readvSync(this.#file.fd, extents.map(bytesOf), position ?? undefined);
  }

  write(extent: Extent, position: number | null): Promise<number> {
    return this.#moved([extent], false, async ([bytes]) => {
      const { bytesWritten } = await this.#calls.write(this.#file.fd, bytes!, 0, extent.length, position);
      return bytesWritten;
    });
  }

  readv(extents: readonly Extent[], position: number | null): Promise<number> {
    return this.#moved(extents, true, async (views) => {
      const { bytesRead } = await this.#calls.readv(this.#file.fd, views, position ?? undefined);
      return bytesRead;
    });
  }

  writev(extents: readonly Extent[], position: number | null): Promise<number> {
    return this.#moved(extents, false, async (views) => {
      const { bytesWritten } = await this.#calls.writev(this.#file.fd, views, position ?? undefined);
      return bytesWritten;
    });
  }

  async #moved(
    extents: readonly Extent[],
    reads: boolean,
    move: (views: Uint8Array[]) => Promise<number>,
  ): Promise<number> {
    // The host would judge where the caller's memory really lies, of which nobody here knows.
    const pins = this.#needsPlace ? undefined : this.#memory.pins;
    if (pins === undefined) {
      refuseStale(this.#file, reads ? 'read' : 'write');
      if (extents.some(isGone)) throw detachedView('buffer');
      return this.#bounced(extents, reads, move);
    }
    // Not from inside whatever has called: see Pins.pin.
    await null;
    refuseStale(this.#file, reads ? 'read' : 'write');
    if (extents.some(isGone)) throw detachedView('buffer');
    return this.#pinned(pins, extents, move);
  }

  async #pinned(
    pins: Pins,
    extents: readonly Extent[],
    move: (views: Uint8Array[]) => Promise<number>,
  ): Promise<number> {
    const views = extents.map(bytesOf);
    for (const { memory } of extents) pins.pin(memory);
    let count: number;
    try {
      count = await move(views);
    } catch (error) {
      throw withStackOfCallers(error);
    } finally {
      for (const { memory } of extents) pins.unpin(memory);
    }
    if (extents.some((extent) => isLost(extent, pins))) throw detachedView('buffer');
    return count;
  }

  async #bounced(
    extents: readonly Extent[],
    reads: boolean,
    move: (views: Uint8Array[]) => Promise<number>,
  ): Promise<number> {
    const substitutes = new Substitutes(this.#memory, reads);
    try {
      const count = await move(extents.map((extent) => substitutes.add(extent)));
      if (!substitutes.deliver(count)) throw detachedView('buffer');
      return count;
    } catch (error) {
      throw withStackOfCallers(error);
    } finally {
      substitutes.release();
    }
  }
}
