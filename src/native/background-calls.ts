/** Calls of the C library on threads of libuv's pool, a few at a time. */
import { ERRNO } from '../common/abi/errno.ts';
import type { Word } from '../common/kernel/aio-kernel.ts';
import { type Libc, loadLibc } from './libc.ts';

/** Of the pool's four threads, one stays free for everybody else. */
const AT_ONCE = 3;
const RETRY_MS = 10;
const RETRIES = 100;

/** Begins an asynchronous call of koffi's. @throws Where koffi refuses it: nothing is called then. */
type Start = (end: (answer: number) => void) => void;

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
 * its own (observed on Node.js 20 to 26 with koffi 3.3.4). Memory that a call uses is the caller's to keep.
 */
export class BackgroundCalls {
  readonly #libc: Pick<Libc, 'syscallAsync'>;
  readonly #waiting: Call[] = [];
  #running = 0;

  constructor(libc: Pick<Libc, 'syscallAsync'>) {
    this.#libc = libc;
  }

  /** `syscall(2)`, when there is room. Never rejects. @returns `>= 0` or a negative errno. */
  syscall(number: number, ...words: readonly Word[]): Promise<number> {
    return this.run((end) => this.#libc.syscallAsync(number, words, end));
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
        call.start((answer) => this.#end(call, answer));
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

/** Those of this thread: whoever calls shares the pool with the others. @throws What {@link loadLibc} throws. */
export function backgroundCalls(): BackgroundCalls {
  shared ??= new BackgroundCalls(loadLibc());
  return shared;
}
