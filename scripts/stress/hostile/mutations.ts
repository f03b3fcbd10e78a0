/**
 * Whether the hostile fuzzer finds what it is for: the product is made wrong in one place at a time, and each must be found within
 * 50,000 steps.
 *
 *     npm run check:hostile-mutations -- --seed 7 --only pin [--without KIND]...
 *
 * A mutation is a replacement in a copy of the compiled code, so what runs is the whole product but for one line. The product as it
 * is must not be found wrong in as many steps, or a mutation proves nothing.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../package-root.ts';

const STEPS = 50_000;

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
}

const SUBMISSION = 'common/context/submission.js';
const STAGING = 'common/context/staging.js';

const MUTATIONS: readonly Mutation[] = [
  {
    name: 're-validation',
    what: 'memory that was handed on while its request waited is not noticed before the request is staged',
    changes: [
      {
        file: STAGING,
        from: "return operation.isDetached ? detachedView('buffer') : this.#substitute(operation, isHere);",
        to: 'return this.#substitute(operation, isHere);',
      },
    ],
  },
  {
    name: 'pin',
    what: 'memory in flight is not pinned',
    changes: [
      {
        file: 'common/context/in-flight.js',
        from: 'if (operation.isPinned || this.#kernel.completesAside !== true)',
        to: 'if (!operation.isPinned || this.#kernel.completesAside !== true)',
      },
    ],
  },
  {
    name: 'pin-late',
    what: "subscribers of 'kaio:submit' are told of what is in flight before it is pinned",
    changes: [
      {
        file: SUBMISSION,
        from: 'this.#toPublish.push({ kernel: this.#kernel, requests: total - done, accepted: answer });',
        to: 'submitChannel.publish({ kernel: this.#kernel, requests: total - done, accepted: answer });',
      },
    ],
  },
  {
    name: 'getter',
    what: 'the descriptor that an object carries is asked for twice',
    changes: [
      {
        file: 'common/validate.js',
        from: "'fd' in descriptor ? descriptor.fd : descriptor",
        to: "'fd' in descriptor && descriptor.fd !== undefined ? descriptor.fd : descriptor",
      },
    ],
  },
  {
    name: 'throw',
    what: 'what is wrong with one request leaves the loop over the others',
    changes: [
      {
        file: STAGING,
        from: 'this.#inFlight.end(operation, refusal);',
        to: 'throw refusal;',
      },
    ],
  },
  {
    name: 'leak',
    what: 'a context that cannot be made keeps its eventfd',
    changes: [
      {
        file: 'common/context/kernel-context.js',
        from: 'undo.push(() => kernel.close(this.eventfd));',
        to: '',
      },
    ],
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
const copy = join(root, 'node_modules', '.cache', `kaio-hostile-mutant-${process.pid}`);

/** Puts wrong lines into the copy. @returns Takes them out again. */
function mutate({ name, changes }: Mutation): () => void {
  const sources = new Map<string, string>();
  for (const { file, from, to } of changes) {
    const path = join(copy, 'dist', 'src', file);
    const source = readFileSync(path, 'utf8');
    if (!sources.has(path)) sources.set(path, source);
    if (source.split(from).length !== 2)
      throw new Error(`mutation '${name}' no longer fits: its text does not occur once in ${file}`);
    writeFileSync(
      path,
      source.replace(from, () => to),
    );
  }
  return () => {
    for (const [path, source] of sources) writeFileSync(path, source);
  };
}

/** @returns What the fuzzer says, and whether it has found something. */
function fuzz(): { found: boolean; output: string } {
  const where = values.directory === undefined ? [] : ['--directory', values.directory];
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(copy, 'dist', 'scripts', 'stress', 'hostile', 'main.js'),
      ...['--seed', seed, '--steps', String(STEPS), '--most', '1', '--shrink-seconds', '0'],
      ...['--node', values.node, ...where],
      ...values.without.flatMap((kind) => ['--without', kind]),
    ],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (status !== 0 && status !== 1) throw new Error(`the fuzzer ended with ${status}:\n${stdout}${stderr}`);
  return { found: status === 1, output: stdout };
}

console.log(`seed ${seed}; again: npm run check:hostile-mutations -- --seed ${seed}`);
let missed = 0;
try {
  mkdirSync(copy, { recursive: true });
  cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(copy, 'package.json'));
  for (const built of ['build', 'prebuilds'])
    if (existsSync(join(root, built))) symlinkSync(join(root, built), join(copy, built));
  // Before minutes are spent: what no longer fits is an error.
  for (const mutation of chosen) mutate(mutation)();
  const { found, output } = fuzz();
  if (found) throw new Error(`the product as it is was found wrong, so mutations prove nothing:\n${output}`);
  for (const mutation of chosen) {
    const undo = mutate(mutation);
    const mutant = fuzz();
    undo();
    if (!mutant.found) missed++;
    console.log(
      `${mutant.found ? 'found' : 'MISSED'}: ${mutation.what}\n${mutant.found ? mutant.output : ''}`,
    );
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`${chosen.length - missed} of ${chosen.length} mutations found within ${STEPS} steps`);
if (missed > 0) process.exitCode = 1;
