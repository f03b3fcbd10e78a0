/** Programs over files as such: made up from a seed, made small, printed. */
import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { generateFileProgram, surroundingsOf } from '../../src/file-fuzz/generator.ts';
import { fileTestCaseOf } from '../../src/file-fuzz/print.ts';
import { type FileProgram, PLACES } from '../../src/file-fuzz/program.ts';
import { BATCH, FEATURES, type FileScope, LIMITED_EVERY } from '../../src/file-fuzz/scope.ts';
import { shrinkFileProgram, smallerPrograms } from '../../src/file-fuzz/shrink.ts';

const SCOPE: FileScope = { major: 24, without: [], places: PLACES, limited: true };
const seeds = fc.integer({ min: 0, max: 2 ** 31 });
const indexes = fc.nat(1_000_000);
const anyProgram = fc.tuple(seeds, indexes).map(([seed, index]) => generateFileProgram(seed, index, SCOPE));

/** How much there is in it. */
function sizeOf(program: FileProgram): number {
  const weigh = (value: unknown): number => {
    if (typeof value !== 'object' || value === null) return 1;
    return Object.values(value).reduce((sum: number, item) => sum + weigh(item), 1);
  };
  return weigh(program.steps);
}

describe('programs over files', () => {
  it('are the same each time', () => {
    fc.assert(
      fc.property(seeds, indexes, (seed, index) =>
        assert.deepEqual(generateFileProgram(seed, index, SCOPE), generateFileProgram(seed, index, SCOPE)),
      ),
      { numRuns: 200 },
    );
  });

  it('open a file first', () => {
    fc.assert(
      fc.property(anyProgram, ({ steps }) => assert.equal(steps[0]?.op, 'open')),
      { numRuns: 200 },
    );
  });

  it('leave out what they are told to', () => {
    const scope: FileScope = { ...SCOPE, without: FEATURES, places: ['text'], limited: false };
    for (let index = 0; index < 500; index++)
      for (const step of generateFileProgram(1, index, scope).steps) {
        assert.ok(['open', 'call', 'close', 'dispose'].includes(step.op), step.op);
        assert.ok(!('wait' in step));
        if (step.op === 'open') assert.equal(step.place, 'text');
      }
  });

  it('give Node.js before 26 no lengths that are no integers', () => {
    for (let index = 0; index < 3000; index++)
      for (const step of generateFileProgram(2, index, { ...SCOPE, major: 24 }).steps) {
        if (step.op !== 'call' || !['read', 'write'].includes(step.method)) continue;
        const [first, second, third] = step.args;
        const lengths = [first, second].map((value) => (value as { length?: unknown } | null)?.length);
        // The length of memory is one of the fuzzer's own.
        for (const length of typeof first === 'string' ? [] : [...lengths, third])
          assert.ok(
            length === undefined || length === null || Number.isInteger(length) || typeof length === 'string',
          );
      }
  });

  it('run with a limit on file sizes, one batch in some', () => {
    assert.equal(surroundingsOf(BATCH * LIMITED_EVERY - 1, SCOPE), 'limited');
    assert.equal(surroundingsOf(BATCH * LIMITED_EVERY, SCOPE), 'plain');
    assert.equal(surroundingsOf(BATCH * LIMITED_EVERY - 1, { ...SCOPE, limited: false }), 'plain');
  });

  it('become smaller, and nothing else', () => {
    fc.assert(
      fc.property(anyProgram, (program) => {
        for (const smaller of smallerPrograms(program)) assert.notDeepEqual(smaller, program);
      }),
      { numRuns: 50 },
    );
  });

  it('shrink to the one step that matters', async () => {
    let found: FileProgram | undefined;
    for (let index = 0; found === undefined; index++) {
      const program = generateFileProgram(3, index, SCOPE);
      if (program.steps.some(({ op }) => op === 'lines')) found = program;
    }
    const smallest = await shrinkFileProgram(found, ({ steps }) =>
      Promise.resolve(steps.some(({ op }) => op === 'lines')),
    );
    assert.deepEqual(smallest.steps, [{ op: 'lines', slot: 0 }]);
    assert.ok(sizeOf(smallest) < sizeOf(found));
  });

  it('are printed as tests that hold them', () => {
    fc.assert(
      fc.property(anyProgram, (program) => {
        const source = fileTestCaseOf('a title', program, {
          step: 0,
          what: 'open',
          side: 'native',
          fileHandle: 'answers\n`${',
          other: 'throws */',
        });
        let printed: unknown;
        runInNewContext(source, {
          it: (_title: string, run: () => void) => run(),
          asFileHandle: (given: unknown) => {
            printed = structuredClone(given);
          },
        });
        assert.deepEqual(printed, program);
      }),
      { numRuns: 200 },
    );
  });
});
