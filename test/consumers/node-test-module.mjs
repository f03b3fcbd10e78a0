/** The same with cases in a child process: the framework survives a kernel that hangs. */
import { tmpdir } from 'node:os';
import { after, describe, it } from 'node:test';
import { suite } from 'kaio/conformance';

const kernel = new URL('./kernel.mjs', import.meta.url);
suite({ describe, it, after, kernel, directory: tmpdir() });
