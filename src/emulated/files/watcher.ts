/** Calls back on the event loop while an eventfd is readable. */
import { POLLIN } from '../../common/abi/constants.ts';
import type { EventfdWatcher } from '../../common/kernel/aio-kernel.ts';
import type { EventFd } from './eventfd.ts';
import type { WakeFunction } from './wait-queue.ts';

/** Any time that a timer can hold: only its being there keeps the process alive. */
const KEEP_ALIVE_MS = 0x7fff_ffff;

export class Watcher implements EventfdWatcher {
  readonly #file: EventFd;
  readonly #callback: () => void;
  readonly #entry: WakeFunction = (key) => {
    if ((key & POLLIN) !== 0) this.#schedule();
    return false;
  };
  #immediate: NodeJS.Immediate | undefined;
  #keepAlive: NodeJS.Timeout | undefined;

  constructor(file: EventFd, callback: () => void) {
    this.#file = file;
    this.#callback = callback;
    file.get();
    file.poll_wait.add(this.#entry);
    if (file.readable) this.#schedule();
  }

  ref(): void {
    if (this.#isClosed) return;
    this.#keepAlive ??= setInterval(() => {}, KEEP_ALIVE_MS);
    this.#immediate?.ref();
  }

  unref(): void {
    clearInterval(this.#keepAlive);
    this.#keepAlive = undefined;
    this.#immediate?.unref();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.unref();
    clearImmediate(this.#immediate);
    this.#immediate = undefined;
    this.#file.poll_wait.remove(this.#entry);
    this.#file.put();
  }

  #isClosed = false;

  #schedule(): void {
    if (this.#immediate !== undefined || this.#isClosed) return;
    this.#immediate = setImmediate(() => this.#run());
    if (this.#keepAlive === undefined) this.#immediate.unref();
  }

  #run(): void {
    this.#immediate = undefined;
    if (!this.#file.readable) return;
    // An immediate of an immediate runs a turn of the loop later, so that a callback that does not read starves nobody.
    this.#schedule();
    this.#callback();
    if (!this.#file.readable) {
      clearImmediate(this.#immediate);
      this.#immediate = undefined;
    }
  }
}
