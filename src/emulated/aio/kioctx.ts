/** One context. */
import type { MappedRing } from '../../common/kernel/mapped-ring.ts';
import { BUG_ON } from '../bug.ts';
import { PROFILES, type Profile } from '../profiles.ts';
import type { WorkContext, WorkQueue, WorkRequest } from '../workqueue/aio-wq.ts';
import { RunList } from '../workqueue/run-list.ts';
import type { AioRingInfo } from './aio-ring.ts';
import { ActiveRequests, PerCpuSlots, type Slots } from './slots.ts';

/** What a context takes from its kernel. */
export interface KioctxOptions {
  readonly profile?: Profile;
  /** Comes round to the run list. */
  readonly work?: WorkQueue;
  /** Makes the kernel's assertions about itself. */
  readonly debug?: boolean;
}

/** What a context keeps account of in its requests. */
interface Accounted extends WorkRequest {
  /** Operations begun for it and not ended. */
  ki_begun: number;
  readonly ki_cut: boolean;
}

export class Kioctx<R extends Accounted & { ki_next: R | undefined }> implements WorkContext {
  /** The handle: the address of the ring. */
  readonly user_id: number;
  /** What `io_setup` was asked for, and what the budget was charged. */
  readonly max_reqs: number;
  readonly ring: AioRingInfo;
  readonly slots: Slots;
  readonly profile: Profile;
  readonly debug: boolean;
  /** Who has the context in hand: the table, and the calls on it that go on. */
  users = 1;
  /** Kicked, and not run since. */
  readonly run_list = new RunList<R>();
  /** Accepted, and not run yet. */
  readonly accepted = new RunList<R>();
  /** Requests that can be cancelled or wait for a kick, oldest first. */
  readonly active_reqs = new Set<R>();
  /** Requests that are not gone yet. */
  reqs_active = 0;
  /** Those of them whose operation was given up. */
  reqs_cut = 0;
  /** Rings handed out to read from. */
  readonly readers: MappedRing[] = [];
  dead = false;
  /** Waits for its turn in the work queue. */
  queued = false;
  /** Calls off the work item that will drain the run list. */
  delayed: (() => void) | undefined;
  /** Whether it comes without delay. */
  delayedAtOnce = false;
  readonly #work: WorkQueue | undefined;
  readonly #running = new Set<R>();
  #whenIdle: (() => void) | undefined;

  constructor(
    user_id: number,
    max_reqs: number,
    ring: AioRingInfo,
    possibleCpus: number,
    { profile = PROFILES['linux-6.x'], work, debug = false }: KioctxOptions = {},
  ) {
    this.user_id = user_id;
    this.max_reqs = max_reqs;
    this.ring = ring;
    this.profile = profile;
    this.debug = debug;
    this.#work = work;
    this.slots = profile.perCpuSlots ? new PerCpuSlots(ring.nr, possibleCpus) : new ActiveRequests();
  }

  /** Somebody sleeps until something ends. */
  get isAwaited(): boolean {
    return this.#whenIdle !== undefined;
  }

  /** Whether requests run inside `io_submit`, whatever their file. */
  get runsInSubmit(): boolean {
    return this.#work?.executor.runsInSubmit === true;
  }

  get hasWork(): boolean {
    return !this.run_list.isEmpty || !this.accepted.isEmpty;
  }

  /** Sees to it that the work queue comes round to the run list: at once if somebody waits, else after a while. */
  aio_queue_work(): void {
    this.#work?.aio_queue_work(this);
  }

  /** Requests whose operation was begun and goes on in the background. */
  get running(): Iterable<R> {
    return this.#running;
  }

  /** Whether one of them goes on that has a context to complete into. */
  get isBusy(): boolean {
    for (const req of this.#running) if (!req.ki_cut) return true;
    return false;
  }

  /** An operation of `req` was begun. */
  began(req: R): void {
    req.ki_begun++;
    this.#running.add(req);
  }

  ended(req: R): void {
    req.ki_begun--;
    // A request that loops has begun its next operation already.
    if (req.ki_begun > 0) return;
    this.#running.delete(req);
    this.progressed();
  }

  /** A request is gone. */
  freed(req: R): void {
    this.reqs_active--;
    if (req.ki_cut) this.reqs_cut--;
    this.slots.freed();
  }

  /** A request left the run list, or an operation ended. */
  progressed(): void {
    if (this.#whenIdle !== undefined && this.#isIdle) this.#whenIdle();
  }

  /** `wait_for_all_aios`: settles when no operation runs and none will be begun. */
  wait_for_all_aios(): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenIdle = resolve;
      if (!this.run_list.isEmpty) this.aio_queue_work();
    });
  }

  get #isIdle(): boolean {
    return this.#running.size === 0 && !this.hasWork;
  }
}

/** A context as far as its last reference goes. */
interface Counted {
  users: number;
  readonly debug: boolean;
  readonly dead: boolean;
  readonly hasWork: boolean;
  readonly active_reqs: ReadonlySet<unknown>;
}

/** Drops a reference to a context. With the last one, nothing of it may be under way. */
export function put_ioctx(ctx: Counted): void {
  ctx.users--;
  if (!ctx.debug) return;
  BUG_ON(ctx.users < 0, 'a context was put once too often');
  BUG_ON(ctx.users === 0 && !ctx.dead, 'a context lost its last reference alive');
  BUG_ON(ctx.users === 0 && ctx.hasWork, 'a context is gone before its requests');
  BUG_ON(ctx.users === 0 && ctx.active_reqs.size > 0, 'a context is gone before those who wait in it');
}
