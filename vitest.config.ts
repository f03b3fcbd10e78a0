import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // A process of its own for each file: contexts die with it, and what leaks is told apart.
    pool: 'forks',
    // /proc/sys/fs/aio-nr belongs to the whole system: two files that look at it would see each other's contexts.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    coverage: {
      provider: 'v8',
      include: ['src/**'],
      reporter: ['text-summary', 'lcov'],
    },
  },
});
