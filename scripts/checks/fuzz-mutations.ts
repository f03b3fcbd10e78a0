/**
 * Whether the fuzzer finds what it is for: the emulated kernel is made wrong in one place at a time, and each must be found
 * within 200,000 operations.
 *
 *     npm run check:fuzz-mutations -- --seed 7 --only order
 *
 * A mutation is a replacement in a copy of the compiled code, so what runs is the whole product but for one line.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../package-root.ts';

const OPERATIONS = 200_000;

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
    name: 'errno',
    what: 'one wrong errno: a descriptor that is no eventfd is EBADF',
    file: 'aio/io-submit.js',
    from: 'if (!(found instanceof EventFd))\n            return -ERRNO.EINVAL;',
    to: 'if (!(found instanceof EventFd))\n            return -ERRNO.EBADF;',
  },
  {
    name: 'order',
    what: 'one wrong order: polls of one file are woken oldest first',
    file: 'files/wait-queue.js',
    from: '[...this.#entries].reverse()',
    to: '[...this.#entries]',
  },
  {
    name: 'wake-up',
    what: 'one lost wake-up: a completion that signals an eventfd wakes nobody who polls it',
    file: 'files/eventfd.js',
    from: 'this.#count++;\n        this.poll_wait.wakeAll(POLLIN);',
    to: 'this.#count++;',
  },
  {
    name: 'capacity',
    what: 'one off-by-one capacity: a context takes one request more',
    file: 'aio/slots.js',
    from: '#local = 0;',
    to: '#local = 1;',
  },
  {
    name: 'write-back',
    what: 'one missing write-back: aio_key stays as it was',
    file: 'aio/iocb.js',
    from: 'memory?.view.setUint32(this.user + KEY - memory.base, key, LITTLE_ENDIAN);',
    to: '',
  },
  {
    name: 'rung',
    what: 'two rungs in the wrong order: the descriptor is looked up before the length is judged',
    file: 'aio/io-submit.js',
    from: 'if (iocb.nbytesHigh >= 0x8000_0000)',
    to: 'if (kernel.files.fget(iocb.fildes) === undefined)\n        return -ERRNO.EBADF;\n    if (iocb.nbytesHigh >= 0x8000_0000)',
  },
  {
    name: 'partial',
    what: 'a partial count that is lost: a refusal behind the first request refuses the whole',
    file: 'aio/io-submit.js',
    from: 'return accepted > 0 ? accepted : error;',
    to: 'return error !== 0 ? error : accepted;',
  },
  {
    name: 'leak',
    what: 'a slot that is not given back by a refused request',
    file: 'aio/io-submit.js',
    from: 'ctx.slots.put(1);',
    to: ';',
  },
  {
    name: 'page',
    what: 'a pipe read that runs into missing memory takes the part of a page that arrived',
    file: 'files/pipe.js',
    from: 'if (taken + part > copied)\n                break;',
    to: 'if (taken + part > copied)\n                return copied;',
  },
  {
    name: 'buffer',
    what: 'a socket read that runs into missing memory takes the part of a write that arrived',
    file: 'files/socket-pair.js',
    from: 'if (taken + part > copied)\n                break;',
    to: 'if (taken + part > copied)\n                return copied;',
  },
  {
    name: 'last-put',
    what: 'an end of a pipe that the last request lets go of ends a turn of the event loop later',
    file: 'files/fput.js',
    from: '        release(atReturn);',
    to: '        schedule();',
  },
];

interface Found {
  readonly operations: number;
  readonly divergences: readonly { readonly operations: number; readonly testCase: string }[];
}

const { values } = parseArgs({
  options: { seed: { type: 'string' }, only: { type: 'string' }, directory: { type: 'string' } },
});
const seed = values.seed ?? String(randomInt(2 ** 31));
const chosen = MUTATIONS.filter(({ name }) => values.only === undefined || name === values.only);
if (chosen.length === 0)
  throw new Error(`--only takes one of ${MUTATIONS.map(({ name }) => name).join(', ')}`);

const root = packageRoot();
// Below node_modules, so that the copy finds its packages and nobody finds the copy.
const copy = join(root, 'node_modules', '.cache', `kaio-mutant-${process.pid}`);

/** Puts a wrong line into the copy. @returns Takes it out again. */
function mutate({ name, file, from, to }: Mutation): () => void {
  const path = join(copy, 'dist', 'src', 'emulated', file);
  const source = readFileSync(path, 'utf8');
  if (source.split(from).length !== 2)
    throw new Error(`mutation '${name}' no longer fits: its text does not occur once in ${file}`);
  writeFileSync(
    path,
    source.replace(from, () => to),
  );
  return () => writeFileSync(path, source);
}

function fuzz(): Found {
  const limits = ['--seed', seed, '--operations', String(OPERATIONS)];
  const where = values.directory === undefined ? [] : ['--directory', values.directory];
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(copy, 'dist', 'src', 'cli', 'cli.js'), 'fuzz', '--json', ...limits, ...where],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (status !== 0 && status !== 1) throw new Error(`the fuzzer ended with ${status}:\n${stderr}`);
  return JSON.parse(stdout) as Found;
}

console.log(`seed ${seed}; again: npm run check:fuzz-mutations -- --seed ${seed}`);
let missed = 0;
try {
  mkdirSync(copy, { recursive: true });
  cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(copy, 'package.json'));
  for (const mutation of chosen) {
    const undo = mutate(mutation);
    const { operations, divergences } = fuzz();
    undo();
    const [first] = divergences;
    if (first === undefined) {
      missed++;
      console.log(`MISSED in ${operations} operations: ${mutation.what}`);
    } else {
      console.log(`found after ${first.operations} operations: ${mutation.what}\n\n${first.testCase}`);
    }
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`${chosen.length - missed} of ${chosen.length} mutations found within ${OPERATIONS} operations`);
if (missed > 0) process.exitCode = 1;
