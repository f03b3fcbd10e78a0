import { tmpdir } from 'node:os';
import { describe, it } from 'vitest';
import { emulatedKernel } from '../src/emulated/index.ts';
import { suite } from './conformance/index.ts';

describe('emulated', () => {
  suite({ describe, it, kernel: () => emulatedKernel(), directory: tmpdir() });
});
