import { describe, expect, it } from 'vitest';
import { alignedBuffer } from '../../../src/common/memory/aligned.ts';
import { simulate } from '../../../src/emulated/index.ts';
import { user } from '../user.ts';
import { calm, contextOf, openOn, read, sync, write } from './simulated.ts';

const SECTOR = 512;
const sectors = (count: number, letter: string): Buffer => Buffer.alloc(count * SECTOR, letter);
/** Content by sectors: the letter of each that is all one letter, `?` for one that is torn inside. */
const map = (content: string): string =>
  (content.match(/[\s\S]{1,512}/g) ?? [])
    .map((sector) => (new Set(sector).size > 1 ? '?' : sector[0] === '\0' ? '0' : sector[0]))
    .join('');

/** What is left of a synced file of eight sectors `o` over which six sectors `n` were written, for many seeds. */
async function afterCrashes(faults: { lost: number; torn: number; misdirected?: number }, seeds = 60) {
  const found: string[] = [];
  for (let seed = 0; seed < seeds; seed++) {
    const simulation = simulate({ seed, faults });
    await write(simulation, '/file', sectors(8, 'o').toString());
    await sync(simulation, '/file');
    await using file = await openOn(simulation, '/file', 'r+');
    await file.write(sectors(6, 'n'), 0, 6 * SECTOR, SECTOR);
    found.push(map((await read(simulation.crash(), '/file'))!));
  }
  return found;
}

describe('a crash of a simulated disk', () => {
  it('loses unsynced writes', async () => {
    const found = await afterCrashes({ lost: 0.5, torn: 0 });
    expect(new Set(found)).toEqual(new Set(['oooooooo', 'onnnnnno']));
  });

  it('tears them between sectors, and never inside one', async () => {
    const found = await afterCrashes({ lost: 0, torn: 1 });
    for (const content of found) expect(content).toMatch(/^o[on]{6}o$/);
    for (const content of found) expect(content.slice(1, 7)).toMatch(/on|no/);
    expect(new Set(found).size).toBeGreaterThan(20);
  });

  it('puts them elsewhere, also over what was durable', async () => {
    const found = await afterCrashes({ lost: 0, torn: 0, misdirected: 1 });
    for (const content of found) expect(content).toMatch(/^[on]{8}$/);
    expect(found.some((content) => content[0] === 'n')).toBe(true);
    expect(found.some((content) => content[7] === 'n')).toBe(true);
  });

  it('may leave the size of a write without its bytes', async () => {
    const found = new Set<string>();
    for (let seed = 0; seed < 80; seed++) {
      const simulation = simulate({ seed, faults: { lost: 1, torn: 0 } });
      await write(simulation, '/file', sectors(1, 'o').toString());
      await sync(simulation, '/file');
      await write(simulation, '/file', sectors(1, 'n').toString(), 'a');
      found.add(map((await read(simulation.crash(), '/file'))!));
    }
    expect([...found].sort()).toEqual(['o', 'o0']);
  });

  it('does the same to writes that are in flight', async () => {
    const found = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const simulation = simulate({ seed, faults: { lost: 0.3, torn: 0.4 } });
      await write(simulation, '/file', sectors(4, 'o').toString());
      await sync(simulation, '/file');
      const file = await openOn(simulation, '/file', 'r+');
      const writing = file.write(sectors(4, 'n'), 0, 4 * SECTOR, 0).catch((error: Error) => error);
      while (simulation.inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
      found.add(map((await read(simulation.crash(), '/file'))!));
      expect(await writing).toMatchObject({ code: 'ENODEV' });
    }
    expect(found).toContain('oooo');
    expect(found).toContain('nnnn');
    expect(found.size).toBeGreaterThan(6);
  });

  it('leaves what was synced alone, whatever else is lost', async () => {
    for (let seed = 0; seed < 40; seed++) {
      const simulation = simulate({ seed, faults: { lost: 0.5, torn: 0.5 } });
      await write(simulation, '/file', sectors(2, 'o').toString());
      await sync(simulation, '/file');
      await write(simulation, '/file', sectors(6, 'n').toString(), 'a');
      expect(map((await read(simulation.crash(), '/file'))!)).toMatch(/^oo[n0]*$/);
    }
  });
});

/** Tries something again and again. @returns How often it came out how: a number, or the code of an error. */
async function tally(
  times: number,
  attempt: (index: number) => Promise<number>,
): Promise<Map<number | string, number>> {
  const counts = new Map<number | string, number>();
  for (let index = 0; index < times; index++) {
    const key = await attempt(index).catch(
      (error: NodeJS.ErrnoException) => `${error.code} ${error.syscall}`,
    );
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

describe('faults of a simulated disk', () => {
  it('EIO: of reads, writes and syncs, as often as asked for', async () => {
    const simulation = calm({ faults: { EIO: 0.25 }, seed: 5 });
    // Opening is about names, which do not fail.
    await using broken = await openOn(simulation, '/file', 'w+');
    const reads = await tally(400, async () => (await broken.read(Buffer.alloc(8), 0, 8, 0)).bytesRead);
    expect([...reads.keys()].sort()).toEqual([0, 'EIO read']);
    expect(reads.get('EIO read')).toBeGreaterThan(60);
    expect(reads.get('EIO read')).toBeLessThan(140);
    const writes = await tally(100, async () => (await broken.write(Buffer.alloc(8), 0, 8, 0)).bytesWritten);
    expect([...writes.keys()].sort()).toEqual([8, 'EIO write']);
    const syncs = await tally(100, () => broken.datasync().then(() => 0));
    expect([...syncs.keys()].sort()).toEqual([0, 'EIO fdatasync']);
  });

  it('EIO of a sync: what it covered is never tried again, as on Linux', async () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const simulation = simulate({ seed, faults: { EIO: 0.5, lost: 1, torn: 0 } });
      const file = await openOn(simulation, '/file', 'w');
      const until = async (wanted: string, attempt: () => Promise<unknown>): Promise<void> => {
        for (;;) {
          const outcome = await attempt().then(
            () => 'ok',
            (error: NodeJS.ErrnoException) => error.code,
          );
          if (outcome === wanted) return;
        }
      };
      await until('ok', () => file.write(sectors(1, 'n'), 0, SECTOR, 0));
      const first = await file.datasync().then(
        () => 'ok',
        (error: NodeJS.ErrnoException) => error.code,
      );
      await until('ok', () => file.datasync());
      const after = simulation.crash();
      let content = '';
      await until('ok', async () => {
        content = map((await read(after, '/file')) ?? '');
      });
      outcomes.add(`${first}: ${content === 'n' ? 'there' : 'gone'}`);
    }
    expect([...outcomes].sort()).toEqual(['EIO: gone', 'EIO: there', 'ok: there']);
  });

  it('short reads and writes: at least a byte, never more than asked for, and between sectors where direct', async () => {
    const simulation = calm({ faults: { shortRead: 1, shortWrite: 1 } });
    await using file = await openOn(simulation, '/file', 'w+');
    await file.writeFully(Buffer.alloc(8192, 'x'), { position: 0 });
    const reads = await tally(50, async () => (await file.read(Buffer.alloc(100), 0, 100, 0)).bytesRead);
    for (const count of reads.keys()) expect(count).toSatisfy((n: number) => n >= 1 && n < 100);
    expect(reads.size).toBeGreaterThan(20);
    expect((await file.read(Buffer.alloc(1), 0, 1, 0)).bytesRead).toBe(1);
    await using direct = await openOn(simulation, '/file', 'r+', { direct: 'require' });
    const writes = await tally(
      50,
      async () => (await direct.write(alignedBuffer(4096), 0, 4096, 0)).bytesWritten,
    );
    for (const count of writes.keys())
      expect(count).toSatisfy((n: number) => n % SECTOR === 0 && n > 0 && n < 4096);
    expect((await file.readFile()).length).toBe(8192);
  });

  it('EAGAIN from io_submit: AioContext goes on when others are in flight, and says so when none are', async () => {
    const simulation = calm({ faults: { EAGAIN: 0.5 } });
    await using file = await openOn(simulation, '/file', 'w');
    const context = contextOf(simulation);
    let refused = 0;
    for (let round = 0; round < 40; round++) {
      const outcomes = await context.submit(
        Array.from({ length: 8 }, (_, index) => ({
          operation: 'write' as const,
          fd: file.fd,
          buffer: Buffer.from([index]),
          position: index,
        })),
      );
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') expect(outcome.value).toBe(1);
        else {
          refused++;
          expect(outcome.reason).toMatchObject({ code: 'EAGAIN', syscall: 'io_submit' });
        }
      }
    }
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(160);
    expect(context.stats.eagains).toBeGreaterThan(0);
  });

  it('ENOSPC: by capacity what fits is written, then nothing; removing files makes room', async () => {
    const simulation = calm({ capacityBytes: 8 * 4096 });
    await write(simulation, '/other', 'x'.repeat(4 * 4096));
    await using file = await openOn(simulation, '/file', 'w');
    expect((await file.write(Buffer.alloc(6 * 4096), 0, 6 * 4096, 0)).bytesWritten).toBe(4 * 4096);
    await expect(file.write(Buffer.alloc(1), 0, 1, 4 * 4096)).rejects.toMatchObject({ code: 'ENOSPC' });
    // What is there already can be written over.
    expect((await file.write(Buffer.alloc(4096), 0, 4096, 0)).bytesWritten).toBe(4096);
    expect(simulation.usedBytes).toBe(8 * 4096);
    await simulation.fs.promises.unlink('/other');
    expect((await file.write(Buffer.alloc(1), 0, 1, 4 * 4096)).bytesWritten).toBe(1);
  });

  it('ENOSPC: by chance', async () => {
    const simulation = calm({ faults: { ENOSPC: 0.5 } });
    await using file = await openOn(simulation, '/file', 'w');
    const writes = await tally(60, async () => (await file.write(Buffer.alloc(4), 0, 4, 0)).bytesWritten);
    expect([...writes.keys()].sort()).toEqual([4, 'ENOSPC write']);
  });

  it('refuses options that mean nothing', () => {
    const refusals: [object, string][] = [
      [{ seed: 1.5 }, 'ERR_INVALID_ARG_VALUE'],
      [{ seed: 'one' }, 'ERR_INVALID_ARG_VALUE'],
      [{ seed: 1, faults: { EIO: 2 } }, 'ERR_OUT_OF_RANGE'],
      [{ seed: 1, faults: { eio: 0 } }, 'ERR_OUT_OF_RANGE'],
      [{ seed: 1, faults: { lost: 0.6, torn: 0.6 } }, 'ERR_OUT_OF_RANGE'],
      [{ seed: 1, sectorBytes: 500 }, 'ERR_OUT_OF_RANGE'],
      [{ seed: 1, capacityBytes: -1 }, 'ERR_OUT_OF_RANGE'],
      [{ seed: 1, traceEntries: 0 }, 'ERR_OUT_OF_RANGE'],
      [{ seed: 1, latency: { kind: 'normal' } }, 'ERR_OUT_OF_RANGE'],
      [{ seed: 1, latency: { kind: 'fixed', us: -1 } }, 'ERR_OUT_OF_RANGE'],
      [{ seed: 1, latency: { read: { kind: 'uniform', minUs: 1 } } }, 'ERR_OUT_OF_RANGE'],
    ];
    for (const [options, code] of refusals) {
      expect(() => simulate(options as never), JSON.stringify(options)).toThrow(
        expect.objectContaining({ code }),
      );
    }
  });
});

describe('direct I/O on a simulated disk', () => {
  const EINVAL = -22;
  const PREAD = 0;
  const PWRITE = 1;
  const PREADV = 7;

  it('minds alignment as ext4 does, in the event', async () => {
    const simulation = calm();
    const u = user({}, simulation.kernel);
    await write(simulation, '/file', 'x'.repeat(1000));
    await using file = await openOn(simulation, '/file', 'r+', { direct: 'require' });
    expect(file.alignment).toEqual({ memory: SECTOR, offset: SECTOR, length: SECTOR });
    const buffer = u.keep(alignedBuffer(4096));
    const at = u.addressOf(buffer);
    const ctx = u.setup(32);
    const run = async (fields: object): Promise<number> => {
      expect(u.submit(ctx, { aio_fildes: file.fd, ...fields })).toBe(1);
      const [result] = await u.completed(ctx, 1);
      return result!;
    };
    const pread = { aio_lio_opcode: PREAD, aio_buf: at, aio_nbytes: SECTOR, aio_offset: 0 };
    expect(await run(pread)).toBe(SECTOR);
    expect(await run({ ...pread, aio_offset: 1 })).toBe(EINVAL); // DIO-01
    expect(await run({ ...pread, aio_nbytes: 100 })).toBe(EINVAL);
    expect(await run({ ...pread, aio_buf: at + 8 })).toBe(EINVAL);
    expect(await run({ ...pread, aio_nbytes: 0 })).toBe(0); // DIO-02
    expect(await run({ ...pread, aio_offset: 1001 })).toBe(0); // DIO-03
    expect(await run({ ...pread, aio_nbytes: 4096 })).toBe(1000); // DIO-04
    const iovec = u.iovec([at, SECTOR], [at + SECTOR + 1, SECTOR]);
    expect(await run({ ...pread, aio_lio_opcode: PREADV, aio_buf: iovec, aio_nbytes: 2 })).toBe(EINVAL); // DIO-05
    expect(await run({ ...pread, aio_lio_opcode: PWRITE, aio_offset: 7 })).toBe(EINVAL);
    expect(await run({ ...pread, aio_lio_opcode: PWRITE, aio_offset: SECTOR })).toBe(SECTOR);
    expect(u.kernel.io_destroy(ctx)).toBe(0);
  });
});
