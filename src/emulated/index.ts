/**
 * The emulated kernel: the six AIO system calls in TypeScript, on any host that runs Node.js.
 *
 * @module kaio/emulated
 */
export {
  EmulatedKernel,
  type EmulatedKernelOptions,
  emulatedKernel,
  type Machine,
} from './emulated-kernel.ts';
export { EXECUTORS, type ExecutorName } from './executors.ts';
export type { FileAnswer, FileOperations, FileRequest } from './files/file-operations.ts';
export { PROFILES, type ProfileName } from './profiles.ts';
export type { DiskImage, ImageEntry } from './simulated/disk-image.ts';
export type { Faults } from './simulated/faults.ts';
export type { HistoryPageOptions } from './simulated/history-page.ts';
export type { Latencies, Latency, Tail } from './simulated/latency.ts';
export type { LockKind } from './simulated/lock-table.ts';
export { MODELS, type Model, type ModelName, type Rule } from './simulated/models.ts';
export type { Operation } from './simulated/operation.ts';
export { Random, type Seed } from './simulated/random.ts';
export type { Trace } from './simulated/trace.ts';
export type { SimulatedFileSystem, SimulatedPromises } from './simulated-fs/simulated-fs.ts';
export { isOfDeadMachine } from './simulation/dead-machine.ts';
export {
  type CrashPoint,
  type EveryCrash,
  type EveryCrashOptions,
  everyCrash,
} from './simulation/every-crash.ts';
export {
  type CheckOptions,
  check,
  type Explored,
  type ExploreOptions,
  explore,
} from './simulation/explore.ts';
export type { FileLocks, Lockable, LockFound, LockRange, WaitOptions } from './simulation/file-locks.ts';
export type { ImportOptions } from './simulation/import-folder.ts';
export type { Ending } from './simulation/life.ts';
export type { CrashOptions, Side } from './simulation/moment.ts';
export type { SimulatedProcess } from './simulation/process.ts';
export { simulate } from './simulation/simulate.ts';
export type { SimulateOptions } from './simulation/simulate-options.ts';
export type { SimulatedKernel, SimulatedKernelOptions } from './simulation/simulated-kernel.ts';
export type { Simulation } from './simulation/simulation.ts';
export { type Pages, SimulationError } from './simulation/simulation-error.ts';
