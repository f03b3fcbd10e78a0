import { defineConfig } from 'vitest/config';

/**
 * What tries so much that it is a command of its own, `npm run test:long`: suites run by other suites, crashes by the thousand, every copy
 * of anything onto anything.
 */
const LONG = [
  'test/bench/{command,guard}.test.ts',
  'test/conformance-self/{command,frameworks,session,vacuous}.test.ts',
  'test/emulated/simulation/{models,replace-file}.test.ts',
  'test/examples/{every-crash,sqlite,write-ahead-log}.test.ts',
  'test/fs-fuzz/copies.test.ts',
];

/**
 * What needs no kernel AIO, or is in every test a kernel of its own. Beside it runs the conformance suite on the native kernel, which
 * waits most of its time: it compares `aio-nr`, and takes all that is left of `aio-max-nr`, which are the whole machine's.
 */
const BESIDE_NATIVE = [
  'test/{conformance-self,emulated,examples,fs-fuzz,scripts,simulated}/**/*.test.ts',
  'test/{emulated,native}.test.ts',
];

/** What may meet contexts of other processes, and load: programs that are started, and programs that are run again before they are believed. */
const TOGETHER = [
  'test/{adapters,cli,command,file-fuzz,fuzz,regression}/**/*.test.ts',
  'test/common/file/**/*.test.ts',
  'test/bench/{machinery,report-file}.test.ts',
];

/** In their order. A file that is in no list runs alone. */
export default defineConfig({
  test: {
    // A process of its own for each file: contexts die with it, and what leaks is told apart.
    pool: 'forks',
    // One less by itself: of two CPUs one. This process has little to do.
    maxWorkers: '100%',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    coverage: {
      provider: 'v8',
      include: ['src/**'],
      reporter: ['text-summary', 'lcov'],
    },
    projects: [
      {
        extends: true,
        test: {
          name: 'beside-native',
          include: BESIDE_NATIVE,
          exclude: LONG,
          sequence: { groupOrder: 0 },
        },
      },
      { extends: true, test: { name: 'together', include: TOGETHER, sequence: { groupOrder: 1 } } },
      {
        extends: true,
        test: {
          name: 'alone',
          include: ['test/**/*.test.ts'],
          exclude: [...BESIDE_NATIVE, ...TOGETHER, ...LONG],
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      { extends: true, test: { name: 'long', include: LONG, sequence: { groupOrder: 3 } } },
    ],
  },
});
