/** The suite is tested: kernels that are wrong on purpose must fail it, and the right one must not. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, it } from 'vitest';
import { emulatedKernel } from '../../src/emulated/index.ts';
import { runConformance } from '../conformance/index.ts';
import { WRONG_KERNELS } from '../support/wrong-kernels.ts';

describe('a kernel that', () => {
  for (const { name, rule, wrap } of WRONG_KERNELS) {
    it(`${name} fails ${rule}`, async () => {
      const right = await runConformance({ kernel: emulatedKernel(), directory: tmpdir(), rule });
      assert.equal(right.failed, 0, 'without the fault the rule holds');
      assert.ok(right.passed > 0, 'the rule has cases');
      const wrong = await runConformance({ kernel: wrap(emulatedKernel()), directory: tmpdir(), rule });
      assert.ok(wrong.failed > 0, 'with the fault some case notices');
    });
  }
});
