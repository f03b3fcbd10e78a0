/** Programs that the fuzzer found to run differently on two kernels, and that must not any more. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { type OpenedMachine, openMachine, type Program } from '../../src/fuzz/index.ts';

let opened: OpenedMachine | undefined;

const TIMES = 3;

/** What a program sees of `aio-nr` is the whole machine's: contexts of other processes come and go meanwhile. Nothing else is tried again. */
function isOfMachine(difference: object | undefined): boolean {
  return difference !== undefined && JSON.stringify(difference).includes('aio-nr');
}

/** Runs a program on Linux and on the emulation. @throws AssertionError with the first difference. */
export async function bothAgree(program: Program): Promise<void> {
  opened ??= await openMachine(tmpdir());
  let difference = await opened.run(program);
  for (let times = 1; times < TIMES && isOfMachine(difference); times++)
    difference = await opened.run(program);
  assert.deepEqual(difference, undefined);
}

/** Gives back what {@link bothAgree} took. */
export async function closeMachine(): Promise<void> {
  await opened?.close();
  opened = undefined;
}
