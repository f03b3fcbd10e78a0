/** Which file a descriptor means: by what, where the host tells less than others. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, it } from 'vitest';
import { hostKnowsBirths, knowsBirths } from '../../../src/emulated/files/identity.ts';

const times = (birthtimeNs: bigint, ctimeNs: bigint, mtimeNs: bigint) => ({ birthtimeNs, ctimeNs, mtimeNs });

describe('times of birth', () => {
  it.each<readonly [string, ReturnType<typeof times>[], boolean]>([
    ['of files that were changed since', [times(1n, 5n, 4n), times(2n, 2n, 2n)], true],
    ['that the file system does not keep', [times(0n, 5n, 4n)], true],
    ['that are those of the last change, all of them', [times(5n, 5n, 4n), times(9n, 9n, 1n)], false],
    ['that are those of the last write, all of them', [times(4n, 5n, 4n), times(2n, 2n, 2n)], false],
    ['of files that nobody may ask for', [], true],
  ])('%s', (_title, files, known) => assert.equal(knowsBirths(files), known));
});

/** Without statx(2), as a filter of system calls leaves a process, libuv asks fstat(2), which knows of no birth. */
const STRACE = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=statx', '-e', 'inject=statx:error=EPERM'];
const hasStrace = process.platform === 'linux' && spawnSync('strace', [...STRACE, '/bin/true']).status === 0;

describe('a host that knows no births', () => {
  const home = mkdtempSync(join(tmpdir(), 'kaio-identity-'));
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  it.skipIf(!hasStrace || !hostKnowsBirths())(
    'does not take a file that is written to for another one',
    () => {
      const path = join(home, 'file');
      writeFileSync(path, Buffer.alloc(65_536));
      const dist = pathToFileURL(join(import.meta.dirname, '../../../dist/src/index.js')).href;
      const program = `import { closeSync, openSync } from 'node:fs';
import { AioContext, selectKernel } from ${JSON.stringify(dist)};
const { kernel } = selectKernel({ backend: 'emulated' });
const context = new AioContext({ kernel, queueDepth: 1 });
const fd = openSync(${JSON.stringify(path)}, 'r+');
const writes = Array.from({ length: 30 }, (_, index) => context.write(fd, Buffer.alloc(4096), (index % 16) * 4096));
const outcomes = await Promise.allSettled(writes);
console.log([...new Set(outcomes.map(({ value, reason }) => value ?? reason.code))].join());
await context.close();
closeSync(fd);
`;
      const words = [...STRACE, process.execPath, '--input-type=module', '-e', program];
      const { stdout, stderr } = spawnSync('strace', words, { encoding: 'utf8' });
      assert.equal(stdout, '4096\n', stderr);
    },
  );
});
