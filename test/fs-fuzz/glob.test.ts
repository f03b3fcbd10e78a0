/** `glob` of the simulated file system beside Node's own, on a tree with everything that decides something. */
import * as hostFs from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { simulate } from '../../src/emulated/index.ts';

type Found = string | { readonly name: string; readonly parentPath: string; isDirectory(): boolean } | null;
type Options = Readonly<Record<string, unknown>>;

/** Types of this version do not have it. */
interface Globbing {
  readonly globSync?: (pattern: string | readonly string[], options: Options) => Found[];
  glob(pattern: unknown, options: unknown, callback?: (error: unknown, found: Found[]) => void): void;
  readonly promises: { glob(pattern: string, options: Options): AsyncIterable<Found> };
}

const place = mkdtempSync(join(tmpdir(), 'kaio-glob-'));
const { fs } = simulate({ seed: 1 });
const host = hostFs as unknown as Globbing;
const simulated = fs as unknown as Globbing;

for (const [on, root] of [
  [hostFs, place],
  [fs, '/place'],
] as const) {
  on.mkdirSync(`${root}/in/a/b/c`, { recursive: true });
  on.mkdirSync(`${root}/in/.hidden/a`, { recursive: true });
  for (const name of [
    'a/one.txt',
    'a/b/two.txt',
    'a/b/c/three.js',
    '.hidden/a/four.txt',
    '.dot',
    'b1',
    'b2',
    'a/{x}',
    'b03',
  ])
    on.writeFileSync(`${root}/in/${name}`, '');
  on.symlinkSync('a/b', `${root}/in/link`);
  on.symlinkSync('..', `${root}/in/a/b/up`);
  on.symlinkSync('nowhere', `${root}/in/a/dangling`);
}

afterAll(() => rmSync(place, { recursive: true }));

function shown(found: readonly Found[], root: string): unknown[] {
  return found
    .map((one) =>
      typeof one === 'object' && one !== null
        ? `${one.name} ${one.parentPath.replace(root, '')} ${one.isDirectory()}`
        : String(one).replace(root, ''),
    )
    .sort();
}

const EXPECT_SAME: readonly (readonly [string | readonly string[], Options?])[] = [
  ['**'],
  ['**/'],
  ['*'],
  ['*/'],
  ['a/**/*.txt'],
  ['**/*.{txt,js}'],
  ['b{1..2}'],
  ['b{02..4}'],
  ['{a/one.txt,link/two.txt,nowhere}'],
  ['link/*'],
  ['*/*.txt'],
  ['.*/**'],
  ['**/.*'],
  ['a/\\{x\\}'],
  ['a/{x}'],
  ['!(a)'],
  ['./a/*'],
  ['a/./b/*'],
  ['a/b/../*'],
  ['../in/a/*'],
  ['**', { exclude: ['a/b'] }],
  ['**', { exclude: ['**/*.txt'] }],
  ['**', { exclude: (name: string) => name === 'b' }],
  ['**', { withFileTypes: true }],
  ['*', { withFileTypes: true, exclude: ({ name }: { name: string }) => name === 'a' }],
  ['**/*.txt', { followSymlinks: true }],
  ['{link,a/dangling}/'],
  ['{link,a/dangling}/', { followSymlinks: true }],
  ['**', { maxDepth: 2 }],
  [['*.txt', 'a/*.txt']],
  ['', {}],
  ['nowhere/**'],
];

describe.skipIf(host.globSync === undefined)('glob', () => {
  it.each(EXPECT_SAME.map(([pattern, options = {}]) => ({ pattern, options })))(
    '$pattern, $options',
    ({ pattern, options }) => {
      const found = shown(simulated.globSync!(pattern, { ...options, cwd: '/place/in' }), '/place');
      expect(found).toEqual(shown(host.globSync!(pattern, { ...options, cwd: `${place}/in` }), place));
    },
  );

  it('is the same from the root on', () => {
    const found = shown(simulated.globSync!('/place/in/*/*.txt', { cwd: '/' }), '/place');
    expect(found).toEqual(shown(host.globSync!(`${place}/in/*/*.txt`, { cwd: '/' }), place));
    expect(found).toEqual(['/in/a/one.txt']);
  });

  it('has three faces, and looks from the root where nothing else is said', async () => {
    const all = ['place/in/a/b/two.txt', 'place/in/a/one.txt'];
    const pattern = 'place/**/*.txt';
    expect(simulated.globSync!(pattern, {}).sort()).toEqual(all);
    const called = new Promise<unknown[]>((resolve) => {
      simulated.glob(pattern, (error: unknown, found?: Found[]) => resolve([error, found?.sort()]));
    });
    expect(await called).toEqual([null, all]);
    const found: Found[] = [];
    for await (const one of simulated.promises.glob(pattern, {})) found.push(one);
    expect(found.sort()).toEqual(all);
  });

  it('fails on a machine that is gone, where nothing found would be an answer', () => {
    const simulation = simulate({ seed: 1 });
    simulation.crash();
    const { globSync } = simulation.fs as unknown as Globbing;
    expect(() => globSync!('**', {})).toThrow(expect.objectContaining({ code: 'ENODEV' }));
  });

  it('refuses what Node refuses, with its words', () => {
    const refusal = (fs: Globbing, pattern: unknown, options: Options): string => {
      try {
        fs.globSync!(pattern as string, options);
        return 'nothing';
      } catch (error) {
        return (error as Error).message;
      }
    };
    for (const [pattern, options] of [
      [7, {}],
      [['a', 7], {}],
      ['a', 7 as never],
      ['a', { exclude: 7 }],
      ['a', { exclude: [7] }],
      ['a', { followSymlinks: 'yes' }],
      ['a', { maxDepth: -1 }],
    ] as const) {
      const given = typeof options === 'object' ? { cwd: '/nowhere', ...options } : options;
      expect(refusal(simulated, pattern, given)).toBe(refusal(host, pattern, given));
    }
  });
});
