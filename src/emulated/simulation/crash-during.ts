/** A program that is run until its machine ends under it. */
import type { Disk } from '../simulated/disk.ts';
import type { Operation } from '../simulated/operation.ts';
import type { Ending } from './life.ts';
import { type CrashOptions, validateCrash, watchFor } from './moment.ts';

/**
 * Runs a program, and ends its machine at the moment that the options say, or at the end of the program if that comes first.
 *
 * @param below - Chance, where a moment is left to it.
 * @param end - Ends the machine. @param untouched - Has only just begun, and has no effect.
 * @returns What `end` has returned.
 */
export async function crashDuring<Found>(
  disk: Disk,
  below: (limit: number) => number,
  program: () => Promise<unknown>,
  options: CrashOptions,
  end: (ending: Ending, untouched: Operation | undefined) => Found,
): Promise<Found> {
  validateCrash(options);
  const how = options.kill === true ? 'kill' : 'crash';
  let found: { readonly machine: Found } | undefined;
  let hears: (result: PromiseSettledResult<unknown>) => void = () => {};
  const outcome = new Promise<PromiseSettledResult<unknown>>((resolve) => {
    hears = resolve;
  });
  const endNow = (operation: Operation | undefined, isOver: boolean): Found => {
    const untouched = options.side === 'before' ? operation : undefined;
    const machine = end({ how, operation, isOver, program: outcome }, untouched);
    found = { machine };
    return machine;
  };
  let due: () => Operation | undefined = () => undefined;
  const lost = new Promise<void>((resolve) => {
    const looked = watchFor(disk, options, below, (operation) => {
      // It may have been lost by a call meanwhile.
      if (!disk.isDead) endNow(operation, false);
      resolve();
    });
    due = looked.due;
    disk.watch(looked.watch);
  });
  const ended = program().then(
    (value) => hears({ status: 'fulfilled', value }),
    (reason: unknown) => {
      hears({ status: 'rejected', reason });
      // An error of a program without power says nothing.
      if (found === undefined) throw reason;
    },
  );
  try {
    await Promise.race([lost, ended]);
  } finally {
    disk.watch(undefined);
  }
  return found === undefined ? endNow(due(), true) : found.machine;
}
