/** Operations that wait for room, first in, first out. */
import type { Operation } from './operation.ts';

/** Entries taken that are worth a copy of the rest, or room that is given back. */
const COMPACT_FROM = 1024;

/** A FIFO queue out of whose middle operations can be dropped. */
export class OperationQueue {
  /** From head to tail; what lies outside is empty, and room for later ones. */
  #entries: (Operation | undefined)[] = [];
  #head = 0;
  #tail = 0;
  #dropped = 0;
  /** Whether a borrowed descriptor has come in since it was last empty: mostly none has, and nobody needs to be asked. */
  mayHoldBorrowed = false;

  /** Operations that wait. */
  get length(): number {
    return this.#tail - this.#head - this.#dropped;
  }

  push(operation: Operation): void {
    if (operation.isBorrowed) this.mayHoldBorrowed = true;
    this.#entries[this.#tail++] = operation;
  }

  /** The first one that waits. */
  get first(): Operation | undefined {
    for (let index = this.#head; index < this.#tail; index++) {
      const operation = this.#entries[index];
      if (operation?.state === 'queued') return operation;
    }
    return undefined;
  }

  /** Takes the first one that waits. */
  shift(): Operation | undefined {
    while (this.#head < this.#tail) {
      const operation = this.#entries[this.#head];
      // Let go at once: an entry holds a buffer.
      this.#entries[this.#head++] = undefined;
      if (this.#head * 2 > this.#tail) this.#compact();
      if (operation?.state === 'queued') return operation;
      this.#dropped--;
    }
    return undefined;
  }

  /** Puts operations back to the front, in their order. */
  unshift(operations: readonly Operation[]): void {
    for (const { isBorrowed } of operations) if (isBorrowed) this.mayHoldBorrowed = true;
    this.#replace([...operations, ...this.#waiting()]);
  }

  /** Preconditions: an operation that was in the queue has just been settled. */
  dropSettled(): void {
    this.#dropped++;
    // Behind a request that never ends nothing is taken, and what was given up would hold its buffers for ever.
    // At most as many of them stay as still wait.
    if (this.#dropped * 2 > this.#tail - this.#head) {
      this.#replace(this.#waiting().filter((operation) => operation?.state === 'queued'));
      this.#dropped = 0;
    }
  }

  // Half of the entries at a time, so that each costs the same however long the queue is; a short one goes when it is empty.
  #compact(): void {
    if (this.#head >= COMPACT_FROM) this.#replace(this.#waiting());
    else if (this.#head === this.#tail) {
      this.#head = 0;
      this.#tail = 0;
      this.mayHoldBorrowed = false;
    }
  }

  #waiting(): (Operation | undefined)[] {
    return this.#entries.slice(this.#head, this.#tail);
  }

  #replace(entries: (Operation | undefined)[]): void {
    this.#entries = entries;
    this.#head = 0;
    this.#tail = entries.length;
  }
}
