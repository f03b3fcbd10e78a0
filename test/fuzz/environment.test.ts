/** What stands in the way of the fuzzer is said, and is no divergence. */
import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import { checkMemory, EnvironmentBroken } from '../../src/fuzz/environment.ts';
import type { NativeKernel } from '../../src/native/index.ts';

function kernelWith(pageBytes: number, wordBytes: number): Pick<NativeKernel, 'memory'> {
  return { memory: { pageBytes, wordBytes } } as unknown as Pick<NativeKernel, 'memory'>;
}

describe('the fuzzer’s memory', () => {
  it('has pages of 4 KiB and words of 64 bits', () => checkMemory(kernelWith(4096, 8)));

  it.each([
    [16_384, 8],
    [65_536, 8],
    [4096, 4],
  ])('is not to be had with pages of %d bytes and words of %d', (pageBytes, wordBytes) => {
    assert.throws(
      () => checkMemory(kernelWith(pageBytes, wordBytes)),
      (error: unknown) =>
        error instanceof EnvironmentBroken &&
        error.message.includes(`they have ${pageBytes} and ${wordBytes}`),
    );
  });
});
