/** Pieces that an iterable of the caller's brings: what it throws is told from what the file throws, and an abort does not wait for it. */
import { AbortError } from '../errors.ts';
import { abortReason, ignoreAbort, isAborted, onAbort } from '../intrinsics.ts';

type Pulled = IteratorResult<unknown, unknown>;

export class Pieces implements AsyncIterable<unknown> {
  readonly #source: Iterable<unknown> | AsyncIterable<unknown>;
  readonly #signal: AbortSignal | undefined;
  #failure: { readonly error: unknown } | undefined;
  #hasBegun = false;

  constructor(source: Iterable<unknown> | AsyncIterable<unknown>, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#signal = signal;
    // A stream may fail before anybody asks it for something; it says so again then, and must not end the process meanwhile.
    const { on } = source as { on?: unknown };
    if (typeof on === 'function') (on as (...args: unknown[]) => void).call(source, 'error', () => {});
  }

  /** Nobody will ask for anything: a stream lets go of what it has, as one does whose reader fails. */
  discard(): void {
    if (!this.#hasBegun) this.#destroy();
  }

  /** Whether an error came from the iterable itself. */
  hasThrown(error: unknown): boolean {
    return this.#failure !== undefined && this.#failure.error === error;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, void> {
    const iterator = this.#begin();
    // What has ended, or failed, is not told to end.
    let isOpen = true;
    const fail = (error: unknown): unknown => {
      isOpen = false;
      this.#failure = { error };
      return error;
    };
    try {
      for (;;) {
        const { done, value } = await this.#pull(iterator, fail);
        if (done === true) {
          isOpen = false;
          return;
        }
        yield value;
      }
    } catch (error) {
      if (isOpen) {
        isOpen = false;
        this.#abandon(iterator);
      }
      throw error;
    } finally {
      if (isOpen) await iterator.return?.();
    }
  }

  #begin(): Iterator<unknown> | AsyncIterator<unknown> {
    this.#hasBegun = true;
    try {
      const source = this.#source;
      return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /** The next one, or an AbortError while it is waited for. */
  #pull(
    iterator: Iterator<unknown> | AsyncIterator<unknown>,
    fail: (error: unknown) => unknown,
  ): Promise<Pulled> {
    const signal = this.#signal;
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(new AbortError(abortReason(signal!)));
      if (signal !== undefined) {
        if (isAborted(signal)) {
          giveUp();
          return;
        }
        onAbort(signal, giveUp);
      }
      const heard = (): void => {
        if (signal !== undefined) ignoreAbort(signal, giveUp);
      };
      pulled(iterator).then(
        (result) => {
          heard();
          resolve(result);
        },
        (error: unknown) => {
          heard();
          // Too late to be of interest, where it was given up.
          reject(fail(error));
        },
      );
    });
  }

  /** It is in the middle of bringing a piece, and may never have done. */
  #abandon(iterator: Iterator<unknown> | AsyncIterator<unknown>): void {
    void (async () => {
      // A stream hears of no return() before it has brought what it was asked for.
      this.#destroy();
      await iterator.return?.();
    })().catch(() => {});
  }

  #destroy(): void {
    const { destroy } = this.#source as { destroy?: unknown };
    if (typeof destroy === 'function') (destroy as () => void).call(this.#source);
  }
}

async function pulled(iterator: Iterator<unknown> | AsyncIterator<unknown>): Promise<Pulled> {
  const { done, value } = await iterator.next();
  // Those that are not asynchronous may bring promises.
  return done === true ? { done, value: undefined } : { done: false, value: await value };
}
