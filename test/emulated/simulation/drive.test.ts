import { describe, expect, it } from 'vitest';
import type { AioFile } from '../../../src/common/file/aio-file-type.ts';
import { alignedBuffer } from '../../../src/common/memory/aligned.ts';
import { simulate } from '../../../src/emulated/index.ts';
import { calm, contextOf, openOn, read, sync, write } from './simulated.ts';

const SECTOR = 512;

/** A write of 100 bytes in the middle of the second of four sectors, and a crash. */
async function halfSector(seed: number, faults: object, tornBytes = SECTOR): Promise<Buffer | string> {
  const simulation = simulate({ seed, faults: { lost: 0, torn: 0, ...faults }, tornBytes });
  await write(simulation, '/file', 'x'.repeat(4 * SECTOR));
  await sync(simulation, '/file');
  await using file = await openOn(simulation, '/file', 'r+');
  await file.write(Buffer.alloc(100, 'y'), 0, 100, SECTOR + 50);
  return simulation
    .crash()
    .fs.promises.readFile('/file')
    .catch((error: NodeJS.ErrnoException) => error.code!);
}

describe('a drive that is worse than others', () => {
  it('damages what lies beside a write in its sector, and nothing else', async () => {
    const content = (await halfSector(1, { damaged: 1 })) as Buffer;
    const x = 'x'.repeat(SECTOR);
    expect(content.length).toBe(4 * SECTOR);
    expect(content.toString('latin1', 0, SECTOR)).toBe(x);
    expect(content.toString('latin1', 2 * SECTOR)).toBe(x + x);
    expect(content.subarray(SECTOR, SECTOR + 50).equals(Buffer.alloc(50, 'x'))).toBe(false);
    const sound = (await halfSector(1, {})) as Buffer;
    expect(sound.toString('latin1', SECTOR, SECTOR + 50)).toBe('x'.repeat(50));
    // With sectors of 4096 bytes it is all of them.
    const large = (await halfSector(1, { damaged: 1 }, 4096)) as Buffer;
    expect(large.toString('latin1', 0, SECTOR)).not.toBe(x);
  });

  it('has sectors that cannot be read, until all of them is written', async () => {
    expect(await halfSector(1, { unreadable: 1 })).toBe('EIO');
    const simulation = calm();
    await write(simulation, '/file', 'x'.repeat(2000));
    await sync(simulation, '/file');
    simulation.makeUnreadable('/file', 600, 1);
    const after = simulation.crash();
    await using file = await openOn(after, '/file', 'r+');
    const readAt = (position: number, length: number) => file.read(Buffer.alloc(length), 0, length, position);
    await expect(readAt(500, 100)).rejects.toMatchObject({ code: 'EIO' });
    expect((await readAt(0, SECTOR)).bytesRead).toBe(SECTOR);
    expect((await readAt(1024, 900)).bytesRead).toBe(900);
    await expect(file.write(Buffer.from('y'), 0, 1, 700)).rejects.toMatchObject({ code: 'EIO' });
    await file.write(Buffer.alloc(SECTOR, 'y'), 0, SECTOR, SECTOR);
    expect(await read(after, '/file')).toBe('x'.repeat(512) + 'y'.repeat(512) + 'x'.repeat(976));
    // The last sector of a file is whole where the file ends.
    after.makeUnreadable('/file', 1999, 1);
    await file.write(Buffer.alloc(464, 'z'), 0, 464, 1536);
    expect((await readAt(1536, SECTOR)).bytesRead).toBe(464);
    after.makeUnreadable('/file', 0, 1);
    await file.truncate(0);
    expect(await read(after, '/file')).toBe('');
    expect(() => after.makeUnreadable('/none', 0, 1)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    expect(() => after.makeUnreadable('/', 0, 1)).toThrow(expect.objectContaining({ code: 'EISDIR' }));
    expect(() => after.makeUnreadable('/file', 0, 0)).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
    );
  });

  it('leaves garbage at the end of a file that became longer', async () => {
    const endings = new Set<string>();
    for (let seed = 0; seed < 30; seed++) {
      const simulation = simulate({ seed, faults: { lost: 1, torn: 0, zeroed: 1, garbage: 0.5 } });
      await write(simulation, '/file', 'x');
      await sync(simulation, '/file');
      await write(simulation, '/file', 'y'.repeat(50), 'a');
      const content = (await read(simulation.crash(), '/file'))!;
      expect(content).toMatch(/^x.{50}$/s);
      endings.add(/^x\0*$/.test(content) ? 'zeros' : 'garbage');
    }
    expect([...endings].sort()).toEqual(['garbage', 'zeros']);
  });

  it.each(['posix', 'ext4-ordered'] as const)('says that it has synced, and has not: %s', async (model) => {
    const lies = simulate({ seed: 3, model, faults: { lost: 1, torn: 0, zeroed: 0, ignoredFlush: 1 } });
    await write(lies, '/file', 'x');
    await sync(lies, '/file');
    await sync(lies, '/');
    const after = lies.crash();
    expect(await after.fs.promises.readdir('/')).toEqual([]);
    expect(String(after.trace)).toContain('the drive ignores it');
  });

  it('tears at the size of its sectors', async () => {
    for (const tornBytes of [SECTOR, 4096]) {
      const places = new Set<number>();
      for (let seed = 0; seed < 40; seed++) {
        const simulation = simulate({ seed, tornBytes, faults: { lost: 0, torn: 1 } });
        await write(simulation, '/file', 'x'.repeat(8192));
        await sync(simulation, '/file');
        await write(simulation, '/file', 'y'.repeat(8192), 'r+');
        const content = (await read(simulation.crash(), '/file'))!;
        for (let at = 1; at < 8192; at++) if (content[at] !== content[at - 1]) places.add(at);
      }
      expect(Math.min(...places)).toBe(tornBytes);
      expect([...places].every((place) => place % tornBytes === 0)).toBe(true);
    }
    for (const options of [{ tornBytes: 256 }, { tornBytes: 1000 }, { sectorBytes: 4096, tornBytes: 512 }]) {
      expect(() => simulate({ seed: 1, ...options })).toThrow(
        expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
      );
    }
  });

  it('is slow for a while', async () => {
    const simulation = calm({ latency: { kind: 'fixed', us: 10 } });
    const takes = async (): Promise<number> => {
      const before = simulation.nowNs;
      await simulation.fs.promises.stat('/');
      return simulation.nowNs - before;
    };
    expect(await takes()).toBe(10_000);
    simulation.slowdown = 1000;
    expect(await takes()).toBe(10_000_000);
    simulation.slowdown = 1;
    expect(await takes()).toBe(10_000);
    for (const wrong of [0, -1, Number.NaN, 1e7]) {
      expect(() => {
        simulation.slowdown = wrong;
      }).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    }
  });

  it('has a request that is stuck, while others pass, until it goes on or the power is lost', async () => {
    const simulation = calm({ faults: { lost: 1, zeroed: 0 } });
    await using file = await openOn(simulation, '/file', 'w+');
    const release = simulation.stick(({ syscall, position }) => syscall === 'write' && position === 0);
    let isDone = false;
    const writing = file.write(Buffer.from('x'), 0, 1, 0).then(() => {
      isDone = true;
    });
    await file.write(Buffer.from('y'), 0, 1, 1);
    await simulation.sleep(60_000);
    expect([isDone, simulation.inFlight, await read(simulation, '/file')]).toEqual([false, 1, '\0y']);
    release();
    release();
    await writing;
    expect(await read(simulation, '/file')).toBe('xy');
    simulation.stick(() => true);
    const never = expect(file.sync()).rejects.toMatchObject({ code: 'ENODEV' });
    while (simulation.inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await read(simulation.crash(), '/file')).toBe(undefined);
    await never;
    expect(() => calm().stick(1 as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
  });

  it('is full, and becomes free again, and full again, also across a crash', async () => {
    const simulation = calm();
    const file = await openOn(simulation, '/file', 'w');
    await file.write(Buffer.alloc(4096), 0, 4096, 0);
    simulation.capacityBytes = 0;
    await expect(file.write(Buffer.alloc(1), 0, 1, 4096)).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(file.allocate(0, 8192)).rejects.toMatchObject({ code: 'ENOSPC' });
    // What has room is written over.
    await file.write(Buffer.alloc(4096), 0, 4096, 0);
    simulation.capacityBytes = 8192;
    await file.allocate(0, 8192);
    await file.punchHole(0, 4096);
    expect(simulation.usedBytes).toBe(4096);
    const after = simulation.crash();
    expect(after.capacityBytes).toBe(8192);
    expect(() => {
      after.capacityBytes = -1;
    }).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });
});

describe('a process', () => {
  it('has so many descriptors and no more', async () => {
    const simulation = calm({ kernel: { debug: true, maxDescriptors: 4 } });
    const files: AioFile[] = [];
    let code: unknown;
    for (let index = 0; index < 5 && code === undefined; index++) {
      await openOn(simulation, `/${index}`, 'w').then(
        (file) => files.push(file),
        (error: NodeJS.ErrnoException) => {
          ({ code } = error);
        },
      );
    }
    expect([code, files.length]).toEqual(['EMFILE', 4 - 1]);
    // Nothing was made.
    expect(await simulation.fs.promises.readdir('/')).toEqual(['0', '1', '2']);
    await files[0]!.close();
    await (await openOn(simulation, '/again', 'w')).close();
    expect(() => calm({ kernel: { maxDescriptors: -1 } })).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
    );
  });

  it('hears of no EAGAIN of io_submit from a file, whatever it calls', async () => {
    for (const EAGAIN of [0.5, 1]) {
      const simulation = calm({ faults: { EAGAIN } });
      await using file = await openOn(simulation, '/file', 'w+');
      const bytes = (text: string): Buffer => Buffer.from(text);
      await file.write(bytes('0123'), 0, 4, 0);
      await file.writev([bytes('45'), bytes('67')], 4);
      await file.writeFully(bytes('89'), { position: 8 });
      await file.appendFile('a');
      await file.sync();
      await file.datasync();
      await file.truncate(11);
      const [one, two] = [Buffer.alloc(3), Buffer.alloc(4)];
      expect((await file.readv([one, two], 1)).bytesRead).toBe(7);
      expect(`${one}${two}`).toBe('1234567');
      expect((await file.read(one, 0, 3, 8)).bytesRead).toBe(3);
      expect(await read(simulation, '/file')).toBe('a123456789\0');
      await using direct = await openOn(simulation, '/file', 'r+', { direct: 'require' });
      const aligned = alignedBuffer(1024);
      await Promise.all(
        Array.from({ length: 20 }, (_, index) => direct.write(aligned, 0, 1024, index * 1024)),
      );
      await direct.writev([aligned, aligned], 0);
      await direct.readv([aligned], 0);
      await direct.datasync();
      expect((await direct.readFully(aligned, { position: 0 })).bytesRead).toBe(1024);
      let streamed = 0;
      for await (const chunk of file.createReadStream({ autoClose: false, start: 0 }))
        streamed += chunk.length;
      expect(streamed).toBe(20 * 1024);
      expect(contextOf(simulation).stats.eagains).toBeGreaterThan(0);
    }
  });
});
