import assert from 'node:assert/strict';
import { it } from 'vitest';
import { unknownIds } from '../conformance/eras.ts';
import { ALL_CASES } from '../conformance/index.ts';

it('names cases that exist in the table of features that kernels of other times lack', () => {
  assert.deepEqual(unknownIds(ALL_CASES), []);
});
