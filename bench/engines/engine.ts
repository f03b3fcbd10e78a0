/** What every engine in a Node.js process is. */
import type { Case } from '../job.ts';
import type { Phase } from '../phase.ts';

/** A file opened by one engine. */
export interface Session {
  /** Transfers what the phase gives out, `queueDepth` at once, until it gives out no more and all has ended. */
  run(phase: Phase): Promise<void>;
  close(): Promise<void>;
}

/** What an engine works with. */
export interface Work extends Case {
  readonly path: string;
  /** Memory for each transfer under way, page-aligned. */
  readonly blocks: readonly Buffer[];
}

export type OpenEngine = (work: Work) => Promise<Session>;
