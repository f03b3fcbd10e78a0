/** What a conformance case is, and how one ends. */
import type { Feature } from '../../src/common/kernel/supports.ts';
import type { Fixture } from './fixture.ts';

/** One case: a rule of the interface, arranged and observed. */
export interface Case {
  /** Stable name: `io_setup/ctxp-null`. */
  readonly id: string;
  /** The rules it proves, by id. */
  readonly rule: string;
  readonly title: string;
  /** Features of the kernel without which the question makes no sense. */
  readonly requires?: readonly Feature[];
  /** Features of another kernel: with one of them, the answer is another. */
  readonly lacks?: readonly Feature[];
  /** RWF_* bits the kernel must know. */
  readonly rw_flags?: number;
  run(fixture: Fixture): void | Promise<void>;
}

/** How a case ended: the three failures are told apart. */
export type Outcome = 'passed' | 'failed' | 'unsupported' | 'broken';

export interface CaseReport {
  readonly id: string;
  readonly title: string;
  readonly rule: string;
  readonly outcome: Outcome;
  /** Why, unless it passed. */
  readonly detail?: string;
  /** What should have been observed, where an assertion compared two values. */
  readonly expected?: string;
  /** What was observed instead. */
  readonly observed?: string;
  /** The program and line in the suite that judged. */
  readonly at?: string;
}

/** Thrown where this kernel or host cannot be asked the question. */
export class Unsupported extends Error {}

/** Thrown where the environment, not the kernel, stands in the way. */
export class EnvironmentBroken extends Error {}
