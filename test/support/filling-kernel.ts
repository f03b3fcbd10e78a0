/** A kernel under which the disk fills up, or descriptors run out: a module for `kaio conformance --kernel`. */
import { openSync, writeSync } from 'node:fs';
import type { AioKernel } from '../../src/common/kernel/aio-kernel.ts';
import { emulatedKernel } from '../../src/emulated/index.ts';

const CASES_BEFORE = 40;
const BLOCK = new Uint8Array(65536);
let opened = 0;

function holds(code: string, step: () => void): boolean {
  try {
    step();
    return true;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === code)) throw error;
    return false;
  }
}

/** Leaves not a byte. */
function fill(path: string): void {
  const fd = openSync(path, 'a');
  for (let bytes = BLOCK.length; bytes >= 1; )
    if (!holds('ENOSPC', () => writeSync(fd, BLOCK, 0, bytes))) bytes = Math.floor(bytes / 2);
}

/** Leaves not a descriptor. */
function exhaust(): void {
  while (holds('EMFILE', () => openSync(process.execPath, 'r')));
}

export default function open(): AioKernel {
  const { FILL } = process.env;
  if (++opened === CASES_BEFORE) {
    if (FILL === undefined) exhaust();
    else fill(FILL);
  }
  return emulatedKernel();
}
