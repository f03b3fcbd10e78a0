import { describe, expect, it } from 'vitest';
import { AioContext } from '../../../src/index.ts';
import { user } from '../user.ts';

const EAGAIN = -11;

describe('aio-nr and aio-max-nr', () => {
  it('are charged by io_setup with what was asked for, and given back by io_destroy', async () => {
    const u = user({ aio_max_nr: 100 });
    const { limits } = u.kernel;
    const [one, other] = [u.setup(60), u.setup(40)];
    expect([limits.aio_nr(), limits.aio_max_nr()]).toEqual([100, 100]);
    expect(u.setup(1)).toBe(EAGAIN);
    expect(u.setup(101)).toBe(EAGAIN);
    expect(limits.aio_nr()).toBe(100);
    u.kernel.io_destroy(one);
    expect(limits.aio_nr()).toBe(40);
    await u.kernel.destroyInBackground(other);
    expect(limits.aio_nr()).toBe(0);
  });

  it('can be set at run time; below what is in use, contexts stay and no new one comes', () => {
    const u = user({ aio_max_nr: 10 });
    expect(u.setup(11)).toBe(EAGAIN);
    u.kernel.set_aio_max_nr(1000);
    const ctx = u.setup(11);
    expect(ctx).toBeGreaterThan(0);
    u.kernel.set_aio_max_nr(5);
    expect(u.kernel.limits.aio_max_nr()).toBe(5);
    expect(u.setup(1)).toBe(EAGAIN);
    expect(u.submit(ctx)).toBe(0);
    expect(u.kernel.io_destroy(ctx)).toBe(0);
    expect(u.setup(5)).toBeGreaterThan(0);
  });

  it.each([-1, 1.5, 2 ** 32, Number.NaN])('cannot be set to %d', (value) => {
    const { kernel } = user();
    expect(() => kernel.set_aio_max_nr(value)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });

  it('are lowered before a destroy waits; in 2007 when the context is gone (DESTROY-09)', async () => {
    for (const [profile, during] of [
      ['linux-6.x', 0],
      ['linux-2.6.20', 10],
    ] as const) {
      const { kernel, setup } = user({ profile });
      const destroyed = kernel.destroyInBackground(setup(10));
      expect(kernel.limits.aio_nr()).toBe(during);
      expect(await destroyed).toBe(0);
      expect(kernel.limits.aio_nr()).toBe(0);
    }
  });

  it('belong to one kernel: several in a process are independent', () => {
    const [one, other] = [user({ aio_max_nr: 10 }), user({ aio_max_nr: 20, profile: 'linux-2.6.20' })];
    const ctx = one.setup(10);
    expect([one.kernel.limits.aio_nr(), other.kernel.limits.aio_nr()]).toEqual([10, 0]);
    other.kernel.set_aio_max_nr(7);
    expect([one.kernel.limits.aio_max_nr(), other.kernel.limits.aio_max_nr()]).toEqual([10, 7]);
    expect(other.kernel.io_destroy(ctx)).toBe(-22);
    const fd = one.kernel.install({ read: () => 0 });
    expect(other.kernel.close(fd)).toBe(-9);
  });

  it('are back when a kernel exits, with every descriptor closed', async () => {
    const u = user();
    let released = 0;
    const fd = u.kernel.install({ release: () => void released++ });
    u.setup(10);
    u.setup(20);
    await u.kernel.exit();
    expect([u.kernel.limits.aio_nr(), released, u.kernel.close(fd)]).toEqual([0, 1, -9]);
    const disposed = user();
    {
      await using kernel = disposed.kernel;
      disposed.setup(5);
      expect(kernel.limits.aio_nr()).toBe(5);
    }
    expect(disposed.kernel.limits.aio_nr()).toBe(0);
  });
});

describe('AioContext on a kernel without eventfds', () => {
  it('says what it needs', () => {
    const { kernel } = user({ profile: 'linux-2.6.20' });
    expect(() => new AioContext({ kernel })).toThrow(
      expect.objectContaining({ code: 'ENOSYS', message: expect.stringContaining('IOCB_FLAG_RESFD') }),
    );
    expect(kernel.limits.aio_nr()).toBe(0);
  });
});
