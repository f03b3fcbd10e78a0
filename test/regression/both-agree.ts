/** Programs that the fuzzer found to run differently on two kernels, and that must not any more. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { type OpenedMachine, openMachine, type Program } from '../../src/fuzz/index.ts';

let opened: OpenedMachine | undefined;

/** What a program sees of `aio-nr` is the whole machine's: contexts of other processes come and go meanwhile. */
const TIMES = 3;

/** Runs a program on Linux and on the emulation. @throws AssertionError with the first difference, if there is one each time. */
export async function bothAgree(program: Program): Promise<void> {
  opened ??= await openMachine(tmpdir());
  let difference = await opened.run(program);
  for (let times = 1; times < TIMES && difference !== undefined; times++)
    difference = await opened.run(program);
  assert.deepEqual(difference, undefined);
}

/** Gives back what {@link bothAgree} took. */
export async function closeMachine(): Promise<void> {
  await opened?.close();
  opened = undefined;
}
