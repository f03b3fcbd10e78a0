/**
 * `aio_wq`: hands requests from the contexts' run lists to an executor, a limited number at a time.
 *
 * Contexts take turns, so that a deep queue on one does not hold up the others; within a context, requests begin in the
 * order in which they were submitted.
 */
import { aio_run_iocb } from '../aio-run.ts';
import type { Kiocb } from '../kiocb.ts';
import type { Kioctx } from '../kioctx.ts';
import type { Executor } from './executor.ts';

/** Requests that may run on this thread before the event loop has its turn. */
const TURN = 32;

export class WorkQueue {
  readonly executor: Executor;
  readonly #concurrency: number;
  readonly #contexts: Kioctx[] = [];
  #running = 0;
  #scheduled = false;
  #pumping = false;

  constructor(executor: Executor, concurrency: number) {
    this.executor = executor;
    this.#concurrency = Math.max(1, concurrency);
  }

  /** Operations that have begun and not ended. */
  get running(): number {
    return this.#running;
  }

  /** `aio_queue_work`: comes round to the run list of `ctx` soon, and never from inside this call. */
  queue(ctx: Kioctx): void {
    if (!ctx.queued) {
      ctx.queued = true;
      this.#contexts.push(ctx);
    }
    if (this.#running < this.#concurrency) this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  /** A request that was begun has ended. */
  ended(req: Kiocb): void {
    this.#running--;
    req.ki_ctx.ended(req);
    if (!this.#pumping) this.#pump();
  }

  #pump(): void {
    this.#pumping = true;
    let turn = 0;
    while (this.#running < this.#concurrency) {
      if (turn === TURN) {
        this.#schedule();
        break;
      }
      const ctx = this.#contexts.shift();
      if (ctx === undefined) break;
      ctx.queued = false;
      const req = ctx.run_list.shift();
      if (req === undefined) continue;
      if (!ctx.run_list.isEmpty) {
        ctx.queued = true;
        this.#contexts.push(ctx);
      }
      const before = this.#running;
      aio_run_iocb(req, this.executor);
      if (this.#running === before) turn++;
      ctx.progressed();
    }
    this.#pumping = false;
  }

  /** An operation of `req` goes to the executor. */
  began(req: Kiocb): void {
    this.#running++;
    req.ki_ctx.began(req);
  }
}
