/**
 * Short writes through the page cache, many at once, by `io_submit` on a thread of its own.
 *
 * Linux carries them out inside the call, mostly under the inode's lock, so that one thread takes no longer than the four of the pool,
 * which wait for each other; and a batch is handed over at once, where each write for the pool wakes a thread and is answered by itself.
 */
import { AioContext } from '../context/aio-context.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import { blocksInSubmit } from './routing.ts';

/** They wait for one another: when one of them meets a file system that does not answer, no more than so many do. */
const QUEUE_DEPTH = 64;
/** Copying more is most of the work, which the pool does on several CPUs. */
export const SHORT_WRITE_BYTES = 64 << 10;
/** So many that were not alone: a thread pays then, and gets those that are alone, too. Until then the pool does. */
const WORTH_IT_AFTER = 64;
/** When nothing has ended for so long, the thread waits for a device, and what comes goes elsewhere. */
const STUCK_MS = 50;

/** By the context whose files write. */
const threads = new WeakMap<AioContext, WriteThread>();

/** The thread of one context, with a kernel context of its own beside it; it begins when it pays and ends with the other. */
export class WriteThread {
  readonly #owner: AioContext;
  readonly #mayBegin: boolean;
  #context: AioContext | undefined;
  #asked = 0;
  #completed = 0;
  #sinceMs = 0;

  static of(owner: AioContext): WriteThread {
    let thread = threads.get(owner);
    if (thread === undefined) {
      thread = new WriteThread(owner);
      threads.set(owner, thread);
    }
    return thread;
  }

  private constructor(owner: AioContext) {
    this.#owner = owner;
    this.#mayBegin = canRunAside(owner.kernel);
  }

  /**
   * Decides for one short write.
   *
   * @param isOneOfMany - Something else of its file is under way.
   * @returns The context that is to have it; `undefined` where the thread pool is.
   */
  take(isOneOfMany: boolean): AioContext | undefined {
    const context = this.#context;
    if (context !== undefined) return context.isClosed || this.#isBusy(context) ? undefined : context;
    // Not now: subscribers are told of a new context, and may do what they like with the memory of the write.
    if (isOneOfMany && this.#mayBegin && ++this.#asked === WORTH_IT_AFTER) setImmediate(() => this.#begin());
    return undefined;
  }

  #isBusy(context: AioContext): boolean {
    const { inFlight, queued, completed } = context;
    if (inFlight + queued >= QUEUE_DEPTH) return true;
    const nowMs = performance.now();
    if (inFlight + queued > 0 && completed === this.#completed) return nowMs - this.#sinceMs > STUCK_MS;
    this.#completed = completed;
    this.#sinceMs = nowMs;
    return false;
  }

  #begin(): void {
    const { kernel, isClosed } = this.#owner;
    if (isClosed) return;
    let context: AioContext;
    try {
      context = new AioContext({ kernel, queueDepth: QUEUE_DEPTH, submitThread: true, busyPoll: false });
    } catch {
      // No room in the kernel, or no thread to be had: the pool goes on.
      return;
    }
    this.#owner.closesWith(context);
    // On this thread the calls would hold the event loop.
    if (context.submitThreads > 0) this.#context = context;
    else context.close().catch((error: unknown) => process.emitWarning(error as Error));
  }
}

/** Whether requests that run inside `io_submit` can be submitted elsewhere than on the event loop's thread. */
function canRunAside(kernel: AioKernel): boolean {
  return kernel.submitThread !== undefined && kernel.files === undefined && blocksInSubmit(kernel);
}
