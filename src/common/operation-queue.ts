/** Operations that wait for room, first in, first out. */
import type { Operation } from './operation.ts';

/** A FIFO queue out of whose middle operations can be dropped. */
export class OperationQueue {
  #entries: (Operation | undefined)[] = [];
  #head = 0;
  #dropped = 0;

  /** Operations that wait. */
  get length(): number {
    return this.#entries.length - this.#head - this.#dropped;
  }

  push(operation: Operation): void {
    this.#entries.push(operation);
  }

  /** Takes the first one that waits. */
  shift(): Operation | undefined {
    while (this.#head < this.#entries.length) {
      const operation = this.#entries[this.#head];
      // Let go at once: an entry holds a buffer.
      this.#entries[this.#head++] = undefined;
      if (this.#head * 2 > this.#entries.length) this.#compact();
      if (operation?.state === 'queued') return operation;
      this.#dropped--;
    }
    return undefined;
  }

  /** Puts operations back to the front, in their order. */
  unshift(operations: readonly Operation[]): void {
    this.#entries = [...operations, ...this.#entries.slice(this.#head)];
    this.#head = 0;
  }

  /** Preconditions: an operation that was in the queue has just been settled. */
  dropSettled(): void {
    this.#dropped++;
    // Behind a request that never ends nothing is taken, and what was given up would hold its buffers for ever.
    // At most as many of them stay as still wait.
    if (this.#dropped * 2 > this.#entries.length - this.#head) {
      this.#entries = this.#entries.slice(this.#head).filter((operation) => operation?.state === 'queued');
      this.#head = 0;
      this.#dropped = 0;
    }
  }

  // Half of the entries at a time, so that each costs the same however long the queue is.
  #compact(): void {
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}
