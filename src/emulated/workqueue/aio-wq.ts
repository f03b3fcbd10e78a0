/**
 * `aio_wq`: begins what was accepted, on an executor and a limited number at a time, and comes round to what was kicked.
 *
 * Contexts take turns, so that a deep queue on one does not hold up the others; within a context, requests begin in the
 * order in which they were submitted.
 */

import type { Kiocb } from '../aio/aio-kiocb.ts';
import { aio_run_iocb, aio_run_kicked_once } from '../aio/aio-run.ts';
import type { Kioctx } from '../aio/kioctx.ts';
import { type Clock, hostClock } from '../clock.ts';
import { Allowance } from './allowance.ts';
import type { Executor } from './executor.ts';

/** Requests that may run on this thread before the event loop has its turn. */
const TURN = 32;

export class WorkQueue {
  readonly executor: Executor;
  readonly #allowance: Allowance;
  #contexts: Kioctx[] = [];
  #running = 0;
  /** Of those, on files that may wait for somebody else. */
  #waiting = 0;
  /** The operation whose time is measured, one after the other. */
  #probe: Kiocb | undefined;
  #probedSinceMs = 0;
  #scheduled = false;
  #pumping = false;

  readonly #clock: Clock;
  readonly #kickDelayNs: number;

  /**
   * @param concurrency - Operations at a time.
   * @param kickDelayNs - How long what was kicked waits if nobody sleeps on its context.
   * @param burst - Operations at a time while they are short.
   */
  constructor(
    executor: Executor,
    concurrency: number,
    clock: Clock = hostClock,
    kickDelayNs = 0,
    burst = concurrency,
  ) {
    this.executor = executor;
    this.#allowance = new Allowance(concurrency, burst);
    this.#clock = clock;
    this.#kickDelayNs = kickDelayNs;
  }

  /** `aio_queue_work`: comes round to what was kicked in `ctx`, at once if somebody waits there, else after a while. */
  aio_queue_work(ctx: Kioctx): void {
    const atOnce = ctx.isAwaited || this.#kickDelayNs === 0;
    if (ctx.delayed !== undefined) {
      if (!atOnce || ctx.delayedAtOnce) return;
      ctx.delayed();
    }
    ctx.delayedAtOnce = atOnce;
    ctx.delayed = this.#clock.after(atOnce ? 0 : this.#kickDelayNs, () => this.#aio_kick_handler(ctx));
  }

  /** The work item: drains once, and comes back without delay if more came. */
  #aio_kick_handler(ctx: Kioctx): void {
    ctx.delayed = undefined;
    const more = aio_run_kicked_once(ctx);
    ctx.progressed();
    if (!more || ctx.delayed !== undefined) return;
    ctx.delayedAtOnce = true;
    ctx.delayed = this.#clock.after(0, () => this.#aio_kick_handler(ctx));
  }

  /** Operations that have begun and not ended. */
  get running(): number {
    return this.#running;
  }

  /** Begins what was accepted in `ctx` soon, and never from inside this call. */
  queue(ctx: Kioctx): void {
    if (!ctx.queued) {
      ctx.queued = true;
      this.#contexts.push(ctx);
    }
    if (this.#hasRoom) this.#scheduleSoon();
  }

  /** Begins now what would begin on the event loop, as far as the limit allows: for a thread that is about to wait. */
  begin(): void {
    if (!this.#pumping) this.#pump(Number.POSITIVE_INFINITY);
  }

  get #hasRoom(): boolean {
    return this.#allowance.hasRoom(this.#running - this.#waiting, this.#waiting);
  }

  /** Whether the next request of `ctx` may wait for ever, and as many as may do so are under way. */
  #isStalled(ctx: Kioctx): boolean {
    if (this.#allowance.hasRoomToWait(this.#waiting)) return false;
    const { first } = ctx.accepted;
    return first?.ki_filp.mayWait === true && this.#counts(first);
  }

  /** At the end of this tick: a turn of the event loop later the executor's threads have gone to sleep. */
  #scheduleSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.#pumpScheduled);
  }

  /** When others have had their turn. */
  #scheduleLater(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#pumpScheduled);
  }

  readonly #pumpScheduled = (): void => {
    this.#scheduled = false;
    this.#pump();
  };

  /** A request that was begun has ended. */
  ended(req: Kiocb): void {
    if (this.#counts(req)) {
      this.#running--;
      if (req.ki_filp.mayWait) this.#waiting--;
    }
    if (req === this.#probe) {
      this.#probe = undefined;
      this.#allowance.took(performance.now() - this.#probedSinceMs);
    }
    req.ki_ctx?.ended(req);
    if (!this.#pumping) this.#pump();
  }

  #pump(limit = TURN): void {
    this.#pumping = true;
    let turn = 0;
    let stalled: Kioctx[] | undefined;
    while (this.#hasRoom) {
      if (turn === limit) {
        this.#scheduleLater();
        break;
      }
      const ctx = this.#contexts.shift();
      if (ctx === undefined) break;
      if (this.#isStalled(ctx)) {
        stalled ??= [];
        stalled.push(ctx);
        continue;
      }
      ctx.queued = false;
      const req = ctx.accepted.shift();
      if (req === undefined) continue;
      if (!ctx.accepted.isEmpty) {
        ctx.queued = true;
        this.#contexts.push(ctx);
      }
      const before = this.#running;
      aio_run_iocb(req, this.executor);
      if (this.#running === before) turn++;
      ctx.progressed();
    }
    if (stalled !== undefined) this.#contexts = [...stalled, ...this.#contexts];
    this.#pumping = false;
  }

  /** An operation of `req` goes to the executor. */
  began(req: Kiocb): void {
    if (this.#counts(req)) {
      this.#running++;
      if (req.ki_filp.mayWait) this.#waiting++;
    }
    if (this.#allowance.isElastic && this.#probe === undefined && !req.ki_filp.mayWait) {
      this.#probe = req;
      this.#probedSinceMs = performance.now();
    }
    req.ki_ctx?.began(req);
  }

  #counts(req: Kiocb): boolean {
    return this.executor.waitsApart !== true || !req.ki_filp.mayWait;
  }
}
