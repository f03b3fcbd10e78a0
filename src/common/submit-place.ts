/** Where `io_submit` of one context is called: on this thread, or on one of its own. */
import type { Address, AioContextId, AioKernel, SubmitThread } from './kernel.ts';
import { SubmitPolicy } from './submit-policy.ts';

/** `'auto'`: on a thread of its own while that pays. */
export type SubmitThreadChoice = boolean | 'auto';

export class SubmitPlace {
  readonly #kernel: AioKernel;
  readonly #ctx: AioContextId;
  #thread: SubmitThread | undefined;
  #policy: SubmitPolicy | undefined;

  /** @throws Error if a thread is wanted and cannot be started. */
  constructor(kernel: AioKernel, ctx: AioContextId, choice: SubmitThreadChoice) {
    this.#kernel = kernel;
    this.#ctx = ctx;
    if (choice === true) this.#thread = kernel.submitThread?.(ctx);
    else if (choice === 'auto' && kernel.submitThread !== undefined) this.#policy = new SubmitPolicy();
  }

  /** Whether a thread has been started. */
  get hasThread(): boolean {
    return this.#thread !== undefined;
  }

  /** The thread that makes the calls of the next batch, if it is not this one. */
  threadForBatch(): SubmitThread | undefined {
    if (this.#policy === undefined) return this.#thread;
    if (!this.#policy.goesElsewhere()) return undefined;
    this.#thread ??= this.#start();
    // Nobody to hand over to: no use in measuring any further.
    if (this.#thread === undefined) this.#policy = undefined;
    return this.#thread;
  }

  /** The call on this thread. */
  io_submit(nr: number, iocbpp: Address): number {
    if (this.#policy === undefined) return this.#kernel.io_submit(this.#ctx, nr, iocbpp);
    const startedMs = performance.now();
    const answer = this.#kernel.io_submit(this.#ctx, nr, iocbpp);
    this.#policy.tookHere(performance.now() - startedMs);
    return answer;
  }

  /** Resolves when the thread has ended. */
  async close(): Promise<void> {
    await this.#thread?.close();
  }

  #start(): SubmitThread | undefined {
    try {
      return this.#kernel.submitThread?.(this.#ctx);
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error));
      return undefined;
    }
  }
}
