/** One context. */
import type { MappedRing } from '../common/ring.ts';
import type { Kiocb } from './kiocb.ts';
import type { AioRingInfo } from './ring.ts';
import { RunList } from './run-list.ts';
import { Slots } from './slots.ts';

export class Kioctx {
  /** The handle: the address of the ring. */
  readonly user_id: number;
  /** What `io_setup` was asked for, and what the budget was charged. */
  readonly max_reqs: number;
  readonly ring: AioRingInfo;
  readonly slots: Slots;
  /** Accepted, not begun. */
  readonly run_list = new RunList();
  /** Requests that can be cancelled, oldest first. */
  readonly active_reqs = new Set<Kiocb>();
  /** Requests that wait in a wait queue and cannot be cancelled by name. */
  readonly waiting = new Set<Kiocb>();
  /** Rings handed out to read from. */
  readonly readers: MappedRing[] = [];
  dead = false;
  /** Waits for its turn in the work queue. */
  queued = false;
  readonly #running = new Set<Kiocb>();
  #whenIdle: (() => void) | undefined;

  constructor(user_id: number, max_reqs: number, ring: AioRingInfo, possibleCpus: number) {
    this.user_id = user_id;
    this.max_reqs = max_reqs;
    this.ring = ring;
    this.slots = new Slots(ring.nr, possibleCpus);
  }

  /** Requests whose operation was begun and goes on in the background. */
  get running(): Iterable<Kiocb> {
    return this.#running;
  }

  began(req: Kiocb): void {
    this.#running.add(req);
  }

  ended(req: Kiocb): void {
    this.#running.delete(req);
    this.progressed();
  }

  /** A request left the run list, or an operation ended. */
  progressed(): void {
    if (this.#whenIdle !== undefined && this.#isIdle) this.#whenIdle();
  }

  /** Settles when no operation runs and none will be begun. */
  idle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenIdle = resolve;
    });
  }

  get #isIdle(): boolean {
    return this.#running.size === 0 && this.run_list.isEmpty;
  }
}
