/** What adapters ask of names. `fs.promises` has it, and so has the `simulation.fs.promises` of a simulated disk. */
export interface Names {
  mkdir(path: string, options: { recursive: true }): Promise<unknown>;
  unlink(path: string): Promise<void>;
  rmdir(path: string): Promise<void>;
}
