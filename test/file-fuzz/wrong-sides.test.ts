/** Whether the fuzzer for files finds what it is for: FileHandle beside a FileHandle that is wrong in one place. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { compare, NODE_MAJOR } from '../../src/file-fuzz/compare.ts';
import { generateFileProgram } from '../../src/file-fuzz/generator.ts';
import { runOn, type Side } from '../../src/file-fuzz/machine.ts';
import { Places } from '../../src/file-fuzz/places.ts';
import { fileTestCaseOf } from '../../src/file-fuzz/print.ts';
import type { FileDifference, FileProgram, PlaceName } from '../../src/file-fuzz/program.ts';
import type { FileScope } from '../../src/file-fuzz/scope.ts';
import { shrinkFileProgram } from '../../src/file-fuzz/shrink.ts';

const PATIENCE = { hangMs: 500, restMs: 0 };
const SEED = 11;
const MOST_PROGRAMS = 1500;

/** What the loop of a test process does alike every time: without streams and what is not waited for. */
const SCOPE: FileScope = {
  major: NODE_MAJOR,
  without: ['streams', 'web-streams', 'lines', 'unawaited'],
  places: ['text', 'data', 'empty', 'missing'],
  limited: false,
};

interface Wrong {
  readonly what: string;
  /** Makes a file wrong. */
  spoil(file: FileHandle): void;
  readonly most: number;
}

type Method = (...args: unknown[]) => Promise<unknown>;

/** Replaces a method. */
function replace(file: FileHandle, name: keyof FileHandle, by: (usual: Method) => Method): void {
  const usual = (file[name] as Method).bind(file);
  Object.defineProperty(file, name, { value: by(usual) });
}

const WRONG: readonly Wrong[] = [
  {
    what: 'a read at the position that the file keeps begins at the start',
    most: 6,
    spoil: (file) =>
      replace(
        file,
        'read',
        (usual) => (buffer, offset, length, position) => usual(buffer, offset, length, position ?? 0),
      ),
  },
  {
    what: 'writeFile loses what is behind the first 4096 bytes',
    most: 2,
    spoil: (file) =>
      replace(
        file,
        'writeFile',
        (usual) => (data, options) =>
          usual(data instanceof Uint8Array ? data.subarray(0, 4096) : data, options),
      ),
  },
  {
    what: 'an odd position is refused',
    most: 2,
    spoil: (file) =>
      replace(
        file,
        'write',
        (usual) =>
          (...args) =>
            Number.isNaN(args[3]) ? Promise.reject(new RangeError('odd')) : usual(...args),
      ),
  },
  {
    what: 'a truncated file is a little longer',
    most: 2,
    spoil: (file) =>
      replace(
        file,
        'truncate',
        (usual) =>
          (length = 0) =>
            usual((length as number) + 1),
      ),
  },
  {
    what: 'a rejection comes as a throw',
    most: 3,
    spoil: (file) =>
      replace(file, 'stat', (usual) => (...args) => {
        if (file.fd < 0) throw Object.assign(new Error('closed'), { code: 'EBADF', syscall: 'fstat' });
        return usual(...args);
      }),
  },
  {
    what: 'a descriptor stays open',
    most: 1,
    spoil: (file) => {
      void open('/dev/null').then((leaked) => leaks.push(leaked));
      void file;
    },
  },
];

const leaks: FileHandle[] = [];
let directory: string;
let sides = 0;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'kaio-wrong-'));
});
afterAll(async () => {
  for (const leaked of leaks) await leaked.close();
  rmSync(directory, { recursive: true, force: true });
});

function side(spoil: (file: FileHandle) => void = () => {}): Side {
  const own = join(directory, String(sides++));
  mkdirSync(own);
  return {
    name: 'native',
    open: async (...args) => {
      const file = await open(...args);
      spoil(file);
      return file;
    },
    places: new Places(own, own),
  };
}

async function differs(right: Side, wrong: Side, program: FileProgram): Promise<FileDifference | undefined> {
  const expected = await runOn(right, program, PATIENCE);
  return compare(program, expected, await runOn(wrong, program, PATIENCE), 'native').difference;
}

describe.skipIf(process.platform !== 'linux')('the fuzzer for files', () => {
  it('finds nothing where both sides are FileHandle', async () => {
    const [one, other] = [side(), side()];
    for (let index = 0; index < 300; index++) {
      const program = generateFileProgram(SEED, index, SCOPE);
      assert.equal(await differs(one, other, program), undefined, `program ${index}`);
    }
    one.places.close();
    other.places.close();
  });

  for (const { what, spoil, most } of WRONG)
    it(`finds that ${what}, makes it small and prints a test`, async () => {
      const [right, wrong] = [side(), side(spoil)];
      const shows = async (program: FileProgram): Promise<boolean> =>
        (await differs(right, wrong, program)) !== undefined;
      let index = 0;
      let program = generateFileProgram(SEED, index, SCOPE);
      while (!(await shows(program))) {
        assert.ok(++index < MOST_PROGRAMS, 'it was not found');
        program = generateFileProgram(SEED, index, SCOPE);
      }
      const smallest = await shrinkFileProgram(program, shows);
      assert.ok(smallest.steps.length <= most + 1, JSON.stringify(smallest.steps));
      const difference = await differs(right, wrong, smallest);
      assert.ok(difference !== undefined);
      new Script(fileTestCaseOf('it', smallest, difference));
      right.places.close();
      wrong.places.close();
    });

  it("leaves what is everybody's as it is", async () => {
    const only = side();
    const before = statSync('/dev/null');
    const program: FileProgram = {
      steps: [
        { op: 'open', slot: 0, place: 'null', flags: 'r+' },
        { op: 'call', slot: 0, method: 'chmod', args: [before.mode & 0o777] },
        { op: 'call', slot: 0, method: 'utimes', args: [1, 1] },
      ],
    };
    const { items } = await runOn(only, program, PATIENCE);
    only.places.close();
    assert.equal(items.filter(({ value }) => value.startsWith('not done')).length, 2);
    assert.deepEqual(statSync('/dev/null').mtimeMs, before.mtimeMs);
  });

  it('finds the places that it looks at by itself as they were', () => {
    const { places } = side();
    for (const place of ['text', 'data', 'empty', 'missing', 'fifo'] satisfies PlaceName[]) {
      places.reset(place);
      const first = places.look(place);
      places.reset(place);
      assert.equal(places.look(place), first);
    }
    places.close();
  });
});
