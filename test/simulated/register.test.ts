/** Packages as they are, on the simulated machine, by one line. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

// As it is compiled: hooks of Node 20 are a file of their own, which Node loads.
const compiled = async (path: string): Promise<unknown> =>
  import(new URL(`../../dist/src/${path}`, import.meta.url).href);
const { simulate } = (await compiled('emulated/index.js')) as typeof import('../../src/emulated/index.ts');
const { during, fs, promises, register, use } = (await compiled(
  'simulated.js',
)) as typeof import('../../src/simulated.ts');

register({ packages: ['write-file-atomic', 'lowdb', 'steno'] });
const { default: writeFileAtomic } = await import('write-file-atomic');
const { Low } = await import('lowdb');
const { JSONFile } = await import('lowdb/node');

const PROGRAM = fileURLToPath(new URL('./fixtures/register-program.mjs', import.meta.url));

afterEach(() => use(undefined));

describe('register()', () => {
  it('puts a package that requires fs on the simulation', async () => {
    const simulation = simulate({ seed: 1 });
    use(simulation);
    await writeFileAtomic('/settings', 'old', { mode: 0o600 });
    writeFileAtomic.sync('/settings', 'new');
    expect(simulation.fs.readFileSync('/settings', 'utf8')).toBe('new');
    expect(simulation.fs.statSync('/settings').mode & 0o777).toBe(0o600);
    expect(existsSync('/settings')).toBe(false);
  });

  it('puts a package that imports fs on the simulation', async () => {
    const simulation = simulate({ seed: 1 });
    await during(simulation, async () => {
      const store = new Low(new JSONFile<{ posts: string[] }>('/store.json'), { posts: [] });
      await store.update(({ posts }) => posts.push('hello'));
    });
    expect(JSON.parse(simulation.fs.readFileSync('/store.json', 'utf8'))).toEqual({ posts: ['hello'] });
    expect(existsSync('/store.json')).toBe(false);
  });

  it('finds the old content or the new after a crash, as write-file-atomic promises', async () => {
    const found = new Set<string>();
    for (let seed = 1; seed <= 60; seed++) {
      const simulation = simulate({ seed });
      use(simulation);
      await writeFileAtomic('/settings', 'old');
      const directory = simulation.fs.openSync('/', 'r');
      simulation.fs.fsyncSync(directory);
      const after = await simulation.crashDuring(() => writeFileAtomic('/settings', 'new'), {
        withinEvents: 12,
      });
      found.add(after.fs.readFileSync('/settings', 'utf8'));
    }
    expect([...found].sort()).toEqual(['new', 'old']);
  });

  it('keeps simulations that run beside each other apart', async () => {
    const simulations = [1, 2, 3].map((seed) => simulate({ seed }));
    await Promise.all(
      simulations.map((simulation, index) =>
        during(simulation, () => writeFileAtomic('/file', `of ${index}`, { fsync: false })),
      ),
    );
    expect(simulations.map((simulation) => simulation.fs.readFileSync('/file', 'utf8'))).toEqual([
      'of 0',
      'of 1',
      'of 2',
    ]);
  });

  it('refuses what is no list', () => {
    expect(() => register({ packages: 'lowdb' as never })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }),
    );
  });
});

describe('what takes the place of node:fs', () => {
  it('is the host where there is no simulation', async () => {
    expect(fs.existsSync(PROGRAM)).toBe(true);
    expect((await promises.stat(PROGRAM)).isFile()).toBe(true);
    const host = process.getBuiltinModule('node:fs');
    expect(Object.keys(fs).sort()).toEqual(
      Object.keys(host)
        .filter((name) => !/^[FRWX]_OK$/.test(name))
        .sort(),
    );
  });

  it('has classes, constants, and functions with parts', async () => {
    const simulation = simulate({ seed: 1 });
    use(simulation);
    fs.writeFileSync('/file', 'content');
    const ReadStream = fs.ReadStream as unknown as new (
      path: string,
      options: object,
    ) => NodeJS.ReadableStream;
    const stream = new ReadStream('/file', {});
    expect(stream).toBeInstanceOf(fs.ReadStream);
    let text = '';
    for await (const chunk of stream) text += chunk;
    expect(text).toBe('content');
    expect(fs.realpathSync.native('/./file')).toBe('/file');
    expect(fs.statSync('/file')).toBeInstanceOf(fs.Stats);
    expect(fs.constants.O_CREAT).toBe(process.getBuiltinModule('node:fs').constants.O_CREAT);
  });

  it('says what there is no simulation of', () => {
    use(simulate({ seed: 1 }));
    const call = (fs as unknown as Record<string, (text: string) => void>)._toUnixTimestamp!;
    expect(() => call('*')).toThrow(expect.objectContaining({ code: 'ERR_AIO_UNSUPPORTED' }));
  });
});

describe('without a test runner', () => {
  it('works in a program of its own, by import and by require', () => {
    const output = execFileSync(process.execPath, [PROGRAM], { encoding: 'utf8' });
    expect(JSON.parse(output)).toEqual({ imported: 'by import', required: 'by require', host: false });
  });
});
