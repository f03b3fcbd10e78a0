import * as fs from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import { dataView, decodeIoEvent } from '../../../src/common/abi/structs.ts';
import { alignedBuffer } from '../../../src/common/memory/aligned.ts';
import { fromDescriptor, open } from '../../../src/open.ts';
import { user } from '../user.ts';
import { calm, contextOf, openOn, read, write } from './simulated.ts';

const code = (expected: string, syscall: string) => expect.objectContaining({ code: expected, syscall });

describe('open() on a simulated disk', () => {
  it('gives an AioFile like any other', async () => {
    const simulation = calm();
    const file = await openOn(simulation, '/file', 'w+');
    expect(file.backend).toBe('emulated');
    expect(file.routes).toEqual({ read: 'kernel', write: 'kernel', sync: 'kernel' });
    expect((await file.write('hello, ')).bytesWritten).toBe(7);
    expect((await file.writev([Buffer.from('wor'), Buffer.from('ld')])).bytesWritten).toBe(5);
    expect((await file.read(Buffer.alloc(5), 0, 5, 7)).buffer.toString()).toBe('world');
    const parts = [Buffer.alloc(3), Buffer.alloc(30)];
    expect((await file.readv(parts, 5)).bytesRead).toBe(7);
    expect(parts[1]!.toString('utf8', 0, 4)).toBe('orld');
    await file.sync();
    await file.datasync();
    const stat = await file.stat();
    expect([stat.isFile(), stat.isDirectory(), stat.size, stat.mode & 0o777]).toEqual([
      true,
      false,
      12,
      0o644,
    ]);
    expect((await file.stat({ bigint: true })).size).toBe(12n);
    await file.truncate(5);
    await file.chown(3, 4);
    expect(await file.stat()).toMatchObject({ size: 5, uid: 3, gid: 4, nlink: 1 });
    const { fd } = file;
    await file.close();
    expect(file.fd).toBe(-1);
    await expect(contextOf(simulation).read(fd, Buffer.alloc(1), 0)).rejects.toMatchObject({ code: 'EBADF' });
    expect(contextOf(simulation).stats.threadPool).toEqual({});
  });

  it('has whole files, lines and streams', async () => {
    const simulation = calm({ faults: { shortRead: 0.3, shortWrite: 0.3 } });
    const content = Array.from({ length: 50_000 }, (_, index) => `line ${index}\n`).join('');
    await write(simulation, '/file', content);
    expect(await read(simulation, '/file')).toBe(content);
    const source = (await openOn(simulation, '/file')).createReadStream();
    const target = (await openOn(simulation, '/copy', 'w')).createWriteStream();
    await pipeline(source, target);
    expect((await read(simulation, '/copy')) === content).toBe(true);
    let lines = 0;
    for await (const line of (await openOn(simulation, '/copy')).readLines()) {
      expect(line).toBe(`line ${lines++}`);
    }
    expect(lines).toBe(50_000);
  });

  it('appends at the end, whoever moved it', async () => {
    const simulation = calm();
    await using one = await openOn(simulation, '/file', 'a+');
    await using two = await openOn(simulation, '/file', 'a');
    await Promise.all([one.write('aa'), two.write('bb'), one.write('cc'), two.appendFile('dd')]);
    expect([...(await read(simulation, '/file'))!.matchAll(/(.)\1/g)].map(([pair]) => pair).sort()).toEqual([
      'aa',
      'bb',
      'cc',
      'dd',
    ]);
    expect((await one.read(Buffer.alloc(8), 0, 8, 0)).bytesRead).toBe(8);
  });

  it('does direct I/O on every host, unaligned too where asked', async () => {
    const simulation = calm();
    await write(simulation, '/file', 'x'.repeat(1300));
    await using file = await openOn(simulation, '/file', 'r+', {
      direct: 'require',
      unaligned: 'read-modify-write',
    });
    expect([file.direct, file.directReason]).toEqual([true, 'asked for']);
    expect((await file.read(Buffer.alloc(50), 0, 50, 600)).bytesRead).toBe(50);
    expect((await file.write('yyyy', 510)).bytesWritten).toBe(4);
    expect((await file.read(alignedBuffer(4096), 0, 4096, 0)).bytesRead).toBe(1300);
    expect((await read(simulation, '/file'))!.indexOf('yyyy')).toBe(510);
    await using strict = await openOn(simulation, '/file', 'r+', { direct: 'prefer' });
    await expect(strict.write('z', 1)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
  });

  it('takes the ways of fs.promises.open to say flags and mode', async () => {
    const simulation = calm();
    const context = contextOf(simulation);
    await using made = await open('/file', 'wx', '600', { context });
    expect((await made.stat()).mode & 0o777).toBe(0o600);
    // A directory takes no direct I/O.
    await using directory = await openOn(simulation, '/', 'r', { direct: 'prefer' });
    expect([directory.direct, directory.directReason]).toEqual([
      false,
      'the file system does not open files with O_DIRECT',
    ]);
    await expect(openOn(simulation, '/', 'r', { direct: 'require' })).rejects.toMatchObject({
      code: 'EINVAL',
    });
    const { O_DIRECT } = fs.constants as { O_DIRECT?: number };
    if (O_DIRECT !== undefined) {
      await using direct = await openOn(simulation, '/file', fs.constants.O_RDWR | O_DIRECT);
      expect([direct.direct, direct.directReason]).toEqual([true, 'the flags say O_DIRECT']);
    }
  });

  it('says what open(2) would say', async () => {
    const simulation = calm();
    await simulation.fs.promises.mkdir('/directory');
    await write(simulation, '/file', 'x');
    await expect(openOn(simulation, '/none')).rejects.toEqual(code('ENOENT', 'open'));
    await expect(openOn(simulation, '/none/below', 'w')).rejects.toEqual(code('ENOENT', 'open'));
    await expect(openOn(simulation, '/file/below', 'w')).rejects.toEqual(code('ENOTDIR', 'open'));
    await expect(openOn(simulation, '/file', 'wx')).rejects.toEqual(code('EEXIST', 'open'));
    await expect(openOn(simulation, '/directory', 'r+')).rejects.toEqual(code('EISDIR', 'open'));
    await expect(openOn(simulation, '/file', 'never')).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
    });
    await expect(openOn(simulation, 'a\0b')).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    await expect(openOn(simulation, 5 as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    await using reader = await openOn(simulation, 'file');
    await expect(reader.write('x', 0)).rejects.toMatchObject({ code: 'EBADF' });
    await expect(reader.truncate(0)).rejects.toEqual(code('EINVAL', 'ftruncate'));
    await using writer = await openOn(simulation, Buffer.from('/file') as never, 'a');
    await expect(writer.read(Buffer.alloc(1), 0, 1, 0)).rejects.toMatchObject({ code: 'EBADF' });
    await using directory = await openOn(simulation, new URL('file:///directory') as never);
    await expect(directory.read(Buffer.alloc(1), 0, 1, 0)).rejects.toMatchObject({ code: 'EISDIR' });
    await directory.sync();
    await expect(writer.write(Buffer.alloc(3), { offset: 9 })).rejects.toMatchObject({
      code: 'ERR_OUT_OF_RANGE',
    });
    await expect(writer.writeFile(5 as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    await expect(reader.readFile({ encoding: 'none' as never })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
    });
  });

  it('knows its own descriptors and nothing of the host', async () => {
    const simulation = calm();
    const context = contextOf(simulation);
    const host = fs.openSync(process.execPath, 'r');
    await expect(context.read(host, Buffer.alloc(1), 0)).rejects.toMatchObject({ code: 'EBADF' });
    fs.closeSync(host);
    await write(simulation, '/file', 'content');
    await using file = await openOn(simulation, '/file');
    await using borrowed = await fromDescriptor(file.fd, { context });
    // The position of the descriptor itself.
    expect((await borrowed.read(Buffer.alloc(3))).buffer.toString()).toBe('con');
    expect((await borrowed.read(Buffer.alloc(9))).bytesRead).toBe(4);
    await expect(fromDescriptor({ fd: file.fd } as never, { context })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
    });
    // Without the context, the same path is the host's.
    await expect(open('/file')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('names on a simulated disk', () => {
  it('are made, listed, renamed and removed', async () => {
    const { promises: disk } = calm().fs;
    await disk.mkdir('/a/b/c', { recursive: true });
    await disk.mkdir('/a/b', { recursive: true });
    expect(await disk.readdir('/a/b/')).toEqual(['c']);
    expect((await disk.stat('/a/../a/./b')).isDirectory()).toBe(true);
    await disk.rename('/a/b', '/z');
    expect([await disk.readdir('/'), await disk.readdir('/z')]).toEqual([['a', 'z'], ['c']]);
    await disk.rmdir('/z/c');
    await disk.rmdir('/z');
    expect(await disk.readdir('.')).toEqual(['a']);
  });

  it('have kinds, times, and whole contents', async () => {
    const simulation = calm({ faults: { shortRead: 0.5, shortWrite: 0.5 } });
    const { promises: disk } = simulation.fs;
    await disk.mkdir('/directory');
    const before = (await disk.stat('/directory')).mtimeMs;
    await simulation.sleep(1);
    await disk.writeFile('/directory/file', 'x'.repeat(10_000));
    expect((await disk.stat('/directory')).mtimeMs).toBeGreaterThanOrEqual(before + 1);
    expect((await disk.readFile('/directory/file')).length).toBe(10_000);
    await disk.writeFile('/directory/file', Buffer.from('short'));
    expect(await disk.readFile('/directory/file', 'latin1')).toBe('short');
    const kinds = await disk.readdir('/', { withFileTypes: true });
    expect(kinds.map((entry) => [entry.name, entry.isFile(), entry.isDirectory()])).toEqual([
      ['directory', false, true],
    ]);
    await disk.access('/directory');
    await expect(disk.rm('/directory')).rejects.toMatchObject({ code: 'ERR_FS_EISDIR', syscall: 'rm' });
    await expect(disk.readFile('/directory')).rejects.toEqual(code('EISDIR', 'read'));
    await disk.rm('/directory', { recursive: true });
    await disk.rm('/directory', { force: true });
    await expect(disk.access('/directory')).rejects.toEqual(code('ENOENT', 'access'));
  });

  it('answer as Linux does what cannot be', async () => {
    const simulation = calm();
    const { promises: disk } = simulation.fs;
    await disk.mkdir('/full/directory', { recursive: true });
    await disk.mkdir('/empty');
    await write(simulation, '/file', '');
    const refusals: [() => Promise<unknown>, string, string][] = [
      [() => disk.mkdir('/file'), 'EEXIST', 'mkdir'],
      [() => disk.mkdir('/none/below'), 'ENOENT', 'mkdir'],
      [() => disk.readdir('/file'), 'ENOTDIR', 'scandir'],
      [() => disk.readdir('/none'), 'ENOENT', 'scandir'],
      [() => disk.stat('/none'), 'ENOENT', 'stat'],
      [() => disk.stat(`/${'n'.repeat(256)}`), 'ENAMETOOLONG', 'stat'],
      [() => disk.rename('/none', '/other'), 'ENOENT', 'rename'],
      [() => disk.rename('/file', '/empty'), 'EISDIR', 'rename'],
      [() => disk.rename('/empty', '/file'), 'ENOTDIR', 'rename'],
      [() => disk.rename('/empty', '/full'), 'ENOTEMPTY', 'rename'],
      [() => disk.rename('/full', '/full/directory/itself'), 'EINVAL', 'rename'],
      [() => disk.rename('/', '/other'), 'EBUSY', 'rename'],
      [() => disk.unlink('/none'), 'ENOENT', 'unlink'],
      [() => disk.unlink('/empty'), 'EISDIR', 'unlink'],
      [() => disk.rmdir('/full'), 'ENOTEMPTY', 'rmdir'],
      [() => disk.rmdir('/file'), 'ENOTDIR', 'rmdir'],
    ];
    for (const [outcome, errno, syscall] of refusals)
      await expect(outcome()).rejects.toEqual(code(errno, syscall));
    expect(await disk.readdir('/')).toEqual(['empty', 'file', 'full']);
  });

  it('go away while the file is open', async () => {
    const simulation = calm();
    await using file = await openOn(simulation, '/file', 'w+');
    await file.write('content');
    await simulation.fs.promises.unlink('/file');
    expect((await file.stat()).nlink).toBe(0);
    expect((await file.read(Buffer.alloc(7), 0, 7, 0)).bytesRead).toBe(7);
    expect(await read(simulation, '/file')).toBe(undefined);
  });
});

describe('the six calls on a simulated disk', () => {
  const PREAD = 0;
  const PWRITE = 1;
  const EBADF = -9;
  const EFAULT = -14;
  const EFBIG = -27;

  it('a blocking io_getevents makes time pass itself, to its end or to the timeout', async () => {
    const simulation = calm({ latency: { kind: 'fixed', us: 1000 } });
    const u = user({}, simulation.kernel);
    await write(simulation, '/file', 'content');
    const file = await openOn(simulation, '/file');
    const ctx = u.setup(8);
    const buffer = u.keep(new Uint8Array(8));
    const events = u.addressOf(new Uint8Array(32 * 8));
    const pread = { aio_lio_opcode: PREAD, aio_fildes: file.fd, aio_buf: u.addressOf(buffer), aio_nbytes: 8 };
    expect(u.kernel.supports.features['blocking-wait']).toBe(true);
    expect(u.submit(ctx, pread, pread)).toBe(2);
    const before = simulation.nowNs;
    expect(u.kernel.io_getevents(ctx, 1, 8, events, u.timespec(0, 500_000))).toBe(0);
    expect(simulation.nowNs - before).toBe(500_000);
    expect(u.kernel.io_getevents(ctx, 2, 8, events, 0)).toBe(2);
    expect(simulation.nowNs - before).toBe(1_000_000);
    expect(Buffer.from(buffer).toString()).toBe('content\0');
    // Nothing is under way any more: such a wait would never end.
    expect(u.kernel.io_getevents(ctx, 1, 8, events, 0)).toBe(-35);
    expect(u.submit(ctx, pread)).toBe(1);
    expect(u.kernel.io_destroy(ctx)).toBe(0);
    expect(simulation.inFlight).toBe(0);
  });

  it('go on after short transfers in the profile of 2.6.20 (SEED-03)', async () => {
    const written = [];
    for (const profile of ['linux-6.x', 'linux-2.6.20'] as const) {
      const simulation = calm({ faults: { shortWrite: 1 }, kernel: { debug: true, profile } });
      const u = user({}, simulation.kernel);
      const ctx = u.setup(8);
      const events = u.addressOf(new Uint8Array(32));
      const flags = fs.constants.O_CREAT | fs.constants.O_WRONLY;
      const fd = await simulation.kernel.files.open('/file', flags, 0o666, false);
      const buffer = u.addressOf(new Uint8Array(4096));
      expect(
        u.submit(ctx, { aio_lio_opcode: PWRITE, aio_fildes: fd, aio_buf: buffer, aio_nbytes: 4096 }),
      ).toBe(1);
      expect(u.kernel.io_getevents(ctx, 1, 1, events, 0)).toBe(1);
      written.push(Number(decodeIoEvent(dataView(u.memory.read(events, 32)!), 0).res));
    }
    const [today, seed] = written;
    expect(today).toBeLessThan(4096);
    expect(seed).toBe(4096);
  });

  it('judge modes, memory and places as for any file', async () => {
    const simulation = calm();
    const u = user({}, simulation.kernel);
    await write(simulation, '/file', 'content');
    const reader = await openOn(simulation, '/file');
    const writer = await openOn(simulation, '/file', 'a');
    const ctx = u.setup(8);
    const at = u.addressOf(u.keep(new Uint8Array(16)));
    const pread = { aio_lio_opcode: PREAD, aio_fildes: reader.fd, aio_buf: at, aio_nbytes: 8 };
    const run = async (fields: object): Promise<number | undefined> => {
      const answer = u.submit(ctx, { ...pread, ...fields });
      return answer === 1 ? (await u.completed(ctx, 1))[0] : answer;
    };
    expect(await run({ aio_fildes: writer.fd })).toBe(EBADF);
    expect(await run({ aio_lio_opcode: PWRITE })).toBe(EBADF);
    expect(await run({ aio_buf: 8 })).toBe(EFAULT);
    expect(await run({ aio_buf: 8, aio_offset: 100 })).toBe(0);
    expect(await run({ aio_offset: 2n ** 60n })).toBe(0);
    const huge = { aio_lio_opcode: PWRITE, aio_fildes: writer.fd, aio_offset: 2n ** 62n };
    expect(await run(huge)).toBe(EFBIG);
    expect(await run({ ...huge, aio_offset: 0 })).toBe(8);
    expect(await read(simulation, '/file')).toBe('content\0\0\0\0\0\0\0\0');
  });
});
