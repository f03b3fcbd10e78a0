/** Calls of the C library on threads of libuv's pool, a few at a time. */
import { ERRNO } from '../common/abi/errno.ts';
import type { Word } from '../common/kernel/aio-kernel.ts';
import type { FfiAside } from './ffi.ts';
import { loadLibc } from './libc.ts';

/** Of the pool's four threads, one stays free for everybody else. */
const AT_ONCE = 3;
const RETRY_MS = 10;
const RETRIES = 100;

/** Begins an asynchronous call. @throws Where it is refused: nothing is called then. */
type Start = (end: (answer: number) => void, aside: FfiAside) => void;

interface Call {
  readonly start: Start;
  readonly resolve: (answer: number) => void;
  refusals: number;
}

/**
 * koffi runs 256 asynchronous calls at a time, those of other packages among them, and refuses more. What it refuses has not been called,
 * and is called again later; after a second of that the answer is -EAGAIN, as Linux would say it.
 *
 * Where the thread ends, calls that have not begun are dropped, and Node.js waits for those that have, with the descriptors open that are
 * its own (observed on Node.js 20 to 26 with koffi 3.3.4, and so promised by Node-API for the addon's). Memory that a call uses is the caller's to keep.
 */
export class BackgroundCalls {
  readonly #aside: FfiAside;
  readonly #waiting: Call[] = [];
  #running = 0;

  constructor(aside: FfiAside) {
    this.#aside = aside;
  }

  /** `syscall(2)`, when there is room. Never rejects. @returns `>= 0` or a negative errno. */
  syscall(number: number, ...words: readonly Word[]): Promise<number> {
    return this.run((end) => this.#aside.syscall(number, words, end));
  }

  /** Another call, when there is room. Never rejects. @returns What it ends with, or -EAGAIN. */
  run(start: Start): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting.push({ start, resolve, refusals: 0 });
      this.#begin();
    });
  }

  #begin(): void {
    while (this.#running < AT_ONCE) {
      const call = this.#waiting.shift();
      if (call === undefined) return;
      this.#running++;
      try {
        call.start((answer) => this.#end(call, answer), this.#aside);
      } catch {
        this.#refused(call);
      }
    }
  }

  #end(call: Call, answer: number): void {
    this.#running--;
    call.resolve(answer);
    this.#begin();
  }

  /** Its room stays taken meanwhile, so that who is full is not asked by everybody in turn. */
  #refused(call: Call): void {
    call.refusals++;
    setTimeout(() => {
      if (call.refusals > RETRIES) {
        this.#end(call, -ERRNO.EAGAIN);
        return;
      }
      this.#running--;
      this.#waiting.unshift(call);
      this.#begin();
    }, RETRY_MS);
  }
}

let shared: BackgroundCalls | undefined;

/**
 * Those of this thread: whoever calls shares the pool with the others.
 *
 * @returns `undefined` where nothing calls on other threads: with `node:ffi` and without the addon.
 * @throws What {@link loadLibc} throws.
 */
export function backgroundCalls(): BackgroundCalls | undefined {
  const { aside } = loadLibc();
  if (aside !== undefined) shared ??= new BackgroundCalls(aside);
  return shared;
}
