/** The simulated file system beside `node:fs`: a run of the fuzzer, and what it has found. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type FsProgram, FsRunner, fuzzFs } from '../../src/fs-fuzz/index.ts';
import { FACES, type Face, type Step, type Value } from '../../src/fs-fuzz/program.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-fs-fuzz-test-'));
const runner = new FsRunner(directory);
// What it is compared with is Linux, and root may do what the simulation's only user may.
const isLikeIt = process.platform === 'linux' && process.getuid?.() === 0;

afterAll(() => {
  runner.close();
  rmSync(directory, { recursive: true });
});

async function asNode(program: FsProgram): Promise<void> {
  expect(await runner.difference(program)).toBe(undefined);
}

const NODE_MAJOR = Number.parseInt(process.versions.node, 10);
const path = (text: string) => ({ $: 'path', text }) as const;
const call = (face: Face, name: string, ...args: Value[]): Step => ({ op: 'call', face, name, args });
const sync = (name: string, ...args: Value[]): Step => call('sync', name, ...args);

describe.skipIf(!isLikeIt)('simulation.fs beside node:fs', () => {
  it('does the same over thousands of calls', async () => {
    const { divergences, fsCalls, declared } = await fuzzFs({ seed: 11, calls: 2500, directory });
    expect(divergences.map(({ testCase }) => testCase)).toEqual([]);
    expect(fsCalls).toBeGreaterThanOrEqual(2500);
    expect(Object.values(declared).reduce((sum, count) => sum + count, 0)).toBeLessThan(fsCalls / 20);
  });

  it('mkdir leaves setuid and setgid out', () =>
    asNode({ steps: [sync('mkdir', path('/dd'), { mode: 0o7777 })] }));

  it('names that are too long are looked at after those that are not there', () =>
    asNode({ steps: [sync('rename', path('/b'), path(`/${'n'.repeat(256)}`))] }));

  it('cp looks for itself above the target once, as far as that is there', () =>
    asNode({
      steps: [
        sync('mkdir', path('/a/b'), { recursive: true }),
        sync('symlink', 'a/b', path('/link')),
        // Without the filter it would go on for as long as names can be.
        call('promise', 'cp', path('/a'), path('/link/c'), {
          recursive: true,
          filter: { $: 'filter', without: 'c' },
        }),
        call('promise', 'cp', path('/a'), path('/a/b/c'), { recursive: true }),
      ],
    }));

  it.each(['callback', 'promise'] as const)('cp looks for itself in what a path goes up from: %s', (face) =>
    asNode({
      steps: [
        sync('mkdir', path('/a/b/c'), { recursive: true }),
        call(face, 'cp', path('/a/b'), path('/a/b/..')),
        call(face, 'cp', path('/a/b'), path('/a/b/c/..'), { recursive: true }),
        call(face, 'cp', path('/a/b/..'), path('/a/b'), { recursive: true }),
      ],
    }),
  );

  it.each(FACES)('a tree is listed in the order of Node: %s', (face) =>
    asNode({
      steps: [
        ...['/a/b/x', '/a/dd/y', '/c/d/c', '/d/q'].map((folder) =>
          sync('mkdir', path(folder), { recursive: true }),
        ),
        call(face, 'readdir', path(''), { recursive: true }),
        call(face, 'readdir', path(''), { recursive: true, withFileTypes: true }),
      ],
    }),
  );

  it.each(['callback', 'promise'] as const)('times of copied directories: %s', (face) =>
    asNode({
      steps: [
        sync('mkdir', path('/a/b'), { recursive: true }),
        sync('writeFile', path('/a/b/c'), 'text'),
        ...['/a/b/c', '/a/b', '/a'].map((of) => sync('utimes', path(of), 1000, 1000)),
        call(face, 'cp', path('/a'), path('/new'), { recursive: true, preserveTimestamps: true }),
        call(face, 'cp', path('/a'), path('/new'), { recursive: true, preserveTimestamps: true }),
      ],
    }),
  );

  it('read into an offset that is an object', () =>
    asNode({
      steps: [
        { op: 'call', face: 'sync', name: 'open', args: [path('/a'), 'w+'], slot: 0 },
        ...([{}, []] as const).flatMap((offset) =>
          (['sync', 'callback'] as const).flatMap((face) => [
            call(face, 'read', { $: 'fd', slot: 0 }, { $: 'bytes', length: 4 }, { offset }),
            call(face, 'read', { $: 'fd', slot: 1 }, { $: 'bytes', length: 4 }, { offset }),
          ]),
        ),
        call('callback', 'read', { $: 'fd', slot: 1 }, { $: 'bytes', length: 4 }, {}, 1, 0),
      ],
    }));

  it('a directory that is gone has no names', () =>
    asNode({
      steps: [
        sync('mkdir', path('/a/b'), { recursive: true }),
        { op: 'open', slot: 0, args: [path('/a')] },
        { op: 'method', slot: 0, name: 'stat', args: [] },
        sync('rm', path('/a'), { recursive: true }),
        { op: 'method', slot: 0, name: 'stat', args: [] },
      ],
    }));

  it('copyFile copies all permissions', () =>
    asNode({
      steps: [
        sync('writeFile', path('/a'), 'text'),
        sync('chmod', path('/a'), 0o7755),
        sync('copyFile', path('/a'), path('/b')),
      ],
    }));

  it('a file that is opened to be emptied has new times, though it was empty', () =>
    asNode({
      steps: [
        sync('writeFile', path('/a'), ''),
        sync('utimes', path('/a'), 1.5, 1.5),
        sync('writeFile', path('/a'), ''),
      ],
    }));

  it('rm that is forced goes on where it cannot look', () =>
    asNode({
      steps: [
        { op: 'call', face: 'sync', name: 'symlink', args: [path('/a/'), path('/a')] },
        sync('rm', path('/a/a'), { force: true, recursive: true }),
      ],
    }));

  // Versions of Node.js differ in what is below.
  it.each(FACES)('copyFile copies the owner and the times, or does not: %s', (face) =>
    asNode({
      steps: [
        sync('writeFile', path('/a'), ''),
        sync('chown', path('/a'), 7, 8),
        sync('utimes', path('/a'), 1.5, 2.5),
        call(face, 'copyFile', path('/a'), path('/b')),
        call(face, 'stat', path('/b')),
        sync('writeFile', path('/a'), 'text'),
        sync('utimes', path('/a'), 1.5, 2.5),
        call(face, 'copyFile', path('/a'), path('/b')),
        sync('mkdir', path('/d')),
        call(face, 'copyFile', path('/d'), path('/c')),
      ],
    }),
  );

  it.each(FACES)('what is no object for options of stat: %s', (face) =>
    asNode({
      steps: [
        sync('writeFile', path('/a'), 'text'),
        ...['stat', 'lstat'].flatMap((name) =>
          [null, 'utf8', 7, true, []].flatMap((options) => [
            call(face, name, path('/a'), options),
            call(face, name, path('/none'), options),
          ]),
        ),
      ],
    }),
  );

  it.each(FACES)('rm of a link with a slash behind it: %s', (face) =>
    asNode({
      steps: [
        sync('mkdir', path('/d')),
        sync('symlink', 'd', path('/link')),
        call(face, 'rm', path('/link/'), { recursive: true }),
        call(face, 'rm', path('/link/'), { recursive: true, force: true }),
      ],
    }),
  );

  // Since Node 22, what is synchronous is C++ with rules of its own.
  it.each(FACES.filter((face) => face !== 'sync' || NODE_MAJOR < 22))(
    'rm of a path that goes up from what it removes: %s',
    (face) =>
      asNode({
        steps: [
          sync('mkdir', path('/a/b/c'), { recursive: true }),
          call(face, 'rm', path('/a/b/..'), { recursive: true }),
          sync('mkdir', path('/a/b/c'), { recursive: true }),
          call(face, 'rm', path('/a/b/c/..'), { recursive: true, force: true }),
        ],
      }),
  );

  it.each(FACES)('nothing, written to what is open to be read: %s', (face) =>
    asNode({
      steps: [
        sync('writeFile', path('/a'), 'text'),
        call(face, 'writeFile', path('/a'), '', { flag: 'r' }),
        call(face, 'writeFile', path('/a'), '', { flag: 'r', flush: true }),
      ],
    }),
  );

  it.each(FACES)('realpath of a link that has two names: %s', (face) =>
    asNode({
      steps: [
        sync('mkdir', path('/a/b'), { recursive: true }),
        sync('symlink', 'a', path('/b')),
        sync('link', path('/b'), path('/a/c')),
        call(face, 'realpath', path('/b/c/d')),
        call(face, 'realpath', path('/b/b')),
      ],
    }),
  );

  it('an empty text is not written', () =>
    asNode({ steps: [sync('writeFile', { $: 'fd', slot: 0 }, '', { flush: true })] }));
});
