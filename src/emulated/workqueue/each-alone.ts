/** Calls of others, of which none keeps the next from being made. */

/** Does `call` with each: what one throws is thrown when it has been done with all. */
export function eachAlone<T>(list: readonly T[], call: (one: T) => void): void {
  let thrown: { readonly error: unknown } | undefined;
  for (const one of list) {
    try {
      call(one);
    } catch (error) {
      thrown ??= { error };
    }
  }
  if (thrown !== undefined) throw thrown.error;
}
