/** Promises for who calls back. */

/** Called once, with an error or with what was asked for. */
export type Callback<T = void> = (error: Error | null, value?: T) => void;

/** Calls back when a promise has settled, outside of it: what the callback throws is an exception of the program, not a rejection. */
export function callBack<T>(promise: Promise<T>, callback: Callback<T>): void {
  promise.then(
    (value) => process.nextTick(callback, null, value),
    (error: Error) => process.nextTick(callback, error),
  );
}

export function nothing(): void {}
