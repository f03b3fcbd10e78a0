/** The locks of a machine: flock(2), and the ranges of fcntl(2). They are in memory: no crash leaves any. */
import { ERRNO } from '../../common/abi/errno.ts';
import type { Inode } from './inode.ts';

/** Who else may have a lock meanwhile: others that are shared, or nobody; or that it is given up. */
export type LockKind = 'shared' | 'exclusive' | 'unlock';

/** A lock of a range; `to` is the first byte that it does not have. */
export interface RangeLock {
  readonly kind: 'shared' | 'exclusive';
  readonly from: number;
  readonly to: number;
  /** A process, or an open file. */
  readonly owner: object;
}

interface Locks {
  readonly flocks: Map<object, 'shared' | 'exclusive'>;
  ranges: RangeLock[];
}

/** Somebody who waits for a lock. */
interface Waiter {
  readonly owner: object;
  /** Whose end ends the waiting. */
  readonly process: object;
  /** @returns The owners that stand in the way. None: it is done. */
  readonly attempt: () => readonly object[];
  readonly done: (result: number) => void;
}

const GONE = -ERRNO.ENODEV;

export class LockTable {
  readonly #locks = new Map<Inode, Locks>();
  readonly #waiting = new Set<Waiter>();
  #isRetrying = false;
  /** Whether locks have changed since those who wait were asked. */
  #isStale = false;

  /**
   * As flock(2): a lock of the open file. To change its kind is to give it up first, so it may be gone when another is in the way.
   *
   * @returns The owners that stand in the way.
   */
  flock(inode: Inode, owner: object, kind: LockKind): readonly object[] {
    const { flocks } = this.#of(inode);
    if (flocks.get(owner) === kind) return [];
    const had = flocks.delete(owner);
    const others = [...flocks].filter(
      ([, held]) => kind === 'exclusive' || (kind === 'shared' && held === 'exclusive'),
    );
    if (kind !== 'unlock' && others.length === 0) flocks.set(owner, kind);
    if (had) this.#retry();
    return others.map(([other]) => other);
  }

  /**
   * As F_SETLK and F_OFD_SETLK: a range comes to have one kind of lock of this owner, or none.
   *
   * @returns The owners that stand in the way; then nothing has changed.
   */
  lock(inode: Inode, owner: object, kind: LockKind, from: number, to: number): readonly object[] {
    const locks = this.#of(inode);
    if (kind !== 'unlock') {
      const others = this.#inTheWay(inode, owner, kind, from, to);
      if (others.length > 0) return others.map((other) => other.owner);
    }
    locks.ranges = locks.ranges.flatMap((one) => {
      if (one.owner !== owner || one.to <= from || to <= one.from) return [one];
      const before = one.from < from ? [{ ...one, to: from }] : [];
      return one.to > to ? [...before, { ...one, from: to }] : before;
    });
    if (kind !== 'unlock') locks.ranges.push({ kind, from, to, owner });
    this.#retry();
    return [];
  }

  /** As F_GETLK: a lock that stands in the way, the first of the file. */
  test(
    inode: Inode,
    owner: object,
    kind: 'shared' | 'exclusive',
    from: number,
    to: number,
  ): RangeLock | undefined {
    return this.#inTheWay(inode, owner, kind, from, to).sort((one, other) => one.from - other.from)[0];
  }

  /**
   * Attempts until nobody is in the way.
   *
   * @param done - Called with 0; -EDEADLK where a process would wait for itself, as the kernel finds out for its locks only; -ENODEV when the process is gone.
   */
  wait(waiter: Waiter): void {
    const others = waiter.attempt();
    if (others.length === 0) waiter.done(0);
    else if (waiter.owner === waiter.process && this.#leadsTo(waiter.owner, others, new Set()))
      waiter.done(-ERRNO.EDEADLK);
    else this.#waiting.add(waiter);
  }

  /** An open file is closed: its locks go, and with any of its files all that a process has on the ranges of that one. */
  closed(inode: Inode, file: object, process: object): void {
    const locks = this.#locks.get(inode);
    if (locks === undefined) return;
    locks.flocks.delete(file);
    locks.ranges = locks.ranges.filter(({ owner }) => owner !== file && owner !== process);
    if (locks.flocks.size + locks.ranges.length === 0) this.#locks.delete(inode);
    this.#retry();
  }

  /** A process is gone. Its files are closed apart from this. */
  ended(process: object): void {
    for (const waiter of [...this.#waiting]) {
      if (waiter.process !== process) continue;
      this.#waiting.delete(waiter);
      waiter.done(GONE);
    }
  }

  /** The machine is gone. */
  clear(): void {
    this.#locks.clear();
    for (const { done } of [...this.#waiting]) done(GONE);
    this.#waiting.clear();
  }

  #of(inode: Inode): Locks {
    let locks = this.#locks.get(inode);
    if (locks === undefined) {
      locks = { flocks: new Map(), ranges: [] };
      this.#locks.set(inode, locks);
    }
    return locks;
  }

  #inTheWay(inode: Inode, owner: object, kind: LockKind, from: number, to: number): RangeLock[] {
    return (this.#locks.get(inode)?.ranges ?? []).filter(
      (one) =>
        one.owner !== owner &&
        one.from < to &&
        from < one.to &&
        (kind === 'exclusive' || one.kind === 'exclusive'),
    );
  }

  /** First come, first served, as far as the locks allow. What an attempt changes is looked at after it. */
  #retry(): void {
    this.#isStale = true;
    if (this.#isRetrying) return;
    this.#isRetrying = true;
    while (this.#isStale) {
      this.#isStale = false;
      for (const waiter of [...this.#waiting]) {
        if (!this.#waiting.has(waiter) || waiter.attempt().length > 0) continue;
        this.#waiting.delete(waiter);
        waiter.done(0);
      }
    }
    this.#isRetrying = false;
  }

  /** Whether those wait, by way of others, for this owner. */
  #leadsTo(owner: object, others: readonly object[], seen: Set<object>): boolean {
    for (const other of others) {
      if (other === owner) return true;
      if (seen.has(other)) continue;
      seen.add(other);
      for (const waiter of this.#waiting) {
        if (waiter.owner === other && this.#leadsTo(owner, waiter.attempt(), seen)) return true;
      }
    }
    return false;
  }
}
