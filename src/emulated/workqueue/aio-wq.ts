/**
 * `aio_wq`: begins what was accepted, on an executor and a limited number at a time, and comes round to what was kicked.
 *
 * Contexts take turns, so that a deep queue on one does not hold up the others; within a context, requests begin in the
 * order in which they were submitted.
 */

import { type Clock, hostClock } from '../clock.ts';
import { Allowance } from './allowance.ts';
import type { Executor } from './executor.ts';
import { inline } from './inline.ts';
import type { RunList } from './run-list.ts';

/** Requests that may run on this thread before the event loop has its turn. */
const TURN = 32;

/** What the work queue knows of a request. */
export interface WorkRequest {
  ki_next: WorkRequest | undefined;
  readonly ki_ctx: WorkContext | undefined;
  /** Its file may have to wait for somebody else, for ever perhaps. */
  readonly ki_filp: { readonly mayWait: boolean };
  /** Runs once, on `executor`. Preconditions: it is on no list and does not run. */
  run(executor: Executor): void;
}

/** What the work queue knows of a context. */
export interface WorkContext {
  /** Kicked, and not run since. */
  readonly run_list: RunList<WorkRequest>;
  /** Accepted, and not run yet. */
  readonly accepted: RunList<WorkRequest>;
  /** Somebody sleeps until something ends. */
  readonly isAwaited: boolean;
  /** Waits for its turn. */
  queued: boolean;
  /** Calls off the work item that will drain the run list. */
  delayed: (() => void) | undefined;
  /** Whether it comes without delay. */
  delayedAtOnce: boolean;
  /** An operation of `req` was begun, and goes on in the background. */
  began(req: WorkRequest): void;
  ended(req: WorkRequest): void;
  /** A request left the run list, or an operation ended. */
  progressed(): void;
}

/** `__aio_run_iocbs`: takes the whole run list and runs each once. @returns Whether more has arrived meanwhile. */
export function aio_run_kicked_once(ctx: Pick<WorkContext, 'run_list'>): boolean {
  const { last } = ctx.run_list;
  for (let req = ctx.run_list.shift(); req !== undefined; req = ctx.run_list.shift()) {
    req.run(inline);
    if (req === last) break;
  }
  return !ctx.run_list.isEmpty;
}

export class WorkQueue {
  readonly executor: Executor;
  readonly #allowance: Allowance;
  #contexts: WorkContext[] = [];
  #running = 0;
  /** Of those, on files that may wait for somebody else. */
  #waiting = 0;
  /** The operation whose time is measured, one after the other. */
  #probe: object | undefined;
  #probedSinceMs = 0;
  #scheduled = false;
  #pumping = false;
  /** They waited for others, which have ended; and have had no place yet. */
  readonly #ready: { readonly req: WorkRequest; readonly begin: () => void }[] = [];
  /** Called when there may be room for operations that are in no context's queue. */
  onRoom: (() => void) | undefined;

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
  aio_queue_work(ctx: WorkContext): void {
    const atOnce = ctx.isAwaited || this.#kickDelayNs === 0;
    if (ctx.delayed !== undefined) {
      if (!atOnce || ctx.delayedAtOnce) return;
      ctx.delayed();
    }
    ctx.delayedAtOnce = atOnce;
    ctx.delayed = this.#clock.after(atOnce ? 0 : this.#kickDelayNs, () => this.#aio_kick_handler(ctx));
  }

  /** The work item: drains once, and comes back without delay if more came. */
  #aio_kick_handler(ctx: WorkContext): void {
    ctx.delayed = undefined;
    const more = aio_run_kicked_once(ctx);
    ctx.progressed();
    if (!more) return;
    // What came while it drained has asked for a later round, which need not be waited for.
    const later = ctx.delayed as (() => void) | undefined;
    if (later !== undefined && ctx.delayedAtOnce) return;
    later?.();
    ctx.delayedAtOnce = true;
    ctx.delayed = this.#clock.after(0, () => this.#aio_kick_handler(ctx));
  }

  /** Operations that have begun and not ended. */
  get running(): number {
    return this.#running;
  }

  /** Begins what was accepted in `ctx` soon, and never from inside this call. */
  queue(ctx: WorkContext): void {
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

  /** Whether an operation that is in no context's queue may begin. */
  get hasPlace(): boolean {
    return !this.#pumping && this.#contexts.length === 0 && this.#ready.length === 0 && this.#hasRoom;
  }

  /**
   * Takes a place for an operation on a file with places, before what waits in contexts; {@link leavePlace} has to follow.
   *
   * @returns Whether there was one.
   */
  takePlace(operation: object): boolean {
    if (!this.#hasRoom) return false;
    this.#running++;
    this.#measure(operation);
    return true;
  }

  /** It has ended, and has moved so many bytes. {@link goOn} has to follow. */
  leavePlace(operation: object, bytes: number): void {
    this.#running--;
    this.#measured(operation, bytes);
  }

  /** Begins what waits in contexts as far as there is room, then what waits elsewhere. */
  goOn(): void {
    this.#beginReady();
    if (this.#contexts.length === 0) this.onRoom?.();
    else if (!this.#pumping) this.#pump();
  }

  get #hasRoom(): boolean {
    return this.#allowance.hasRoom(this.#running - this.#waiting, this.#waiting);
  }

  /** Whether the next request of `ctx` may wait for ever, and as many as may do so are under way. */
  #isStalled(ctx: WorkContext): boolean {
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
  ended(req: WorkRequest): void {
    if (this.#counts(req)) {
      this.#running--;
      if (req.ki_filp.mayWait) this.#waiting--;
    }
    this.#measured(req);
    req.ki_ctx?.ended(req);
    if (!this.#pumping) this.#pump();
  }

  #pump(limit = TURN): void {
    this.#pumping = true;
    this.#beginReady();
    let turn = 0;
    let stalled: WorkContext[] | undefined;
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
      req.run(this.executor);
      if (this.#running === before) turn++;
      ctx.progressed();
    }
    if (stalled !== undefined) this.#contexts = [...stalled, ...this.#contexts];
    this.#pumping = false;
    if (this.onRoom !== undefined && this.#hasRoom) this.onRoom();
  }

  /** An operation of `req` goes to the executor. */
  began(req: WorkRequest): void {
    this.#took(req);
    req.ki_ctx?.began(req);
  }

  /** As {@link began}, of one that waits for others. It has no place, which those may need: {@link isReady} has to follow. */
  heldBack(req: WorkRequest): void {
    req.ki_ctx?.began(req);
  }

  /** What it was held back for has ended: it begins when there is a place. */
  isReady(req: WorkRequest, begin: () => void): void {
    this.#ready.push({ req, begin });
    this.#beginReady();
  }

  #beginReady(): void {
    while (this.#ready.length > 0 && this.#hasRoom) {
      const { req, begin } = this.#ready.shift()!;
      this.#took(req);
      begin();
    }
  }

  #took(req: WorkRequest): void {
    if (this.#counts(req)) {
      this.#running++;
      if (req.ki_filp.mayWait) this.#waiting++;
    }
    if (!req.ki_filp.mayWait) this.#measure(req);
  }

  #measure(operation: object): void {
    if (this.#probe !== undefined || !this.#allowance.isElastic) return;
    this.#probe = operation;
    this.#probedSinceMs = performance.now();
  }

  #measured(operation: object, bytes = 0): void {
    if (operation !== this.#probe) return;
    this.#probe = undefined;
    this.#allowance.took(performance.now() - this.#probedSinceMs, bytes);
  }

  #counts(req: WorkRequest): boolean {
    return this.executor.waitsApart !== true || !req.ki_filp.mayWait;
  }
}
