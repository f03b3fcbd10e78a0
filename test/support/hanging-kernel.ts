/** Kernels whose calls do not come back, or that take the process with them: modules for a `ConformanceSession`. */

import type { AioKernel } from '../../src/common/kernel/aio-kernel.ts';
import { emulatedKernel } from '../../src/emulated/index.ts';
import { replacing } from './kernels.ts';

/** Blocks the thread for good, as a system call that never returns does. */
function hang(): never {
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

const FAULTS: Readonly<Record<string, (kernel: AioKernel) => Partial<AioKernel>>> = {
  none: () => ({}),
  'io_getevents never returns': () => ({ io_getevents: hang }),
  'io_getevents waits for events that were to be polled for': (kernel) => ({
    io_getevents: (ctx, min_nr, nr, events, timeout) =>
      Number(min_nr) === 0 ? hang() : kernel.io_getevents(ctx, min_nr, nr, events, timeout),
  }),
  'io_destroy never ends': () => ({ destroyInBackground: () => new Promise<number>(() => {}) }),
  'io_cancel crashes': () => ({ io_cancel: () => process.abort() }),
  'io_setup ends the process': () => ({ io_setup: () => process.exit(3) }),
};

/** The names of the faults. */
export const HANGING: readonly string[] = Object.keys(FAULTS);

export default function open(fault: unknown): AioKernel {
  if (fault === 'no kernel at all') throw new Error('there is no such kernel here');
  const kernel = emulatedKernel();
  return replacing(kernel, FAULTS[String(fault)]!(kernel));
}
