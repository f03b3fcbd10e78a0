/** Assertions about the kernel itself: `BUG_ON`. They cost a comparison and are made in debug mode. */
import { assert } from '../common/lazy-builtins.ts';

/** @throws AssertionError if `condition` holds: then this kernel, not its user, is wrong. */
export function BUG_ON(condition: boolean, what: string): void {
  if (!condition) return;
  const { AssertionError } = assert();
  throw new AssertionError({ message: `kernel bug: ${what}` });
}
