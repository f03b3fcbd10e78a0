/**
 * Whether the fuzzer for the simulated file system finds what it is for: `simulation.fs` is made wrong in one place at a time, and each
 * must be found within 20,000 calls.
 *
 *     npm run check:fs-fuzz-mutations -- --seed 7 --only append
 */
import { checkMutations, type Mutation } from '../mutants.ts';

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

interface Found {
  readonly divergences: readonly { readonly calls: number; readonly testCase: string }[];
}

checkMutations({
  script: 'check:fs-fuzz-mutations',
  below: 'dist/src/emulated',
  unit: 'calls',
  most: 20_000,
  mutations: MUTATIONS,
  arguments: ({ seed, most }) => [
    ...['dist/src/cli/cli.js', 'fuzz', '--simulated-fs', '--json', '--seed', seed],
    ...['--operations', String(most)],
  ],
  read(stdout) {
    const [first] = (JSON.parse(stdout) as Found).divergences;
    return first && { after: first.calls, text: first.testCase };
  },
});
