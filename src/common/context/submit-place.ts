/** Where `io_submit` of one context is called: on this thread, or on threads of its own. */
import { availableParallelism } from 'node:os';
import type { Address, AioContextId, AioKernel } from '../kernel/aio-kernel.ts';
import type { IocbSlab } from './iocb-slab.ts';
import { SubmitCrew } from './submit-crew.ts';
import { SubmitPolicy } from './submit-policy.ts';

/** Number of threads; `true` is one. `'auto'`: several, while that pays. */
export type SubmitThreadChoice = boolean | number | 'auto';

/** With `'auto'`: as many as copy at the same time, and not all CPUs of a large machine. */
const MOST_AUTOMATIC = 4;

export class SubmitPlace {
  readonly #kernel: AioKernel;
  readonly #ctx: AioContextId;
  readonly #slab: IocbSlab;
  #crew: SubmitCrew | undefined;
  #policy: SubmitPolicy | undefined;

  /** @throws Error if threads are wanted and none can be started. */
  constructor(kernel: AioKernel, ctx: AioContextId, slab: IocbSlab, choice: SubmitThreadChoice) {
    this.#kernel = kernel;
    this.#ctx = ctx;
    this.#slab = slab;
    if (choice === 'auto') {
      if (kernel.submitThread !== undefined) this.#policy = new SubmitPolicy();
    } else if (choice !== false) this.#crew = this.#start(Number(choice));
  }

  /** Threads that have been started. */
  get threads(): number {
    return this.#crew?.threads ?? 0;
  }

  /** Whether the threads have all that they can take: the next batch waits. */
  get isFull(): boolean {
    return this.#crew?.isFull === true && this.#policy?.isElsewhere !== false;
  }

  /** The threads that make the calls for what is queued, if it is not this one. */
  crewForNext(): SubmitCrew | undefined {
    if (this.#policy === undefined) return this.#crew;
    if (!this.#policy.goesElsewhere()) return undefined;
    this.#crew ??= this.#startOrWarn();
    // Nobody to hand over to: no use in measuring any further.
    if (this.#crew === undefined) this.#policy = undefined;
    return this.#crew;
  }

  /** Milliseconds that the latest call on this thread took. */
  get tookMs(): number {
    return this.#tookMs;
  }
  #tookMs = 0;

  /** The call on this thread. */
  io_submit(nr: number, iocbpp: Address): number {
    const startedMs = performance.now();
    const answer = this.#kernel.io_submit(this.#ctx, nr, iocbpp);
    this.#tookMs = performance.now() - startedMs;
    this.#policy?.tookHere(this.#tookMs);
    return answer;
  }

  /** Resolves when the threads have ended. */
  async close(): Promise<void> {
    await this.#crew?.close();
  }

  #start(threads: number): SubmitCrew | undefined {
    const { memory } = this.#kernel;
    const crew = new SubmitCrew(() => this.#kernel.submitThread?.(this.#ctx), threads, memory, this.#slab);
    return crew.threads === 0 ? undefined : crew;
  }

  #startOrWarn(): SubmitCrew | undefined {
    try {
      return this.#start(Math.min(MOST_AUTOMATIC, availableParallelism()));
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error));
      return undefined;
    }
  }
}
