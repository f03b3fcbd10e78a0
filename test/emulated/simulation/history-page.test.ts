/** The page of a history: what is on it. That a browser draws it is looked at by `npm run check:history-page`. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { check, explore, type Simulation, SimulationError } from '../../../src/emulated/index.ts';
import { History } from '../../../src/emulated/simulated/history.ts';
import type { HistoryPlot } from '../../../src/emulated/simulated/history-plot.ts';
import { asked } from '../../../src/emulated/simulated/operation.ts';
import { calm, openOn } from './simulated.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kaio-page-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The data of a page, as its script reads it. */
function plotOf(page: string): HistoryPlot {
  const [, json] = /<script type="application\/json" id="history">(.*?)<\/script>/s.exec(page) ?? [];
  return JSON.parse(json!) as HistoryPlot;
}

/** What each operation looks like, by its first line. */
function looksOf(plot: HistoryPlot): Record<string, string> {
  return Object.fromEntries(
    plot.sets.flatMap(({ label, data }) => data.map(({ id, tip }) => [`#${id}`, `${label}: ${tip.at(-1)}`])),
  );
}

function barsOf(plot: HistoryPlot) {
  return plot.sets.flatMap(({ label, data }) => data.map((bar) => ({ label, ...bar })));
}

describe('trace.html()', () => {
  it('shows what syncs cover, and what a crash has made of the rest', async () => {
    const simulation = calm({ faults: { lost: 1 } });
    const file = await openOn(simulation, '/log', 'w');
    await file.write(Buffer.alloc(10), 0, 10, 0);
    await file.write(Buffer.alloc(20), 0, 20, 10);
    await file.datasync();
    simulation.note('promised');
    await file.write(Buffer.alloc(30), 0, 30, 30);
    await simulation.fs.promises.writeFile('/nameless', 'x');
    const plot = plotOf(simulation.crash().trace.html());
    const bars = barsOf(plot);
    const find = (text: string) => bars.find(({ tip }) => tip[0]!.includes(text))!;
    const sync = find('fdatasync /log');
    expect(sync.label).toBe('sync');
    const [open, first, second] = [find('open /log'), find('at 0, 10'), find('at 10, 20')];
    expect([open, first, second].map(({ label }) => label)).toEqual(['durable', 'durable', 'durable']);
    expect(first.tip).toEqual([
      expect.stringMatching(/^#\d+ write \/log at 0, 10 bytes/),
      expect.stringMatching(/^from 0\.\d{6} ms to 0\.\d{6} ms: 10$/),
      `durable by #${sync.id}`,
    ]);
    expect(sync.tip).toContain(`makes durable: #${open.id} #${first.id} #${second.id}`);
    expect(plot.coverings.map(({ change }) => change)).toEqual([open.id, first.id, second.id]);
    for (const { from, to } of plot.coverings) expect(from[0]).toBeLessThanOrEqual(to[0]);
    const lost = find('at 30, 30');
    expect([lost.label, lost.tip.at(-1)]).toEqual([
      'lost',
      `the crash: lost: #${lost.id} write at 30, 30 bytes`,
    ]);
    // Nothing was decided about what nothing leads to.
    expect([find('write /nameless').label, find('open /nameless').label]).toEqual(['lost', 'lost']);
    expect(find('promised').label).toBe('notes');
    expect(plot.marks).toEqual([expect.objectContaining({ kind: 'power' })]);
    expect(plot.lanes.filter(Boolean)).toEqual(['notes', '/log', '/nameless']);
  });

  it('shows each fate, failures, and what a failed sync has given up', async () => {
    const looks = new Set<string>();
    for (let seed = 1; seed < 60; seed++) {
      const simulation = calm({ seed, faults: { lost: 0.3, torn: 0.3, misdirected: 0.2, EIO: 0.2 } });
      const file = await openOn(simulation, '/log', 'w');
      for (let turn = 0; turn < 4; turn++) {
        await file.write(Buffer.alloc(2000), 0, 2000, turn * 2000).catch(() => {});
        await file.sync().catch(() => {});
      }
      const writes = [0, 1].map((turn) =>
        file.write(Buffer.alloc(2000), 0, 2000, turn * 3000).catch(() => {}),
      );
      await simulation.sleep(0.01);
      const { trace } = simulation.crash();
      await Promise.all(writes);
      const plot = plotOf(trace.html());
      for (const [id, look] of Object.entries(looksOf(plot))) {
        looks.add(look.split(':')[0]!);
        // The text of the trace is the oracle.
        const decided = new RegExp(`  +(kept|lost|torn|misdirected): ${id} `);
        const said = new Set(trace.entries.flatMap((entry) => decided.exec(entry)?.[1] ?? []));
        if (said.size === 0) continue;
        // A write that failed may have left pieces, each with a fate of its own.
        const pieces = said.has('misdirected') ? 'misdirected' : 'torn';
        const fate = said.size > 1 ? pieces : [...said][0]!;
        expect(look).toMatch({ kept: /^kept/, lost: /^lost/, torn: /^torn/, misdirected: /^damaged/ }[fate]!);
      }
    }
    for (const look of ['kept by luck', 'lost', 'torn', 'damaged otherwise', 'failed', 'sync', 'durable'])
      expect(looks).toContain(look);
    expect(looks).toContain('given up by a sync that failed');
  });

  it('gives what is under way at once lanes of its own, together by file', async () => {
    const simulation = calm();
    const [one, other] = [await openOn(simulation, '/one', 'w'), await openOn(simulation, '/two', 'w')];
    await Promise.all([one, other, one, one].map((file, index) => file.write('x', index)));
    const plot = plotOf(simulation.trace.html());
    expect(plot.lanes).toEqual(['/one', '', '', '/two']);
    for (const lane of plot.lanes.keys()) {
      const bars = barsOf(plot)
        .filter(({ y }) => y === lane)
        .sort((a, b) => a.x[0] - b.x[0]);
      bars.forEach(({ x }, index) => {
        expect(x[0]).toBeGreaterThanOrEqual(bars[index - 1]?.x[1] ?? 0);
      });
    }
  });

  it('ends bars that a crash or a kill has cut off, and tells the two apart', async () => {
    const simulation = calm();
    const file = await openOn(simulation, '/log', 'w');
    const write = file.write('x').catch(() => {});
    await simulation.sleep(0.0001);
    const killed = simulation.kill();
    await write;
    const again = (await openOn(killed, '/log', 'r+')).write('y').catch(() => {});
    await killed.sleep(0.0001);
    const { trace } = killed.crash();
    await again;
    const plot = plotOf(trace.html());
    expect(plot.marks.map(({ kind }) => kind)).toEqual(['kill', 'power']);
    const [, second] = barsOf(plot).filter(({ tip }) => tip[0]!.includes('write'));
    expect(second!.x[1]).toBe(plot.marks[1]!.ms);
  });

  it('keeps what the trace keeps, and reads paths that look like something else', async () => {
    const simulation = calm({ traceEntries: 20 });
    const path = '/a at 1, 2 bytes (00000000): allocate #3';
    await using file = await openOn(simulation, path, 'w');
    for (let index = 0; index < 100; index++) await file.write('x');
    await file.allocate(0, 10);
    const page = simulation.trace.html();
    const bars = barsOf(plotOf(page));
    expect(bars.length).toBeGreaterThanOrEqual(20);
    expect(bars.length).toBeLessThanOrEqual(40);
    expect(plotOf(page).lanes).toEqual([path]);
  });

  it('needs nothing else, and lets no text live', () => {
    const simulation = calm();
    const text = `</script><img src=x onerror=alert(1)>`;
    simulation.note(text);
    const page = simulation.trace.html({ title: text, failure: text });
    expect(page).not.toContain('</script><img');
    expect(page).toMatch(/Content-Security-Policy" content="default-src 'none'; script-src 'sha256-/);
    expect(page).not.toMatch(/<(script|link|img)[^>]*(src|href)="(?!data:)/);
    // A history without anything is one too.
    expect(plotOf(calm().trace.html())).toMatchObject({ lanes: [], sets: [], marks: [] });
  });
});

describe('a history', () => {
  it('does not take for durable what a failed sync has given up meanwhile', () => {
    const history = new History(10);
    for (const [id, syscall] of ['write', 'fsync', 'fsync'].entries())
      history.began(id, { id: id + 1, ...asked(syscall, '/a') });
    history.gaveUp(2, 1);
    history.covered(3, [1]);
    expect(history.spans[0]).toMatchObject({ givenUpBy: 2, coveredBy: undefined });
  });
});

describe('the page of a failure', () => {
  const fails = async (simulation: Simulation): Promise<void> => {
    simulation.note('before');
    throw new Error('a record is missing');
  };
  const failure = (failing: Promise<unknown>): Promise<SimulationError> =>
    failing.then(
      () => expect.fail('it has not failed'),
      (error: unknown) => error as SimulationError,
    );

  it('is named by the message of explore()', async () => {
    const error = await failure(
      explore({ seeds: 1, firstSeed: 77, program: fails, pages: join(folder, 'new') }),
    );
    const path = join(folder, 'new', 'seed-77.html');
    expect(error).toBeInstanceOf(SimulationError);
    expect(error.page).toBe(path);
    expect(error.message.split('\n').at(-1)).toBe(`all of it, to look at: ${path}`);
    expect(readFileSync(path, 'utf8')).toContain('<p class="failure">a record is missing</p>');
  });

  it('is in a temporary folder where none is named', async () => {
    const [one, two] = [
      await failure(explore({ seeds: 1, firstSeed: 1, program: fails })),
      await failure(explore({ seeds: 1, firstSeed: 2, program: fails })),
    ];
    try {
      expect(one.page).toMatch(/kaio-simulation-\w+[\\/]seed-1\.html$/);
      expect(readdirSync(join(one.page!, '..')).sort()).toEqual(['seed-1.html', 'seed-2.html']);
      expect(two.message).toContain(two.page!);
    } finally {
      rmSync(join(one.page!, '..'), { recursive: true });
    }
  });

  it('is not written where nobody wants one, and never hides the failure', async () => {
    const none = await failure(explore({ seeds: 1, program: fails, pages: false }));
    expect([none.page, none.message.includes('to look at')]).toEqual([undefined, false]);
    const checked = await failure(check(calm(), fails));
    expect(checked.page).toBeUndefined();
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const hindered = await failure(check(calm(), fails, { pages: join(file, 'below') }));
    expect(hindered.message).toMatch(/^a record is missing\n[\s\S]*\nno page of it: E(NOTDIR|NOENT)/);
    expect(hindered.page).toBeUndefined();
    expect(existsSync(join(file, 'below'))).toBe(false);
  });
});
