/** What adapters ask of names. `fs.promises` has it, and so has the `simulation.fs.promises` of a simulated disk. */
export interface Names {
  /** Makes a folder, and those above it. */
  mkdir(path: string, options: { recursive: true }): Promise<unknown>;
  /** Removes a file. */
  unlink(path: string): Promise<void>;
  /** Removes an empty folder. */
  rmdir(path: string): Promise<void>;
}
