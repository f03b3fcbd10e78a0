/** What a sync makes durable, by the model of the file system, and what one that fails leaves open. */
import { ERRNO } from '../../common/abi/errno.ts';
import type { Change, Inode } from './inode.ts';
import { catchUp, commit, isJournalled } from './journal.ts';
import type { Model } from './models.ts';
import type { Namespace } from './namespace.ts';
import { orderNow } from './order.ts';
import type { Random } from './random.ts';
import type { Trace } from './trace.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** What decides how far a sync goes. */
export interface DurabilityOptions {
  readonly strictNames: boolean;
  readonly model: Model;
}

export class Durability {
  readonly #names: Namespace;
  readonly #clock: VirtualClock;
  readonly #options: DurabilityOptions;
  readonly #luck: Random;
  readonly #trace: Trace;

  constructor(names: Namespace, clock: VirtualClock, options: DurabilityOptions, luck: Random, trace: Trace) {
    this.#names = names;
    this.#clock = clock;
    this.#options = options;
    this.#luck = luck;
    this.#trace = trace;
  }

  /** Makes a directory durable, and what is pending in it; with all before that where metadata are ordered. */
  settleNames(directory: Inode): void {
    const settled =
      this.#options.model.metadata === 'ordered'
        ? commit(this.#names, orderNow())
        : this.#names.harden(this.#names.covered(directory, false));
    this.#trace.covered(undefined, settled);
  }

  /**
   * What makes durable what has happened until now, when it is called.
   *
   * @param id - Of the sync, or of the write that is one.
   */
  hardening(id: number, inode: Inode, changes: readonly Change[], datasync: boolean): () => void {
    const { model, strictNames } = this.#options;
    const names = this.#names;
    if (model.metadata === 'apart') {
      const covered = names.covered(inode, strictNames);
      return () => this.#trace.covered(id, [...names.harden(covered), ...inode.harden(changes)]);
    }
    const upTo = orderNow();
    return () => {
      this.#trace.covered(undefined, catchUp(names, model, this.#clock.nowNs()));
      const isJournal = isJournalled(names, inode, changes, datasync);
      this.#trace.covered(id, [...inode.harden(changes), ...(isJournal ? commit(names, upTo) : [])]);
    };
  }

  /**
   * As Linux has it, a change that an fsync failed to write is not tried again: a later fsync that succeeds says nothing
   * about it. Which of them have reached the disk all the same is open.
   */
  failSync(id: number, inode: Inode, changes: readonly Change[]): number {
    for (const change of changes) {
      // A journal keeps what it has.
      if (change.kind !== 'write' && this.#options.model.metadata === 'ordered') continue;
      if (this.#luck.chance(0.5)) {
        this.#trace.covered(id, inode.harden([change]));
        continue;
      }
      this.#trace.gaveUp(id, change.id);
      inode.abandon([change]);
    }
    return -ERRNO.EIO;
  }
}
