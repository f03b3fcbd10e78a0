import { describe, expect, it } from 'vitest';
import { temporaryFile, user } from '../user.ts';

const PREAD = 0;
const PWRITE = 1;
const POLL = 5;
const EINVAL = -22;
const RESFD = 1;
const tick = () => new Promise<void>((resolve) => process.nextTick(resolve));
const MANY = 4 << 20;

describe('io_destroy', () => {
  it('writes neither memory nor ring when pool operations end after it', async () => {
    const u = user();
    const file = temporaryFile(Buffer.alloc(MANY, 7));
    const ctx = u.setup();
    const target = u.keep(new Uint8Array(MANY));
    const efd = u.kernel.eventfd(0, 0);
    const read = {
      aio_lio_opcode: PREAD,
      aio_fildes: file.fd,
      aio_buf: u.addressOf(target),
      aio_nbytes: MANY,
    };
    u.submit(ctx, { ...read, aio_flags: RESFD, aio_resfd: efd });
    await tick();
    expect(u.kernel.io_destroy(ctx)).toBe(0);
    expect(u.memory.read(ctx, 4)).toBeUndefined();
    expect(u.kernel.eventfd_read(efd)).toBe(1n);
    const again = u.setup();
    u.submit(again, { ...read, aio_nbytes: 1 });
    expect(await u.completed(again, 1)).toEqual([1]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(target.indexOf(7, 1)).toBe(-1);
    expect(u.kernel.mapRing(again)!.ready).toBe(0);
    file.remove();
  });

  it('runs what was accepted and had not begun', () => {
    const u = user();
    const file = temporaryFile('....');
    const ctx = u.setup();
    const source = u.addressOf(Buffer.from('ab'));
    u.submit(ctx, { aio_lio_opcode: PWRITE, aio_fildes: file.fd, aio_buf: source, aio_nbytes: 2 });
    expect(u.kernel.io_destroy(ctx)).toBe(0);
    expect(file.content()).toBe('ab..');
    file.remove();
  });

  it('gives the budget back, cancels polls, signals, and stops mapped rings', () => {
    const u = user();
    const ctx = u.setup(100);
    expect(u.kernel.limits.aio_nr()).toBe(100);
    const [watched, signalled] = [u.kernel.eventfd(0, 0), u.kernel.eventfd(0, 0)];
    const poll = {
      aio_lio_opcode: POLL,
      aio_fildes: watched,
      aio_buf: 1,
      aio_flags: RESFD,
      aio_resfd: signalled,
    };
    expect(u.submit(ctx, poll, poll)).toBe(2);
    const ring = u.kernel.mapRing(ctx)!;
    expect(u.kernel.io_destroy(ctx)).toBe(0);
    expect(u.kernel.eventfd_read(signalled)).toBe(2n);
    expect(u.kernel.limits.aio_nr()).toBe(0);
    expect(ring.ready).toBe(0);
    expect(u.kernel.eventfd_write(watched, 1n)).toBe(0);
    expect(u.kernel.eventfd_read(signalled)).toBe(-35n);
    expect(u.kernel.io_destroy(ctx)).toBe(EINVAL);
    expect(u.submit(ctx)).toBe(EINVAL);
    expect(u.setup()).not.toBe(ctx);
  });

  it('in the background makes the context unusable at once and settles after its operations', async () => {
    const u = user({ concurrency: 1 });
    const file = temporaryFile('....');
    u.kernel.fget(file.fd);
    const ctx = u.setup();
    const source = u.addressOf(Buffer.from('ab'));
    const write = { aio_lio_opcode: PWRITE, aio_fildes: file.fd, aio_buf: source, aio_nbytes: 2 };
    u.submit(ctx, write, { ...write, aio_offset: 2 });
    const destroyed = u.kernel.destroyInBackground(ctx);
    expect(u.submit(ctx)).toBe(EINVAL);
    expect(await destroyed).toBe(0);
    expect(file.content()).toBe('abab');
    expect(await u.kernel.destroyInBackground(ctx)).toBe(EINVAL);
    file.remove();
  });
});

describe('contexts', () => {
  it('get the lowest free id, and are found by it only at their own address', () => {
    const u = user();
    const id = (ctx: number): number => u.memory.read(ctx, 4)![0]!;
    const [a, b, c] = [u.setup(), u.setup(), u.setup()];
    expect([a, b, c].map(id)).toEqual([0, 1, 2]);
    u.kernel.io_destroy(b);
    expect(id(u.setup())).toBe(1);
    u.memory.write(a, Uint8Array.of(2));
    expect(u.submit(a)).toBe(EINVAL);
    u.memory.write(a, Uint8Array.of(0));
    expect(u.submit(a)).toBe(0);
    u.memory.mprotect(c, 4096, 'none');
    expect(u.kernel.io_destroy(c)).toBe(EINVAL);
    u.memory.mprotect(c, 4096, 'read');
    expect(u.kernel.io_destroy(c)).toBe(0);
  });

  it('of one kernel mean nothing to another', () => {
    const [one, two] = [user({ aio_max_nr: 10 }), user()];
    const ctx = one.setup(10);
    expect(one.setup(1)).toBe(-11);
    expect(two.kernel.limits.aio_nr()).toBe(0);
    expect(two.submit(ctx)).toBe(EINVAL);
    const other = two.setup(100);
    expect(other).toBeGreaterThan(0);
    const efd = one.kernel.eventfd(5, 0);
    expect(two.kernel.eventfd_read(efd)).toBe(-9n);
    two.kernel.io_destroy(other);
    expect(one.submit(ctx)).toBe(0);
  });
});
