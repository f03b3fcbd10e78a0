import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import type { AioFile } from '../../../src/common/file/aio-file-type.ts';
import { Random, type SimulatedProcess, type Simulation } from '../../../src/emulated/index.ts';
import { Inode } from '../../../src/emulated/simulated/inode.ts';
import { LockTable } from '../../../src/emulated/simulated/lock-table.ts';
import { open } from '../../../src/open.ts';
import { calm, openOn, read, write } from './simulated.ts';

function openIn({ kernel }: SimulatedProcess, path: string, flags = 'r+'): Promise<AioFile> {
  return open(path, flags, 0o666, { context: new AioContext({ kernel, queueDepth: 8 }) });
}

async function machine(): Promise<Simulation> {
  const simulation = calm();
  await write(simulation, '/file', 'content');
  return simulation;
}

const state = async (promise: Promise<unknown>): Promise<string> => {
  let outcome = 'waits';
  promise.then(
    () => {
      outcome = 'done';
    },
    (error: NodeJS.ErrnoException) => {
      outcome = String(error.code);
    },
  );
  for (let turn = 0; turn < 60; turn++) await new Promise((resolve) => setImmediate(resolve));
  return outcome;
};

describe('several processes on one machine', () => {
  it('share files, time and power, and have descriptors of their own', async () => {
    const simulation = await machine();
    const [one, two] = [simulation.process(), simulation.process()];
    await using first = await openIn(one, '/file');
    await using second = await openIn(two, '/file');
    await first.write(Buffer.from('C'), 0, 1, 0);
    expect((await second.readFile()).toString()).toBe('Content');
    await one.fs.promises.rename('/file', '/other');
    expect(await two.fs.promises.readdir('/')).toEqual(['other']);
    expect(await read(simulation, '/other')).toBe('Content');
    const after = simulation.crash();
    expect([one.isDead, two.isDead, after.isCrashed]).toEqual([true, true, false]);
    await expect(second.read(Buffer.alloc(1), 0, 1, 0)).rejects.toMatchObject({ code: 'ENODEV' });
    expect(() => simulation.process()).toThrow('crashed already');
  });

  it('die alone: what they had under way happens, and only they do not hear of it', async () => {
    const simulation = await machine();
    const [one, two] = [simulation.process(), simulation.process()];
    const file = await openIn(one, '/file');
    const other = await openIn(two, '/file');
    const writing = file.write(Buffer.from('XX'), 0, 2, 0);
    const alive = other.write(Buffer.from('YY'), 0, 2, 4);
    while (simulation.inFlight < 2) await new Promise((resolve) => setImmediate(resolve));
    one.kill();
    one.kill();
    await expect(writing).rejects.toMatchObject({ code: 'ENODEV' });
    await alive;
    expect([one.isDead, two.isDead, simulation.isCrashed]).toEqual([true, false, false]);
    expect(await read(simulation, '/file')).toBe('XXntYYt');
    await expect(one.fs.promises.stat('/file')).rejects.toMatchObject({ code: 'ENODEV' });
    await expect(file.sync()).rejects.toMatchObject({ code: 'ENODEV' });
    const next = simulation.kill();
    expect(two.isDead).toBe(true);
    expect(await read(next, '/file')).toBe('XXntYYt');
  });

  it('release their locks when they die, to whoever waits', async () => {
    const simulation = await machine();
    const [one, two] = [simulation.process(), simulation.process()];
    const held = await openIn(one, '/file');
    const wanted = await openIn(two, '/file');
    await one.locks.flock(held, 'exclusive');
    await one.locks.lock(held, 'exclusive', { owner: 'process' });
    await expect(two.locks.flock(wanted, 'shared')).rejects.toMatchObject({
      code: 'EAGAIN',
      syscall: 'flock',
    });
    const whole = two.locks.flock(wanted, 'shared', { wait: true });
    const range = two.locks.lock(wanted, 'exclusive', { wait: true });
    expect([await state(whole), await state(range)]).toEqual(['waits', 'waits']);
    one.kill();
    expect([await state(whole), await state(range)]).toEqual(['done', 'done']);
    // A process that waits and dies waits no more.
    const three = simulation.process();
    const late = await openIn(three, '/file');
    const never = three.locks.flock(late, 'exclusive', { wait: true });
    expect(await state(never)).toBe('waits');
    three.kill();
    expect(await state(never)).toBe('ENODEV');
    const last = simulation.locks.flock(await openOn(simulation, '/file', 'r+'), 'exclusive', { wait: true });
    expect(await state(last)).toBe('waits');
    const after = simulation.crash();
    expect(await state(last)).toBe('ENODEV');
    await after.locks.flock(await openOn(after, '/file', 'r+'), 'exclusive');
  });
});

describe('locks', () => {
  it('belong to an open file, or to a process, and go with its close', async () => {
    const simulation = await machine();
    const { locks } = simulation;
    const [one, two, three] = await Promise.all([1, 2, 3].map(() => openOn(simulation, '/file', 'r+')));
    await locks.lock(one!, 'exclusive', { position: 10, length: 10 });
    expect(await locks.test(two!, 'shared', { position: 5, length: 10 })).toEqual({
      kind: 'exclusive',
      position: 10,
      length: 10,
    });
    expect(await locks.test(two!, 'shared', { position: 20 })).toBe(undefined);
    expect(await locks.test(one!, 'exclusive')).toBe(undefined);
    await one!.close();
    expect(await locks.test(two!, 'exclusive')).toBe(undefined);
    // Of a process: no descriptor of its is in the way of another, and to close any gives all up.
    await locks.lock(two!, 'exclusive', { owner: 'process' });
    await locks.lock(three!, 'exclusive', { owner: 'process', position: 3, length: 1 });
    const other = simulation.process();
    const file = await openIn(other, '/file');
    expect(await other.locks.test(file, 'shared')).toEqual({ kind: 'exclusive', position: 0, length: 3 });
    await three!.close();
    expect(await other.locks.test(file, 'shared')).toBe(undefined);
  });

  it('say so when waiting would never end', async () => {
    const simulation = await machine();
    const [one, two] = [simulation.process(), simulation.process()];
    const [a, b] = [await openIn(one, '/file'), await openIn(two, '/file')];
    const first = { owner: 'process', position: 0, length: 1 } as const;
    const second = { ...first, position: 1 } as const;
    await one.locks.lock(a, 'exclusive', first);
    await two.locks.lock(b, 'exclusive', second);
    const waiting = one.locks.lock(a, 'exclusive', { ...second, wait: true });
    expect(await state(waiting)).toBe('waits');
    await expect(two.locks.lock(b, 'exclusive', { ...first, wait: true })).rejects.toMatchObject({
      code: 'EDEADLK',
    });
    await two.locks.lock(b, 'unlock', second);
    expect(await state(waiting)).toBe('done');
  });

  it('refuse what the kernel refuses', async () => {
    const simulation = await machine();
    const { locks } = simulation;
    const reader = await openOn(simulation, '/file', 'r');
    await expect(locks.lock(reader, 'exclusive')).rejects.toMatchObject({ code: 'EBADF', syscall: 'fcntl' });
    await locks.lock(reader, 'shared');
    // flock minds nothing of the kind.
    await locks.flock(reader, 'exclusive');
    await expect(locks.flock(99, 'shared')).rejects.toMatchObject({ code: 'EBADF' });
    for (const wrong of [
      () => locks.flock({} as never, 'shared'),
      () => locks.flock(reader, 'both' as never),
      () => locks.lock(reader, 'shared', { position: -1 }),
      () => locks.lock(reader, 'shared', { owner: 'thread' as never }),
    ]) {
      await expect(wrong()).rejects.toMatchObject({ code: /^ERR_/ });
    }
  });
});

describe.runIf(process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch))(
  'the locks of Linux',
  () => {
    const [F_OFD_GETLK, F_OFD_SETLK] = [36, 37];
    const [F_RDLCK, F_WRLCK, F_UNLCK] = [0, 1, 2];
    const [LOCK_SH, LOCK_EX, LOCK_NB, LOCK_UN] = [1, 2, 4, 8];
    const kinds = ['shared', 'exclusive', 'unlock'] as const;

    it('are the same, whatever is done to them', async () => {
      // Not everywhere where this file is loaded is there one.
      const { default: koffi } = await import('koffi');
      const libc = koffi.load('libc.so.6');
      const fcntl = libc.func('int fcntl(int fd, int cmd, ...)');
      const flock = libc.func('int flock(int fd, int operation)');
      const directory = fs.mkdtempSync(join(tmpdir(), 'kaio-locks-'));
      const path = join(directory, 'file');
      fs.writeFileSync(path, '');
      const LENGTH = 12;
      const random = new Random(7);
      let [granted, refused] = [0, 0];
      for (let round = 0; round < 60; round++) {
        const fds = [1, 2, 3].map(() => fs.openSync(path, 'r+'));
        const owners = fds.map(() => ({}));
        const table = new LockTable();
        const attributes = { mode: 0, uid: 0, gid: 0, atimeNs: 0, mtimeNs: 0, ctimeNs: 0 };
        const inode = new Inode(3, 'file', attributes);
        const call = (fd: number, cmd: number, type: number, from: number, length: number) => {
          const lock = Buffer.alloc(32);
          lock.writeInt16LE(type, 0);
          lock.writeBigInt64LE(BigInt(from), 8);
          lock.writeBigInt64LE(BigInt(length), 16);
          const answer = fcntl(fd, cmd, 'void *', lock) as number;
          const found = lock.readInt16LE(0);
          return {
            answer,
            found,
            from: Number(lock.readBigInt64LE(8)),
            length: Number(lock.readBigInt64LE(16)),
          };
        };
        for (let step = 0; step < 60; step++) {
          const index = random.below(3);
          const kind = random.pick(kinds);
          if (random.chance(0.3)) {
            const operation = { shared: LOCK_SH!, exclusive: LOCK_EX!, unlock: LOCK_UN! }[kind] | LOCK_NB!;
            const isFree = table.flock(inode, owners[index]!, kind).length === 0;
            expect(flock(fds[index]!, operation) === 0).toBe(isFree);
            continue;
          }
          const from = random.below(LENGTH);
          const length = random.chance(0.2) ? 0 : 1 + random.below(LENGTH - from);
          const to = length === 0 ? Number.POSITIVE_INFINITY : from + length;
          const type = { shared: F_RDLCK!, exclusive: F_WRLCK!, unlock: F_UNLCK! }[kind];
          const isFree = table.lock(inode, owners[index]!, kind, from, to).length === 0;
          expect(call(fds[index]!, F_OFD_SETLK!, type, from, length).answer === 0).toBe(isFree);
          if (isFree) granted++;
          else refused++;
          // Byte by byte, for each of them, what is in the way.
          for (let at = 0; at <= LENGTH; at++) {
            for (const [other, fd] of fds.entries()) {
              for (const asked of ['shared', 'exclusive'] as const) {
                const { found } = call(fd, F_OFD_GETLK!, asked === 'shared' ? F_RDLCK! : F_WRLCK!, at, 1);
                const ours = table.test(inode, owners[other]!, asked, at, at + 1);
                expect(ours === undefined).toBe(found === F_UNLCK);
              }
            }
          }
        }
        for (const fd of fds) fs.closeSync(fd);
      }
      fs.rmSync(directory, { recursive: true });
      expect(granted).toBeGreaterThan(500);
      expect(refused).toBeGreaterThan(500);
    });
  },
);
