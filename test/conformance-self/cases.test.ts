import assert from 'node:assert/strict';
import { it } from 'vitest';
import { ALL_CASES } from '../conformance/index.ts';

it('gives every case an id of its own and at least one rule', () => {
  const ids = ALL_CASES.map(({ id }) => id);
  assert.deepEqual(
    ids.filter((id, index) => ids.indexOf(id) !== index),
    [],
  );
  for (const { id, rule } of ALL_CASES) assert.match(rule, /^[A-Z0-9]+-\d\d( [A-Z0-9]+-\d\d)*$/, id);
});
