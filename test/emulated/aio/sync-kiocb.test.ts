import { describe, expect, it } from 'vitest';
import type { FileRequest } from '../../../src/emulated/index.ts';
import { temporaryFile, user } from '../user.ts';

const EBADF = -9;
const EINVAL = -22;
const EDEADLK = -35;
const O_NONBLOCK = 0o4000;
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('wait_on_sync_kiocb', () => {
  it('reads, writes and syncs a file of the host, with and without holding the thread', async () => {
    const { kernel } = user();
    const file = temporaryFile('0123456789');
    const target = Buffer.alloc(4);
    expect(kernel.readSync(file.fd, target, 3)).toBe(4);
    expect(target.toString()).toBe('3456');
    expect(await kernel.read(file.fd, target, 6)).toBe(4);
    expect(target.toString()).toBe('6789');
    expect(await kernel.write(file.fd, Buffer.from('ab'), 1)).toBe(2);
    expect(kernel.writeSync(file.fd, Buffer.from('c'), 3)).toBe(1);
    expect([await kernel.fsync(file.fd), await kernel.fdatasync(file.fd)]).toEqual([0, 0]);
    expect(file.content()).toBe('0abc456789');
    file.remove();
    expect(await kernel.read(file.fd, target)).toBe(EBADF);
    expect(kernel.readSync(-1, target)).toBe(EBADF);
  });

  it('sleeps until a file of the user answers', async () => {
    const { kernel } = user();
    const fd = kernel.install({
      read: async ({ bytes }) => bytes.fill(5).length,
      fsync: () => Promise.resolve(0),
    });
    const target = new Uint8Array(3);
    expect(await kernel.read(fd, target)).toBe(3);
    expect([...target]).toEqual([5, 5, 5]);
    expect(await kernel.fsync(fd)).toBe(0);
    expect(await kernel.write(fd, target)).toBe(EINVAL);
  });

  it('on retry sleeps until it is kicked, and calls again', async () => {
    const { kernel } = user();
    let calls = 0;
    let asked: FileRequest | undefined;
    const fd = kernel.install({
      read(request) {
        asked = request;
        calls++;
        request.bytes[0] = calls;
        if (calls === 3) return 1;
        request.advance(1);
        return 'retry';
      },
    });
    const target = new Uint8Array(4);
    const read = kernel.read(fd, target);
    for (const expected of [1, 2, 3]) {
      expect(calls).toBe(expected);
      asked!.kick();
      await turn();
    }
    expect(await read).toBe(3);
    expect([...target]).toEqual([1, 2, 3, 0]);
  });

  it('waits in a pipe, and says EDEADLK rather than hold the thread for what it holds up', async () => {
    const { kernel } = user();
    const [reader, writer] = kernel.pipe();
    const target = Buffer.alloc(4);
    expect(kernel.readSync(reader, target)).toBe(EDEADLK);
    const read = kernel.read(reader, target);
    expect(kernel.writeSync(writer, Buffer.from('abc'))).toBe(3);
    expect(await read).toBe(3);
    expect(target.toString('latin1', 0, 3)).toBe('abc');
    expect(kernel.writeSync(writer, Buffer.from('d'))).toBe(1);
    expect(kernel.readSync(reader, target)).toBe(1);
    const slow = kernel.install({ read: () => new Promise(() => {}) });
    expect(kernel.readSync(slow, target)).toBe(EDEADLK);
    const [quiet] = kernel.pipe(O_NONBLOCK);
    expect(await kernel.read(quiet, target)).toBe(-11);
  });

  it('runs a kick that came during the run at once', () => {
    const { kernel } = user();
    let calls = 0;
    const fd = kernel.install({
      read(request) {
        if (++calls === 3) return 2;
        request.kick();
        return 'retry';
      },
    });
    expect(kernel.readSync(fd, new Uint8Array(2))).toBe(2);
    expect(calls).toBe(3);
  });

  it('is not held for ever by a file that kicks in every run, and the event loop is not either', async () => {
    const { kernel } = user();
    let calls = 0;
    let last = false;
    const fd = kernel.install({
      read(request) {
        calls++;
        request.kick();
        return last ? 1 : 'retry';
      },
    });
    expect(kernel.readSync(fd, new Uint8Array(1))).toBe(EDEADLK);
    expect(calls).toBeGreaterThan(1);
    const read = kernel.read(fd, new Uint8Array(1));
    await new Promise((resolve) => setTimeout(resolve, 2));
    last = true;
    expect(await read).toBe(1);
  });

  it('refuses arguments of the wrong shape', () => {
    const { kernel } = user();
    expect(() => kernel.readSync(0, [] as unknown as Uint8Array)).toThrow(TypeError);
    expect(() => kernel.writeSync(0, new Uint8Array(1), -1)).toThrow(RangeError);
  });
});
