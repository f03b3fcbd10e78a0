import { tmpdir } from 'node:os';
import { suite } from 'kaio/conformance';
import { describe, it } from 'vitest';
import open from './kernel.mjs';

suite({ describe, it, kernel: open, directory: tmpdir() });
