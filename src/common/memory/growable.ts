/** Telling memory that can grow, where nothing can hold it. */
import { bytesIn, isShared } from '../intrinsics.ts';
import { isPageAligned } from './page-aligned.ts';

const WASM_PAGE_BYTES = 65536;
const { structuredClone } = globalThis;
let harmless: boolean | undefined;
const known = new WeakMap<ArrayBufferLike, boolean>();

/**
 * Whether memory may be a WebAssembly memory, which can grow at any moment: then the buffer that was handed over is detached, and another
 * one, which cannot be found from here, has the bytes.
 *
 * Nothing tells it for sure. Such memory comes in pages of 64 KiB and cannot be transferred, and that can be asked without doing it: in a
 * list that names a buffer twice, Node.js complains of the repetition only if it could be transferred (observed on 20 to 26). Deno 2.9
 * gives the first away before it sees the second: where one of our own goes so, nobody's is asked, and all such memory may grow.
 */
export function mayGrow(memory: ArrayBufferLike): boolean {
  const bytes = bytesIn(memory);
  if (bytes === 0 || bytes % WASM_PAGE_BYTES !== 0 || isPageAligned(memory) || isShared(memory)) return false;
  let answer = known.get(memory);
  if (answer === undefined) {
    answer = !isAskingHarmless() || !canBeTransferred(memory as ArrayBuffer);
    known.set(memory, answer);
  }
  return answer;
}

function isAskingHarmless(): boolean {
  if (harmless === undefined) {
    const own = new ArrayBuffer(1);
    harmless = canBeTransferred(own) && bytesIn(own) === 1;
  }
  return harmless;
}

function canBeTransferred(memory: ArrayBuffer): boolean {
  try {
    structuredClone(null, { transfer: [memory, memory] });
    return false;
  } catch (error) {
    return error instanceof Error && /duplicate/i.test(error.message);
  }
}
