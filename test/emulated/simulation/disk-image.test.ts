import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { simulate } from '../../../src/emulated/index.ts';
import { AioContext, open } from '../../../src/index.ts';

const folders: string[] = [];

function folder(): string {
  const made = fs.mkdtempSync(join(tmpdir(), 'kaio-image-'));
  folders.push(made);
  return made;
}

afterEach(() => {
  for (const one of folders.splice(0)) fs.rmSync(one, { recursive: true });
});

const MODES = process.platform !== 'win32';
/** Whole microseconds in seconds that a double has room for. */
const TIME = 1_700_000_000.5;

/** What a person would put there: depth, an empty directory, an empty file, a hole, names that are not ASCII. */
function populate(root: string): void {
  fs.mkdirSync(join(root, 'a/b/c'), { recursive: true });
  fs.mkdirSync(join(root, 'empty'));
  fs.writeFileSync(join(root, 'a/b/c/deep'), 'deep');
  fs.writeFileSync(join(root, 'a/none'), '');
  fs.writeFileSync(join(root, 'ünïcödé ☃'), 'snow');
  fs.writeFileSync(join(root, 'pages'), Buffer.alloc(3 * 4096 + 17, 'x'));
  const sparse = fs.openSync(join(root, 'sparse'), 'w');
  fs.writeSync(sparse, 'end', 5_000_000);
  fs.ftruncateSync(sparse, 9_000_000);
  fs.closeSync(sparse);
  if (MODES) {
    fs.linkSync(join(root, 'pages'), join(root, 'a/again'));
    fs.symlinkSync('../pages', join(root, 'a/leads'));
    fs.symlinkSync('/nowhere/at all', join(root, 'dangling'));
    fs.chmodSync(join(root, 'a/none'), 0o640);
    fs.chmodSync(join(root, 'empty'), 0o750);
  }
  for (const path of [...walk(root)].reverse()) fs.lutimesSync(join(root, path), TIME, TIME + 1);
}

function* walk(root: string, below = root): Generator<string> {
  for (const entry of fs
    .readdirSync(below, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(below, entry.name);
    yield relative(root, path).split(sep).join('/');
    if (entry.isDirectory()) yield* walk(root, path);
  }
}

/** The host's own word for what is in a folder. */
function told(root: string): unknown[] {
  const first = new Map<bigint, string>();
  return [...walk(root)].map((path) => {
    const full = join(root, path);
    const { mode, mtimeMs, ino } = fs.lstatSync(full, { bigint: true });
    const isFile = fs.lstatSync(full).isFile();
    if (!first.has(ino)) first.set(ino, path);
    return {
      path,
      mode,
      mtimeMs,
      same: first.get(ino),
      target: fs.lstatSync(full).isSymbolicLink() ? fs.readlinkSync(full) : undefined,
      content: isFile ? fs.readFileSync(full).toString('latin1') : undefined,
    };
  });
}

describe('import and export', () => {
  it('bring back what was there: names, content, permissions, times, links', async () => {
    const from = folder();
    populate(from);
    const simulation = simulate({ seed: 1 });
    simulation.import(from);
    const to = join(folder(), 'not/there');
    simulation.export(to);
    expect(told(to)).toEqual(told(from));
    expect(simulation.events).toBe(0);
    if (MODES) {
      expect(await simulation.fs.promises.readFile('/a/leads')).toEqual(fs.readFileSync(join(from, 'pages')));
      expect((await simulation.fs.promises.stat('/a/again')).nlink).toBe(2);
      expect(() => simulation.image.read('/dangling')).toThrow(expect.objectContaining({ code: 'ELOOP' }));
    }
    // Holes cost nothing, here or there.
    expect(simulation.usedBytes).toBeLessThan(50_000);
    expect(fs.statSync(join(to, 'sparse')).blocks).toBeLessThanOrEqual(MODES ? 64 : 20_000);
  });

  it('takes a URL, and puts things into a directory', async () => {
    const from = folder();
    fs.writeFileSync(join(from, 'x'), 'content');
    const simulation = simulate({ seed: 1 });
    await simulation.fs.promises.mkdir('/d');
    simulation.import(pathToFileURL(from), { to: '/d' });
    expect(await simulation.fs.promises.readFile('/d/x', 'utf8')).toBe('content');
    expect(simulation.image.entries.map(({ path }) => path)).toEqual(['/d', '/d/x']);
  });

  it('is durable, and what comes after it is not', async () => {
    const from = folder();
    populate(from);
    const simulation = simulate({ seed: 5, faults: { lost: 1, torn: 0 } });
    // A removal that was pending would otherwise take away what is imported under the same name.
    await simulation.fs.promises.writeFile('/pages', 'old');
    await simulation.fs.promises.unlink('/pages');
    simulation.import(from);
    const before = simulation.image;
    await simulation.fs.promises.writeFile('/a/none', 'gone with the power');
    expect(before.differences(simulation.image)).toEqual(['~ /a/none: size 0 -> 19']);
    const after = simulation.crash();
    expect(after.image.differences(before)).toEqual([]);
    expect(after.image).toEqual(before);
    expect(after.image.digest).toBe(before.digest);
  });

  it('exports what a crash has left', async () => {
    const simulation = simulate({ seed: 3, faults: { lost: 1, torn: 0, zeroed: 0 } });
    const context = new AioContext({ kernel: simulation.kernel });
    const file = await open('/log', 'w', 0o666, { context });
    await file.write(Buffer.from('promised'));
    await file.datasync();
    await file.write(Buffer.from(' perhaps'));
    const whole = folder();
    simulation.export(whole);
    const left = folder();
    simulation.crash().export(left);
    expect(fs.readFileSync(join(whole, 'log'), 'utf8')).toBe('promised perhaps');
    expect(fs.readFileSync(join(left, 'log'), 'utf8')).toBe('promised');
    // The old machine is still there to look at.
    expect(simulation.image.read('/log').toString()).toBe('promised perhaps');
    expect(() => simulation.import(left)).toThrow('crashed already');
  });

  it.runIf(spawnSync('git', ['--version']).status === 0)('gives git a repository that it finds whole', () => {
    const from = folder();
    const git = (where: string, ...args: string[]) =>
      execFileSync('git', ['-C', where, '-c', 'user.name=a', '-c', 'user.email=a@b', ...args], {
        encoding: 'utf8',
        stdio: 'pipe',
      });
    git(from, 'init', '-q');
    fs.writeFileSync(join(from, 'x'), 'content');
    git(from, 'add', 'x');
    git(from, 'commit', '-q', '-m', 'one');
    const simulation = simulate({ seed: 1 });
    simulation.import(from);
    const to = folder();
    simulation.export(to);
    git(to, 'fsck', '--strict');
    expect(git(to, 'log', '--format=%s')).toBe('one\n');
    expect(git(to, 'status', '--porcelain')).toBe('');
  });

  it('refuses what it cannot do, and has done nothing then', async () => {
    const from = folder();
    populate(from);
    const simulation = simulate({ seed: 1, capacityBytes: 8192 });
    const fails = (code: string, to?: string) =>
      expect(() => simulation.import(from, to === undefined ? {} : { to })).toThrow(
        expect.objectContaining({ code }),
      );
    fails('ENOSPC');
    fails('ENOENT', '/missing');
    await simulation.fs.promises.writeFile('/pages', 'mine');
    fails('EEXIST');
    fails('ENOTDIR', '/pages');
    expect(() => simulation.import(join(from, 'missing'))).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    );
    expect(() => simulation.export(from)).toThrow(expect.objectContaining({ code: 'ENOTEMPTY' }));
    expect(simulation.image.toString()).toMatch(/^\/pages \(0644, 4 bytes, [0-9a-f]{12}\)$/);
  });

  it.runIf(process.platform === 'linux')('refuses what a simulated disk cannot hold', () => {
    const simulation = simulate({ seed: 1 });
    const pipes = folder();
    execFileSync('mkfifo', [join(pipes, 'pipe')]);
    expect(() => simulation.import(pipes)).toThrow(expect.objectContaining({ code: 'EOPNOTSUPP' }));
    const odd = folder();
    fs.writeFileSync(Buffer.concat([Buffer.from(`${odd}/`), Buffer.from([0xff, 0xfe])]), '');
    expect(() => simulation.import(odd)).toThrow(expect.objectContaining({ code: 'EILSEQ' }));
    expect(simulation.image.entries).toEqual([]);
  });
});

describe('an image', () => {
  it('tells what differs', async () => {
    const simulation = simulate({ seed: 1 });
    const { promises: names } = simulation.fs;
    await names.mkdir('/d');
    await names.writeFile('/same', 'same');
    await names.writeFile('/d/bytes', Buffer.alloc(10_000, 1));
    await names.writeFile('/gone', 'gone');
    await names.writeFile('/turns', 'file');
    const before = simulation.image;
    expect(before.equals(simulation.image)).toBe(true);
    const changed = Buffer.alloc(10_000, 1);
    changed[17] = 2;
    changed[9000] = 0;
    await names.writeFile('/d/bytes', changed.subarray(0, 9500));
    await names.unlink('/gone');
    await names.unlink('/turns');
    await names.mkdir('/turns');
    await names.writeFile('/new', 'new');
    const after = simulation.image;
    expect(before.differences(after)).toEqual([
      '~ /d/bytes: size 10000 -> 9500, 2 bytes differ, from 17 to 9000',
      expect.stringMatching(/^- \/gone \(0644, 4 bytes, /),
      expect.stringMatching(/^\+ \/new \(0644, 3 bytes, /),
      '~ /turns: kind file -> directory, mode 0644 -> 0755, size 4 -> 0',
    ]);
    expect(before.equals(after)).toBe(false);
    expect(before.digest).not.toBe(after.digest);
    expect(before).not.toEqual(after);
    // A value: what happens later is not in it.
    expect(before.read('/gone').toString()).toBe('gone');
    expect(() => after.read('/gone')).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    expect(() => after.read('/turns')).toThrow(expect.objectContaining({ code: 'EISDIR' }));
  });

  it('is the same in whatever order things were made', async () => {
    const [one, other] = [
      ['b', 'a', 'Z', 'é'],
      ['é', 'Z', 'a', 'b'],
    ].map(async (names) => {
      const simulation = simulate({ seed: 1 });
      for (const name of names) await simulation.fs.promises.writeFile(`/${name}`, name);
      return simulation.image;
    });
    expect((await one)!.digest).toBe((await other)!.digest);
    expect((await one)!.entries.map(({ path }) => path)).toEqual(['/Z', '/a', '/b', '/é']);
  });

  it('is the same for a hole and for zeros, and not for what is shorter', async () => {
    const simulation = simulate({ seed: 1 });
    const context = new AioContext({ kernel: simulation.kernel });
    const images = [];
    for (const make of ['zeros', 'hole', 'shorter']) {
      await using file = await open('/f', 'w', 0o666, { context });
      if (make === 'zeros') await file.write(Buffer.alloc(8192));
      else await file.truncate(make === 'hole' ? 8192 : 8191);
      images.push(simulation.image);
    }
    expect(images[0]!.differences(images[1]!)).toEqual([]);
    expect(images[0]!.differences(images[2]!)).toEqual(['~ /f: size 8192 -> 8191']);
  });
});
