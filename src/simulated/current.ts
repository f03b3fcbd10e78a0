/** The simulation that programs see: of the asynchronous call that is running, else of the process. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Simulation } from '../emulated/index.ts';

const local = new AsyncLocalStorage<Simulation>();
let everywhere: Simulation | undefined;

/** From now on programs see this simulation; `undefined` gives them the host again. */
export function use(simulation: Simulation | undefined): void {
  everywhere = simulation;
}

/** Runs a program, and all that it begins, on a simulation of its own: others can run beside it. */
export function during<T>(simulation: Simulation, program: () => T): T {
  return local.run(simulation, program);
}

export function current(): Simulation | undefined {
  return local.getStore() ?? everywhere;
}
