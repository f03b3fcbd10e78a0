/** What a conformance case is. */
import type { Feature } from '../../src/common/kernel/supports.ts';
import type { Fixture } from './fixture.ts';

/** One case: a rule of the interface, arranged and observed. */
export interface Case {
  /** Stable name: `io_setup/ctxp-null`. */
  readonly id: string;
  /** The rules it proves, by id. */
  readonly rule: string;
  /** What is said of the kernel, for people. */
  readonly title: string;
  /** Features of the kernel without which the question makes no sense. */
  readonly requires?: readonly Feature[];
  /** Features of another kernel: with one of them, the answer is another. */
  readonly lacks?: readonly Feature[];
  /** RWF_* bits the kernel must know. */
  readonly rw_flags?: number;
  /** Asks. @throws AssertionError where the answer is another than Linux's. */
  run(fixture: Fixture): void | Promise<void>;
}
