import { tmpdir } from 'node:os';
import { describe, it } from 'vitest';
import { openNativeKernel } from '../src/native/index.ts';
import { suite } from './conformance/index.ts';

function availability(): true | string {
  try {
    openNativeKernel();
    return true;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const available = availability();

describe.runIf(available === true)('native', () => {
  suite({ describe, it, kernel: openNativeKernel, directory: tmpdir() });
});

describe.runIf(available !== true)('native', () => {
  it(`is unavailable here: ${available}`, () => {});
});
