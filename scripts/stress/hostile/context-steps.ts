/** Steps on contexts: those that all programs share, one of the program's own, and the thread's. */
import { AioContext } from '../../../src/index.ts';
import type { Course } from './course.ts';
import { tolerated } from './outcomes.ts';
import type { Step } from './program.ts';
import { nameOf } from './requests.ts';

const MOST_CLOSING = 20;

export class ContextSteps {
  isSubmitting = false;
  readonly #course: Course;
  #own: AioContext | undefined;
  /** Also those whose place another one has taken: files may have them still. */
  readonly #closed = new WeakSet<AioContext>();
  /** The thread's, that were closed. */
  readonly #shared = new Set<AioContext>();

  constructor(course: Course) {
    this.#course = course;
  }

  of(index: number): AioContext {
    return index < this.#course.world.contexts.length
      ? this.#course.world.contexts[index]!
      : (this.#own ?? this.#course.world.contexts[0]!);
  }

  make({ queueDepth, submitThread, busyPoll }: Extract<Step, { do: 'context' }>): void {
    if (this.#course.world.closing.size > MOST_CLOSING) return;
    if (this.#own !== undefined && !this.#closed.has(this.#own)) return;
    const { kernel } = this.#course.world;
    try {
      this.#own = new AioContext({ kernel, queueDepth, submitThread, busyPoll });
    } catch (error) {
      this.#course.complain(this.#course.faultOf(error));
    }
  }

  close(context: AioContext): void {
    const { closing } = this.#course.world;
    // Before the call: promise hooks run in the middle of it.
    this.#closed.add(context);
    const closed: Promise<void> = context.close().then(
      () => void closing.delete(closed),
      (error: unknown) => {
        closing.delete(closed);
        this.#course.complain(`close() of a context failed: ${nameOf(error)}`);
      },
    );
    closing.add(closed);
    // What submit() has not come to yet is refused.
    if (this.isSubmitting) this.#course.requests.taint(context);
  }

  isClosed(context: AioContext): boolean {
    return this.#closed.has(context) || this.#shared.has(context);
  }

  closeOwn(): void {
    if (this.#own !== undefined && !this.#closed.has(this.#own)) this.close(this.#own);
  }

  drop(): void {
    if (this.#own === undefined || !this.#closed.has(this.#own)) this.#own = undefined;
  }

  /** Files that use it may fail from now on, or not notice; files that are opened from now on work. */
  closeShared(): void {
    const { context } = this.#course.world.keeper;
    this.#course.requests.taint(context);
    this.#shared.add(context);
    this.#course.track(tolerated(context.close()));
  }

  drain(index: number): void {
    this.#course.track(this.of(index).drain());
  }

  /** What nobody holds any more can be collected, and is then given back. */
  async end(): Promise<void> {
    this.closeOwn();
    this.#own = undefined;
    if (this.#shared.size > 0) await this.#course.world.renew();
  }
}
