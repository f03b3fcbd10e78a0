import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'vitest';
import { faultsOfTree } from '../../../scripts/checks/release.ts';
import { STEPS, WITHIN } from '../../../scripts/checks/release-steps.ts';

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };

/** One of what other checks do all of. */
const PART_OF_OTHERS = 'check:kernel-of-today';

describe('release:check', () => {
  it('does every check of package.json, and nothing that is not there', () => {
    const done = new Set(STEPS.map(({ script }) => script));
    for (const script of done) assert.ok(scripts[script] !== undefined, script);
    for (const [script, step] of Object.entries(WITHIN)) {
      assert.ok(done.has(step));
      if (script !== PART_OF_OTHERS)
        assert.ok(scripts[step]!.includes(`npm run ${script}`), `${step} does ${script}`);
    }
    const missing = Object.keys(scripts).filter(
      (script) => script.startsWith('check:') && !done.has(script) && WITHIN[script] === undefined,
    );
    assert.deepEqual(missing, []);
  });

  it('lets no tree out that is not what it says', () => {
    assert.deepEqual(faultsOfTree('1.2.3', '# Changelog\n\n## 1.2.3 (2026-12-01)\n', '1.2.3', ''), []);
    const faults = (changelog: string, upgrading = '1.2.3', changes = ''): number =>
      faultsOfTree('1.2.3', changelog, upgrading, changes).length;
    assert.equal(faults('## 1.2.3 (unreleased)'), 1);
    assert.equal(faults('## 1.2.2 (2026-12-01)\n## 1.2.3 (2026-12-01)'), 1);
    assert.equal(faults('## 1.2.3 (2026-12-01)', '1.2.2', ' M src/index.ts'), 2);
  });
});
