/**
 * What the descriptors of waiting operations meant when they were named: a number may be closed meanwhile, and come to mean another file.
 *
 * Of a kernel that can tell. A descriptor is looked at when it is named, and shares that look with those that name it while the operation
 * still waits: whoever has closed it by then has broken what he was told.
 */
import type { DescriptorMeanings } from '../kernel/aio-kernel.ts';
import type { Operation } from './operation.ts';

export class NamedDescriptors {
  readonly #meanings: DescriptorMeanings | undefined;
  /** Since the last stretch, by descriptor. */
  readonly #waiting = new Map<number, Operation>();

  constructor(meanings: DescriptorMeanings | undefined) {
    this.#meanings = meanings;
  }

  /** An operation begins to wait. */
  named(operation: Operation): void {
    // Its owner is asked instead.
    if (this.#meanings === undefined || operation.isBorrowed) return;
    const { fd } = operation;
    const other = this.#waiting.get(fd);
    if (other?.state === 'queued') operation.meaning = other.meaning;
    else {
      operation.meaning = this.#meanings.meaningOf(fd);
      if (operation.meaning !== undefined) this.#waiting.set(fd, operation);
    }
  }

  /** Operations that wait go to the kernel now. From here to the last {@link hasChanged} of the stretch runs no code but ours. */
  beginStretch(): void {
    if (this.#waiting.size > 0) this.#waiting.clear();
    this.#meanings?.beginStretch();
  }

  /** Whether the number is another file's by now. */
  hasChanged({ fd, meaning }: Operation): boolean {
    return meaning !== undefined && !this.#meanings!.stillMeans(fd, meaning);
  }
}
