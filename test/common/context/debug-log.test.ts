import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, it } from 'vitest';
import { CLI, run } from '../../support/kaio.ts';

const index = pathToFileURL(join(dirname(dirname(CLI)), 'index.js')).href;

const PROGRAM = `
  import { open } from '${index}';
  import { channel } from 'node:diagnostics_channel';
  const file = await open(process.execPath);
  await file.read(Buffer.alloc(100), 0, 100, 0);
  await file.close();
  console.log(['context:open', 'submit', 'complete', 'threadpool'].some((name) => channel('kaio:' + name).hasSubscribers));`;

function log(NODE_DEBUG: string): { stdout: string; stderr: string } {
  const env = { ...process.env, NODE_DEBUG, KAIO_BACKEND: 'emulated' };
  const { status, stdout, stderr } = run(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
    env,
  });
  assert.equal(status, 0, stderr);
  return { stdout: stdout.trim(), stderr };
}

describe('NODE_DEBUG=kaio', () => {
  it('tells contexts, batches, events and what goes to the thread pool', () => {
    const { stdout, stderr } = log('kaio');
    assert.equal(stdout, 'true');
    assert.match(stderr, /KAIO \d+: context opened on the emulated kernel \(.+\), queue depth \d+/);
    assert.match(
      stderr,
      /KAIO \d+: (read\(fd \d+\) goes to the thread pool: \S|io_submit\(1\) = 1 \(emulated\))/,
    );
    assert.match(log('ka*').stderr, /KAIO \d+: context opened/);
  });

  it('is not asked for: nobody listens, and nothing is told', () => {
    for (const other of ['', 'fs'])
      assert.deepEqual([log(other).stdout, /KAIO/.test(log(other).stderr)], ['false', false]);
  });
});
