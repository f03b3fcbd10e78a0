/** What the parts of the simulated machine do with each other: its fs, its models, its processes, its images and its page. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  everyCrash,
  MODELS,
  type ModelName,
  type Simulation,
  type SimulationError,
  simulate,
} from '../../../src/emulated/index.ts';
import type { HistoryPlot } from '../../../src/emulated/simulated/history-plot.ts';
import { calm } from './simulated.ts';

const NAMES = Object.keys(MODELS) as ModelName[];
const ORDERED = NAMES.filter((name) => MODELS[name].metadata === 'ordered');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaio-together-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What the page says of the first operation whose text has this in it: its colour, and the last line of its tip. */
function lookOf(simulation: Simulation, text: string): [label: string, tip: string] {
  const page = simulation.trace.html();
  const [, json] = /<script type="application\/json" id="history">(.*?)<\/script>/s.exec(page) ?? [];
  const { sets } = JSON.parse(json!) as HistoryPlot;
  const bars = sets.flatMap(({ label, data }) => data.map(({ id, tip }) => ({ label, id, tip })));
  const bar = bars.sort((one, other) => one.id - other.id).find(({ tip }) => tip[0]!.includes(text))!;
  return [bar.label, bar.tip.at(-1)!];
}

describe('the page of a history with a model', () => {
  it.each(ORDERED)('%s: says which sync has made the names of other files durable', (model) => {
    const simulation = calm({ model });
    const { fs } = simulation;
    fs.mkdirSync('/other');
    const fd = fs.openSync('/log', 'w');
    fs.fsyncSync(fd);
    fs.closeSync(fd);
    expect(lookOf(simulation, 'mkdir /other')).toEqual([
      'durable',
      expect.stringMatching(/^durable by #\d+$/),
    ]);
  });

  it('tells of bytes that a rename carries with it', () => {
    const simulation = calm({ model: 'ext4-ordered' });
    const { fs } = simulation;
    fs.writeFileSync('/file', 'old');
    fs.writeFileSync('/temporary', 'new');
    fs.renameSync('/temporary', '/file');
    const fd = fs.openSync('/log', 'w');
    fs.fsyncSync(fd);
    const [, sync] = lookOf(simulation, 'rename /temporary');
    expect(sync).toMatch(/^durable by #\d+$/);
    expect(lookOf(simulation, 'write /temporary')).toEqual(['durable', sync]);
    // What nothing has carried is not durable.
    expect(lookOf(simulation, 'write /file')).toEqual(['written, not synced', expect.any(String)]);
  });

  it('tells of what is durable with time alone', async () => {
    const simulation = calm({ model: 'ext4-ordered', faults: { lost: 1 } });
    simulation.fs.writeFileSync('/early', 'old');
    await simulation.sleep(60_000);
    simulation.fs.writeFileSync('/late', 'new');
    const after = simulation.crash();
    expect(lookOf(after, 'write /early')).toEqual(['durable', 'durable with time, without a sync']);
    expect(lookOf(after, 'write /late')[0]).toBe('lost');
    expect(after.fs.readdirSync('/')).toEqual(['early']);
  });

  it('shows damage beside a write as damage', () => {
    const simulation = calm({ faults: { lost: 1, torn: 0, damaged: 1 } });
    const { fs } = simulation;
    const fd = fs.openSync('/file', 'w');
    fs.writeSync(fd, Buffer.alloc(512));
    fs.fsyncSync(fd);
    fs.writeSync(fd, Buffer.alloc(100, 1), 0, 100, 0);
    expect(lookOf(simulation.crash(), 'write /file at 0, 100')).toEqual([
      'damaged otherwise',
      expect.stringMatching(/lost: .*; damaged: 512 bytes at 0/),
    ]);
  });

  it('shows the crash of a copy that everyCrash() has tried, and the failure has its path', async () => {
    const simulation = calm({});
    const error = (await everyCrash(
      simulation,
      async ({ fs }) => fs.promises.writeFile('/file', 'content'),
      async ({ fs }) => {
        expect(fs.readFileSync('/file', 'utf8')).toBe('content');
      },
      { pages: join(folder, 'pages') },
    ).catch((failure: unknown) => failure)) as SimulationError;
    expect(error.message).toMatch(/only: \{ event: \d+, outcome: 0 \}/);
    expect(error.message).toContain(error.page);
    expect(existsSync(error.page!)).toBe(true);
  });
});

describe('links and models', () => {
  it.each(ORDERED)('%s: names of all kinds go through the journal in their order', (model) => {
    for (let seed = 0; seed < 40; seed++) {
      const simulation = simulate({ seed, model });
      const { fs } = simulation;
      fs.writeFileSync('/file', '');
      fs.linkSync('/file', '/hard');
      fs.symlinkSync('file', '/soft');
      fs.mkdirSync('/last');
      const after = simulation.crash();
      const names = after.fs.readdirSync('/');
      const order = ['file', 'hard', 'soft', 'last'];
      expect([...names].sort()).toEqual(order.slice(0, names.length).sort());
      if (names.includes('soft')) expect(after.fs.readlinkSync('/soft')).toBe('file');
      if (names.includes('file'))
        expect(after.fs.statSync('/file').nlink).toBe(names.includes('hard') ? 2 : 1);
    }
  });

  it('everyCrash() tries copies that have them too', async () => {
    const simulation = calm({ model: 'ext4-ordered' });
    const seen = new Set<string>();
    await everyCrash(
      simulation,
      async ({ fs }) => {
        await fs.promises.writeFile('/file', 'x');
        await fs.promises.link('/file', '/hard');
        await fs.promises.symlink('/file', '/soft');
      },
      async ({ fs, image }) => {
        const names = fs.readdirSync('/');
        seen.add(names.join());
        for (const { linkOf } of image.entries) if (linkOf !== undefined) expect(linkOf).toBe('/file');
        if (names.includes('hard')) expect(fs.statSync('/hard').nlink).toBe(2);
        if (names.includes('soft')) expect(fs.readlinkSync('/soft')).toBe('/file');
      },
      // A killed process leaves the copy as it is, where a crash counts the names anew.
      { kills: true },
    );
    expect(seen).toEqual(new Set(['', 'file', 'file,hard', 'file,hard,soft']));
  });
});

describe('simulation.fs on the machine', () => {
  it('closes what it has opened by path: a file that was emptied is flushed as ext4 does', async () => {
    const left = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const simulation = simulate({ seed, model: 'ext4-ordered' });
      const { fs } = simulation;
      fs.writeFileSync('/file', 'old', { flush: true });
      fs.writeFileSync('/file', 'new');
      // One commit later. Without the flush it would be empty for much longer.
      await simulation.sleep(5100);
      left.add(simulation.crash().fs.readFileSync('/file', 'utf8'));
    }
    expect(left).toEqual(new Set(['new']));
  });

  it('has as many descriptors as the process, for calls by path too', async () => {
    const { fs } = calm({ kernel: { maxDescriptors: 2 } });
    const fds = [fs.openSync('/one', 'w'), fs.openSync('/two', 'w')];
    const refused = expect.objectContaining({ code: 'EMFILE', syscall: 'open', path: '/three' });
    expect(() => fs.openSync('/three', 'w')).toThrow(refused);
    expect(() => fs.writeFileSync('/three', '')).toThrow(refused);
    await expect(fs.promises.open('/three', 'w')).rejects.toEqual(refused);
    expect(fs.readdirSync('/')).toEqual(['one', 'two']);
    fs.closeSync(fds[0]!);
    for (let index = 0; index < 5; index++) fs.writeFileSync('/three', 'x');
    expect(() => fs.copyFileSync('/three', '/four')).toThrow(expect.objectContaining({ code: 'EMFILE' }));
    expect(fs.openSync('/three', 'r')).toBe(fds[0]);
  });

  it('refuses to wait for what is stuck where nothing else can happen', () => {
    const simulation = calm({});
    const { fs } = simulation;
    const release = simulation.stick(({ syscall }) => syscall === 'mkdir');
    expect(() => fs.mkdirSync('/stuck')).toThrow(
      expect.objectContaining({ code: 'EDEADLK', path: '/stuck' }),
    );
    release();
    fs.mkdirSync('/other');
    expect(fs.readdirSync('/')).toEqual(['other', 'stuck']);
  });

  it('is one of each process, which dies with it', () => {
    const simulation = calm({});
    const other = simulation.process();
    other.fs.writeFileSync('/shared', 'content');
    const fd = other.fs.openSync('/shared', 'r');
    expect(simulation.fs.readFileSync('/shared', 'utf8')).toBe('content');
    expect(() => simulation.fs.fstatSync(fd)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    other.kill();
    expect(() => other.fs.statSync('/shared')).toThrow(expect.objectContaining({ code: 'ENODEV' }));
    expect(simulation.fs.readFileSync('/shared', 'utf8')).toBe('content');
  });

  it('can be locked by what it opens', async () => {
    const simulation = calm({});
    const other = simulation.process();
    const fd = simulation.fs.openSync('/locked', 'w');
    await simulation.locks.flock(fd, 'exclusive');
    const theirs = await other.fs.promises.open('/locked', 'r+');
    const taken = other.locks.flock(theirs, 'exclusive');
    await expect(taken).rejects.toThrow(expect.objectContaining({ code: 'EAGAIN' }));
    simulation.fs.closeSync(fd);
    await other.locks.flock(theirs, 'exclusive');
    await theirs.close();
  });

  it('loses its power at an operation that is named, in a synchronous call too', async () => {
    const simulation = calm({});
    const after = await simulation.crashWhen(
      async ({ fs }) => {
        fs.writeFileSync('/temporary', 'x', { flush: true });
        fs.renameSync('/temporary', '/file');
      },
      ({ syscall, path, dest }) => syscall === 'rename' && path === '/temporary' && dest === '/file',
      { outcome: 0 },
    );
    expect(after.fs.readdirSync('/')).toEqual(['temporary']);
    expect(await after.ending!.program).toMatchObject({ status: 'rejected', reason: { code: 'ENODEV' } });
  });

  it('everyCrash() tries programs of synchronous calls that tell their state', async () => {
    const simulation = calm({});
    let acknowledged = 0;
    const tried = await everyCrash(
      simulation,
      async ({ fs }) => {
        const fd = fs.openSync('/log', 'w');
        for (; acknowledged < 3; acknowledged++) {
          fs.writeSync(fd, 'x');
          fs.fsyncSync(fd);
        }
      },
      async ({ fs }, { state }) => {
        const size = fs.existsSync('/log') ? fs.statSync('/log').size : 0;
        expect(size).toBeGreaterThanOrEqual(state);
      },
      { state: () => acknowledged },
    );
    expect(tried.points).toBeGreaterThan(6);
  });
});

describe('images', () => {
  it('tell of sectors that cannot be read', () => {
    const simulation = calm({});
    simulation.fs.writeFileSync('/file', Buffer.alloc(2048));
    const before = simulation.image;
    simulation.makeUnreadable('/file', 512, 1024);
    expect(simulation.image.entries[0]!.unreadable).toEqual([512, 1024]);
    expect(before.differences(simulation.image)).toEqual(['~ /file: unreadable sectors none -> at 512 1024']);
    expect(before.digest).not.toBe(simulation.image.digest);
  });

  it.each(NAMES)('%s: what was imported is durable, with what was pending before', (model) => {
    writeFileSync(join(folder, 'imported'), 'content');
    const simulation = calm({ model, faults: { lost: 1 } });
    simulation.fs.mkdirSync('/mine');
    simulation.import(folder, { to: '/mine' });
    expect(simulation.crash().fs.readFileSync('/mine/imported', 'utf8')).toBe('content');
  });
});
