/** C programs of rules: two of them compiled and asked here; `npm run check:c-programs` does it with all. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { C_RULES, cProgram } from '../conformance/c-programs.ts';
import { RULES } from '../conformance/rules.ts';
import { kaio } from '../support/kaio.ts';

const home = mkdtempSync(join(tmpdir(), 'kaio-c-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const hasCompiler = process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0;

/** @returns How it ended, and what it told. */
function compiled(source: string): { status: number | null; stdout: string } {
  const program = join(home, 'rule');
  const flags = ['-std=gnu11', '-Wall', '-Wextra', '-Werror', '-x', 'c', '-', '-o', program];
  const { status, stderr } = spawnSync('cc', flags, { input: source, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return spawnSync(program, [], { encoding: 'utf8', timeout: 20_000 });
}

describe('C programs', () => {
  it('are there for forty rules and more, all of them rules', () => {
    assert.ok(C_RULES.length >= 40);
    for (const rule of C_RULES)
      assert.ok(
        RULES.some(({ id }) => id === rule),
        rule,
      );
    assert.equal(cProgram('SETUP-99'), undefined);
  });

  it.runIf(hasCompiler)('agree with this kernel, and tell where one differs', () => {
    const source = cProgram('SUBMIT-25')!;
    const right = compiled(source);
    assert.match(right.stdout, /^ok: a descriptor that is not open: expected -9/);
    assert.equal(right.status, 0);
    const wrong = compiled(source.replace('-EBADF', '-EINVAL'));
    assert.match(wrong.stdout, /^DIFFERS: /);
    assert.equal(wrong.status, 1);
  });

  it('are printed by kaio conformance --rule ID --c, which says what there is otherwise', () => {
    assert.equal(kaio(['conformance', '--rule', 'GET-01', '--c']).stdout, cProgram('GET-01'));
    for (const args of [['--c'], ['--rule', 'EXIT-01', '--c']]) {
      const { status, stderr } = kaio(['conformance', ...args]);
      assert.notEqual(status, 0);
      assert.match(stderr, /--c takes --rule with one of SETUP-01/);
    }
  });
});
