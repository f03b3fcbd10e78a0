/**
 * What the test files use of vitest, over `node:test` and vitest's own `expect`: for hosts on which vitest itself cannot run.
 *
 * `register.mjs` puts it in the place of `vitest`.
 */
import * as nodeTest from 'node:test';
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  customMatchers,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
} from '@vitest/expect';
import { fn, restoreAllMocks, spyOn } from '@vitest/spy';

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

const matchers = (globalThis as unknown as Record<symbol, object>)[ASYMMETRIC_MATCHERS_OBJECT];
export const expect = Object.assign(
  (value: unknown, message?: string) => chai.expect(value, message),
  chai.expect,
  matchers,
);

(chai.expect as unknown as { extend(expect: unknown, matchers: object): void }).extend(
  expect,
  customMatchers,
);

type Body = (...row: never[]) => unknown;
type Register = (name: string, body: () => unknown) => unknown;

/** `%s` and `%i` in turn, as vitest fills them; or the row's fields, `$name`. */
function titled(title: string, row: readonly unknown[]): string {
  let next = 0;
  const filled = title.replace(/%[sidj]/g, () => String(row[next++]));
  const [first] = row;
  return typeof first === 'object' && first !== null
    ? filled.replace(/\$(\w+)/g, (_, name: string) => String((first as Record<string, unknown>)[name]))
    : filled;
}

/** Options, such as a time limit, come before the body or after it, and mean nothing here. */
function bodyOf(rest: readonly unknown[]): Body {
  return rest.find((one): one is Body => typeof one === 'function')!;
}

function withRows(register: Register) {
  return (rows: readonly unknown[]) =>
    (title: string, ...rest: readonly unknown[]) => {
      const body = bodyOf(rest);
      for (const row of rows) {
        const values = Array.isArray(row) ? row : [row];
        register(titled(title, values), () => body(...(values as never[])));
      }
    };
}

const run: Register = (name, body) => nodeTest.it(name, async () => void (await body()));
const skip: Register = (name) => nodeTest.it(name, { skip: true });
const group: Register = (name, body) => nodeTest.describe(name, () => void body());
const skipGroup: Register = (name) => nodeTest.describe(name, { skip: true });

const api = (now: Register, not: Register) =>
  Object.assign((name: string, ...rest: readonly unknown[]) => now(name, bodyOf(rest)), {
    each: withRows(now),
    skipIf: (condition: unknown) => api(condition ? not : now, not),
    runIf: (condition: unknown) => api(condition ? now : not, not),
  });

interface Api {
  (name: string, ...rest: readonly unknown[]): unknown;
  each(rows: readonly unknown[]): (title: string, ...rest: readonly unknown[]) => void;
  skipIf(condition: unknown): Api;
  runIf(condition: unknown): Api;
}

export const it: Api = api(run, skip);
export const describe: Api = api(group, skipGroup);
export const { afterEach, beforeEach } = nodeTest;
export const { before: beforeAll, after: afterAll } = nodeTest;
const { timers } = nodeTest.mock;

export const vi = {
  fn,
  restoreAllMocks,
  spyOn,
  useFakeTimers: ({ toFake }: { toFake: readonly string[] }) =>
    // What clears them comes with them.
    timers.enable({ apis: toFake.filter((name) => name.startsWith('set')) as 'setTimeout'[] }),
  advanceTimersByTime: (ms: number) => timers.tick(ms),
  useRealTimers: () => timers.reset(),
};
