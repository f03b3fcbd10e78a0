/** `simulation.fs`, as programs that take an `fs` use it. The fuzzer beside `node:fs` says more (`kaio fuzz --simulated-fs`). */

import { once } from 'node:events';
import * as hostFs from 'node:fs';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { simulate } from '../../../src/emulated/index.ts';
import { calm, openOn } from './simulated.ts';

describe('the three faces of simulation.fs', () => {
  it('synchronous calls make the time pass that they take', () => {
    const simulation = calm({ latency: { kind: 'fixed', us: 100 } });
    const { mkdirSync, writeFileSync, readFileSync } = simulation.fs;
    mkdirSync('/directory');
    expect(simulation.nowNs).toBe(100_000);
    writeFileSync('/directory/file', 'content', { flag: 'wx' });
    expect(readFileSync('/directory/file', 'utf8')).toBe('content');
    expect(() => writeFileSync('/directory/file', '', { flag: 'wx' })).toThrow(
      expect.objectContaining({ code: 'EEXIST', syscall: 'open', path: '/directory/file' }),
    );
    expect(simulation.nowNs).toBeGreaterThan(400_000);
  });

  it('a synchronous call lets what is under way go on', async () => {
    const simulation = calm();
    const written = simulation.fs.promises.writeFile('/one', 'one');
    simulation.fs.writeFileSync('/two', 'x'.repeat(3_000_000));
    expect(simulation.fs.readFileSync('/one', 'utf8')).toBe('one');
    await written;
  });

  it('callbacks come later, in a turn of their own, and without one there is a promise, or Node says what is missing', async () => {
    const { fs } = calm();
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      fs.writeFile('/file', 'content', () => {
        order.push('called');
        resolve();
      });
      order.push('returned');
    });
    expect(order).toEqual(['returned', 'called']);
    expect((await fs.stat('/file')).size).toBe(7);
    expect(await fs.readFile('/file', 'utf8')).toBe('content');
    await expect(fs.writeFile('/file', 'no', { flag: 'wx' })).rejects.toMatchObject({ code: 'EEXIST' });
    const handle = await fs.open('/file');
    expect((await handle.read(Buffer.alloc(9))).bytesRead).toBe(7);
    await handle.close();
    const missing = expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' });
    expect(() => (fs.fstat as unknown as (fd: number) => void)(0)).toThrow(missing);
    expect(() => (fs.stat as unknown as (...args: unknown[]) => void)('/file', {}, 'no callback')).toThrow(
      missing,
    );
    const { bytesRead, buffer } = await promisify(fs.read)(
      fs.openSync('/file', 'r'),
      Buffer.alloc(9),
      0,
      9,
      2,
    );
    expect([bytesRead, buffer.toString('latin1', 0, bytesRead)]).toEqual([5, 'ntent']);
    expect(await promisify(fs.exists)('/file')).toBe(true);
  });

  it('ftruncate to the size that it has changes the times, and readv of nothing is nothing, of a directory too', () => {
    const { fs } = calm();
    const fd = fs.openSync('/file', 'w+');
    fs.futimesSync(fd, 1, 1);
    fs.ftruncateSync(fd, 0);
    expect(fs.fstatSync(fd).mtimeMs).not.toBe(1000);
    const directory = fs.openSync('/', 'r');
    expect(fs.readvSync(directory, [new Uint8Array(0), new Uint8Array(0)])).toBe(0);
    expect(() => fs.readvSync(directory, [new Uint8Array(0)])).toThrow(
      expect.objectContaining({ code: 'EISDIR' }),
    );
  });

  it('writes with null for an offset as node:fs does: it is options, and a length behind it counts for nothing', () => {
    const { fs } = simulate({ seed: 1 });
    const fd = fs.openSync('/file', 'w+');
    const writes = fs.writeSync as (...args: unknown[]) => number;
    expect(writes(fd, Buffer.from('four'), null, 2)).toBe(4);
    expect(writes(fd, new Uint8Array(0), null, 3)).toBe(0);
    expect(fs.readFileSync('/file', 'utf8')).toBe('four');
  });

  it('descriptors are numbers for callbacks, synchronous calls and AIO alike', async () => {
    const simulation = calm();
    const { fs } = simulation;
    const fd = fs.openSync('/file', 'w+');
    expect(fs.writeSync(fd, 'content')).toBe(7);
    expect(fs.writevSync(fd, [Buffer.from('a'), Buffer.from('b')], 0)).toBe(2);
    fs.ftruncateSync(fd, 4);
    fs.fsyncSync(fd);
    expect(fs.fstatSync(fd).size).toBe(4);
    fs.closeSync(fd);
    expect(() => fs.closeSync(fd)).toThrow(expect.objectContaining({ code: 'EBADF', syscall: 'close' }));
    await using file = await openOn(simulation, '/file');
    expect(fs.readFileSync(file.fd, 'utf8')).toBe('abnt');
  });

  it('objects are of the classes of Node', async () => {
    const { fs } = calm();
    fs.mkdirSync('/directory/below', { recursive: true });
    expect(fs.statSync('/directory')).toBeInstanceOf(hostFs.Stats);
    const [entry] = fs.readdirSync('/', { withFileTypes: true });
    expect(entry).toBeInstanceOf(hostFs.Dirent);
    expect([entry!.name, entry!.parentPath, entry!.isDirectory()]).toEqual(['directory', '/', true]);
    const dir = await fs.promises.opendir('/directory');
    expect(dir).toBeInstanceOf(hostFs.Dir);
    const names: string[] = [];
    for await (const { name } of dir) names.push(name);
    expect(names).toEqual(['below']);
    expect(fs.readdirSync('/', { recursive: true })).toEqual(['directory', 'directory/below']);
    expect(fs.statSync('/', { bigint: true }).constructor).toBe(
      hostFs.statSync('/', { bigint: true }).constructor,
    );
    expect(fs.statfsSync('/').bsize).toBe(4096);
  });

  it('streams are those of Node, by path and by handle', async () => {
    const { fs } = calm();
    const writer = fs.createWriteStream('/file', { flags: 'a' });
    writer.write('one ');
    writer.end('two');
    await once(writer, 'close');
    expect(writer).toBeInstanceOf(hostFs.WriteStream);
    expect(await text(fs.createReadStream('/file', { start: 4 }))).toBe('two');
    await using file = await fs.promises.open('/file');
    expect(await text(fs.createReadStream('', { fd: file as never, autoClose: false }))).toBe('one two');
    expect(await fs.promises.readFile(file as never, 'utf8')).toBe('');
  });

  it('signals end what is under way', async () => {
    const { promises } = calm().fs;
    await promises.writeFile('/file', 'x'.repeat(5_000_000));
    const controller = new AbortController();
    const reading = promises.readFile('/file', { signal: controller.signal });
    setImmediate(() => controller.abort());
    await expect(reading).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
  });

  it('cp copies trees', async () => {
    const { fs } = calm();
    fs.mkdirSync('/from/below', { recursive: true });
    fs.writeFileSync('/from/below/file', 'content', { mode: 0o640 });
    fs.symlinkSync('below', '/from/link');
    await fs.promises.cp('/from', '/to', { recursive: true, filter: async (path) => !path.endsWith('no') });
    expect(fs.readFileSync('/to/link/file', 'utf8')).toBe('content');
    expect(fs.readlinkSync('/to/link')).toBe('/from/below');
    expect(fs.statSync('/to/below/file').mode & 0o777).toBe(0o640);
  });
});

describe('links and times on a simulated disk', () => {
  it('symbolic links are followed, and hard links are one file', () => {
    const { fs } = calm();
    fs.writeFileSync('/file', 'content');
    fs.linkSync('/file', '/hard');
    fs.symlinkSync('hard', '/soft');
    fs.appendFileSync('/soft', '!');
    expect(fs.readFileSync('/file', 'utf8')).toBe('content!');
    expect([fs.statSync('/soft').nlink, fs.lstatSync('/soft').isSymbolicLink()]).toEqual([2, true]);
    fs.unlinkSync('/file');
    expect(fs.statSync('/hard').nlink).toBe(1);
    fs.symlinkSync('/loop', '/loop');
    expect(() => fs.readFileSync('/loop')).toThrow(expect.objectContaining({ code: 'ELOOP' }));
  });

  it('storage of a file with two names is used once', () => {
    const simulation = calm();
    simulation.fs.writeFileSync('/file', Buffer.alloc(4096));
    simulation.fs.linkSync('/file', '/hard');
    expect(simulation.usedBytes).toBe(4096);
  });

  it('their names are durable when their directory was synced, and may be lost before', () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) {
      const simulation = simulate({ seed, strictNames: true });
      const { fs } = simulation;
      const sync = (path: string): void => {
        const fd = fs.openSync(path, 'r');
        fs.fsyncSync(fd);
        fs.closeSync(fd);
      };
      fs.writeFileSync('/file', 'content');
      sync('/file');
      fs.linkSync('/file', '/first');
      fs.symlinkSync('file', '/second');
      sync('/');
      fs.linkSync('/file', '/third');
      fs.symlinkSync('file', '/fourth');
      fs.unlinkSync('/second');
      const after = simulation.crash().fs;
      const names = after.readdirSync('/');
      expect(names).toContain('first');
      expect(after.readFileSync('/first', 'utf8')).toBe('content');
      if (names.includes('second')) expect(after.readlinkSync('/second')).toBe('file');
      // As many as there are names of it, whichever were lost.
      const hard = names.filter((name) => ['file', 'first', 'third'].includes(name));
      expect(after.statSync('/first').nlink).toBe(hard.length);
      for (const name of ['second', 'third', 'fourth']) seen.add(`${name} ${names.includes(name)}`);
    }
    expect(seen.size).toBe(6);
  });

  it('times are set to the microsecond, and changed by virtual time', async () => {
    const simulation = calm();
    const { fs } = simulation;
    fs.writeFileSync('/file', '');
    await simulation.sleep(5);
    fs.utimesSync('/file', 1.5, new Date(1_700_000_000_123));
    const { atimeMs, mtimeMs, ctimeMs, birthtimeMs } = fs.statSync('/file');
    expect([atimeMs, Math.round(mtimeMs)]).toEqual([1500, 1_700_000_000_123]);
    expect(ctimeMs - birthtimeMs).toBeGreaterThan(5);
    fs.chmodSync('/file', 0o400);
    expect(() => fs.accessSync('/file', fs.constants.X_OK)).toThrow(
      expect.objectContaining({ code: 'EACCES', syscall: 'access' }),
    );
  });
});

describe('a machine without power', () => {
  it('ends synchronous calls and callbacks with ENODEV', async () => {
    const simulation = calm();
    const { fs } = simulation;
    const fd = fs.openSync('/file', 'w');
    simulation.crash();
    expect(() => fs.writeSync(fd, 'x')).toThrow(expect.objectContaining({ code: 'ENODEV' }));
    expect(() => fs.readdirSync('/')).toThrow(expect.objectContaining({ code: 'ENODEV' }));
    expect(() => fs.closeSync(fd)).toThrow(expect.objectContaining({ code: 'ENODEV', syscall: 'close' }));
    await expect(promisify(fs.stat)('/file')).rejects.toMatchObject({ code: 'ENODEV' });
  });

  it('a synchronous call in which the power is lost throws', async () => {
    const simulation = simulate({ seed: 3 });
    let outcome: unknown;
    await simulation.crashDuring(
      async ({ fs }) => {
        try {
          for (let count = 0; ; count++) fs.writeFileSync(`/${count}`, 'x');
        } catch (error) {
          outcome = error;
        }
      },
      { withinEvents: 50 },
    );
    expect(outcome).toMatchObject({ code: 'ENODEV' });
  });
});
