/** When those who were told of something have gone on. */

// Taken at load. `process` is a getter of the global object, which is felt at each tick.
const { nextTick } = process;
const { queueMicrotask } = globalThis;

/** Calls back when those whose promises have just been settled have gone on, and what they asked a context for is in its queue. */
export function whenOthersHaveGoneOn(callback: () => void): void {
  queueMicrotask(() => nextTick(callback));
}
