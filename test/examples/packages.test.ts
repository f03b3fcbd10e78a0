import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isomorphicGit } from '../../examples/packages/isomorphic-git.ts';
import { jsonFile } from '../../examples/packages/jsonfile.ts';
import type { Subject } from '../../examples/packages/subject.ts';
import { type End, trial, trials } from '../../examples/packages/trial.ts';

const ENDS: readonly End[] = ['kill', 'power'];

/** The control: a document that is synced, renamed over the one before, and whose directory is synced. */
const careful: Subject = {
  name: 'careful',
  promise: 'what was saved is there',
  begin: async () => {},
  async step({ promises }, number) {
    await promises.writeFile('/store.new', JSON.stringify({ number }), { flush: true });
    // Older versions of Node.js know no `flush`.
    await using file = await promises.open('/store.new', 'r');
    await file.sync();
    await promises.rename('/store.new', '/store');
    await using directory = await promises.open('/', 'r');
    await directory.sync();
  },
  async find({ promises }) {
    return (JSON.parse(await promises.readFile('/store', 'utf8')) as { number: number }).number;
  },
};

describe('packages on simulation.fs', () => {
  it.runIf(spawnSync('git', ['--version']).status === 0)(
    'isomorphic-git makes what git finds whole',
    async () => {
      const { after, verdict, saved } = await trial(isomorphicGit, 1, 'kill');
      expect([verdict, saved]).toEqual(['whole', 5]);
      const folder = mkdtempSync(join(tmpdir(), 'kaio-git-'));
      try {
        after.export(folder);
        const git = (...args: string[]) =>
          execFileSync('git', ['-C', join(folder, 'repository'), ...args], { encoding: 'utf8' });
        git('fsck', '--strict');
        expect(git('log', '--format=%s').trim().split('\n')).toEqual(
          [5, 4, 3, 2, 1].map((step) => `step ${step}`),
        );
        expect(git('status', '--porcelain')).toBe('');
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );

  it.each(ENDS)('what is careful is whole after every %s', async (end) => {
    expect(await trials(careful, end, 150)).toEqual({
      counts: { whole: 150, lost: 0, damaged: 0 },
      first: undefined,
    });
  });

  it.each(ENDS)('what writes over its document is not, after the same %s each time', async (end) => {
    const { counts, first } = await trials(jsonFile, end, 30);
    expect(counts.damaged).toBeGreaterThan(0);
    const again = await trial(jsonFile, first!.seed, end, first!.atEvent);
    expect(again.told).toBe(first!.told);
    expect(again.verdict).not.toBe('whole');
  });
});
