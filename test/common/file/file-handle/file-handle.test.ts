import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import { KERNELS } from '../../../support/kernels.ts';
import { CALLS, isDifferent } from './calls.ts';
import { compare } from './compare.ts';

for (const { name, missing } of KERNELS) {
  describe.skipIf(missing !== undefined)(`AioFile beside FileHandle, ${name}`, () => {
    for (const call of CALLS) {
      it(call.title, async () => {
        const { fileHandle, aioFile } = await compare(call, name);
        if (isDifferent(call)) assert.notDeepEqual(aioFile, fileHandle, 'the difference has vanished');
        else assert.deepEqual(aioFile, fileHandle);
      });
    }
  });
}
