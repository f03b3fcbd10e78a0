/** Known differences from Linux, as data: each turns red when it vanishes. */
/** A case that a kernel fails, as it is meant to. */
export interface Divergence {
  /** Id of the case. */
  readonly id: string;
  /** Name of the kernel. */
  readonly backend: string;
  /** Where it differs. Without it, everywhere. */
  readonly host?: NodeJS.Platform;
  /** Why it cannot be otherwise. */
  readonly reason: string;
  /** What the failure must say: another failure is not the known one. */
  readonly expected: RegExp;
}

/** Where kaio itself answers otherwise than Linux, on purpose: nowhere at present. */
export const DIVERGENCES: readonly Divergence[] = [];
