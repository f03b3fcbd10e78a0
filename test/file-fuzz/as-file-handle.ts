/** A program over files on FileHandle and on AioFile, as a test: what `kaio fuzz --files` prints is pasted behind it. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { NODE_MAJOR } from '../../src/file-fuzz/compare.ts';
import { type FileProgram, type FileRunner, openRunner } from '../../src/file-fuzz/index.ts';
import { KERNELS } from '../support/kernels.ts';

/** Compiled: processes of their own run it. */
const WORKER = new URL('../../dist/src/file-fuzz/worker.js', import.meta.url);
const PATIENT_MS = 1500;

/** Why programs cannot be run here; undefined where they can. */
export const noFileFuzz: string | undefined =
  process.platform === 'linux'
    ? KERNELS.find(({ name }) => name === 'native')?.missing
    : `${process.platform} has no native kernel to compare with`;

let runner: FileRunner | undefined;

export function sharedRunner(): FileRunner {
  runner ??= openRunner(tmpdir(), [], WORKER);
  return runner;
}

/** For `afterAll`. */
export function closeRunner(): void {
  runner?.close();
  runner = undefined;
}

/** Fails where AioFile does otherwise than FileHandle. */
export async function asFileHandle(program: FileProgram): Promise<void> {
  const difference = await sharedRunner().confirmed(program, PATIENT_MS);
  assert.equal(difference, undefined, `on Node.js ${NODE_MAJOR}`);
}
