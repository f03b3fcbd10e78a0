/** The program in C that `kaio bench --suite commits` puts beside kaio. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, it } from 'vitest';
import { run } from '../support/kaio.ts';
import { KERNELS } from '../support/kernels.ts';

const home = mkdtempSync(join(tmpdir(), 'kaio-group-commit-'));
afterAll(() => rmSync(home, { recursive: true }));

const compiler = process.env.CC || 'cc';
const hasCompiler = spawnSync(compiler, ['--version']).status === 0;
const isLinux = KERNELS.some(({ name, missing }) => name === 'native' && missing === undefined);

const BLOCK = 4096;
const REGION_BLOCKS = 256;
const WRITERS = 3;
const SOON_NS = '20000000';

describe.skipIf(!hasCompiler || !isLinux)('group commit in C', () => {
  const program = join(home, 'group-commit');
  const path = join(home, 'file');

  it('compiles without warnings, and writes blocks of all writers', () => {
    const source = fileURLToPath(new URL('../../bench/group-commit.c', import.meta.url));
    const { status, stderr } = run(compiler, ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, source]);
    assert.equal(status, 0, stderr);
    writeFileSync(path, Buffer.alloc(WRITERS * REGION_BLOCKS * BLOCK));
    const { stdout } = run(program, [path, 'cached', String(WRITERS), SOON_NS, SOON_NS]);
    const { measurement } = JSON.parse(stdout) as { measurement: Record<string, number> };
    assert.deepEqual(Object.keys(measurement), ['medianUs', 'p99Us', 'commitsPerSecond']);
    assert.ok(measurement.commitsPerSecond! > 0 && measurement.p99Us! >= measurement.medianUs!);
    const bytes = readFileSync(path);
    assert.equal(bytes.length, WRITERS * REGION_BLOCKS * BLOCK);
    for (let writer = 0; writer < WRITERS; writer++) {
      const from = writer * REGION_BLOCKS * BLOCK;
      assert.ok(bytes.subarray(from, from + BLOCK).every((byte) => byte === writer + 1));
    }
  });

  it('says what it could not do', () => {
    const { stdout } = run(program, [join(home, 'none'), 'cached', '1', SOON_NS, SOON_NS]);
    assert.deepEqual(JSON.parse(stdout), { failure: 'open: No such file or directory' });
  });
});
