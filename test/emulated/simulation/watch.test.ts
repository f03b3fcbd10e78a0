/** `fs.watch` and what goes with it, held against Node on a folder of the host. */
import * as nodeFs from 'node:fs';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { simulate } from '../../../src/emulated/index.ts';

type Fs = typeof nodeFs;

const host = realpathSync(mkdtempSync(join(tmpdir(), 'kaio-watch-')));
// Events come by way of inotify(7) there.
const SHORTLY_MS = 30;
let folders = 0;

afterAll(() => rmSync(host, { recursive: true }));

/** Something that is done in a folder, with a name. */
type Deed = readonly [title: string, act: (fs: Fs, folder: string) => void | Promise<void>];

const DEEDS: readonly Deed[] = [
  ['makes a file', (fs, folder) => fs.writeFileSync(`${folder}/made`, '')],
  ['makes a file with something in it', (fs, folder) => fs.writeFileSync(`${folder}/full`, 'text')],
  ['writes over a file', (fs, folder) => fs.writeFileSync(`${folder}/file`, 'other')],
  ['appends', (fs, folder) => fs.appendFileSync(`${folder}/file`, 'more')],
  ['appends nothing', (fs, folder) => fs.appendFileSync(`${folder}/file`, '')],
  ['cuts', (fs, folder) => fs.truncateSync(`${folder}/file`, 1)],
  ['chmod', (fs, folder) => fs.chmodSync(`${folder}/file`, 0o600)],
  ['utimes', (fs, folder) => fs.utimesSync(`${folder}/file`, 1, 2)],
  ['links', (fs, folder) => fs.linkSync(`${folder}/full`, `${folder}/link`)],
  ['makes a symbolic link', (fs, folder) => fs.symlinkSync('file', `${folder}/symlink`)],
  ['renames', (fs, folder) => fs.renameSync(`${folder}/made`, `${folder}/renamed`)],
  ['renames what is watched', (fs, folder) => fs.renameSync(`${folder}/file`, `${folder}/moved`)],
  ['renames over another', (fs, folder) => fs.renameSync(`${folder}/renamed`, `${folder}/moved`)],
  ['makes a directory', (fs, folder) => fs.mkdirSync(`${folder}/directory`)],
  ['writes below a directory', (fs, folder) => fs.writeFileSync(`${folder}/directory/below`, 'x')],
  ['chmod of the directory', (fs, folder) => fs.chmodSync(folder, 0o755)],
  ['removes what is below', (fs, folder) => fs.rmSync(`${folder}/directory/below`)],
  ['removes a directory', (fs, folder) => fs.rmdirSync(`${folder}/directory`)],
  ['removes a file', (fs, folder) => fs.rmSync(`${folder}/full`)],
  ['opens without doing anything', (fs, folder) => fs.closeSync(fs.openSync(`${folder}/link`, 'r+'))],
  [
    'writes with a FileHandle',
    async (fs, folder) => {
      const file = await fs.promises.open(`${folder}/link`, 'r+');
      await file.write('text');
      await file.close();
    },
  ],
];

/** What is heard of each deed, of the folder and of a file in it. */
async function heard(fs: Fs, folder: string): Promise<Record<string, string[]>> {
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(`${folder}/file`, 'text');
  await setTimeout(SHORTLY_MS);
  let events: string[] = [];
  const listener = (what: string) => (event: string, name: unknown) =>
    events.push(`${what} ${event} ${name}`);
  const watchers = [fs.watch(folder, listener('folder')), fs.watch(`${folder}/file`, listener('file'))];
  const all: Record<string, string[]> = {};
  for (const [title, act] of DEEDS) {
    await act(fs, folder);
    await setTimeout(SHORTLY_MS);
    // Which of two watchers hears first is not told.
    all[title] = [
      ...events.filter((one) => one.startsWith('folder')),
      ...events.filter((one) => one.startsWith('file')),
    ];
    events = [];
  }
  for (const watcher of watchers) {
    const closed = new Promise((resolve) => watcher.once('close', resolve));
    watcher.close();
    await closed;
  }
  fs.writeFileSync(`${folder}/late`, '');
  await setTimeout(SHORTLY_MS);
  all.late = events;
  return all;
}

/** The same on the host and on a simulated machine, in a folder of the same name. */
async function both<T>(run: (fs: Fs, folder: string) => Promise<T>): Promise<{ node: T; simulated: T }> {
  const folder = join(host, String(folders++), 'in');
  nodeFs.mkdirSync(folder, { recursive: true });
  const fs = simulate({ seed: 1 }).fs as unknown as Fs;
  fs.mkdirSync(folder, { recursive: true });
  const [node, simulated] = await Promise.all([run(nodeFs, folder), run(fs, folder)]);
  return { node, simulated };
}

function shownError(error: unknown): string {
  const { name, code, message, syscall, path, filename } = error as NodeJS.ErrnoException & {
    filename?: string;
  };
  return [name, code, message, syscall, path, filename].join(' | ');
}

const attempt = async (call: () => unknown): Promise<string> => {
  try {
    return String(await call());
  } catch (error) {
    return shownError(error);
  }
};

describe.runIf(process.platform === 'linux')('watching simulation.fs', () => {
  it('tells of the same changes', async () => {
    const { node, simulated } = await both(heard);
    expect(simulated).toEqual(node);
    expect(Object.values(node).flat().length).toBeGreaterThan(DEEDS.length);
  });

  it('refuses the same', async () => {
    const { node, simulated } = await both(async (fs, folder) => [
      await attempt(() => fs.watch(`${folder}/none`)),
      await attempt(() => fs.watch(7 as never)),
      await attempt(() => fs.watch(folder, { persistent: 1 as never })),
      await attempt(() => fs.watch(folder, { encoding: 'odd' as never })),
      await attempt(() => fs.watch(folder, { signal: {} as never })),
      await attempt(() => fs.watchFile(`${folder}/none`, undefined as never)),
      await attempt(() => fs.watchFile(`${folder}/none`, { interval: 'x' as never }, () => {})),
      await attempt(() => fs.promises.watch(`${folder}/none`)[Symbol.asyncIterator]().next()),
      await attempt(() =>
        fs.promises
          .watch(folder, { encoding: 'odd' as never })
          [Symbol.asyncIterator]()
          .next(),
      ),
      await attempt(() =>
        fs.promises.watch(folder, { signal: AbortSignal.abort() })[Symbol.asyncIterator]().next(),
      ),
    ]);
    expect(simulated).toEqual(node);
  });

  it('gives names in the encoding that was asked for, and ends with a signal', async () => {
    const { node, simulated } = await both(async (fs, folder) => {
      const controller = new AbortController();
      const events: unknown[] = [];
      const watcher = fs.watch(folder, { encoding: 'buffer', signal: controller.signal }, (event, name) =>
        events.push(event, name),
      );
      watcher.on('close', () => events.push('close'));
      fs.writeFileSync(`${folder}/é`, '');
      await setTimeout(SHORTLY_MS);
      controller.abort();
      fs.writeFileSync(`${folder}/late`, '');
      await setTimeout(SHORTLY_MS);
      return [events, watcher.constructor.name];
    });
    expect(simulated).toEqual(node);
  });

  it('hears of everything below when it is told to', async () => {
    const { node, simulated } = await both(async (fs, folder) => {
      fs.mkdirSync(`${folder}/a/b`, { recursive: true });
      const events = new Set<string>();
      const watcher = fs.watch(folder, { recursive: true }, (event, name) => events.add(`${event} ${name}`));
      await setTimeout(SHORTLY_MS);
      fs.writeFileSync(`${folder}/a/b/deep`, '');
      await setTimeout(SHORTLY_MS);
      fs.rmSync(`${folder}/a/b/deep`);
      await setTimeout(SHORTLY_MS);
      watcher.close();
      return [...events];
    });
    // Node's own code looks after it there, and tells of some more.
    expect(node).toEqual(expect.arrayContaining(simulated));
    expect(simulated).toEqual(['rename a/b/deep']);
  });

  it('is an async iterator, whose end is that of a signal', async () => {
    const { node, simulated } = await both(async (fs, folder) => {
      const controller = new AbortController();
      const events: string[] = [];
      const watching = (async () => {
        for await (const { eventType, filename } of fs.promises.watch(folder, controller))
          events.push(`${eventType} ${filename}`);
      })();
      await setTimeout(SHORTLY_MS);
      await fs.promises.writeFile(`${folder}/file`, '');
      await setTimeout(SHORTLY_MS);
      await fs.promises.rename(`${folder}/file`, `${folder}/other`);
      await setTimeout(SHORTLY_MS);
      controller.abort();
      return [events, await attempt(() => watching)];
    });
    expect(simulated).toEqual(node);
  });

  it('watchFile tells of files that change, come and go', async () => {
    const { node, simulated } = await both(async (fs, folder) => {
      const told: string[] = [];
      const path = `${folder}/file`;
      const listener = (current: nodeFs.Stats, previous: nodeFs.Stats): void => {
        // A deed that is looked at while it is done is told once more: its time has changed already, its size has not.
        if (told.length > 0 && current.ino === previous.ino && current.size === previous.size) return;
        told.push(
          `${previous.size} to ${current.size}, ${current.isFile()}, ${current.nlink}, ${current.ino === 0}, ${current.constructor.name}`,
        );
      };
      // However long a look at the file takes: what is done before it is over would be told together with what was before.
      const tellings = async (count: number): Promise<void> => {
        while (told.length < count) await setTimeout(1);
      };
      const watcher = fs.watchFile(path, { interval: 5, persistent: false }, listener);
      const same = fs.watchFile(path, { interval: 5 }, () => {}) === watcher;
      // That there is no file is told, too.
      await tellings(1);
      // By another name first: a look may come between making a file and writing it.
      fs.writeFileSync(`${path}, new`, 'text');
      fs.renameSync(`${path}, new`, path);
      await tellings(2);
      fs.appendFileSync(path, 'more');
      await tellings(3);
      fs.rmSync(path);
      await tellings(4);
      fs.unwatchFile(path);
      fs.writeFileSync(path, 'late');
      await setTimeout(SHORTLY_MS);
      return [told, same, watcher.constructor.name];
    });
    expect(simulated).toEqual(node);
  });

  it('openAsBlob gives a Blob of what is there, and none of what has changed', async () => {
    const { node, simulated } = await both(async (fs, folder) => {
      const path = `${folder}/file`;
      fs.writeFileSync(path, 'some text');
      const blob = await fs.openAsBlob(path, { type: 'text/plain' });
      const part = blob.slice(5, 9, 'odd/type');
      const shown = [
        blob instanceof Blob,
        blob.size,
        blob.type,
        await blob.text(),
        await part.text(),
        part.type,
      ];
      // The time of a change is what tells.
      await setTimeout(SHORTLY_MS);
      fs.writeFileSync(path, 'other');
      return [
        ...shown,
        await attempt(() => blob.text()),
        await attempt(() => part.arrayBuffer()),
        await attempt(() => fs.openAsBlob(path, { type: 7 as never })),
        await attempt(() => fs.openAsBlob(`${folder}/none`)),
        await attempt(() => fs.openAsBlob(7 as never)),
      ];
    });
    expect(simulated).toEqual(node);
  });

  it.runIf('mkdtempDisposableSync' in nodeFs)('makes directories that remove themselves', async () => {
    const { node, simulated } = await both(async (all, folder) => {
      const fs = all as unknown as {
        mkdtempDisposableSync: (prefix: string) => { path: string; remove(): void };
        promises: {
          mkdtempDisposable: (prefix: string) => Promise<{ path: string; remove(): Promise<void> }>;
        };
      };
      const shown: unknown[] = [];
      const now = fs.mkdtempDisposableSync(`${folder}/x`);
      const later = await fs.promises.mkdtempDisposable(`${folder}/y`);
      for (const made of [now, later]) {
        shown.push(made.path.length, Reflect.ownKeys(made).map(String), Object.getPrototypeOf(made) === null);
        all.writeFileSync(`${made.path}/file`, '');
        await made.remove();
        shown.push(all.existsSync(made.path));
        await made.remove();
      }
      return shown;
    });
    expect(simulated).toEqual(node);
  });
});

it('a machine that has crashed tells of nothing any more', async () => {
  const simulation = simulate({ seed: 1 });
  const events: string[] = [];
  simulation.fs.watch('/', (event, name) => events.push(`${event} ${name}`));
  simulation.fs.writeFileSync('/file', '');
  simulation.crash();
  await setTimeout(1);
  expect(events).toEqual([]);
});
