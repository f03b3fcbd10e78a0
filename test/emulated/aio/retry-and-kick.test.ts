import { describe, expect, it } from 'vitest';
import { IOCB_CMD_PREAD } from '../../../src/common/abi/constants.ts';
import { AioKiocb, type Retry } from '../../../src/emulated/aio/aio-kiocb.ts';
import { AioRingInfo, ringBytes } from '../../../src/emulated/aio/aio-ring.ts';
import { aio_run_iocb, kick_iocb } from '../../../src/emulated/aio/aio-run.ts';
import { KIOCB_OPERATIONS } from '../../../src/emulated/aio/kiocb-operations.ts';
import { Kioctx } from '../../../src/emulated/aio/kioctx.ts';
import type { File } from '../../../src/emulated/files/file.ts';
import type { FileRequest } from '../../../src/emulated/index.ts';
import { EIOCBRETRY } from '../../../src/emulated/kernel-errno.ts';
import { WorkQueue } from '../../../src/emulated/workqueue/aio-wq.ts';
import { inline } from '../../../src/emulated/workqueue/inline.ts';
import { user } from '../user.ts';

const PREAD = 0;
const turn = () => new Promise((resolve) => setImmediate(resolve));

const nothing: File = {
  mayRead: () => 0,
  mayWrite: () => 0,
  hasFsync: false,
  mayWait: false,
  read_iter: () => 0,
  write_iter: () => 0,
  fsync: () => 0,
  poll: () => 0,
  poll_wait: undefined,
  get() {},
  put() {},
};

/** A context whose clock only the test moves, and a request with a `ki_retry` of the test's. */
function bench(ki_retry: Retry, kickDelayNs = 0) {
  const timers: { ns: number; callback: () => void }[] = [];
  const clock = {
    nowNs: () => 0,
    after(ns: number, callback: () => void) {
      const timer = { ns, callback };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), 1);
    },
  };
  const work = new WorkQueue(inline, 4, clock, kickDelayNs);
  const ring = new AioRingInfo(new ArrayBuffer(ringBytes(62)));
  const ctx = new Kioctx<AioKiocb>(0x1000, 1, ring, 1, { work, debug: true });
  const request = () => {
    const req = new AioKiocb(ctx, IOCB_CMD_PREAD, 0, 0, 0, nothing, undefined, KIOCB_OPERATIONS);
    req.ki_retry = ki_retry;
    req.ki_users = 1;
    ctx.reqs_active++;
    return req;
  };
  const tick = (): void => timers.shift()?.callback();
  return { ctx, ring, timers, request, tick };
}

describe('kick_iocb', () => {
  it('puts a request that answered retry on the run list, once however often it is kicked', () => {
    let runs = 0;
    const { ctx, ring, request, tick } = bench(() => (++runs < 3 ? -EIOCBRETRY : 7));
    const req = request();
    aio_run_iocb(req, inline);
    expect([runs, ctx.run_list.isEmpty]).toEqual([1, true]);
    kick_iocb(req);
    kick_iocb(req);
    expect(ctx.run_list.isEmpty).toBe(false);
    tick();
    expect([runs, ctx.run_list.isEmpty]).toEqual([2, true]);
    kick_iocb(req);
    tick();
    expect([runs, ring.ready]).toEqual([3, 1]);
    kick_iocb(req);
    expect(ctx.run_list.isEmpty).toBe(true);
  });

  it('during a run is not lost and causes exactly one further run', () => {
    let runs = 0;
    let nested = 0;
    const { ctx, ring, request, tick } = bench((req) => {
      nested++;
      expect(nested).toBe(1);
      runs++;
      if (runs === 1) for (let i = 0; i < 5; i++) kick_iocb(req);
      nested--;
      return runs < 2 ? -EIOCBRETRY : 0;
    });
    aio_run_iocb(request(), inline);
    expect([runs, ctx.run_list.isEmpty]).toEqual([1, false]);
    tick();
    expect([runs, ctx.run_list.isEmpty, ring.ready]).toEqual([2, true, 1]);
  });

  it('lets the work queue wait a tenth of a second, unless somebody sleeps on the context', () => {
    let runs = 0;
    const { ctx, timers, request } = bench(() => (++runs % 2 === 1 ? -EIOCBRETRY : 0), 100_000_000);
    const one = request();
    aio_run_iocb(one, inline);
    kick_iocb(one);
    expect(timers.map(({ ns }) => ns)).toEqual([100_000_000]);
    void ctx.wait_for_all_aios();
    expect(timers.map(({ ns }) => ns)).toEqual([0]);
    timers.shift()!.callback();
    expect(runs).toBe(2);
    const other = request();
    ctx.began(other);
    void ctx.wait_for_all_aios();
    aio_run_iocb(other, inline);
    kick_iocb(other);
    expect(timers.map(({ ns }) => ns)).toEqual([0]);
  });

  it('the work item drains once, and comes back without delay if more came', () => {
    const kicked = new Set<AioKiocb>();
    let runs = 0;
    const { ctx, timers, request, tick } = bench((req) => {
      runs++;
      if (kicked.has(req)) return 0;
      kicked.add(req);
      kick_iocb(req);
      return -EIOCBRETRY;
    }, 100_000_000);
    const two = [request(), request()];
    for (const req of two) aio_run_iocb(req, inline);
    expect([runs, timers.length]).toEqual([2, 1]);
    tick();
    expect([runs, ctx.run_list.isEmpty]).toEqual([4, true]);
    const again = request();
    again.ki_retry = (req) => {
      runs++;
      kick_iocb(req);
      return runs < 7 ? -EIOCBRETRY : 0;
    };
    aio_run_iocb(again, inline);
    expect(timers.map(({ ns }) => ns)).toEqual([100_000_000]);
    tick();
    expect([runs, timers.map(({ ns }) => ns)]).toEqual([6, [0]]);
    tick();
    expect([runs, timers.length]).toEqual([7, 0]);
  });
});

describe('a file that answers retry', () => {
  const read = (u: ReturnType<typeof user>, fd: number, bytes: Uint8Array) => ({
    aio_lio_opcode: PREAD,
    aio_fildes: fd,
    aio_buf: u.addressOf(bytes),
    aio_nbytes: bytes.length,
  });

  it('is called again after a kick, and goes on where it stopped', async () => {
    const u = user();
    const ctx = u.setup();
    const seen: { position: number; length: number }[] = [];
    let request: FileRequest | undefined;
    const fd = u.kernel.install({
      read(asked) {
        request = asked;
        seen.push({ position: asked.position, length: asked.length });
        asked.bytes.set([seen.length, seen.length]);
        if (asked.length <= 2) return 2;
        asked.advance(2);
        return 'retry';
      },
    });
    const target = new Uint8Array(6);
    expect(u.submit(ctx, read(u, fd, target))).toBe(1);
    expect([...target]).toEqual([1, 1, 0, 0, 0, 0]);
    await turn();
    await turn();
    expect(seen).toHaveLength(1);
    request!.kick();
    await turn();
    expect(seen).toHaveLength(2);
    request!.kick();
    // io_getevents drains the run list itself.
    expect(u.results(ctx)).toEqual([6]);
    expect([...target]).toEqual([1, 1, 2, 2, 3, 3]);
    expect(seen).toEqual([
      { position: 0, length: 6 },
      { position: 2, length: 4 },
      { position: 4, length: 2 },
    ]);
  });

  it('has its error after progress told as the progress', () => {
    const u = user();
    const ctx = u.setup();
    let request: FileRequest | undefined;
    const fd = u.kernel.install({
      read(asked) {
        if (request !== undefined) return -5;
        request = asked;
        asked.bytes[0] = 9;
        asked.advance(1);
        return 'retry';
      },
    });
    const target = new Uint8Array(4);
    u.submit(ctx, read(u, fd, target));
    request!.kick();
    expect(u.results(ctx)).toEqual([1]);
    expect([...target]).toEqual([9, 0, 0, 0]);
  });

  it('cannot hold io_getevents by kicking itself for ever', () => {
    const u = user();
    const ctx = u.setup();
    let calls = 0;
    const fd = u.kernel.install({
      read(asked) {
        calls++;
        asked.kick();
        return 'retry';
      },
    });
    u.submit(ctx, read(u, fd, new Uint8Array(4)));
    expect(u.results(ctx)).toEqual([]);
    expect(calls).toBeGreaterThan(1);
    expect(u.kernel.io_destroy(ctx)).toBe(0);
  });

  it('is kicked by io_submit too in the kernel of 2007', () => {
    const u = user({ profile: 'linux-2.6.20' });
    const ctx = u.setup();
    const requests: FileRequest[] = [];
    let done = 0;
    const fd = u.kernel.install({
      read(asked) {
        requests.push(asked);
        if (requests.length > 1) requests[0]!.kick();
        if (requests.length > 2) return ++done;
        return 'retry';
      },
      stream: true,
    });
    u.submit(ctx, read(u, fd, new Uint8Array(4)));
    u.submit(ctx, read(u, fd, new Uint8Array(4)));
    expect(u.kernel.mapRing(ctx)!.ready).toBe(1);
  });
});
