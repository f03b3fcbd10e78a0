/** What keeps the process alive while a context has something to do. */
import type { EventfdWatcher } from '../kernel/aio-kernel.ts';

// `process` is a getter of the global object, which is felt at each tick.
const { nextTick } = process;
const { queueMicrotask } = globalThis;

/**
 * References a context's watcher from its first request to its last. Whoever awaits one after the other has none for a moment between them,
 * so that it is looked again before the watcher is let go.
 */
export class KeepAlive {
  readonly #watcher: Pick<EventfdWatcher, 'ref' | 'unref'>;
  readonly #isIdle: () => boolean;
  #may = true;
  #isReferenced = false;
  #looksAgain = false;
  #isOver = false;

  constructor(watcher: Pick<EventfdWatcher, 'ref' | 'unref'>, isIdle: () => boolean) {
    this.#watcher = watcher;
    this.#isIdle = isIdle;
  }

  /** Whether requests may keep the process alive. They may from the start. */
  get may(): boolean {
    return this.#may;
  }

  /** {@link look} has to follow. */
  set may(may: boolean) {
    this.#may = may;
  }

  /** @param inTicks - Requests end in the tick that submits them, one tick after the other: a turn of the event loop tells when that is over. */
  look(inTicks: boolean): void {
    const isBusy = this.#may && !this.#isIdle();
    if (isBusy === this.#isReferenced) return;
    if (isBusy) {
      this.#isReferenced = true;
      this.#watcher.ref();
    } else if (!this.#may) this.#letGo();
    else if (!this.#looksAgain) {
      this.#looksAgain = true;
      if (inTicks) setImmediate(this.#lookAgain);
      // When those who were told have gone on.
      else queueMicrotask(this.#thenLook);
    }
  }

  /** The watcher is about to be closed. */
  end(): void {
    this.#isOver = true;
  }

  readonly #thenLook = (): void => nextTick(this.#lookAgain);

  readonly #lookAgain = (): void => {
    this.#looksAgain = false;
    if (this.#isReferenced && !this.#isOver && this.#isIdle()) this.#letGo();
  };

  #letGo(): void {
    this.#isReferenced = false;
    this.#watcher.unref();
  }
}
