/** A package that writes files, as the trial sees it. */
import type { SimulatedFileSystem } from 'kaio/emulated';

/** What a package is given: `node:fs`, over a simulated disk. */
export type Fs = SimulatedFileSystem;

export interface Subject {
  readonly name: string;
  /** What its own documentation says of what is left after a crash. */
  readonly promise: string;
  /** Makes what there is before the first step. */
  readonly begin: (fs: Fs) => Promise<void>;
  /** Saves something. When this has returned, whoever has asked believes that it is saved. */
  readonly step: (fs: Fs, number: number) => Promise<void>;
  /**
   * Reads all that was saved, and checks it.
   *
   * @returns The number of the last step that is there, with all before it; 0 for none.
   * @throws What the package throws for what it cannot read.
   */
  readonly find: (fs: Fs) => Promise<number>;
}
