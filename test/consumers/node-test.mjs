import { tmpdir } from 'node:os';
import { describe, it } from 'node:test';
import { suite } from 'kaio/conformance';
import open from './kernel.mjs';

suite({ describe, it, kernel: open, directory: tmpdir() });
