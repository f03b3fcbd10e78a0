/**
 * Whether the fuzzer for files finds what it is for: AioFile is made wrong in one place at a time, and each must be found within
 * 50,000 calls.
 *
 *     npm run check:file-fuzz-mutations -- --seed 7 --only cursor [--without FEATURE]...
 */
import type { Feature } from '../../src/file-fuzz/scope.ts';
import { checkMutations, type Mutation } from '../mutants.ts';

const AIO_FILE = 'common/file/aio-file.js';
const FILE_OPERATIONS = 'common/file/file-operations.js';
const WHOLE_TRANSFERS = 'common/file/whole-transfers.js';

const MUTATIONS: readonly (Mutation & { readonly without?: readonly Feature[] })[] = [
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

interface Found {
  readonly divergences: readonly { readonly calls: number; readonly testCase: string }[];
}

checkMutations({
  script: 'check:file-fuzz-mutations',
  below: 'dist/src',
  unit: 'calls',
  most: 50_000,
  mutations: MUTATIONS,
  takes: ['directory', 'without'],
  arguments: ({ seed, most, without, directory }) => [
    ...['dist/src/cli/cli.js', 'fuzz', '--files', '--json', '--seed', seed, '--operations', String(most)],
    ...(directory === undefined ? [] : ['--directory', directory]),
    ...(without.length === 0 ? [] : ['--without', ...without]),
  ],
  read(stdout) {
    const [first] = (JSON.parse(stdout) as Found).divergences;
    return first && { after: first.calls, text: first.testCase };
  },
});
