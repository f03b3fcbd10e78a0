/** The exported suite in projects of three frameworks, by the package's own name: they must all tell what the command tells. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Parser } from 'tap-parser';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { suite } from '../conformance/index.ts';
import { type Ended, kaio, start } from '../support/kaio.ts';

const consumers = join(dirname(dirname(fileURLToPath(import.meta.url))), 'consumers');
const bin = join(dirname(dirname(consumers)), 'node_modules', '.bin');

/** Eight whole suites, some of them at once. */
const LIMIT_MS = 600_000;

const directory = mkdtempSync(join(tmpdir(), 'kaio-frameworks-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Titles or reasons of what was skipped. */
  readonly reasons: string;
}

interface Framework {
  readonly name: string;
  /** @param report - A file of its own, for what standard output is not. */
  start(env: NodeJS.ProcessEnv, report: string): Promise<Ended>;
  count(output: string, report: string): Counts;
}

function nodeTest(name: string, file: string): Framework {
  return {
    name,
    start: (env) =>
      start(process.execPath, ['--test', '--test-reporter=tap', join(consumers, file)], {
        env,
        cwd: consumers,
        timeout: LIMIT_MS,
      }),
    count(output) {
      const counts = { passed: 0, failed: 0, skipped: 0, reasons: '' };
      const visit = (parser: Parser): void => {
        parser.on('child', visit);
        // A point that sums up the points below it counts no test.
        parser.on('assert', ({ ok, skip, diag }) => {
          if (diag?.type === 'suite') return;
          if (skip !== false) {
            counts.skipped++;
            counts.reasons += `${skip}\n`;
          } else if (ok) counts.passed++;
          else counts.failed++;
        });
      };
      const parser = new Parser();
      visit(parser);
      parser.end(output);
      return counts;
    },
  };
}

const FRAMEWORKS: readonly Framework[] = [
  {
    name: 'vitest',
    // Its JSON says nothing about why a test was skipped; people who read the other see it.
    start: (env, report) =>
      start(
        join(bin, 'vitest'),
        ['run', '--root', consumers, '--reporter=verbose', '--reporter=json', `--outputFile=${report}`],
        { env, cwd: consumers, timeout: LIMIT_MS },
      ),
    count(output, report) {
      const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(report, 'utf8'));
      return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests, reasons: output };
    },
  },
  nodeTest('node:test', 'node-test.mjs'),
  nodeTest('node:test with a child process', 'node-test-module.mjs'),
  {
    name: 'mocha',
    start: (env) =>
      start(join(bin, 'mocha'), ['--reporter', 'json', '--timeout', '60000', join(consumers, 'mocha.mjs')], {
        env,
        cwd: consumers,
        timeout: LIMIT_MS,
      }),
    count(output) {
      const { stats, pending } = JSON.parse(output);
      return {
        passed: stats.passes,
        failed: stats.failures,
        skipped: stats.pending,
        reasons: JSON.stringify(pending),
      };
    },
  },
];

/** Without what the outer framework says to its own children. */
const env: NodeJS.ProcessEnv = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(?:VITEST|NODE_TEST|NODE_OPTIONS|TEST$|MODE$)/.test(name),
  ),
);

let command: { passed: number; failed: number; unsupported: number; broken: number };

beforeAll(() => {
  command = JSON.parse(
    kaio(['conformance', '--kernel', join(consumers, 'kernel.mjs'), '--json'], { timeout: LIMIT_MS }).stdout,
  );
  assert.equal(command.failed + command.broken, 0);
  assert.ok(command.passed > 300 && command.unsupported > 0);
}, LIMIT_MS);

describe.concurrent.each(FRAMEWORKS)(
  'the suite under $name',
  { timeout: LIMIT_MS },
  ({ name, start, count }) => {
    it('passes and skips what the command does, and says why', async () => {
      const report = join(directory, `${name}, right.json`);
      const { status, stdout, stderr } = await start(env, report);
      const { passed, failed, skipped, reasons } = count(stdout, report);
      assert.deepEqual(
        { passed, failed, skipped },
        { passed: command.passed, failed: 0, skipped: command.unsupported },
        stderr,
      );
      assert.equal(status, 0);
      assert.ok(reasons.includes('signals reach JavaScript on the event loop'));
    });

    it('fails for a kernel that is wrong', async () => {
      const report = join(directory, `${name}, wrong.json`);
      const { status, stdout } = await start({ ...env, WRONG: 'io_cancel' }, report);
      const { failed, skipped } = count(stdout, report);
      assert.notEqual(status, 0);
      assert.ok(failed > 5, `${failed} failed`);
      // A case may fail before it gets to what is unsupported.
      assert.ok(skipped <= command.unsupported && skipped > command.unsupported - 5, `${skipped} skipped`);
    });
  },
);

describe('a framework of another kind', () => {
  const kernel = new URL('../consumers/kernel.mjs', import.meta.url);

  it('that has no way to skip gets a failure, not a green test', async () => {
    const tests: (() => Promise<void>)[] = [];
    suite({
      describe: (_name, body) => body(),
      it: (_name, body) => tests.push(body),
      kernel: () => {
        throw new Error('no kernel is made before a test runs');
      },
      directory: '/nonexistent',
    });
    assert.ok(tests.length > 300);
    await assert.rejects(tests[0]!, /no kernel is made before a test runs/);
    const { default: open } = await import(kernel.href);
    const real: (() => Promise<void>)[] = [];
    suite({
      describe: (name, body) => (name === 'signal' ? body() : undefined),
      it: (_name, body) => real.push(body),
      kernel: open,
      directory: '/nonexistent',
    });
    await assert.rejects(real[0]!, /unsupported here: signals: .*pass `skip`/);
  });

  it('must be able to end the child process', () => {
    assert.throws(() => suite({ describe: () => {}, it: () => {}, kernel, directory: '/' }), {
      code: 'ERR_INVALID_ARG_TYPE',
    });
  });
});
