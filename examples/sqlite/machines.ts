/** The host, and a simulated machine, as the database sees them. */
import { randomBytes } from 'node:crypto';
import { stat, unlink } from 'node:fs/promises';
import { AioContext, open } from 'kaio';
import type { Simulation } from 'kaio/emulated';
import type { Machine } from './vfs.ts';

const MODE = 0o644;
const NSEC_PER_MSEC = 1e6;

export const host: Machine = {
  open: (path, flags) => open(path, flags, MODE),
  names: { stat, unlink },
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
    open: (path, flags) => open(path, flags, MODE, { context }),
    names: { stat: (path) => promises.stat(path), unlink: (path) => promises.unlink(path) },
    randomBytes: (length) => random.bytes(length),
    nowMs: () => simulation.nowNs / NSEC_PER_MSEC,
    syncsDirectories: true,
  };
}
