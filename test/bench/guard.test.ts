/** The regression guard: its statistics by themselves, and what it finds in builds that were made slower. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { BOUND, cpusIn, LOOKS, MOST_WRONG, roundsMissing, verdictOf } from '../../bench/guard.ts';
import { chanceOfHeads } from '../../bench/statistics.ts';
import { CLI, type Ended, start } from '../support/kaio.ts';

const root = join(dirname(CLI), '../../..');
/** Below node_modules, so that the copy finds its packages and nobody finds the copy. */
const copy = join(root, 'node_modules', '.cache', `kaio-guard-test-${process.pid}`);
/** On a machine that is busy: it takes some seconds. */
const LIMIT_MS = 400_000;

afterAll(() => rmSync(copy, { recursive: true, force: true }));

/** What is slower than the bound, and what is not. */
const SLOW = 1 + 2 * BOUND;
const SAME = 1;

function rounds(slow: number, same: number): number[] {
  return [...Array<number>(slow).fill(SLOW), ...Array<number>(same).fill(SAME)];
}

describe('the statistics of the regression guard', () => {
  it('knows the chances of a fair coin, as all its throws counted one by one', () => {
    for (let tosses = 1; tosses <= 12; tosses++)
      for (let heads = 0; heads <= tosses + 1; heads++) {
        let counted = 0;
        for (let throws = 0; throws < 2 ** tosses; throws++)
          if (throws.toString(2).replaceAll('0', '').length >= heads) counted++;
        assert.equal(chanceOfHeads(tosses, heads), counted / 2 ** tosses);
      }
  });

  it('decides as soon as the rounds are sure enough, and tells how many are missing otherwise', () => {
    for (const [slow, same, verdict] of [
      [7, 0, 'slower'],
      [0, 7, 'not slower'],
      [6, 1, 'undecided'],
      [10, 1, 'slower'],
      [14, 2, 'slower'],
      [3, 13, 'undecided'],
      [5, 19, 'not slower'],
      [18, 18, 'undecided'],
    ] as const)
      assert.equal(verdictOf(rounds(slow, same)), verdict, `${slow} and ${same}`);
    assert.equal(roundsMissing(rounds(18, 18)), Infinity);
    // As many more as make it sure if three of four are slower, and not one round fewer.
    const sure = 16 + roundsMissing(rounds(12, 4));
    const slowOf = (all: number): number => Math.floor((all * 3) / 4);
    assert.equal(verdictOf(rounds(slowOf(sure), sure - slowOf(sure))), 'slower');
    assert.equal(verdictOf(rounds(slowOf(sure - 1), sure - 1 - slowOf(sure - 1))), 'undecided');
  });

  it('reads the list of CPUs of /proc', () => {
    assert.deepEqual(cpusIn('0-3,8,10-11'), [0, 1, 2, 3, 8, 10, 11]);
    assert.deepEqual(cpusIn('0'), [0]);
  });

  it('is wrong as seldom as it says where a ratio is at the bound: every outcome of all looks', () => {
    // The chance of each count of slow rounds among those that no look has ended yet.
    let chances = [1];
    let ended = 0;
    for (let done = 1; done <= LOOKS.at(-1)!; done++) {
      const next = Array<number>(done + 1).fill(0);
      for (const [slow, chance] of chances.entries()) {
        next[slow]! += chance / 2;
        next[slow + 1]! += chance / 2;
      }
      if (LOOKS.some((look) => look === done))
        for (const slow of next.keys())
          if (verdictOf(rounds(slow, done - slow)) === 'slower') {
            ended += next[slow]!;
            next[slow] = 0;
          }
      chances = next;
    }
    assert.ok(ended > 0 && ended <= MOST_WRONG, String(ended));
  });
});

const SPIN = '{ const until = performance.now() + SPIN_MS; while (performance.now() < until); }';

/** Two ways to make reads slower. */
const SLOWDOWNS = [
  { name: 'context', file: 'dist/src/common/context/submission.js', method: 'push(operation, signal) {' },
  {
    name: 'file',
    file: 'dist/src/common/file/file-io.js',
    method: 'readFor(answer, buffer, extent, position, { signal, cut, manner }) {',
  },
] as const;

/** The guard of the copy, with the build here as its base. */
function guard(...cases: readonly string[]): Promise<Ended> {
  return start(
    process.execPath,
    [
      join(copy, 'dist/scripts/checks/bench-guard.js'),
      ...['--base', root, '--cases', cases.join(',')],
      // Enough for what is twice as slow. What the bound is worth the statistics above show.
      ...['--rounds', '11', '--pairs', '10'],
    ],
    { timeout: LIMIT_MS },
  );
}

describe('the regression guard', () => {
  it(
    'finds nothing in a build that is the same, and CPU time that is spent in each of two places',
    async () => {
      mkdirSync(copy, { recursive: true });
      cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true });
      cpSync(join(root, 'package.json'), join(copy, 'package.json'));
      for (const built of ['build', 'prebuilds'])
        if (existsSync(join(root, built))) symlinkSync(join(root, built), join(copy, built));

      const same = await guard('context');
      assert.equal(same.status, 0, same.stdout + same.stderr);
      assert.match(same.stdout, /^0 of 1 cases slower .* 0 failed/m);
      const [, baseUs] = / context: .* of the base's ([\d.]+) us/.exec(same.stdout)!;
      // As much as such a read takes: far beyond the bound for either.
      const spin = SPIN.replace('SPIN_MS', String(Number(baseUs) / 1000));
      for (const { name, file, method } of SLOWDOWNS) {
        const path = join(copy, file);
        const source = readFileSync(path, 'utf8');
        assert.equal(source.split(method).length, 2, `${method} is no longer in ${file}`);
        writeFileSync(
          path,
          source.replace(method, () => method + spin),
        );
        const slower = await guard(name);
        writeFileSync(path, source);
        assert.match(slower.stdout, new RegExp(`^slower +${name}:`, 'm'), slower.stdout + slower.stderr);
        assert.equal(slower.status, 1);
      }
    },
    3 * LIMIT_MS,
  );

  it('refuses what it cannot compare', async () => {
    for (const [args, told] of [
      [['--base', '/nowhere'], /\/nowhere holds no build/],
      [['--base', '.', '--commit', 'HEAD'], /not both/],
      [['--base', '.', '--cases', 'nothing'], /there is no 'nothing'/],
      [['--base', '.', '--rounds', '8'], /one of 7, 11/],
    ] as const) {
      const { status, stderr } = await start(process.execPath, [
        join(root, 'dist/scripts/checks/bench-guard.js'),
        ...args,
      ]);
      assert.match(stderr, told);
      assert.equal(status, 2);
    }
  });
});
