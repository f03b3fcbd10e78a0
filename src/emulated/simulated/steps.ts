/**
 * A call, written once: a generator that hands out its steps, each of which takes virtual time.
 *
 * Whoever drives it decides what waiting is: {@link runNow} makes the time pass inside the call, {@link run} lets it pass.
 */
import { ERRNO } from '../../common/abi/errno.ts';
import { systemError } from '../../common/errors.ts';
import type { Done } from './disk-request.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** What is said about a step that fails. */
export interface Subject {
  readonly syscall: string;
  readonly path?: string | undefined;
  readonly dest?: string | undefined;
}

export interface Step extends Subject {
  /** Begins it. `done` is never called from inside this. */
  readonly begin: (done: Done) => void;
}

/** What a call waits for that is not the disk's: a promise of a program's own. */
export interface Wait {
  readonly promise: PromiseLike<unknown>;
}

/** It is given the count that each step has ended with; an error is thrown into it. */
export type Steps<T> = Generator<Step | Wait, T, number>;

/**
 * Makes virtual time pass until the call has ended.
 *
 * @throws What the call throws; `EDEADLK` where it waits for what nothing that is due will bring: an operation that is stuck.
 */
export function runNow<T>(clock: VirtualClock, steps: Steps<T>): T {
  let next = steps.next();
  while (next.done !== true) {
    const step = next.value;
    if ('promise' in step) throw new TypeError('A synchronous call cannot wait for a promise');
    let result: number | undefined;
    step.begin((answer) => {
      result = answer;
    });
    while (result === undefined && clock.step());
    next = proceed(steps, step, result ?? -ERRNO.EDEADLK);
  }
  return next.value;
}

/** Runs a call to its end while the event loop goes round. What it throws before its first step is thrown here. */
export function run<T>(
  steps: Steps<T>,
  ended: (error: unknown, value?: T) => void,
  first: IteratorResult<Step | Wait, T> = steps.next(),
): void {
  const goOn = (advance: () => IteratorResult<Step | Wait, T>): void => {
    let next: IteratorResult<Step | Wait, T>;
    try {
      next = advance();
    } catch (error) {
      ended(error);
      return;
    }
    wait(next);
  };
  const wait = (next: IteratorResult<Step | Wait, T>): void => {
    if (next.done === true) {
      ended(null, next.value);
      return;
    }
    const step = next.value;
    if ('promise' in step) {
      step.promise.then(
        () => goOn(() => steps.next(0)),
        (error: unknown) => goOn(() => steps.throw(error)),
      );
      return;
    }
    step.begin((result) => goOn(() => proceed(steps, step, result)));
  };
  wait(first);
}

/** @returns What the call ends with; what it throws at any time rejects. */
export function promised<T>(steps: Steps<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    run(steps, (error, value) => (error === null ? resolve(value as T) : reject(error)));
  });
}

function proceed<T>(steps: Steps<T>, step: Step, result: number): IteratorResult<Step | Wait, T> {
  return result < 0 ? steps.throw(systemError(result, step.syscall, step)) : steps.next(result);
}
