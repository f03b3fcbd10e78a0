/** Programs that the fuzzer found to run differently on two kernels, and that must not any more. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { type OpenedMachine, openMachine, type Program } from '../../src/fuzz/index.ts';

let opened: OpenedMachine | undefined;

/** Runs a program on Linux and on the emulation. @throws AssertionError with the first difference. */
export async function bothAgree(program: Program): Promise<void> {
  opened ??= await openMachine(tmpdir());
  assert.deepEqual(await opened.run(program), undefined);
}

/** Gives back what {@link bothAgree} took. */
export async function closeMachine(): Promise<void> {
  await opened?.close();
  opened = undefined;
}
