import * as fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { AioKiocb } from '../../../src/emulated/aio/aio-kiocb.ts';
import { AioRingInfo, ringBytes } from '../../../src/emulated/aio/aio-ring.ts';
import { KIOCB_OPERATIONS } from '../../../src/emulated/aio/kiocb-operations.ts';
import { Kioctx } from '../../../src/emulated/aio/kioctx.ts';
import { FileTable } from '../../../src/emulated/files/file-table.ts';
import { emulatedKernel } from '../../../src/emulated/index.ts';
import { EIOCBQUEUED } from '../../../src/emulated/kernel-errno.ts';
import { AddressSpace } from '../../../src/emulated/memory/mm.ts';
import { WorkQueue } from '../../../src/emulated/workqueue/aio-wq.ts';
import type { Done, Executor } from '../../../src/emulated/workqueue/executor.ts';
import { open } from '../../../src/open.ts';
import { temporaryFile } from '../user.ts';

const PWRITE = 1;
const FSYNC = 2;

/** An executor whose operations end when the test says so. */
function gates() {
  const begun: { name: string; done: Done }[] = [];
  const begin = (name: string) => (done: Done) => {
    begun.push({ name, done });
    return -EIOCBQUEUED;
  };
  const executor: Executor = {
    background: true,
    read: (_fd, _bytes, _at, _length, _position, done) => begin('read')(done),
    readv: (_fd, _views, _position, done) => begin('read')(done),
    write: (_fd, _bytes, _at, _length, _position, done) => begin('write')(done),
    writev: (_fd, _views, _position, done) => begin('write')(done),
    fsync: (_fd, _datasync, done) => begin('fsync')(done),
  };
  return { begun, executor, names: () => begun.map(({ name }) => name) };
}

describe('fsync', () => {
  let file: ReturnType<typeof temporaryFile>;
  beforeEach(() => {
    file = temporaryFile('x');
  });
  afterEach(() => file.remove());

  it('begins after the writes begun before it, through any descriptor, and waits for no later ones', () => {
    const { begun, executor, names } = gates();
    const mm = new AddressSpace();
    const work = new WorkQueue(executor, 10);
    const table = new FileTable({ mm, work });
    const other = fs.openSync(file.path, 'r');
    table.hold(file.fd);
    table.hold(other);
    const one = table.fget(file.fd)!;
    const two = table.fget(other)!;
    const ctx = new Kioctx<AioKiocb>(0, 1, new AioRingInfo(new ArrayBuffer(ringBytes(62))), 1);
    const source = new Uint8Array(4);
    const request = (opcode: number) => {
      const req = new AioKiocb(ctx, opcode, 0, 0, 0, one, undefined, KIOCB_OPERATIONS);
      req.ki_buf = mm.addressOf(source);
      req.ki_nbytes = opcode === PWRITE ? 4 : 0;
      req.ki_left = req.ki_nbytes;
      return req;
    };
    const write = () => one.write_iter(request(PWRITE), executor);
    expect([write(), write()]).toEqual([-EIOCBQUEUED, -EIOCBQUEUED]);
    expect(two.fsync(request(FSYNC), false, executor)).toBe(-EIOCBQUEUED);
    write();
    expect(names()).toEqual(['write', 'write', 'write']);
    begun[1]!.done(4);
    expect(names()).toHaveLength(3);
    begun[0]!.done(4);
    expect(names()).toEqual(['write', 'write', 'write', 'fsync']);
    begun[3]!.done(0);
    begun[2]!.done(4);
    expect(ctx.ring.ready).toBe(4);
    expect(work.running).toBe(0);
    fs.closeSync(other);
  });

  it.each(['threadpool', 'workers'] as const)(
    'takes no place from the writes that it waits for (%s)',
    async (executor) => {
      const kernel = emulatedKernel({ executor, concurrency: 2 });
      const context = new AioContext({ kernel, queueDepth: 64 });
      const opened = await open(file.path, 'r+', 0o600, { context });
      const pages = Array.from({ length: 24 }, (_, page) => Buffer.alloc(4096, page + 1));
      // More syncs than places, each behind a write that has none yet.
      await Promise.all(
        pages.flatMap((bytes, page) => [
          opened.write(bytes, 0, 4096, page * 4096),
          context.fsync(opened.fd),
          context.fdatasync(opened.fd),
        ]),
      );
      expect(fs.readFileSync(file.path).equals(Buffer.concat(pages))).toBe(true);
      await opened.close();
      await context.close();
    },
  );
});
