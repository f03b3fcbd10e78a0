/** Decided divergences still show, and what they cover is covered. */
import assert from 'node:assert/strict';
import { afterAll, describe, it } from 'vitest';
import { compare, differencesOf, NODE_MAJOR } from '../../src/file-fuzz/compare.ts';
import { DECIDED } from '../../src/file-fuzz/decided.ts';
import { SIDES } from '../../src/file-fuzz/program.ts';
import { closeRunner, noFileFuzz, sharedRunner } from './as-file-handle.ts';

const HANG_MS = 500;

describe.skipIf(noFileFuzz !== undefined)('decided divergences of AioFile from FileHandle', () => {
  afterAll(closeRunner);

  for (const { name, reason, on, matches, program } of DECIDED) {
    const shows = on === undefined || on(NODE_MAJOR);
    it(`${name} ${shows ? 'shows' : 'does not show on this version of Node.js'}: ${reason}`, async () => {
      const [fileHandle, ...others] = await sharedRunner().runs(program, SIDES, HANG_MS);
      const sides = others.map((run, at) => {
        const side = SIDES[at + 1]!;
        const differences = [...differencesOf(fileHandle!, run, side)];
        return {
          side,
          shows: differences.some((difference) => matches(difference, program, fileHandle!)),
          rest: compare(program, fileHandle!, run, side, { without: ['host-position'] }).difference,
        };
      });
      assert.equal(
        sides.some((each) => each.shows),
        shows,
        shows ? `${name} has vanished: take it out of decided.ts` : `${name} shows here too`,
      );
      for (const { side, rest } of sides) assert.equal(rest, undefined, `more differs on ${side}`);
    });
  }

  it('have names of their own', () => {
    assert.equal(new Set(DECIDED.map(({ name }) => name)).size, DECIDED.length);
  });
});
