/** What a child that is to be killed is asked for, and what it leaves. */
import type { PlanOptions } from './plan.ts';

export interface Life {
  readonly path: string;
  /** Where it writes 32 bits for each operation that begins (its number) or has ended (that and one of those below). */
  readonly log: string;
  readonly options: Omit<PlanOptions, 'without'> & { readonly without: readonly string[] };
}

export const ENDED = 1 << 20;
/** Its promise was rejected. */
export const FAILED = 1 << 21;
