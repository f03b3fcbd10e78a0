/** What the kernel has of a context: requests in slots, from their staging to their settlement. */
import type { AioKernel } from '../kernel/aio-kernel.ts';
import type { AioRing } from '../kernel/mapped-ring.ts';
import { completeChannel } from './channels.ts';
import type { Operation } from './operation.ts';
import type { Counters } from './stats.ts';

const GENERATIONS = 0x10_0000;
const HIGH = 0x1_0000_0000;

/** Gives requests their slots, takes them out of the ring, and settles them. */
export class InFlight {
  readonly capacity: number;
  readonly #kernel: AioKernel;
  readonly #ring: AioRing;
  readonly #counters: Counters;
  readonly #operations: (Operation | undefined)[];
  readonly #generations: Uint32Array;
  readonly #freeSlots: number[];
  readonly #silentFound: () => void;
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

  get hasRoom(): boolean {
    return this.#freeSlots.length > 0;
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

  /** Takes a request out of its slot. */
  take(slot: number): Operation {
    const operation = this.#operations[slot]!;
    this.#operations[slot] = undefined;
    this.#freeSlots.push(slot);
    if (operation.isSilent) {
      this.silent--;
      this.#silentFound();
    }
    operation.slot = -1;
    return operation;
  }

  /** Settles what has completed. @returns How many. */
  reap(): number {
    return this.#ring.reap(this.capacity, this.#sink);
  }

  readonly #sink = (slot: number, generation: number, res: number): void => {
    if (this.#operations[slot] === undefined || this.#generations[slot] !== generation) {
      throw new Error(
        `an event came for a request that is not in flight (slot ${slot}, generation ${generation})`,
      );
    }
    this.#counters.completed++;
    const operation = this.take(slot);
    if (completeChannel.hasSubscribers) {
      const { syscall, fd } = operation;
      completeChannel.publish({ kernel: this.#kernel, syscall, fd, res });
    }
    operation.complete(res);
  };
}
