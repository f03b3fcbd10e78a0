/**
 * Which writes of one file may be under way at once, through whichever handles of this thread.
 *
 * Linux keeps the page cache and direct writes apart only while nobody writes to the same piece of the cache in both ways at once: a
 * direct write throws the piece out before and after, and one that was changed meanwhile stays, with the old bytes around the change,
 * and is written back over the new ones (`mm/filemap.c`, `kiocb_invalidate_post_direct_write`; "Page cache invalidation failure on direct
 * I/O" in the kernel's log). So these two ways take turns where they meet.
 */
import { AbortListeners } from '../context/abort-listeners.ts';
import { AbortError } from '../errors.ts';
import { abortReason, isAborted } from '../intrinsics.ts';
import { hostPageBytes } from '../memory/host-page.ts';

/**
 * - `'direct'`: past the page cache, in one call.
 * - `'cached'`: through it, in one call.
 * - `'alone'`: in several calls, which nobody may come between.
 */
export type Way = 'direct' | 'cached' | 'alone';

/** A write, or what changes a file like one. */
export interface Stretch {
  readonly way: Way;
  readonly from: number;
  readonly to: number;
}

/** The pages that one piece of the page cache has at most (`MAX_XAS_ORDER`). */
const PIECE_PAGES = 2048;
/** Bytes of an entry of a page table. */
const ENTRY_BYTES = 8;

/**
 * The largest piece of the page cache: a huge page, as many pages as a page has entries (`MAX_PAGECACHE_ORDER`; 2 MiB with pages of 4 KiB,
 * observed on Linux 6.18, x86-64).
 */
function pieceBytes(): number {
  const page = hostPageBytes();
  return page * Math.min(page / ENTRY_BYTES, PIECE_PAGES);
}

interface Waiter {
  readonly stretch: Stretch;
  readonly signal: AbortSignal | undefined;
  readonly enter: () => void;
  readonly leave: (error: Error) => void;
}

function meet(one: Stretch, other: Stretch): boolean {
  if (one.way === other.way && one.way !== 'alone') return false;
  return pieceOf(one.from) < endOf(other.to) && pieceOf(other.from) < endOf(one.to);
}

function pieceOf(position: number): number {
  return Math.floor(position / pieceBytes());
}

function endOf(position: number): number {
  return Math.ceil(position / pieceBytes());
}

export class WriteOrder {
  /** The file is at least so long, as far as those who take turns here have made it. */
  knownEnd = 0;
  /** How often something has begun or ended that may make it shorter. */
  cuts = 0;
  /** How often anything has begun or ended. */
  changes = 0;
  /** How much of what cuts is under way. */
  cutting = 0;
  readonly #underWay = new Set<Stretch>();
  readonly #waiting = new Set<Waiter>();
  readonly #listeners = new AbortListeners<Waiter>((waiter) => {
    if (!this.#waiting.delete(waiter)) return;
    waiter.leave(new AbortError(abortReason(waiter.signal!)));
    // Those behind it waited for it.
    this.#admit();
  });

  /** Lets it begin if nobody is in its way, who is under way or waits; {@link end} has to follow then. */
  tryBegin(stretch: Stretch): boolean {
    if (this.#isInTheWay(stretch)) return false;
    this.#begun(stretch);
    return true;
  }

  /** Waits until it may begin, first come, first served; {@link end} has to follow. @throws AbortError when the signal fires before. */
  async begin(stretch: Stretch, signal?: AbortSignal): Promise<void> {
    if (signal !== undefined && isAborted(signal)) throw new AbortError(abortReason(signal));
    if (this.tryBegin(stretch)) return;
    await new Promise<void>((enter, leave) => {
      const waiter = { stretch, signal, enter, leave };
      this.#waiting.add(waiter);
      if (signal !== undefined) this.#listeners.add(signal, waiter);
    });
  }

  end(stretch: Stretch): void {
    this.changes++;
    this.#underWay.delete(stretch);
    if (this.#waiting.size > 0) this.#admit();
  }

  #begun(stretch: Stretch): void {
    this.changes++;
    this.#underWay.add(stretch);
  }

  #isInTheWay(stretch: Stretch): boolean {
    for (const one of this.#underWay) if (meet(one, stretch)) return true;
    for (const { stretch: one } of this.#waiting) if (meet(one, stretch)) return true;
    return false;
  }

  /** Takes the place for those who may go on, so that nobody slips in before they run. */
  #admit(): void {
    const passed: Stretch[] = [];
    for (const waiter of this.#waiting) {
      const { stretch, signal, enter } = waiter;
      if (passed.some((one) => meet(one, stretch)) || this.#meetsUnderWay(stretch)) {
        passed.push(stretch);
        continue;
      }
      this.#waiting.delete(waiter);
      if (signal !== undefined) this.#listeners.delete(signal, waiter);
      this.#begun(stretch);
      enter();
    }
  }

  #meetsUnderWay(stretch: Stretch): boolean {
    for (const one of this.#underWay) if (meet(one, stretch)) return true;
    return false;
  }
}
