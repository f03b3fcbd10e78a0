/** Replacing a file, with the power lost at every step there is. */
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { AioFile, FileData } from '../../../src/common/file/aio-file-type.ts';
import { type SimulateOptions, type Simulation, simulate } from '../../../src/emulated/index.ts';
import { FileReplacement, type Temporary } from '../../../src/file-replacement.ts';
import { type ReplaceFileOptions, replaceFile, replacing } from '../../../src/replace-file.ts';
import { calm, contextOf, openOn, read, sync, write } from './simulated.ts';

/** How many histories of each kind; more with KAIO_CRASH_SEEDS. */
const SEEDS = Number(process.env.KAIO_CRASH_SEEDS ?? 8);
const PATH = '/directory/settings';
/** More than a sector, or nothing could be torn, and of other lengths each. */
const CONTENTS = ['old', 'first', 'second', 'third'].map((name, index) => name.repeat(400 + index * 150));
const TEMPORARY = /^\.settings\.kaio-[0-9a-f]{12}$/;

type Replace = (simulation: Simulation, data: FileData) => Promise<void>;

function replacingBy(Steps: typeof FileReplacement): Replace {
  return (simulation, data) => new Steps(replacing(PATH, data, { context: contextOf(simulation) })).run();
}

const replace: Replace = (simulation, data) => replaceFile(PATH, data, { context: contextOf(simulation) });

/** One step left out each. */
const FORGETFUL: Readonly<Record<string, typeof FileReplacement>> = {
  'the sync of the file': class extends FileReplacement {
    protected override async syncFile(): Promise<void> {}
  },
  'the sync of the directory': class extends FileReplacement {
    protected override async syncDirectory(): Promise<void> {}
  },
  'the temporary file, written in place': class extends FileReplacement {
    protected override async create(path: Buffer): Promise<Temporary> {
      return { path, file: await openOn(machine(this.wanted.context), path.toString(), 'w') };
    }
    protected override async putInPlace(): Promise<void> {}
  },
  'the order: renamed before it is synced': class extends FileReplacement {
    #temporary: Temporary | undefined;
    protected override async create(...args: Parameters<FileReplacement['create']>): Promise<Temporary> {
      this.#temporary = await super.create(...args);
      return this.#temporary;
    }
    protected override async syncFile(file: AioFile): Promise<void> {
      await super.putInPlace(this.#temporary!, this.wanted.path);
      await super.syncFile(file);
    }
    protected override async putInPlace(): Promise<void> {}
  },
};

const machines = new WeakMap<object, Simulation>();
function machine(context: object | undefined): Simulation {
  return machines.get(context!)!;
}

const DATA: Readonly<Record<string, (content: string) => FileData>> = {
  'a string': (content) => content,
  'a view': (content) => new DataView(new Uint8Array(Buffer.from(content)).buffer),
  'an iterable': (content) => [content.slice(0, 700), Buffer.from(content.slice(700))],
  'an asynchronous iterable': async function* (content) {
    yield content.slice(0, 10);
    yield Buffer.from(content.slice(10));
  },
};

/** A machine with the file or without it, on which everything so far is durable. */
async function prepared(options: SimulateOptions, isThere: boolean): Promise<Simulation> {
  const simulation = simulate(options);
  machines.set(contextOf(simulation), simulation);
  await simulation.fs.promises.mkdir('/directory');
  if (isThere) {
    await write(simulation, PATH, CONTENTS[0]!);
    await sync(simulation, PATH);
  }
  await sync(simulation, '/directory');
  await sync(simulation, '/');
  return simulation;
}

interface Trial {
  readonly isThere: boolean;
  readonly how: Replace;
  readonly data: (content: string) => FileData;
  readonly kill?: boolean;
  readonly strictNames?: boolean;
  readonly leftOver?: { temporary: number };
}

/** What is found, by number; -1 is nothing. Throws for what was never written. */
async function found(simulation: Simulation): Promise<number> {
  const content = await read(simulation, PATH);
  if (content === undefined) return -1;
  const which = CONTENTS.indexOf(content);
  if (which === -1) throw new Error(`neither: ${content.length} bytes, '${content.slice(0, 10)}'`);
  return which;
}

/** Replaces it three times, and crashes at one event. @returns Whether the power was lost before the program had ended. */
async function crashAt(seed: number, atEvent: number, trial: Trial): Promise<boolean> {
  const { isThere, how, data, kill = false, strictNames = true, leftOver } = trial;
  const before = await prepared({ seed, strictNames, kernel: { debug: true } }, isThere);
  const oldest = isThere ? 0 : -1;
  let resolved = oldest;
  let begun = oldest;
  let ended = false;
  let after = await before.crashDuring(
    async () => {
      for (let round = 1; round < CONTENTS.length; round++) {
        begun = round;
        await how(before, data(CONTENTS[round]!));
        if (before.isCrashed) return;
        resolved = round;
      }
      ended = true;
    },
    { atEvent, kill },
  );
  // What a process that was killed had not synced is there, and may still go with the power.
  for (const restarts of kill ? [1, 2] : [1]) {
    const which = await found(after);
    const possible = [...new Set([resolved, begun])];
    if (!possible.includes(which))
      throw new Error(`event ${atEvent}: content ${which} is there, after ${resolved}, during ${begun}`);
    for (const name of await after.fs.promises.readdir('/directory')) {
      if (name === 'settings') continue;
      expect(name).toMatch(TEMPORARY);
      if (leftOver !== undefined) leftOver.temporary++;
    }
    if (kill && restarts === 1) after = after.crash();
  }
  // What is left over is in nobody's way.
  await replace(after, CONTENTS[3]!);
  expect(await found(after.crash())).toBe(3);
  return !ended;
}

/** Every event of the program, and its end. @returns Crashes. */
async function crashEverywhere(seed: number, trial: Trial): Promise<number> {
  let atEvent = 1;
  while (await crashAt(seed, atEvent, trial)) atEvent++;
  return atEvent;
}

describe('replaceFile() on a simulated disk', () => {
  for (const isThere of [true, false]) {
    it.each(Object.keys(DATA))(
      `leaves the old content or the new at every crash, ${isThere ? 'of a file that is there' : 'of a file that is not'}: %s`,
      async (kind) => {
        const leftOver = { temporary: 0 };
        let crashes = 0;
        for (let seed = 0; seed < SEEDS; seed++) {
          const strictNames = seed % 2 === 0;
          const trial = { isThere, how: replace, data: DATA[kind]!, strictNames, leftOver };
          crashes += await crashEverywhere(seed, trial);
        }
        // Or nothing would have been tried.
        expect(crashes).toBeGreaterThan(SEEDS * 3 * 10);
        expect(leftOver.temporary).toBeGreaterThan(0);
      },
    );

    it(`is as good when only the process ends, and the power is lost later, ${isThere}`, async () => {
      for (let seed = 0; seed < SEEDS; seed++)
        await crashEverywhere(seed, { isThere, how: replace, data: DATA['an iterable']!, kill: true });
    });

    it.each(Object.keys(FORGETFUL))(
      `is caught when it leaves out %s (file there: ${isThere})`,
      async (step) => {
        const how = replacingBy(FORGETFUL[step]!);
        const trial = { isThere, how, data: DATA['a string']! };
        let failure: unknown;
        for (let seed = 0; seed < SEEDS && failure === undefined; seed++) {
          await crashEverywhere(seed, trial).catch((error: unknown) => {
            failure = error;
          });
        }
        expect(String(failure)).toMatch(/neither: \d+ bytes|content -?\d is there, after/);
      },
    );
  }

  it('the variants fail by what they leave out: as it is, the same class passes', async () => {
    const trial = { isThere: true, how: replacingBy(FileReplacement), data: DATA['a string']! };
    expect(await crashEverywhere(1, trial)).toBeGreaterThan(30);
  });

  it('keeps its word on a disk with faults: what rejects has left the old file, or says that it has not', async () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 400; seed++) {
      const faults = { EIO: 0.08, ENOSPC: 0.03, EAGAIN: 0.1, shortWrite: 0.3 };
      const simulation = await faulty(seed, faults);
      if (simulation === undefined) continue;
      const outcome = await replace(simulation, CONTENTS[1]!).then(
        () => 'resolved',
        ({ code, syscall, path, message }: NodeJS.ErrnoException) => {
          expect(path).toBe(PATH);
          return `${code} ${syscall}${message.includes('The file is replaced') ? ', replaced' : ''}`;
        },
      );
      outcomes.add(outcome);
      expect(await simulation.fs.promises.readdir('/directory')).toEqual(['settings']);
      const content = await patiently(simulation);
      expect(content).toBe(CONTENTS[outcome === 'resolved' || outcome.endsWith(', replaced') ? 1 : 0]);
      const which = await patiently(simulation.crash());
      if (outcome === 'resolved') expect(which).toBe(CONTENTS[1]);
      else if (outcome.endsWith(', replaced')) expect(CONTENTS.slice(0, 2)).toContain(which);
      else expect(which).toBe(CONTENTS[0]);
    }
    expect([...outcomes].sort()).toEqual([
      'EIO fsync',
      'EIO fsync, replaced',
      'EIO write',
      'ENOSPC write',
      'resolved',
    ]);
  }, 120_000);

  it('finds no room and leaves the old file alone', async () => {
    const simulation = await prepared({ seed: 1, capacityBytes: 8192 }, true);
    await expect(replace(simulation, 'x'.repeat(10_000))).rejects.toMatchObject({
      code: 'ENOSPC',
      syscall: 'write',
      path: PATH,
    });
    expect(await simulation.fs.promises.readdir('/directory')).toEqual(['settings']);
    expect(await read(simulation, PATH)).toBe(CONTENTS[0]);
  });

  it('keeps mode and owner of the old file, durably', async () => {
    const simulation = calm({ faults: { lost: 1, zeroed: 0 } });
    await write(simulation, '/file', 'old');
    await using file = await openOn(simulation, '/file');
    await file.chmod(0o640);
    await file.chown(7, 8);
    await replaceFile('/file', 'new', { context: contextOf(simulation) });
    const after = simulation.crash();
    const { mode, uid, gid } = await after.fs.promises.stat('/file');
    expect([mode & 0o7777, uid, gid, await read(after, '/file')]).toEqual([0o640, 7, 8, 'new']);
  });

  it.each([
    ['no option', undefined, 0o644],
    ['a mode', { mode: 0o666 }, 0o666],
    ['digits', { mode: '640' }, 0o640],
  ] as [string, ReplaceFileOptions | undefined, number][])(
    'gives a new file its mode: %s',
    async (_, options, mode) => {
      const simulation = calm();
      await replaceFile('/file', 'new', { ...options, context: contextOf(simulation) });
      expect((await simulation.fs.promises.stat('/file')).mode & 0o7777).toBe(mode);
    },
  );

  it('refuses what open(2) refuses, in its words', async () => {
    const simulation = calm();
    const context = contextOf(simulation);
    await write(simulation, '/file', 'old');
    const codes: unknown[] = [];
    for (const path of ['/', '/.', '/missing/file', '/file/below', '/missing/', '/file/']) {
      const error = await replaceFile(path, 'new', { context }).catch((refusal: unknown) => refusal);
      expect(error).toMatchObject({ syscall: 'open', path });
      codes.push((error as NodeJS.ErrnoException).code);
    }
    expect(codes).toEqual(['EISDIR', 'EISDIR', 'ENOENT', 'ENOTDIR', 'EISDIR', 'ENOTDIR']);
    expect(await simulation.fs.promises.readdir('/')).toEqual(['file']);
  });

  it('takes names as the simulated disk has them: with slashes, and any other byte', async () => {
    const simulation = calm();
    const context = contextOf(simulation);
    await replaceFile('/a:b\\c', 'string', { context });
    await replaceFile(Buffer.from('/bytes'), 'bytes', { context });
    await replaceFile(new URL('file:///u%20rl'), 'url', { context });
    await replaceFile('relative', 'relative', { context });
    expect(await simulation.fs.promises.readdir('/')).toEqual(['a:b\\c', 'bytes', 'relative', 'u rl']);
  });

  it('makes the same history for the same seed, temporary names among it', async () => {
    const histories = [];
    for (let run = 0; run < 2; run++) {
      const simulation = await prepared({ seed: 5 }, true);
      await replace(simulation, Readable.from(['one', 'two']));
      expect(await read(simulation, PATH)).toBe('onetwo');
      histories.push(String(simulation.trace));
    }
    expect(histories[0]).toContain('.settings.kaio-');
    expect(histories[1]).toBe(histories[0]);
  });

  it('of many at once each is whole, and the last rename is what stays', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const simulation = await prepared({ seed }, true);
      const after = await simulation.crashDuring(
        () => Promise.all(CONTENTS.slice(1).map((content) => replace(simulation, content))),
        { withinEvents: 45 },
      );
      expect(await found(after)).toBeGreaterThanOrEqual(0);
    }
  });
});

/** A machine whose disk fails, with the file on it all the same; `undefined` where it has failed already. */
async function faulty(
  seed: number,
  faults: NonNullable<SimulateOptions['faults']>,
): Promise<Simulation | undefined> {
  const simulation = simulate({ seed, strictNames: true, faults });
  try {
    await simulation.fs.promises.mkdir('/directory');
    await write(simulation, PATH, CONTENTS[0]!);
    for (const path of [PATH, '/directory', '/']) await sync(simulation, path);
    return simulation;
  } catch {
    return undefined;
  }
}

/** Its content, however often reading it fails. */
async function patiently(simulation: Simulation): Promise<string | undefined> {
  for (;;) {
    try {
      return await read(simulation, PATH);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error;
    }
  }
}
