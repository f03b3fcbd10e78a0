/** Who wants to know that a file became ready. */

import { EIOCBRETRY } from '../kernel-errno.ts';
import type { Kiocb } from './kiocb.ts';

/**
 * Called on a wake-up, with the poll bits of what happened; 0 if the waker does not tell.
 *
 * @returns Whether it is done and leaves the queue.
 */
export type WakeFunction = (key: number) => boolean;

export class WaitQueue {
  readonly #entries = new Set<WakeFunction>();
  /** Those who want what only one of them can have, oldest first: a wake-up is for one (WQ_FLAG_EXCLUSIVE). */
  readonly #inLine = new Set<WakeFunction>();
  readonly #pending: number[] = [];
  #waking = false;

  add(entry: WakeFunction): void {
    this.#entries.add(entry);
  }

  addInLine(entry: WakeFunction): void {
    this.#inLine.add(entry);
  }

  remove(entry: WakeFunction): void {
    this.#entries.delete(entry);
    this.#inLine.delete(entry);
  }

  /**
   * Wakes with the poll bits of what happened, newest entry first, as new entries go to the head of a kernel's queue. Of those
   * in line the first is woken.
   *
   * A wake-up from inside a wake-up comes after it: an entry that signals this same file would recurse without bound.
   */
  wake(key: number): void {
    this.#wakeEntries(key);
    this.wakeNext(key);
  }

  /** Wakes everybody, also all in line: what has changed concerns each of them. */
  wakeAll(key: number): void {
    this.#wakeEntries(key);
    for (const entry of [...this.#inLine]) if (this.#inLine.delete(entry)) entry(key);
  }

  /** Wakes the first in line alone. */
  wakeNext(key: number): void {
    const [first] = this.#inLine;
    if (first === undefined) return;
    this.#inLine.delete(first);
    first(key);
  }

  #wakeEntries(key: number): void {
    if (this.#entries.size === 0) return;
    this.#pending.push(key);
    if (this.#waking) return;
    this.#waking = true;
    for (let now = this.#pending.shift(); now !== undefined; now = this.#pending.shift()) {
      // No copy for the ordinary case, which is a single watcher.
      const entries = this.#entries.size === 1 ? this.#entries : [...this.#entries].reverse();
      for (const entry of entries) {
        if (this.#entries.has(entry) && entry(now)) this.#entries.delete(entry);
      }
    }
    this.#waking = false;
  }
}

/** How a waiting request is called off: it leaves its wait queue when it ends, which is now. */
const aio_wait_cancel = (): number => 0;

/**
 * Puts a request into a wait queue: the next wake-up takes it off again and kicks it (`aio_wake_function`).
 *
 * @returns What the file's method has to answer: call me again.
 */
export function prepare_to_wait(req: Kiocb, queue: WaitQueue): number {
  req.ki_wait?.();
  const aio_wake_function: WakeFunction = () => {
    req.ki_wait = undefined;
    req.kick();
    return true;
  };
  queue.add(aio_wake_function);
  const ki_wait = (): void => queue.remove(aio_wake_function);
  req.ki_wait = ki_wait;
  req.ki_cancel ??= aio_wait_cancel;
  return -EIOCBRETRY;
}

/** Requests that were woken in line and do not wait again. */
const woken = new WeakSet<Kiocb>();

/**
 * As {@link prepare_to_wait}, in line: of several, a wake-up kicks the one that has waited longest
 * (`wait_event_interruptible_exclusive`). One that then finds nothing goes to the end of the line.
 *
 * @param isReady - Whether there is something to be had. If there is when a request ends that was woken, because it left some or was
 * called off, the next is woken.
 */
export function prepare_to_wait_exclusive(req: Kiocb, queue: WaitQueue, isReady: () => boolean): number {
  if (woken.delete(req)) req.ki_wait = undefined;
  req.ki_wait?.();
  const aio_wake_function: WakeFunction = () => {
    woken.add(req);
    const ki_wait = (): void => {
      if (isReady()) queue.wakeNext(0);
    };
    req.ki_wait = ki_wait;
    req.kick();
    return true;
  };
  queue.addInLine(aio_wake_function);
  const ki_wait = (): void => queue.remove(aio_wake_function);
  req.ki_wait = ki_wait;
  req.ki_cancel ??= aio_wait_cancel;
  return -EIOCBRETRY;
}
