/** What machines that follow each other hand on, and how each has ended. */
import type { DiskOptions } from '../simulated/disk.ts';
import type { Faults } from '../simulated/faults.ts';
import type { Namespace } from '../simulated/namespace.ts';
import type { Operation } from '../simulated/operation.ts';
import type { Drive } from '../simulated/station.ts';
import type { Trace } from '../simulated/trace.ts';
import type { VirtualClock } from '../simulated/virtual-clock.ts';
import type { SimulatedKernelOptions } from './simulated-kernel.ts';

/** How the life of a machine before this one has ended. */
export interface Ending {
  /** Whether the power was lost, or the process killed. */
  readonly how: 'crash' | 'kill';
  /** The operation at which it was; `undefined` for a call of `crash()` or `kill()`, and at the end of the program. */
  readonly operation: Operation | undefined;
  /** Whether the program of `crashDuring` had come to its end before. */
  readonly isOver: boolean;
  /**
   * What the promise of that program came to, perhaps long after its machine was gone. It waits as long as the program does, and
   * never rejects. `undefined` without a program.
   */
  readonly program: Promise<PromiseSettledResult<unknown>> | undefined;
}

/** What machines that follow each other share. */
export interface Shared {
  readonly seed: bigint;
  readonly disk: DiskOptions;
  readonly drive: Drive;
  readonly kernel: SimulatedKernelOptions;
  readonly trace: Trace;
}

/** Where a machine takes over. */
export interface Start {
  readonly generation: number;
  readonly names: Namespace;
  readonly clock: VirtualClock;
  readonly nextId: number;
  readonly ending?: Ending | undefined;
}

/** Of the extremes chance decides nothing. */
export function faultsOf(faults: Faults, outcome: number | undefined): Faults {
  const none = { zeroed: 0, torn: 0, misdirected: 0, garbage: 0, damaged: 0, unreadable: 0 };
  if (outcome === 0) return { ...faults, ...none, lost: 1 };
  return outcome === 1 ? { ...faults, ...none, lost: 0 } : faults;
}
