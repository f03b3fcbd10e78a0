/** Keeping memory of JavaScript's where it is, and its owner's, while somebody writes to it who does not ask JavaScript. */

/**
 * What keeps memory in its place. JavaScript has no means of its own: the addon does it, where it can.
 *
 * The counterpart of each call is at the end of the same request. Both cost a fraction of a microsecond.
 */
export interface Pins {
  /**
   * Forbids that the memory is given away (`structuredClone`, `postMessage`, `transfer()`, byte streams) until {@link unpin}: all of
   * them refuse, or copy, in good order. It counts: memory is free again when the last of its requests has ended.
   *
   * Preconditions: no code of anybody else's waits below on the stack. V8 ends the process when memory becomes fixed between its own
   * look and its own step, as in a getter that `structuredClone` calls.
   */
  pin(memory: ArrayBufferLike): void;
  unpin(memory: ArrayBufferLike): void;
  /**
   * What a request uses in place of `memory`: the same, unless that is a WebAssembly memory, which can grow. Then it is another
   * ArrayBuffer over the same bytes, which stays when the first is detached by growing, and keeps the bytes from being freed.
   */
  hold(memory: ArrayBufferLike): ArrayBufferLike;
  /** Whether what {@link hold} gave is all that is left of its bytes: the memory could not grow in place and has moved. */
  isLost(held: ArrayBufferLike): boolean;
}

let provide: (() => Pins | undefined) | undefined;
let provided: { readonly pins: Pins | undefined } | undefined;

/** Tells where pins come from, without asking for any yet: by whoever knows the addon. */
export function providePins(from: () => Pins | undefined): void {
  provide ??= from;
}

/** The pins of this thread; `undefined` where there are none, and memory has to be copied instead. */
export function pinsOfThread(): Pins | undefined {
  if (provided === undefined) {
    if (provide === undefined) return undefined;
    provided = { pins: provide() };
  }
  return provided.pins;
}
