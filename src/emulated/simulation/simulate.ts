/** Switching on a machine, from a seed. */
import { Inode } from '../simulated/inode.ts';
import { Namespace } from '../simulated/namespace.ts';
import { seedOf } from '../simulated/random.ts';
import type { Drive } from '../simulated/station.ts';
import { Trace } from '../simulated/trace.ts';
import { VirtualClock } from '../simulated/virtual-clock.ts';
import { judgeOptions, type SimulateOptions } from './simulate-options.ts';
import { Simulation } from './simulation.ts';

const ROOT_INO = 2;
const ROOT_MODE = 0o755;

/**
 * Makes a simulation.
 *
 * @throws TypeError `ERR_INVALID_ARG_VALUE` for what is no seed; RangeError `ERR_OUT_OF_RANGE` for other options.
 *
 * @example
 * ```ts
 * import { AioContext, open } from 'kaio';
 * import { simulate } from 'kaio/emulated';
 *
 * let simulation = simulate({ seed: 42 });
 * const context = new AioContext({ kernel: simulation.kernel });
 * const file = await open('/log', 'w', 0o666, { context });
 * await file.write(Buffer.from('promised'));
 * await file.datasync();
 * await file.write(Buffer.from(' perhaps'));
 * simulation = simulation.crash();
 * console.log((await simulation.fs.promises.stat('/log')).size); // 8 or more
 * ```
 */
export function simulate(options: SimulateOptions): Simulation {
  const seed = seedOf(options.seed);
  const { disk, capacityBytes, traceEntries } = judgeOptions(options);
  const drive: Drive = { capacityBytes, slowdown: 1 };
  const clock = new VirtualClock();
  const attributes = { mode: ROOT_MODE, uid: 0, gid: 0, atimeNs: 0, mtimeNs: 0, ctimeNs: 0 };
  const names = new Namespace(new Inode(ROOT_INO, 'directory', attributes), ROOT_INO + 1);
  const trace = new Trace(traceEntries);
  return new Simulation(
    { seed, disk, drive, kernel: options.kernel ?? {}, trace },
    { generation: 0, names, clock, nextId: 1 },
  );
}
