import { tmpdir } from 'node:os';
import { describe, it } from 'vitest';
import { EXECUTORS, emulatedKernel } from '../src/emulated/index.ts';
import { suite } from './conformance/index.ts';

describe.each(EXECUTORS)('emulated, executor %s', (executor) => {
  suite({ describe, it, kernel: () => emulatedKernel({ executor, debug: true }), directory: tmpdir() });
});

describe('emulated, profile linux-2.6.20', () => {
  suite({
    describe,
    it,
    kernel: () => emulatedKernel({ profile: 'linux-2.6.20', debug: true }),
    directory: tmpdir(),
  });
});
