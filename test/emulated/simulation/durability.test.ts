import * as fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Simulation, simulate } from '../../../src/emulated/index.ts';
import { calm, contextOf, openOn, read, sync, write } from './simulated.ts';

/** Everything that can be lost is. */
const LOSES = { faults: { lost: 1, zeroed: 0, torn: 0 } };

describe('what is durable on a simulated disk', () => {
  it('a file that nobody synced is gone, or there with all of its bytes, as chance has it', async () => {
    const loser = calm(LOSES);
    await write(loser, '/file', 'content');
    expect(await read(loser.crash(), '/file')).toBe(undefined);
    const keeper = calm();
    await write(keeper, '/file', 'content');
    expect(await read(keeper.crash(), '/file')).toBe('content');
  });

  it.each(['sync', 'datasync'] as const)(
    '%s of a file covers its bytes, its size and its name',
    async (how) => {
      const simulation = calm(LOSES);
      await write(simulation, '/file', 'content');
      await sync(simulation, '/file', how);
      await write(simulation, '/file', 'more', 'a');
      expect(await read(simulation, '/file')).toBe('contentmore');
      const after = simulation.crash();
      expect(await read(after, '/file')).toBe('content');
      expect(await read(after.crash(), '/file')).toBe('content');
    },
  );

  it('covers exactly what has completed when the sync begins', async () => {
    const simulation = calm({ ...LOSES, latency: { kind: 'fixed', us: 100 } });
    const file = await openOn(simulation, '/file', 'w');
    await file.write(Buffer.from('before'), 0, 6, 0);
    const during = file.write(Buffer.from('during'), 0, 6, 6);
    await Promise.all([during, file.datasync()]);
    await file.write(Buffer.from('after'), 0, 5, 12);
    expect(await read(simulation, '/file')).toBe('beforeduringafter');
    expect(await read(simulation.crash(), '/file')).toBe('before');
  });

  it('a sync that has not ended covers nothing', async () => {
    const simulation = calm({ ...LOSES, latency: { kind: 'fixed', us: 100 } });
    await write(simulation, '/file', 'old');
    await sync(simulation, '/file');
    const file = await openOn(simulation, '/file', 'r+');
    await file.write(Buffer.from('new'), 0, 3, 0);
    const syncing = expect(file.datasync()).rejects.toMatchObject({ code: 'ENODEV', syscall: 'fdatasync' });
    while (simulation.inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
    const after = simulation.crash();
    await syncing;
    expect(await read(after, '/file')).toBe('old');
  });

  it('fsync covers mode and times, fdatasync does not', async () => {
    for (const how of ['sync', 'datasync'] as const) {
      const simulation = calm(LOSES);
      await write(simulation, '/file', 'content');
      await sync(simulation, '/file');
      const file = await openOn(simulation, '/file', 'r+');
      await file.chmod(0o600);
      await file.utimes(1, 2);
      await file[how]();
      expect((await file.stat()).mode & 0o777).toBe(0o600);
      const { mode, mtimeMs } = await simulation.crash().fs.promises.stat('/file');
      expect([how, mode & 0o777, mtimeMs === 2000]).toEqual([
        how,
        how === 'sync' ? 0o600 : 0o644,
        how === 'sync',
      ]);
    }
  });

  it('a truncation is a change like a write', async () => {
    const simulation = calm(LOSES);
    await write(simulation, '/file', '0123456789');
    await sync(simulation, '/file');
    const file = await openOn(simulation, '/file', 'r+');
    await file.truncate(4);
    await file.datasync();
    await file.truncate(0);
    expect(await read(simulation, '/file')).toBe('');
    const after = simulation.crash();
    expect(await read(after, '/file')).toBe('0123');
    await using again = await openOn(after, '/file', 'r+');
    await again.truncate(6);
    expect(await read(after, '/file')).toBe('0123\0\0');
  });

  // Windows has no numbers for them.
  const flags = Object.entries(fs.constants).filter(([name]) => name === 'O_DSYNC' || name === 'O_SYNC');
  it.each(flags)('%s: durable when the write has completed', async (_name, flag) => {
    const simulation = calm(LOSES);
    const file = await openOn(simulation, '/file', fs.constants.O_CREAT | fs.constants.O_RDWR | flag);
    await file.write(Buffer.from('synced'), 0, 6, 0);
    expect(await read(simulation.crash(), '/file')).toBe('synced');
  });

  it('RWF_DSYNC covers the write, and what lies beneath it, and nothing else', async () => {
    const RWF_DSYNC = 2;
    const simulation = calm(LOSES);
    const file = await openOn(simulation, '/file', 'w');
    const context = contextOf(simulation);
    await file.write(Buffer.from('aaaa'), 0, 4, 0);
    await file.write(Buffer.from('bbbb'), 0, 4, 10);
    await context.write(file.fd, Buffer.from('CC'), 2, { rw_flags: RWF_DSYNC });
    expect(await read(simulation, '/file')).toBe('aaCC\0\0\0\0\0\0bbbb');
    expect(await read(simulation.crash(), '/file')).toBe('aaCC');
  });

  it('O_DIRECT makes nothing durable by itself', async () => {
    const simulation = calm(LOSES);
    await write(simulation, '/file', '');
    await sync(simulation, '/file');
    const file = await openOn(simulation, '/file', 'r+', {
      direct: 'require',
      unaligned: 'read-modify-write',
    });
    await file.writeFully(Buffer.alloc(1024, 'd'), { position: 0 });
    expect(await read(simulation.crash(), '/file')).toBe('');
  });

  it('a new name is durable with its directory; one that was removed comes back without', async () => {
    const simulation = calm(LOSES);
    await simulation.fs.promises.mkdir('/directory/below', { recursive: true });
    await write(simulation, '/directory/below/synced', '');
    await sync(simulation, '/directory/below');
    await write(simulation, '/directory/below/not', '');
    await simulation.fs.promises.unlink('/directory/below/synced');
    expect(await simulation.fs.promises.readdir('/directory/below')).toEqual(['not']);
    const after = simulation.crash();
    expect(await after.fs.promises.readdir('/directory/below')).toEqual(['synced']);
    expect(await read(after, '/directory/below/synced')).toBe('');
  });

  it('strictNames: a sync of the file says nothing about its name', async () => {
    for (const directories of [['/'], ['/directory'], ['/', '/directory']]) {
      const simulation = calm({ ...LOSES, strictNames: true });
      await simulation.fs.promises.mkdir('/directory');
      await write(simulation, '/directory/file', 'content');
      await sync(simulation, '/directory/file');
      for (const path of directories) await sync(simulation, path);
      const content = await read(simulation.crash(), '/directory/file');
      expect(content).toBe(directories.length === 2 ? 'content' : undefined);
    }
  });

  it('a rename happens as a whole or not at all, and for certain with the directory', async () => {
    for (const syncs of [false, true]) {
      const simulation = calm(LOSES);
      await write(simulation, '/old', 'the old one');
      await write(simulation, '/new', 'the new one');
      for (const path of ['/old', '/new', '/']) await sync(simulation, path);
      await simulation.fs.promises.rename('/new', '/old');
      // The file is not the directory.
      await sync(simulation, '/old');
      if (syncs) await sync(simulation, '/');
      const after = simulation.crash();
      expect(await read(after, '/old')).toBe(syncs ? 'the new one' : 'the old one');
      expect(await read(after, '/new')).toBe(syncs ? undefined : 'the new one');
    }
  });

  it('a rename from one directory to another is durable with either', async () => {
    for (const directory of ['/from', '/to']) {
      const simulation = calm(LOSES);
      for (const path of ['/from', '/to']) await simulation.fs.promises.mkdir(path);
      await write(simulation, '/from/file', 'content');
      await simulation.fs.promises.rename('/from/file', '/to/file');
      await sync(simulation, directory);
      await sync(simulation, '/to/file');
      const after = simulation.crash();
      const found = [await read(after, '/from/file'), await read(after, '/to/file')];
      // The other directory was never synced: where it is gone, so is what was in it.
      expect(found).toEqual([undefined, 'content']);
    }
  });

  it('never mixes names of one seed: each file is found as a whole, under the old name or the new', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const simulation = simulate({ seed });
      await write(simulation, '/file', 'old');
      await sync(simulation, '/file');
      await write(simulation, '/temporary', 'new');
      await sync(simulation, '/temporary');
      await simulation.fs.promises.rename('/temporary', '/file');
      const after = simulation.crash();
      seen.add(`${await read(after, '/file')}, ${await read(after, '/temporary')}`);
    }
    expect([...seen].sort()).toEqual(['new, undefined', 'old, new']);
  });

  it('kill() ends the process only: what was written is there, and can still be lost with the power', async () => {
    const simulation = calm(LOSES);
    await write(simulation, '/file', 'written');
    const file = await openOn(simulation, '/file', 'a');
    const writing = file.write(', in flight').catch((error: NodeJS.ErrnoException) => error.code);
    while (simulation.inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
    const next = simulation.kill();
    expect([await writing, simulation.isCrashed, next.generation]).toEqual(['ENODEV', true, 1]);
    expect(await read(next, '/file')).toBe('written, in flight');
    // The old process has no hands any more.
    await expect(simulation.fs.promises.unlink('/file')).rejects.toMatchObject({ code: 'ENODEV' });
    expect(() => simulation.crash()).toThrow('crashed already');
    await sync(next, '/file');
    await write(next, '/file', ', more', 'a');
    const after = next.crash();
    expect(await read(after, '/file')).toBe('written, in flight');
  });

  it('ends what is under way, and everything later, with ENODEV', async () => {
    const simulation = calm();
    const file = await openOn(simulation, '/file', 'w+');
    const writing = expect(file.write(Buffer.from('x'), 0, 1, 0)).rejects.toMatchObject({ code: 'ENODEV' });
    while (simulation.inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
    simulation.crash();
    await writing;
    await expect(file.read(Buffer.alloc(1), 0, 1, 0)).rejects.toMatchObject({ code: 'ENODEV' });
    await expect(simulation.fs.promises.readdir('/')).rejects.toMatchObject({ code: 'ENODEV' });
    await file.close();
    await contextOf(simulation).close();
    expect(() => simulation.crash()).toThrow('crashed already');
  });
});

/** What is known of one sector: the tags that it was given, in the order in which those writes ended. */
interface Sector {
  readonly ended: number[];
  /** How many of them are covered by a sync, the last of these for certain. */
  durable: number;
  readonly inFlight: Set<number>;
}

describe('a crash at any moment of any program', () => {
  const SECTORS = 6;
  const SECTOR = 512;
  const RWF_DSYNC = 2;

  /** Writes and syncs whole sectors, many at once, and keeps account of what each may hold. */
  async function program(simulation: Simulation, sectors: readonly Sector[], isCrashed: () => boolean) {
    const context = contextOf(simulation);
    await using file = await openOn(simulation, '/file', 'r+');
    const { random } = simulation;
    let tag = 0;
    const writeSector = async (): Promise<void> => {
      const mine = ++tag;
      const first = random.below(SECTORS);
      const count = 1 + random.below(SECTORS - first);
      const written = sectors.slice(first, first + count);
      const bytes = new Uint32Array((count * SECTOR) / 4).fill(mine);
      const rw_flags = random.chance(0.2) ? RWF_DSYNC : 0;
      for (const { inFlight } of written) inFlight.add(mine);
      await context.write(file.fd, bytes, first * SECTOR, { rw_flags });
      if (isCrashed()) return;
      for (const sector of written) {
        sector.inFlight.delete(mine);
        sector.ended.push(mine);
        if (rw_flags !== 0) sector.durable = sector.ended.length;
      }
    };
    const sync = async (): Promise<void> => {
      const covered = sectors.map(({ ended }) => ended.length);
      await context.fdatasync(file.fd);
      if (isCrashed()) return;
      sectors.forEach((sector, index) => {
        sector.durable = Math.max(sector.durable, covered[index]!);
      });
    };
    const lane = async (): Promise<void> => {
      for (let round = 0; round < 30; round++) await (random.chance(0.25) ? sync() : writeSector());
    };
    await Promise.all([lane(), lane(), lane(), lane()]);
  }

  it('finds each sector as the last sync left it, or as a later write did, and never older, nor mixed', async () => {
    let older = 0;
    for (let seed = 0; seed < 150; seed++) {
      const simulation = simulate({ seed, kernel: { debug: true } });
      await using file = await openOn(simulation, '/file', 'w');
      await file.write(Buffer.alloc(SECTORS * SECTOR), 0, SECTORS * SECTOR, 0);
      await file.sync();
      const sectors = Array.from(
        { length: SECTORS },
        (): Sector => ({ ended: [0], durable: 1, inFlight: new Set() }),
      );
      const after = await simulation.crashDuring(
        () => program(simulation, sectors, () => simulation.isCrashed),
        { withinEvents: 120 },
      );
      const content = await after.fs.promises.readFile('/file');
      sectors.forEach(({ ended, durable, inFlight }, index) => {
        const words = new Uint32Array(
          Uint8Array.from(content.subarray(index * SECTOR, (index + 1) * SECTOR)).buffer,
        );
        const [found] = words;
        expect(words.every((word) => word === found)).toBe(true);
        const may = [...ended.slice(durable - 1), ...inFlight];
        expect(may, `seed ${seed}, sector ${index}`).toContain(found);
        if (found !== ended.at(-1)) older++;
      });
    }
    // A disk that keeps everything would pass as well.
    expect(older).toBeGreaterThan(100);
  });
});
