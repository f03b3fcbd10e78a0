import { AssertionError } from 'node:assert';
import { describe, expect, it } from 'vitest';
import { IOCB_CMD_PREAD } from '../../../src/common/abi/constants.ts';
import { aio_complete } from '../../../src/emulated/aio/aio-complete.ts';
import { AioKiocb, aio_put_req } from '../../../src/emulated/aio/aio-kiocb.ts';
import { AioRingInfo, ringBytes } from '../../../src/emulated/aio/aio-ring.ts';
import { aio_run_iocb } from '../../../src/emulated/aio/aio-run.ts';
import { KIOCB_OPERATIONS } from '../../../src/emulated/aio/kiocb-operations.ts';
import { Kioctx, put_ioctx } from '../../../src/emulated/aio/kioctx.ts';
import { EventFd } from '../../../src/emulated/files/eventfd.ts';
import type { FileRequest } from '../../../src/emulated/index.ts';
import { EIOCBQUEUED } from '../../../src/emulated/kernel-errno.ts';
import { AddressSpace } from '../../../src/emulated/memory/mm.ts';
import { inline } from '../../../src/emulated/workqueue/inline.ts';
import { user } from '../user.ts';

const PREAD = 0;
const turn = () => new Promise((resolve) => setImmediate(resolve));

function context(debug: boolean) {
  const ring = new AioRingInfo(new ArrayBuffer(ringBytes(62)));
  const ctx = new Kioctx<AioKiocb>(0x1000, 1, ring, 1, { debug });
  const file = new EventFd(new AddressSpace(), 0, 0);
  const request = () => {
    const req = new AioKiocb(ctx, IOCB_CMD_PREAD, 0, 0, 0, file, undefined, KIOCB_OPERATIONS);
    file.get();
    ctx.reqs_active++;
    return req;
  };
  return { ctx, file, request };
}

describe('reference counts', () => {
  it('a request has two users, and its file goes with the last', () => {
    const { ctx, file, request } = context(true);
    const req = request();
    expect([req.ki_users, file.references]).toEqual([2, 2]);
    aio_complete(req, 0);
    expect([req.ki_users, file.references, ctx.reqs_active]).toEqual([1, 2, 1]);
    aio_put_req(req);
    expect([file.references, ctx.reqs_active]).toEqual([1, 0]);
  });

  it('are assertions in debug mode: put too often, ended twice, run twice, gone too early', () => {
    const { ctx, request } = context(true);
    const req = request();
    req.ki_retry = () => -EIOCBQUEUED;
    aio_run_iocb(req, inline);
    expect(() => aio_run_iocb(req, inline)).toThrow(AssertionError);
    aio_complete(req, 0);
    expect(() => aio_complete(req, 0)).toThrow(/kernel bug: a request ends twice/);
    aio_put_req(req);
    expect(() => aio_put_req(req)).toThrow(/put once too often/);
    const waiting = request();
    ctx.active_reqs.add(waiting);
    ctx.dead = true;
    expect(() => put_ioctx(ctx)).toThrow(/those who wait/);
    expect(() => put_ioctx(ctx)).toThrow(/put once too often/);
    const alive = context(true);
    expect(() => put_ioctx(alive.ctx)).toThrow(/alive/);
  });

  it('cost nothing and say nothing otherwise', () => {
    const { ctx } = context(false);
    expect(() => put_ioctx(ctx)).not.toThrow();
  });

  it('of contexts: a call on one holds it while a file destroys it from inside', () => {
    const u = user();
    const ctx = u.setup(4);
    const fd = u.kernel.install({
      read() {
        expect(u.kernel.io_destroy(ctx)).toBe(0);
        return 0;
      },
    });
    const read = {
      aio_lio_opcode: PREAD,
      aio_fildes: fd,
      aio_buf: u.addressOf(new Uint8Array(1)),
      aio_nbytes: 1,
    };
    expect(u.submit(ctx, read, read)).toBe(1);
    expect(u.submit(ctx, read)).toBe(-22);
  });
});

describe('deferred fput', () => {
  it('releases a file outside of the completion that dropped it', async () => {
    const u = user();
    const order: string[] = [];
    let asked: FileRequest | undefined;
    const fd = u.kernel.install({
      read(request) {
        asked = request;
        return undefined;
      },
      release: () => void order.push('released'),
    });
    const ctx = u.setup();
    const aio_buf = u.addressOf(new Uint8Array(1));
    u.submit(ctx, { aio_lio_opcode: PREAD, aio_fildes: fd, aio_buf, aio_nbytes: 1 });
    u.kernel.close(fd);
    asked!.complete(1);
    order.push('completed');
    await turn();
    expect(order).toEqual(['completed', 'released']);
  });

  it('holds the request, and its slot, until it is made; who needs the slot makes it', () => {
    const u = user({ profile: 'linux-2.6.20' });
    let released = 0;
    const asked: FileRequest[] = [];
    const later = {
      read(request: FileRequest) {
        asked.push(request);
        return undefined;
      },
    };
    const fd = u.kernel.install({ ...later, release: () => void released++ });
    const other = u.kernel.install(later);
    const ctx = u.setup();
    const aio_buf = u.addressOf(new Uint8Array(1));
    const read = (aio_fildes: number) => ({ aio_lio_opcode: PREAD, aio_fildes, aio_buf, aio_nbytes: 1 });
    for (let i = 0; i < 126; i++) expect(u.submit(ctx, read(fd))).toBe(1);
    expect(u.submit(ctx, read(other))).toBe(-11);
    u.kernel.close(fd);
    for (const request of asked.splice(0)) request.complete(1);
    expect(u.results(ctx)).toHaveLength(126);
    expect(released).toBe(0);
    for (let i = 0; i < 125; i++) expect(u.submit(ctx, read(other))).toBe(1);
    expect(released).toBe(0);
    // The last slot belongs to the request whose file still waits for its last put.
    expect(u.submit(ctx, read(other))).toBe(1);
    expect(released).toBe(1);
    expect(u.submit(ctx, read(other))).toBe(-11);
  });
});
