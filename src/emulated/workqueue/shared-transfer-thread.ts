/** The transfer thread that all kernels of a thread share: when it is started, and what is done when it can't be. */
import { debugLog } from '../../common/debug.ts';
import { IDLE_MS, LOOKOUT_MS, type Making, TransferThread } from './transfer-thread.ts';

/** So many fit for it start the thread, which takes some 20 ms and some megabytes. */
export const START_AT = 512;

type Start = (whenEnded: (failure: Error | undefined) => void, making: Making) => TransferThread;

export class SharedTransferThread {
  /** Of those that are started from now on. */
  making: Making = {};
  readonly #start: Start;
  readonly #nowMs: () => number;
  #thread: TransferThread | undefined;
  #startAt = START_AT;
  #wanted = 0;
  #sinceMs = 0;

  constructor(start: Start, nowMs = () => performance.now()) {
    this.#start = start;
    this.#nowMs = nowMs;
  }

  /** Whether it has few at once, too: what they end is found by who looks for it. */
  get servesFew(): boolean {
    const { lookoutMs = LOOKOUT_MS } = this.making;
    return lookoutMs > 0;
  }

  /** The thread, if there is one. To be asked once for each transfer that is fit for it. */
  get(): TransferThread | undefined {
    if (this.#thread !== undefined) return this.#thread;
    if (this.#wanted++ === 0) this.#sinceMs = this.#nowMs();
    if (this.#wanted < this.#startAt) return undefined;
    this.#wanted = 0;
    // They come so seldom that it would be idle as soon as it has started.
    const { idleMs = IDLE_MS } = this.making;
    if (this.#nowMs() - this.#sinceMs > (idleMs * this.#startAt) / START_AT) return undefined;
    try {
      this.#thread = this.#start((failure) => {
        this.#thread = undefined;
        if (failure !== undefined) this.#failed(failure);
      }, this.making);
    } catch (error) {
      this.#failed(error as Error);
    }
    return this.#thread;
  }

  /**
   * The permission model forbids threads, or something in there forbids it to run, or there is no memory for it now, or no thread to be had: nobody
   * can tell which of these pass. So it is tried again, each time after twice as many transfers, which the pool does.
   */
  #failed(failure: Error): void {
    this.#startAt *= 2;
    const log = debugLog();
    // It is written by what a program may have replaced, and there are transfers half begun.
    if (log !== undefined)
      process.nextTick(log, 'short transfers go to the thread pool: %s', failure.message);
  }
}

/** Only Node's descriptors are known to be the same in each thread. */
const isPossible = !('bun' in process.versions || 'deno' in process.versions);
const shared = new SharedTransferThread((...how) => new TransferThread(...how));

/**
 * The one of this thread, if there is one. To be asked once for each transfer that is fit for it: after some it is started.
 *
 * @param isOfFew - Whether few are under way.
 */
export function transferThread(isOfFew: boolean): TransferThread | undefined {
  return isPossible && (!isOfFew || shared.servesFew) ? shared.get() : undefined;
}

/** For tests: with limits that no busy machine comes near, what they see hangs on no clock. */
export function makeTransferThreadsWith(making: Making): void {
  shared.making = making;
}
