/**
 * Tells whether this build of kaio is slower than another by more than a twentieth: CPU time for each transfer, in turns.
 *
 *     npm run bench:guard                     compares with the last commit
 *     npm run bench:guard -- --commit REV     with any commit: it is compiled to a folder that is removed again
 *     npm run bench:guard -- --base DIR       with the `dist` in a folder
 *     npm run bench:guard -- --cases file,context --rounds 36
 *
 * Ends with code 1 if a case is slower or could not be measured. What stays undecided is told, and is no failure; nor is a commit that does
 * not compile with the packages that are installed now: its dependencies or their types were others.
 *
 * `--pairs` is how many pairs of turns a round has, 100 by itself: fewer take less time, and are for differences that are large.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BOUND, compareBuilds, guardLine, LOOKS, MOST_WRONG, PAIRS } from '../../bench/guard.ts';
import { GUARD_CASES } from '../../bench/guard-job.ts';
import { packageRoot } from '../package-root.ts';

const root = packageRoot();
/** What the addon is made of. */
const ADDON_SOURCES = ['binding.gyp', ':(glob)src/native/**/*.c', ':(glob)src/native/**/*.h'];

const { values } = parseArgs({
  options: {
    base: { type: 'string' },
    commit: { type: 'string' },
    cases: { type: 'string' },
    rounds: { type: 'string', default: String(LOOKS.at(-1)) },
    pairs: { type: 'string', default: String(PAIRS) },
    directory: { type: 'string', default: tmpdir() },
  },
});

function git(...args: readonly string[]): Buffer {
  return execFileSync('git', args, { cwd: root, maxBuffer: 1 << 30 });
}

/** A commit that cannot be compared with. */
class CommitDoesNotCompile extends Error {}

/** A commit, compiled. Below node_modules, so that it finds its packages and nobody finds it. */
class CompiledCommit implements Disposable {
  readonly folder = join(root, 'node_modules', '.cache', `kaio-guard-${process.pid}`);

  constructor(commit: string) {
    const hash = git('rev-parse', '--verify', `${commit}^{commit}`).toString().trim();
    console.log(`compiling ${hash}`);
    mkdirSync(this.folder, { recursive: true });
    try {
      execFileSync('tar', ['-x', '-C', this.folder], { input: git('archive', '--format=tar', hash) });
      // Below node_modules the package cannot be imported by its name, as examples do; the library is enough.
      const config = join(this.folder, 'tsconfig.guard.json');
      writeFileSync(config, JSON.stringify({ extends: './tsconfig.json', include: ['src'] }));
      const compiler = join(root, 'node_modules/typescript/bin/tsc');
      const { status, error } = spawnSync(process.execPath, [compiler, '-p', config], { stdio: 'inherit' });
      if (error !== undefined) throw error;
      if (status !== 0)
        throw new CommitDoesNotCompile(
          `${hash} does not compile with the packages that are installed now: nothing was compared`,
        );
      this.#giveAddon(hash);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #giveAddon(hash: string): void {
    const { status } = spawnSync('git', ['diff', '--quiet', hash, '--', ...ADDON_SOURCES], { cwd: root });
    if (status !== 0) {
      console.log('the addon is another one since then: both are measured without it');
      process.env.KAIO_ADDON = '0';
      return;
    }
    for (const built of ['build', 'prebuilds'])
      if (existsSync(join(root, built))) symlinkSync(join(root, built), join(this.folder, built));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function chosenCases(): typeof GUARD_CASES {
  const names = values.cases?.split(',');
  const unknown = names?.find((name) => !GUARD_CASES.some((one) => one.name === name));
  if (unknown !== undefined)
    throw new Error(
      `--cases: there is no '${unknown}', but ${GUARD_CASES.map(({ name }) => name).join(', ')}`,
    );
  return GUARD_CASES.filter(({ name }) => names === undefined || names.includes(name));
}

function chosenRounds(): number {
  const rounds = Number(values.rounds);
  if (!LOOKS.some((look) => look === rounds)) throw new Error(`--rounds is one of ${LOOKS.join(', ')}`);
  return rounds;
}

function chosenPairs(): number {
  const pairs = Number(values.pairs);
  if (!Number.isInteger(pairs) || pairs < 1) throw new Error('--pairs is a whole number above 0');
  return pairs;
}

async function main(): Promise<void> {
  if (values.base !== undefined && values.commit !== undefined)
    throw new Error('--base or --commit, not both');
  const cases = chosenCases();
  const rounds = chosenRounds();
  const pairs = chosenPairs();
  using compiled = values.base === undefined ? new CompiledCommit(values.commit ?? 'HEAD') : undefined;
  const results = await compareBuilds({
    base: compiled?.folder ?? values.base!,
    build: root,
    cases,
    rounds,
    pairs,
    directory: values.directory,
    onResult: (result) => console.log(guardLine(result)),
  });
  const slower = results.filter((result) => 'verdict' in result && result.verdict === 'slower').length;
  const failed = results.filter((result) => 'failure' in result).length;
  console.log(
    `${slower} of ${results.length} cases slower by more than ${BOUND * 100} % of CPU time, ${failed} failed; ` +
      `each verdict is wrong with a probability below ${MOST_WRONG * 100} %`,
  );
  if (slower + failed > 0) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  if (error instanceof CommitDoesNotCompile) console.log(error.message);
  else fail(error);
}

function fail(error: unknown): void {
  console.error(`bench-guard: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
