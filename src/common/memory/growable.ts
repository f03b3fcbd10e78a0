/** Telling memory that can grow, where nothing can hold it. */
import { bytesIn, isShared } from '../intrinsics.ts';
import { isPageAligned } from './page-aligned.ts';

const WASM_PAGE_BYTES = 65536;

type Clone = typeof structuredClone;

/**
 * Whether memory may be a WebAssembly memory, which can grow at any moment: then the buffer that was handed over is detached, and another
 * one, which cannot be found from here, has the bytes.
 *
 * Nothing tells it for sure. Such memory comes in pages of 64 KiB and cannot be transferred, and that can be asked without doing it: in a
 * list that names a buffer twice, Node.js complains of the repetition only if it could be transferred (observed on 20 to 26). Deno 2.9
 * gives the first away before it sees the second: where one of our own goes so, nobody's is asked, and all such memory may grow.
 */
export const mayGrow = growthJudge(globalThis.structuredClone);

/** @param clone - As it is at load. */
export function growthJudge(clone: Clone): (memory: ArrayBufferLike) => boolean {
  const known = new WeakMap<ArrayBufferLike, boolean>();
  let isHarmless: boolean | undefined;

  function canBeTransferred(memory: ArrayBuffer): boolean {
    try {
      clone(null, { transfer: [memory, memory] });
      return false;
    } catch (error) {
      return error instanceof Error && /duplicate/i.test(error.message);
    }
  }

  function isAskingHarmless(): boolean {
    if (isHarmless === undefined) {
      const own = new ArrayBuffer(1);
      isHarmless = canBeTransferred(own) && bytesIn(own) === 1;
    }
    return isHarmless;
  }

  return (memory) => {
    const bytes = bytesIn(memory);
    if (bytes === 0 || bytes % WASM_PAGE_BYTES !== 0 || isPageAligned(memory) || isShared(memory))
      return false;
    let answer = known.get(memory);
    if (answer === undefined) {
      answer = !isAskingHarmless() || !canBeTransferred(memory as ArrayBuffer);
      known.set(memory, answer);
    }
    return answer;
  };
}
