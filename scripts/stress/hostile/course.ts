/** The course of a program: what its steps share, what it waits for, and what is wrong. */
import { faultOf } from './outcomes.ts';
import type { Body, Step } from './program.ts';
import { nameOf, type Request, Requests } from './requests.ts';
import type { World } from './world.ts';

export class Course {
  readonly world: World;
  readonly requests = new Requests();
  /** What has to settle before the end. */
  readonly pending = new Set<Promise<unknown>>();
  /** What is to be taken back at the end. */
  readonly undo: (() => void)[] = [];
  wrong: string | undefined;
  isEnding = false;
  /** Takes a step. @returns When it is done, if that takes time. */
  readonly perform: (step: Step) => Promise<unknown> | undefined;

  constructor(world: World, perform: (step: Step) => Promise<unknown> | undefined) {
    this.world = world;
    this.perform = perform;
  }

  complain(wrong: string | undefined): void {
    if (wrong !== undefined) this.wrong ??= wrong;
  }

  /** @returns What is wrong with an error, if that is looked at. */
  faultOf(error: unknown): string | undefined {
    return this.world.without.has('codes') ? undefined : faultOf(error);
  }

  /** Steps that somebody's question, event or method lets run. */
  body(steps: Body): void {
    if (this.isEnding) return;
    for (const step of steps) {
      const outcome = this.perform(step);
      if (outcome instanceof Promise) this.track(outcome);
    }
  }

  track(promise: Promise<unknown>): void {
    const tracked: Promise<void> = promise.then(
      () => void this.pending.delete(tracked),
      (error: unknown) => {
        this.pending.delete(tracked);
        this.complain(this.faultOf(error));
      },
    );
    this.pending.add(tracked);
  }

  begin(
    request: Omit<Request, 'mayBeShort' | 'isMixed' | 'on'> &
      Partial<Pick<Request, 'mayBeShort' | 'isMixed'>>,
    on: readonly unknown[],
    start: () => Promise<unknown>,
  ): void {
    const full: Request = { mayBeShort: false, isMixed: false, ...request, on: new Set(on) };
    this.requests.begin(full);
    let promise: Promise<unknown>;
    try {
      promise = start();
    } catch (error) {
      this.requests.fail(full, error);
      this.complain(`${full.what} threw at once, where it should reject: ${nameOf(error)}`);
      return;
    }
    this.track(
      promise.then(
        (count) => this.complain(this.requests.succeed(full, count)),
        (error: unknown) =>
          this.complain(
            this.requests.fail(full, error) ?? (full.asksNode === true ? undefined : this.faultOf(error)),
          ),
      ),
    );
  }

  /** Until nothing is pending, or something is wrong. */
  async allSettled(): Promise<void> {
    while (this.pending.size > 0 && this.wrong === undefined) await Promise.race([...this.pending]);
  }
}

/** Runs it at the first call. */
export function once(run: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    run();
  };
}
