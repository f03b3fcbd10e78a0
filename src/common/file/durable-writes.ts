/** Writes that settle when their bytes are durable: by RWF_DSYNC where that is quick, else by a sync after them. */
import { RWF_DSYNC } from '../abi/constants.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import { Manner } from './manner.ts';
import { blocksInSubmit, knowsFlag, type Routing } from './routing.ts';

export class DurableWrites {
  readonly #kernel: AioKernel;
  readonly #routing: Routing;
  readonly #direct: boolean;
  readonly #sync: () => Promise<void>;
  #underWay = 0;
  /** The file was at least so long. */
  #knownBytes = 0;
  #knowsDsync: boolean | undefined;

  /**
   * @param direct - Opened with O_DIRECT.
   * @param sync - Makes what has ended by now durable.
   */
  constructor(kernel: AioKernel, routing: Routing, direct: boolean, sync: () => Promise<void>) {
    this.#kernel = kernel;
    this.#routing = routing;
    this.#direct = direct;
    this.#sync = sync;
  }

  /**
   * @param position - `null` where it is not known before.
   * @returns Bytes written, all of them durable.
   * @throws What the write throws, or the sync after it: that with `bytesDone`, which are in the file and may not survive.
   */
  async write(
    position: number | null,
    length: number,
    priority: number,
    write: (manner: Manner) => Promise<number>,
  ): Promise<number> {
    this.#underWay++;
    try {
      const manner = new Manner(this.#paysInKernel(position, length) ? RWF_DSYNC : 0, priority);
      const count = await write(manner);
      if (position !== null) this.#knownBytes = Math.max(this.#knownBytes, position + count);
      if (manner.durableBytes < count) await this.#syncAfter(count);
      return count;
    } finally {
      this.#underWay--;
    }
  }

  async #syncAfter(count: number): Promise<void> {
    try {
      await this.#sync();
    } catch (error) {
      if (error instanceof Error) Object.assign(error, { bytesDone: count });
      throw error;
    }
  }

  /**
   * Linux gives the sync of a direct write to a work queue of one CPU, as it does those of FSYNC, unless the device can write through. One
   * alone waits there for its turn when the CPU is busy, many are done in one (bench/commits.ts). A write that extends the file, or is
   * buffered, would make its sync inside `io_submit`.
   */
  #paysInKernel(position: number | null, length: number): boolean {
    if (!this.#direct || this.#routing.write !== 'kernel' || !blocksInSubmit(this.#kernel)) return false;
    if (this.#underWay < 2 || position === null || position + length > this.#knownBytes) return false;
    this.#knowsDsync ??= knowsFlag(this.#kernel, RWF_DSYNC);
    return this.#knowsDsync;
  }
}
