/** The host, and a simulated machine, as the database sees them. */
import { randomBytes } from 'node:crypto';
import { stat, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { Simulation } from '../emulated/index.ts';
import { AioContext, type AioFile, open } from '../index.ts';

/** What the database is on. */
export interface Machine {
  /** kaio's `open()`, on whatever kernel; `mode` is that of a file that it makes. */
  readonly open: (path: string, flags: number, mode: number) => Promise<AioFile>;
  /** `fs.promises` has these, and so has the file system of a simulation. */
  readonly names: {
    /** Removes a file. */
    unlink(path: string): Promise<void>;
    /** Of a file that is not there: `ENOENT`. */
    stat(path: string): Promise<{
      /** In bytes. */
      readonly size: number;
    }>;
  };
  /** Where SQLite's temporary files are. */
  readonly temporaryFolder: string;
  /** Chance: for the salts of journals, and names of temporary files. */
  readonly randomBytes: (length: number) => Uint8Array;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** Whether directories can be opened and synced. Windows cannot, and keeps names by itself. */
  readonly syncsDirectories: boolean;
}

const NSEC_PER_MSEC = 1e6;

/** Files, chance and time of this host. */
export const host: Machine = {
  open,
  names: { stat, unlink },
  temporaryFolder: tmpdir(),
  randomBytes,
  nowMs: Date.now,
  syncsDirectories: process.platform !== 'win32',
};

/** Files, chance and time are the simulation's: the same seed makes the same database, byte for byte. */
export function simulated(simulation: Simulation): Machine {
  const context = new AioContext({ kernel: simulation.kernel });
  const { random } = simulation;
  const { promises } = simulation.fs;
  return {
    open: (path, flags, mode) => open(path, flags, mode, { context }),
    names: { stat: (path) => promises.stat(path), unlink: (path) => promises.unlink(path) },
    temporaryFolder: '/',
    randomBytes: (length) => random.bytes(length),
    nowMs: () => simulation.nowNs / NSEC_PER_MSEC,
    syncsDirectories: true,
  };
}
