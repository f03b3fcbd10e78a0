/** What the kernel has of a context: requests in slots, from their staging until they are settled. */
import { ERRNO } from '../abi/errno.ts';
import type { AioKernel, Memory } from '../kernel/aio-kernel.ts';
import type { AioRing } from '../kernel/mapped-ring.ts';
import { workerThreads } from '../lazy-builtins.ts';
import type { Extent } from '../memory/extent.ts';
import { mayGo } from '../memory/substitutes.ts';
import { detachedView } from '../validate.ts';
import { completeChannel } from './channels.ts';
import type { Operation, Substitute } from './operation.ts';
import type { Counters } from './stats.ts';

const GENERATIONS = 0x10_0000;
const HIGH = 0x1_0000_0000;

/**
 * Gives requests their slots, takes them out of the ring, and settles them.
 *
 * Ending and settling are two steps. In the first, requests leave their slots and their memory is free again, and no code but ours
 * runs; the second, when everything is consistent, calls back to those who wait, who may do anything.
 */
export class InFlight {
  readonly capacity: number;
  readonly #kernel: AioKernel;
  readonly #memory: Memory;
  readonly #ring: AioRing;
  readonly #counters: Counters;
  readonly #operations: (Operation | undefined)[];
  readonly #generations: Uint32Array;
  readonly #freeSlots: number[];
  readonly #silentFound: () => void;
  /** Ended, and not settled: from the first index to the second. Kept, since an array for each batch is felt where one has one request. */
  readonly #ended: (Operation | undefined)[] = [];
  #nextEnded = 0;
  #endedCount = 0;
  /** Requests whose completion signals nothing. */
  silent = 0;

  /** @param silentFound - Called when one of those has left its slot. */
  constructor(
    kernel: AioKernel,
    ring: AioRing,
    capacity: number,
    counters: Counters,
    silentFound: () => void,
  ) {
    this.#kernel = kernel;
    this.#memory = kernel.memory;
    this.#ring = ring;
    this.capacity = capacity;
    this.#counters = counters;
    this.#silentFound = silentFound;
    this.#operations = Array<Operation | undefined>(capacity).fill(undefined);
    this.#generations = new Uint32Array(capacity);
    this.#freeSlots = Array.from({ length: capacity }, (_, index) => capacity - 1 - index);
  }

  get count(): number {
    return this.capacity - this.#freeSlots.length;
  }

  /** Slots that are free. */
  get room(): number {
    return this.#freeSlots.length;
  }

  get hasRoom(): boolean {
    return this.#freeSlots.length > 0;
  }

  /** Requests that have ended and that nobody was told of. */
  get untold(): number {
    return this.#endedCount - this.#nextEnded;
  }

  /** Whether there are any. */
  get hasEnded(): boolean {
    return this.#nextEnded < this.#endedCount;
  }

  /** The request in a slot. */
  at(slot: number): Operation | undefined {
    return this.#operations[slot];
  }

  /** Gives a request a slot. Preconditions: there is room. @returns What is to be `aio_data`, so that its event is told from older ones. */
  put(operation: Operation): number {
    const slot = this.#freeSlots.pop()!;
    const generation = (this.#generations[slot]! + 1) % GENERATIONS;
    this.#generations[slot] = generation;
    if (operation.isSilent) this.silent++;
    operation.slot = slot;
    operation.state = 'in-flight';
    this.#operations[slot] = operation;
    return generation * HIGH + slot;
  }

  /** Sees to it that the memory of a request stays until it has left its slot. Once is enough. */
  pin(operation: Operation): void {
    const { pins } = this.#memory;
    if (operation.isPinned || this.#kernel.completesAside !== true) return;
    if (pins === undefined) {
      if (operation.endsInside) markForGood(operation);
      return;
    }
    operation.isPinned = true;
    if (operation.extent !== undefined) pins.pin(operation.extent.memory);
    for (const { memory } of operation.extents) pins.pin(memory);
  }

  /**
   * As {@link pin}, for a kernel that moves bytes by JavaScript, unless it can use the memory itself.
   *
   * @param isLarge - That is worth a pin.
   * @returns Whether the memory stays where it is.
   */
  pinPlain(operation: Operation, extent: Extent, isLarge: boolean): boolean {
    if (!mayGo(extent)) return true;
    const { pins } = this.#memory;
    if (pins === undefined || !isLarge) return false;
    operation.isPinned = true;
    pins.pin(extent.memory);
    return true;
  }

  /** Undoes {@link pinPlain}. */
  unpinPlain(operation: Operation): void {
    if (operation.isPinned) this.#unpin(operation);
  }

  /** Takes a request out of its slot: the kernel has nothing of it any more. */
  take(slot: number): Operation {
    const operation = this.#operations[slot]!;
    this.#operations[slot] = undefined;
    this.#freeSlots.push(slot);
    if (operation.isSilent) {
      this.silent--;
      this.#silentFound();
    }
    if (operation.isPinned) this.#unpin(operation);
    operation.slot = -1;
    return operation;
  }

  /** Takes a request out of its slot that the kernel has refused, and ends it. {@link settle} has to follow. */
  refuse(slot: number, error: Error): void {
    this.end(this.take(slot), error);
  }

  #unpin(operation: Operation): void {
    const pins = this.#memory.pins!;
    operation.isPinned = false;
    if (operation.extent !== undefined) pins.unpin(operation.extent.memory);
    for (const { memory } of operation.extents) pins.unpin(memory);
  }

  /** Ends what has completed. {@link settle} has to follow. @returns How many. */
  collect(): number {
    return this.#ring.reap(this.capacity, this.#sink);
  }

  /** Ends a request that is in no slot, without the kernel. {@link settle} has to follow. */
  end(operation: Operation, error: Error): void {
    operation.state = 'settled';
    operation.error = error;
    operation.substitute?.release();
    operation.substitute = undefined;
    this.#ended[this.#endedCount++] = operation;
  }

  readonly #sink = (slot: number, generation: number, res: number): void => {
    if (this.#operations[slot] === undefined || this.#generations[slot] !== generation) {
      throw new Error(
        `an event came for a request that is not in flight (slot ${slot}, generation ${generation})`,
      );
    }
    this.ended(this.#operations[slot]!, res);
  };

  /** The kernel has done with a request. {@link settle} has to follow. */
  ended(operation: Operation, res: number): void {
    this.#counters.completed++;
    this.take(operation.slot);
    operation.state = 'settled';
    operation.res = res;
    if (operation.substitute !== undefined) this.#deliver(operation, operation.substitute, res);
    else if (
      res > 0
        ? operation.mayBeLost && operation.isLost(this.#memory.pins)
        : res === -ERRNO.EFAULT && operation.isDetached
    )
      operation.error = detachedView('buffer');
    this.#ended[this.#endedCount++] = operation;
  }

  #deliver(operation: Operation, substitute: Substitute, res: number): void {
    if (res > 0 && !substitute.deliver(res)) operation.error = detachedView('buffer');
    substitute.release();
    operation.substitute = undefined;
  }

  /** Tells those whose requests have ended, in their order: each alone, and what one throws is thrown when all of `most` have been told. */
  settle(most = Number.POSITIVE_INFINITY): void {
    let thrown: { readonly error: unknown } | undefined;
    // What is told to one may end another's, and may bring us here again: then the inner one goes on.
    for (let told = 0; told < most && this.#nextEnded < this.#endedCount; told++) {
      const index = this.#nextEnded++;
      const operation = this.#ended[index]!;
      this.#ended[index] = undefined;
      try {
        this.#settle(operation);
      } catch (error) {
        thrown ??= { error };
      }
    }
    if (this.#nextEnded === this.#endedCount) {
      this.#nextEnded = 0;
      this.#endedCount = 0;
    }
    if (thrown !== undefined) throw thrown.error;
  }

  #settle(operation: Operation): void {
    const { error } = operation;
    if (error !== undefined) {
      operation.fail(error);
      return;
    }
    const { res } = operation;
    if (completeChannel.hasSubscribers) {
      const { syscall, fd } = operation;
      completeChannel.publish({ kernel: this.#kernel, syscall, fd, res });
    }
    operation.complete(res);
  }
}

/**
 * A read that was to end inside `io_submit`, and is in flight all the same: no file system is known to do that. There are no pins, it
 * has no memory of ours, and memory that stays with its owner for good is the lesser evil.
 */
function markForGood({ extent, extents }: Operation): void {
  for (const one of extent === undefined ? extents : [extent])
    if (mayGo(one)) workerThreads().markAsUntransferable(one.memory);
}
