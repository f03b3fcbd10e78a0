/**
 * Whether the fuzzer for the simulated file system finds what it is for: `simulation.fs` is made wrong in one place at a time, and each
 * must be found within 20,000 calls.
 *
 *     npm run check:fs-fuzz-mutations -- --seed 7 --only append
 *
 * A mutation is a replacement in a copy of the compiled code. With the same seed and as many calls, the code as it is must pass.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../package-root.ts';

const CALLS = 20_000;

interface Mutation {
  readonly name: string;
  readonly what: string;
  /** Below `dist/src/emulated`. */
  readonly file: string;
  /** Occurs exactly once. */
  readonly from: string;
  readonly to: string;
}

const MUTATIONS: readonly Mutation[] = [
  {
    name: 'flag',
    what: 'writeFile ignores its flag',
    file: 'simulated-fs/content-operations.js',
    from: "optionsOf(options).flag || 'w'",
    to: "'w'",
  },
  {
    name: 'mode',
    what: 'mkdir ignores its mode',
    file: 'simulated-fs/name-operations.js',
    from: 'const bits = modeOf(mode, DIRECTORY_MODE);',
    to: 'const bits = DIRECTORY_MODE;',
  },
  {
    name: 'follow',
    what: 'lstat follows links',
    file: 'simulated-fs/name-operations.js',
    from: 'yield* this.#paths.stat(at, false), optionsOf',
    to: 'yield* this.#paths.stat(at, true), optionsOf',
  },
  {
    name: 'nlink',
    what: 'a name that is taken away still counts',
    file: 'simulated/namespace.js',
    from: 'before.links--;',
    to: '',
  },
  {
    name: 'slash',
    what: 'a slash behind a file is overlooked',
    file: 'simulated/namespace.js',
    from: "slash && end !== 'name' && inode",
    to: "false && end !== 'name' && inode",
  },
  {
    name: 'position',
    what: 'a write at a place moves the descriptor too',
    file: 'simulated/file-calls.js',
    from: 'if (position === null && result > 0)\n                    file.position = file.append',
    to: 'if (result > 0)\n                    file.position = file.append',
  },
  {
    name: 'callback',
    what: 'a callback gets its error after the value',
    file: 'simulated-fs/faces.js',
    from: 'callback(error, ...spread(value, args, error))',
    to: 'callback(...spread(value, args, error), error)',
  },
];

const { values } = parseArgs({ options: { seed: { type: 'string' }, only: { type: 'string' } } });
const seed = values.seed ?? String(randomInt(2 ** 31));
const chosen = MUTATIONS.filter(({ name }) => values.only === undefined || name === values.only);
if (chosen.length === 0)
  throw new Error(`--only takes one of ${MUTATIONS.map(({ name }) => name).join(', ')}`);

/** @returns The exit code of the fuzzer, and the calls that it made until it found something; `undefined` where it found nothing. */
function fuzz(root: string): { code: number | null; calls: number | undefined } {
  const args = ['fuzz', '--simulated-fs', '--seed', seed, '--operations', String(CALLS), '--json'];
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'dist/src/cli/cli.js'), ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const report = JSON.parse(stdout || '{}') as { divergences?: readonly { calls: number }[] };
  return { code: status, calls: report.divergences?.[0]?.calls };
}

console.log(`seed ${seed}`);
let missed = 0;
if (fuzz(packageRoot()).code !== 0) {
  console.log('as it is: FOUND WRONG, which proves nothing');
  missed++;
}
for (const { name, what, file, from, to } of chosen) {
  const root = mkdtempSync(join(tmpdir(), 'kaio-fs-mutation-'));
  try {
    for (const part of ['package.json', 'dist'])
      cpSync(join(packageRoot(), part), join(root, part), { recursive: true });
    symlinkSync(join(packageRoot(), 'node_modules'), join(root, 'node_modules'));
    const path = join(root, 'dist/src/emulated', file);
    const source = readFileSync(path, 'utf8');
    if (source.split(from).length !== 2) throw new Error(`${name}: its text is not there once in ${file}`);
    writeFileSync(path, source.replace(from, to));
    const { code, calls } = fuzz(root);
    const found = code === 1 && calls !== undefined;
    if (!found) missed++;
    console.log(
      `${name} (${what}): ${found ? `found after ${calls} calls` : `NOT FOUND, exit code ${code}`}`,
    );
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
if (missed > 0) process.exitCode = 1;
