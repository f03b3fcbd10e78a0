/** How a conformance case ends. */

/** How a case ended: the three failures are told apart. */
export type Outcome = 'passed' | 'failed' | 'unsupported' | 'broken';

/** How a case has ended. */
export interface CaseReport {
  /** Of the case. */
  readonly id: string;
  /** Of the case. */
  readonly title: string;
  /** The rules that it proves, by id. */
  readonly rule: string;
  /** How. */
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
