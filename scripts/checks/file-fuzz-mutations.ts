/**
 * Whether the fuzzer for files finds what it is for: AioFile is made wrong in one place at a time, and each must be found within
 * 50,000 calls.
 *
 *     npm run check:file-fuzz-mutations -- --seed 7 --only cursor
 *
 * A mutation is a replacement in a copy of the compiled code, so what runs is the whole product but for one place. In the calls after
 * which it was found, the product as it is must not be found wrong, or that proves nothing.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Feature } from '../../src/file-fuzz/scope.ts';
import { packageRoot } from '../package-root.ts';

const CALLS = 50_000;

interface Change {
  /** Below `dist/src`. */
  readonly file: string;
  /** Occurs exactly once. */
  readonly from: string;
  readonly to: string;
}

interface Mutation {
  readonly name: string;
  readonly what: string;
  readonly changes: readonly Change[];
  /** Not wrong by themselves: limits made so low that small files reach them. */
  readonly lowered?: readonly Change[];
  /** What is wrong with those limits, and only with them. */
  readonly without?: readonly Feature[];
}

const AIO_FILE = 'common/file/aio-file.js';
const FILE_OPERATIONS = 'common/file/file-operations.js';
const WHOLE_TRANSFERS = 'common/file/whole-transfers.js';

const MUTATIONS: readonly Mutation[] = [
  {
    name: 'close',
    what: 'close does not wait for streams and transfers',
    changes: [
      {
        file: AIO_FILE,
        from: 'this.#beforeClose();\n            const { cached } = parts;',
        to: 'while (this.#keyed[this.#internals.refs] > 1) this.#keyed[this.#internals.unref]();\n            const { cached } = parts;',
      },
    ],
  },
  {
    name: 'cursor',
    what: 'a second cursor: writes without a position have one of their own',
    changes: [
      {
        file: FILE_OPERATIONS,
        from: 'this.#to(position, (place) => this.#io.write(extent, place, { signal, cut, manner }))',
        to: 'position === null ? this.#io.write(extent, (this.second = (this.second ?? 0) + extent.length) - extent.length, { signal, cut, manner }) : this.#io.write(extent, position, { signal, cut, manner })',
      },
    ],
  },
  {
    name: 'short',
    what: 'a short transfer is taken for the whole',
    changes: [
      {
        file: WHOLE_TRANSFERS,
        from: 'if (count === 0 || (count < part.length &&',
        to: 'if (count === 0 || count < part.length || (count < part.length &&',
      },
    ],
  },
  {
    name: 'abort',
    what: 'a signal is ignored by writeFile',
    changes: [
      {
        file: FILE_OPERATIONS,
        from: 'const { encoding, signal } = wanted;\n            const whole',
        to: 'const { encoding } = wanted;\n            const signal = undefined;\n            const whole',
      },
    ],
  },
  {
    name: 'chunk',
    what: 'of what is longer than one transfer can be, the second chunk is lost',
    lowered: [{ file: WHOLE_TRANSFERS, from: 'MOST_BYTES = 1 << 30', to: 'MOST_BYTES = 1 << 12' }],
    // The host writes in one call what these limits make two of, and between them another write may come.
    without: ['fifos'],
    changes: [
      {
        file: WHOLE_TRANSFERS,
        from: 'done += count;\n            if (count === 0',
        to: 'done += done === 0 && count === most ? Math.min(2 * most, extent.length) : count;\n            if (count === 0',
      },
    ],
  },
  {
    name: 'reuse',
    what: 'a file that was closed goes on using the number of its descriptor',
    changes: [{ file: AIO_FILE, from: 'isClosed: () => this.fd === -1', to: 'isClosed: () => false' }],
  },
];

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    only: { type: 'string' },
    without: { type: 'string', multiple: true, default: [] },
    node: { type: 'string', default: process.execPath },
    directory: { type: 'string' },
  },
});
const seed = values.seed ?? String(randomInt(2 ** 31));
const chosen = MUTATIONS.filter(({ name }) => values.only === undefined || name === values.only);
if (chosen.length === 0)
  throw new Error(`--only takes one of ${MUTATIONS.map(({ name }) => name).join(', ')}`);

const root = packageRoot();
// Below node_modules, so that the copy finds its packages and nobody finds the copy.
const copy = join(root, 'node_modules', '.cache', `kaio-file-mutant-${process.pid}`);

/** Puts changes into the copy. @returns Takes them out again. */
function change(name: string, changes: readonly Change[]): () => void {
  const sources = new Map<string, string>();
  const undo = (): void => {
    for (const [path, source] of sources) writeFileSync(path, source);
  };
  for (const { file, from, to } of changes) {
    const path = join(copy, 'dist', 'src', file);
    const source = readFileSync(path, 'utf8');
    if (!sources.has(path)) sources.set(path, source);
    if (source.split(from).length !== 2) {
      undo();
      throw new Error(`mutation '${name}' no longer fits: its text does not occur once in ${file}`);
    }
    writeFileSync(
      path,
      source.replace(from, () => to),
    );
  }
  return undo;
}

interface Found {
  readonly calls: number;
  readonly divergences: readonly { readonly calls: number; readonly testCase: string }[];
}

function fuzz(without: readonly Feature[] = [], most = CALLS): Found {
  const leftOut = [...values.without, ...without];
  const { status, stdout, stderr } = spawnSync(
    values.node,
    [
      join(copy, 'dist', 'src', 'cli', 'cli.js'),
      ...['fuzz', '--files', '--json', '--seed', seed, '--operations', String(most)],
      ...(values.directory === undefined ? [] : ['--directory', values.directory]),
      ...(leftOut.length === 0 ? [] : ['--without', ...leftOut]),
    ],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (status !== 0 && status !== 1) throw new Error(`the fuzzer ended with ${status}:\n${stderr}`);
  return JSON.parse(stdout) as Found;
}

/** @throws Error where the product is found wrong that is none of the mutants. */
function mustBeRight(what: string, calls: number, without?: readonly Feature[]): void {
  const [first] = fuzz(without, calls).divergences;
  if (first !== undefined)
    throw new Error(`${what} was found wrong, so mutations prove nothing:\n${first.testCase}`);
}

console.log(`seed ${seed}; again: npm run check:file-fuzz-mutations -- --seed ${seed}`);
let missed = 0;
try {
  mkdirSync(copy, { recursive: true });
  cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(copy, 'package.json'));
  for (const built of ['build', 'prebuilds'])
    if (existsSync(join(root, built))) symlinkSync(join(root, built), join(copy, built));
  // Before minutes are spent: what no longer fits is an error.
  for (const { name, changes, lowered = [] } of chosen) change(name, [...lowered, ...changes])();
  let most = 0;
  for (const { name, what, changes, lowered, without } of chosen) {
    const undo = change(name, [...(lowered ?? []), ...changes]);
    const { calls, divergences } = fuzz(without);
    undo();
    const [first] = divergences;
    if (first === undefined) {
      missed++;
      console.log(`MISSED in ${calls} calls: ${what}`);
    } else {
      most = Math.max(most, first.calls);
      console.log(`found after ${first.calls} calls: ${what}\n\n${first.testCase}`);
      if (lowered !== undefined) {
        const raise = change(name, lowered);
        mustBeRight(`the product with the limits of '${name}'`, first.calls, without);
        raise();
      }
    }
  }
  mustBeRight('the product as it is', most);
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`${chosen.length - missed} of ${chosen.length} mutations found within ${CALLS} calls`);
if (missed > 0) process.exitCode = 1;
