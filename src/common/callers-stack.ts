/**
 * Errors that name those who wait for them.
 *
 * An error of the kernel's is made when its event is read, on a stack that ends in kaio. V8 knows who awaits a promise, but tells it only
 * to code that runs in the promise's own turn: so that is where the stack is taken, of errors alone.
 */

/** An error of ours with the stack of this moment: below it stand, as `at async`, the functions that wait. */
export function withStackOfCallers<E>(error: E): E {
  if (error instanceof Error) Error.captureStackTrace(error, withStackOfCallers);
  return error;
}

function rethrow(error: unknown): never {
  throw withStackOfCallers(error);
}

/**
 * Fails a promise, with a stack that reaches those who await it by then.
 *
 * @param resolve - Resolves it.
 */
export function failWithStackOfCallers(resolve: (answer: unknown) => void, error: Error): void {
  let fail: (error: Error) => void;
  const failing = new Promise<never>((_, reject) => {
    fail = reject;
  });
  resolve(failing.then(undefined, rethrow));
  // When the promise follows the other, or V8 would find nobody behind it. Not by queueMicrotask(): tests put clocks of their own in its place.
  void Promise.resolve().then(() => fail(error));
}
