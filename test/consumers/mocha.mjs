import { tmpdir } from 'node:os';
import { suite } from 'kaio/conformance';
import open from './kernel.mjs';

/** mocha does not show why a test was skipped: the title does. */
function skip(context, reason) {
  context.test.title += ` (${reason})`;
  context.skip();
}

suite({ describe, it, skip, kernel: open, directory: tmpdir() });
