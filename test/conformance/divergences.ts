/** Known differences from Linux, as data: each turns red when it vanishes. */

export interface Divergence {
  /** Id of the case. */
  readonly id: string;
  readonly backend: 'native' | 'emulated';
  /** Why it cannot be otherwise. */
  readonly reason: string;
  /** What the failure must say: another failure is not the known one. */
  readonly expected: RegExp;
}

export const DIVERGENCES: readonly Divergence[] = [];
