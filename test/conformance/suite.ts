/** The suite under a test framework of the caller's. */
import type { AioKernel } from '../../src/common/kernel/aio-kernel.ts';
import type { Case } from './case.ts';
import { ALL_CASES } from './cases.ts';
import type { CaseReport } from './outcome.ts';
import { type RunOptions, runCase } from './runner.ts';
import { ConformanceSession } from './session.ts';

/**
 * Marks the running test as skipped.
 *
 * @param context - What the framework gave to the test: its first argument, or else its `this`.
 */
export type Skip = (context: unknown, reason: string) => void;

/** Options of {@link suite}. */
export interface SuiteOptions extends Omit<RunOptions, 'kernel'> {
  /** The framework's `describe`: vitest's, node:test's, mocha's or one like them. */
  readonly describe: (name: string, body: () => void) => unknown;
  /** The framework's `it`. It must wait for a promise. */
  readonly it: (name: string, body: () => Promise<void>) => unknown;
  /**
   * The kernel to ask: a function that answers one, called for each case, or the `file:` URL of a module whose default export is
   * such a function. With a URL, cases run in a child process, and one that does not return fails at its deadline.
   */
  readonly kernel: (() => AioKernel) | URL;
  /** How to skip. Default: `context.skip(reason)`, which vitest, node:test and mocha have. */
  readonly skip?: Skip;
  /** With a URL: how long a case may take, in milliseconds. Default: 90 seconds. */
  readonly deadlineMs?: number;
  /** The framework's `after` or `afterAll`; needed with a URL, to end the child process. */
  readonly after?: (body: () => Promise<void>) => unknown;
}

/**
 * Registers every case as a test, in groups by call.
 *
 * @remarks
 * A case fails its test when the kernel answers wrongly, and also when the environment stands in the way: the message begins with
 * `failed` or `broken`. A case that the kernel cannot be asked is skipped with the reason.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE` for a URL without `after`.
 */
export function suite(options: SuiteOptions): void {
  const { describe, it, skip = skipByContext } = options;
  const run = runnerFor(options);
  const groups = new Map<string, Case[]>();
  for (const one of ALL_CASES) {
    const group = one.id.slice(0, one.id.indexOf('/'));
    groups.set(group, [...(groups.get(group) ?? []), one]);
  }
  for (const [group, cases] of groups) {
    describe(group, () => {
      for (const one of cases) {
        // No declared parameters: mocha would take one for its callback.
        it(`${one.rule}: ${one.title}`, async function (this: unknown, ...given: unknown[]) {
          const { outcome, detail, at } = await run(one);
          if (outcome === 'unsupported') skip(given[0] ?? this, detail!);
          if (outcome === 'failed' || outcome === 'broken')
            throw new Error(`${outcome}: ${detail}${at === undefined ? '' : ` (${at})`}`);
        });
      }
    });
  }
}

function runnerFor({
  kernel,
  deadlineMs,
  after,
  ...options
}: SuiteOptions): (one: Case) => Promise<CaseReport> {
  if (typeof kernel === 'function') return (one) => runCase(one, { ...options, kernel: kernel() });
  if (after === undefined)
    throw invalidArgument('a suite on the kernel of a module needs `after`, to end its child process');
  const { directory } = options;
  const session = new ConformanceSession({
    module: kernel,
    directory,
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  });
  after(() => session.close());
  return (one) => session.run(one);
}

function skipByContext(context: unknown, reason: string): void {
  const skip: unknown = Reflect.get(Object(context), 'skip');
  // A test that is green without having asked anything would be a lie.
  if (typeof skip !== 'function')
    throw new Error(`unsupported here: ${reason} (the framework gave no context to skip by: pass \`skip\`)`);
  skip.call(context, reason);
}

function invalidArgument(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
}
