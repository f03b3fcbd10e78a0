import { describe, expect, it } from 'vitest';
import { PagedBytes } from '../../../src/emulated/simulated/paged-bytes.ts';
import { Random } from '../../../src/emulated/simulated/random.ts';
import { calm, openOn, read, sync, write } from './simulated.ts';

/** Everything that can be lost is. */
const LOSES = { faults: { lost: 1, zeroed: 0, torn: 0 } };
const PAGE = 4096;

const refused = (code: string) => expect.objectContaining({ code, syscall: 'fallocate' });

describe('room on a simulated disk', () => {
  it('is made with zeros, and the file grows unless it shall not', async () => {
    const simulation = calm();
    await write(simulation, '/file', 'content');
    await using file = await openOn(simulation, '/file', 'r+');
    expect(file.blockDevice).toBe(undefined);
    await file.allocate(0, 3 * PAGE, { keepSize: true });
    expect(await file.stat()).toMatchObject({ size: 7, blocks: 24 });
    await file.allocate(0, 9);
    expect(await read(simulation, '/file')).toBe('content\0\0');
    // What lay beyond the end is zeros when the file gets there.
    await file.truncate(PAGE + 1);
    expect(await file.stat()).toMatchObject({ size: PAGE + 1, blocks: 24 });
    expect((await read(simulation, '/file'))!.slice(7)).toBe('\0'.repeat(PAGE - 6));
    // As on Linux, one that does not grow loses what it has beyond.
    await file.truncate(PAGE + 1);
    expect((await file.stat()).blocks).toBe(16);
    expect(String(simulation.trace)).toContain('fallocate /file: allocate at 0, 12288 bytes, size kept');
  });

  it('is given back as a hole of zeros', async () => {
    const simulation = calm();
    await write(simulation, '/file', 'x'.repeat(4 * PAGE));
    await using file = await openOn(simulation, '/file', 'r+');
    await file.punchHole(10, 2 * PAGE);
    const expected = 'x'.repeat(10) + '\0'.repeat(2 * PAGE) + 'x'.repeat(2 * PAGE - 10);
    expect((await read(simulation, '/file')) === expected).toBe(true);
    expect(await file.stat()).toMatchObject({ size: 4 * PAGE, blocks: 24 });
    await file.punchHole(3 * PAGE, 2 ** 50);
    expect(await file.stat()).toMatchObject({ size: 4 * PAGE, blocks: 16 });
  });

  it('may be enormous, and costs no memory', async () => {
    const simulation = calm();
    await using file = await openOn(simulation, '/file', 'w+');
    const most = Number.MAX_SAFE_INTEGER;
    await file.allocate(2 ** 40, 2 ** 50);
    expect((await file.stat()).size).toBe(2 ** 40 + 2 ** 50);
    await file.write('far', 2 ** 45);
    await file.punchHole(0, most);
    expect((await file.stat()).blocks).toBe(0);
    expect((await file.read(Buffer.alloc(3), 0, 3, 2 ** 45)).buffer.toString()).toBe('\0\0\0');
    await expect(file.allocate(1, most)).rejects.toEqual(refused('EFBIG'));
  });

  it('is refused as Linux refuses it', async () => {
    const simulation = calm();
    await write(simulation, '/file', 'x');
    await using file = await openOn(simulation, '/file', 'r');
    await expect(file.allocate(0, 0)).rejects.toEqual(refused('EINVAL'));
    await expect(file.allocate(0, 1)).rejects.toEqual(refused('EBADF'));
    await expect(file.punchHole(0, 1)).rejects.toEqual(refused('EBADF'));
    await expect(file.allocate(-1, 1)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    const { calls } = simulation.kernel.files;
    await expect(calls.fallocate!(file.fd, 0x10, 0, 1)).rejects.toEqual(refused('EOPNOTSUPP'));
    await expect(calls.fallocate!(4711, 0, 0, 1)).rejects.toEqual(refused('EBADF'));
  });

  it('is all there or not at all, and what is there is there for the writes', async () => {
    const simulation = calm({ capacityBytes: 8 * PAGE });
    await using file = await openOn(simulation, '/file', 'w');
    await using other = await openOn(simulation, '/other', 'w');
    await expect(file.allocate(0, 9 * PAGE)).rejects.toEqual(refused('ENOSPC'));
    expect(await file.stat()).toMatchObject({ size: 0, blocks: 0 });
    await file.allocate(0, 4 * PAGE, { keepSize: true });
    await other.writeFile('o'.repeat(4 * PAGE));
    await expect(other.write('o', 4 * PAGE)).rejects.toMatchObject({ code: 'ENOSPC' });
    expect((await file.write(Buffer.alloc(4 * PAGE, 'f'), 0, 4 * PAGE, 0)).bytesWritten).toBe(4 * PAGE);
    await file.punchHole(0, PAGE);
    expect((await other.write('o', 4 * PAGE)).bytesWritten).toBe(1);
    const full = calm({ faults: { ENOSPC: 1 } });
    await using never = await openOn(full, '/file', 'w');
    await expect(never.allocate(0, 1)).rejects.toEqual(refused('ENOSPC'));
    await never.punchHole(0, 1);
  });

  it('goes with the file that is opened to be emptied', async () => {
    const simulation = calm();
    await using file = await openOn(simulation, '/file', 'w');
    await file.allocate(0, PAGE, { keepSize: true });
    await (await openOn(simulation, '/file', 'w')).close();
    expect((await file.stat()).blocks).toBe(0);
  });

  it.each(['sync', 'datasync'] as const)('is lost with the power until %s', async (how) => {
    const simulation = calm(LOSES);
    await write(simulation, '/file', 'content');
    await sync(simulation, '/file', how);
    await using file = await openOn(simulation, '/file', 'r+');
    await file.allocate(0, 9);
    await file[how]();
    await file.allocate(0, 100);
    await file.punchHole(0, 3);
    expect((await read(simulation, '/file'))!.length).toBe(100);
    const after = simulation.crash();
    expect(await read(after, '/file')).toBe('content\0\0');
    expect((await after.fs.promises.stat('/file')).blocks).toBe(8);
    expect(String(after.trace)).toMatch(
      /lost: #\d+ allocate at 0, 100 bytes\n.*lost: #\d+ punch a hole at 0, 3 b/,
    );
  });

  it('may survive it as chance has it', async () => {
    const simulation = calm();
    await write(simulation, '/file', 'content');
    await using file = await openOn(simulation, '/file', 'r+');
    await file.allocate(0, 9);
    await file.punchHole(0, 3);
    expect(await read(simulation.crash(), '/file')).toBe('\0\0\0tent\0\0');
  });

  it('a hole that was punched before a write with O_DSYNC never comes to lie on it', async () => {
    const simulation = calm(LOSES);
    await write(simulation, '/file', 'content');
    await sync(simulation, '/file');
    await using file = await openOn(simulation, '/file', 'r+');
    await file.punchHole(0, 7);
    await using synced = await openOn(simulation, '/file', 'rs+');
    await synced.write('C', 0);
    await file.sync();
    expect(await read(simulation.crash(), '/file')).toBe('C\0\0\0\0\0\0');
  });

  it('is over when the machine is', async () => {
    const simulation = calm({ latency: { kind: 'fixed', us: 100 } });
    await write(simulation, '/file', 'content');
    const file = await openOn(simulation, '/file', 'r+');
    const making = expect(file.allocate(0, 100)).rejects.toEqual(refused('ENODEV'));
    while (simulation.inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
    simulation.crash();
    await making;
  });
});

describe('pages of a simulated file', () => {
  it('are those of a plain model, whatever is done to them', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = new Random(seed);
      let bytes = new PagedBytes();
      let model = new Uint8Array(0);
      const pages = new Set<number>();
      const span = 12 * PAGE;
      const each = (position: number, length: number, then: (page: number) => void): void => {
        const last = Math.floor((position + length - 1) / PAGE);
        for (let page = Math.floor(position / PAGE); page <= last; page++) then(page);
      };
      const resize = (size: number): void => {
        const next = new Uint8Array(size);
        next.set(model.subarray(0, size));
        model = next;
      };
      for (let step = 0; step < 60; step++) {
        const position = random.pick([random.below(span), random.below(12) * PAGE]);
        const length = 1 + random.pick([random.below(3 * PAGE), random.below(40), PAGE - 1]);
        let missing = 0;
        each(position, length, (page) => {
          if (!pages.has(page)) missing++;
        });
        expect(bytes.growth(position, length)).toBe(missing * PAGE);
        switch (random.below(5)) {
          case 0: {
            const data = new Uint8Array(length).fill(1 + step);
            bytes.write(position, data);
            if (position + length > model.length) resize(position + length);
            model.set(data, position);
            each(position, length, (page) => pages.add(page));
            break;
          }
          case 1:
            bytes.allocate(position, length);
            each(position, length, (page) => pages.add(page));
            break;
          case 2:
            bytes.punch(position, length);
            model.fill(0, position, position + length);
            each(position, length, (page) => {
              if (page * PAGE >= position && (page + 1) * PAGE <= position + length) pages.delete(page);
            });
            break;
          case 3:
            bytes.truncate(position);
            if (position <= model.length)
              for (const page of pages) if (page * PAGE >= position) pages.delete(page);
            resize(position);
            break;
          default:
            bytes = bytes.clone();
        }
        expect([seed, step, bytes.size, bytes.allocated]).toEqual([
          seed,
          step,
          model.length,
          pages.size * PAGE,
        ]);
        expect(Buffer.compare(bytes.read(0, span * 2), model), `seed ${seed}, step ${step}`).toBe(0);
      }
    }
  });
});
