/** Coalescing as it must not be: whoever asks while a sync is under way is served by that one. */
import type { SyncOperation } from '../../src/common/file/file-syncs.ts';

export class JoiningSyncs {
  readonly #make: (operation: SyncOperation) => Promise<void>;
  #underWay: Promise<void> | undefined;

  constructor(make: (operation: SyncOperation) => Promise<void>) {
    this.#make = make;
  }

  sync(operation: SyncOperation): Promise<void> {
    this.#underWay ??= this.#make(operation).finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }
}
