/** O_DIRECT: what is asked of buffers and places, and what runs asynchronously. */
import assert from 'node:assert/strict';
import { closeSync, constants, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  IOCB_CMD_FSYNC,
  IOCB_CMD_PREADV,
  IOCB_FLAG_RESFD,
  RWF_NOWAIT,
} from '../../src/common/abi/constants.ts';
import { ERRNO } from '../../src/common/abi/errno.ts';
import type { Case } from './case.ts';
import type { Fixture } from './fixture.ts';
import { Unsupported } from './outcome.ts';

const MIB = 1 << 20;

/** Bytes that tell where in a file they belong. */
function pattern(bytes: number): Buffer {
  const content = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) content.writeUInt32LE((at * 2654435761) >>> 0, at);
  return content;
}

function openDirect(path: string, flags: number): number {
  const flag: number | undefined = constants.O_DIRECT;
  if (flag === undefined) throw new Unsupported(`there is no O_DIRECT on ${process.platform}`);
  try {
    return openSync(path, flags | flag);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EINVAL')
      throw new Unsupported('the file system here does not open files with O_DIRECT');
    throw error;
  }
}

/** A file on the case's file system, opened with O_DIRECT. */
function direct(f: Fixture, content: Uint8Array): { fd: number; path: string } {
  if (f.onTmpfs) throw new Unsupported('tmpfs has no disk to transfer to directly');
  const { path } = f.file(content);
  const fd = openDirect(path, constants.O_RDWR);
  f.after(() => closeSync(fd));
  return { fd, path };
}

/** Whole pages of memory, readable and writable. */
function memory(f: Fixture, bytes: number): number {
  return f.pages(...Array<'read-write'>(Math.ceil(bytes / f.page)).fill('read-write'));
}

/** Some file systems take O_DIRECT and ignore alignment (DIO-06). */
function needsAlignment(f: Fixture, ctx: number, fd: number): void {
  const res = f.result(ctx, f.read(fd, memory(f, f.page), 1, 1));
  if (res !== -ERRNO.EINVAL) throw new Unsupported('the file system here asks for no alignment');
}

export const directCases: readonly Case[] = [
  {
    id: 'direct/misaligned',
    rule: 'DIO-01 BLOCK-04',
    title: 'offset, length or buffer out of alignment: each an event EINVAL, never a refusal',
    run(f) {
      const ctx = f.setup();
      const { fd } = direct(f, pattern(4 * f.page));
      needsAlignment(f, ctx, fd);
      const buffer = memory(f, 2 * f.page);
      for (const [address, nbytes, offset] of [
        [buffer, f.page, 1],
        [buffer, f.page, 100],
        [buffer, 100, 0],
        [buffer, f.page + 1, 0],
        [buffer + 1, f.page, 0],
      ] as const) {
        f.eventFails(ctx, 'EINVAL', f.read(fd, address, nbytes, offset));
        f.eventFails(ctx, 'EINVAL', f.write(fd, address, nbytes, offset));
      }
      assert.equal(f.result(ctx, f.read(fd, buffer, f.page, f.page)), f.page);
    },
  },
  {
    id: 'direct/length-0',
    rule: 'DIO-02',
    title: 'length 0 is event 0, aligned or not',
    run(f) {
      const ctx = f.setup();
      const { fd } = direct(f, pattern(f.page));
      assert.equal(f.result(ctx, f.read(fd, memory(f, f.page), 0, 0)), 0);
      assert.equal(f.result(ctx, f.read(fd, memory(f, f.page) + 1, 0, 3)), 0);
      assert.equal(f.result(ctx, f.write(fd, memory(f, f.page) + 1, 0, 3)), 0);
    },
  },
  {
    id: 'direct/read-at-eof',
    rule: 'DIO-03 BLOCK-04',
    title: 'a read that starts at the end or behind it is event 0, even misaligned',
    run(f) {
      const ctx = f.setup();
      const { fd } = direct(f, pattern(f.page));
      const buffer = memory(f, f.page);
      for (const offset of [f.page, f.page + 1, 10 * f.page]) {
        assert.equal(f.result(ctx, f.read(fd, buffer, f.page, offset)), 0);
        assert.equal(f.result(ctx, f.read(fd, buffer, 100, offset)), 0);
      }
    },
  },
  {
    id: 'direct/read-across-eof',
    rule: 'DIO-04',
    title: 'an aligned read across an unaligned end is short',
    run(f) {
      const ctx = f.setup();
      const content = pattern(1000);
      const { fd } = direct(f, content);
      const buffer = memory(f, f.page);
      assert.equal(f.result(ctx, f.read(fd, buffer, f.page, 0)), 1000);
      assert.deepEqual(Buffer.from(f.peek(buffer, 1000)), content);
    },
  },
  {
    id: 'direct/iovec-misaligned',
    rule: 'DIO-05',
    title: 'one iovec out of alignment: event EINVAL',
    run(f) {
      const ctx = f.setup();
      const { fd } = direct(f, pattern(4 * f.page));
      needsAlignment(f, ctx, fd);
      const buffer = memory(f, 4 * f.page);
      const readv = (...segments: (readonly [number, number])[]) => ({
        aio_lio_opcode: IOCB_CMD_PREADV,
        aio_fildes: fd,
        aio_buf: f.iovecs(...segments),
        aio_nbytes: segments.length,
      });
      assert.equal(f.result(ctx, readv([buffer, f.page], [buffer + 2 * f.page, f.page])), 2 * f.page);
      f.eventFails(ctx, 'EINVAL', readv([buffer, f.page], [buffer + 2 * f.page + 1, f.page]));
      f.eventFails(ctx, 'EINVAL', readv([buffer, f.page], [buffer + 2 * f.page, 100]));
    },
  },
  {
    id: 'direct/tmpfs',
    rule: 'DIO-06',
    title: 'tmpfs takes O_DIRECT and ignores alignment',
    run(f) {
      const path = join('/dev/shm', `kaio-case-${process.pid}`);
      try {
        writeFileSync(path, pattern(f.page));
      } catch (error) {
        throw new Unsupported(`there is no tmpfs to write to: ${(error as Error).message}`);
      }
      f.after(() => rmSync(path));
      const fd = openDirect(path, constants.O_RDWR);
      f.after(() => closeSync(fd));
      const ctx = f.setup();
      const buffer = memory(f, f.page);
      assert.equal(f.result(ctx, f.read(fd, buffer + 1, 100, 3)), 100);
      assert.deepEqual(Buffer.from(f.peek(buffer + 1, 100)), pattern(f.page).subarray(3, 103));
    },
  },
  {
    id: 'direct/unmapped',
    rule: 'BUF-07',
    title: 'an unmapped buffer is event EFAULT',
    run(f) {
      const ctx = f.setup();
      const { fd } = direct(f, pattern(4 * f.page));
      f.eventFails(ctx, 'EFAULT', f.read(fd, f.pages('none', 'none'), 2 * f.page, 0));
      f.eventFails(ctx, 'EFAULT', f.write(fd, f.pages('none', 'none'), 2 * f.page, 0));
    },
  },
  {
    id: 'direct/half-mapped',
    rule: 'BUF-07',
    title:
      'a half mapped buffer is event EFAULT: nothing partial, unless the file system goes through the page cache',
    requires: ['open-flags'],
    run(f) {
      const ctx = f.setup();
      const { fd } = direct(f, pattern(4 * f.page));
      const half = f.read(fd, f.pages('read-write', 'none'), 2 * f.page, 0);
      if (f.answerOf('halfMappedDirect') === 'part') assert.equal(f.result(ctx, half), f.page);
      else f.eventFails(ctx, 'EFAULT', half);
    },
  },
  {
    id: 'direct/unmapped-in-flight',
    rule: 'BUF-08',
    title: 'a buffer unmapped after submission: the request ends normally, its pages were pinned',
    requires: ['open-flags'],
    run(f) {
      const ctx = f.setup();
      const { fd } = direct(f, pattern(MIB));
      const address = f.kernel.memory.mmap(MIB, 'read-write');
      f.accepted(ctx, f.read(fd, address, MIB, 0));
      assert.equal(f.kernel.memory.munmap(address, MIB), 0);
      assert.equal(Number(f.reap(ctx, 1)[0]!.res), MIB);
    },
  },
  {
    id: 'direct/random-reads',
    rule: 'BLOCK-03',
    title: '64 reads at once all bring their own block, in whatever order they end',
    run(f) {
      const ctx = f.setup(64);
      const content = pattern(256 * f.page);
      const { fd } = direct(f, content);
      const buffers = memory(f, 64 * f.page);
      const blocks = Array.from({ length: 64 }, (_, index) => (index * 37) % 256);
      f.accepted(
        ctx,
        ...blocks.map((block, index) =>
          f.read(fd, buffers + index * f.page, f.page, block * f.page, { aio_data: index }),
        ),
      );
      const events = f.reap(ctx, 64);
      assert.deepEqual(new Set(events.map(({ data }) => Number(data))), new Set(blocks.keys()));
      for (const { res } of events) assert.equal(res, BigInt(f.page));
      blocks.forEach((block, index) => {
        const got = Buffer.from(f.peek(buffers + index * f.page, f.page));
        assert.ok(got.equals(content.subarray(block * f.page, (block + 1) * f.page)), `block ${block}`);
      });
    },
  },
  {
    id: 'direct/done-in-submit',
    rule: 'BLOCK-04',
    title: 'an extending write, a read at the end and a misaligned one have ended when io_submit returns',
    requires: ['runs-in-submit', 'mapped-ring'],
    run(f) {
      const ctx = f.setup();
      const { fd } = direct(f, pattern(f.page));
      needsAlignment(f, ctx, fd);
      const buffer = memory(f, f.page);
      for (const iocb of [
        ...(f.answerOf('extendsInSubmit') === 'yes' ? [f.write(fd, buffer, f.page, f.page)] : []),
        f.read(fd, buffer, f.page, 10 * f.page),
        f.read(fd, buffer, 100, 0),
      ]) {
        const { tail, nr } = f.ring(ctx);
        f.accepted(ctx, iocb);
        assert.equal(f.ring(ctx).tail, (tail + 1) % nr);
        f.reap(ctx, 1);
      }
    },
  },
  {
    id: 'direct/nowait',
    rule: 'RWF-06',
    title:
      'NOWAIT inside the file works; an extending write is event EAGAIN, or the file system can none of it',
    requires: ['open-flags'],
    rw_flags: RWF_NOWAIT,
    run(f) {
      const ctx = f.setup();
      const { fd } = direct(f, pattern(4 * f.page));
      const buffer = memory(f, f.page);
      const nowait = { aio_rw_flags: RWF_NOWAIT };
      // What was just written lies in the page cache; a direct read through it makes it clean first.
      f.result(ctx, { aio_lio_opcode: IOCB_CMD_FSYNC, aio_fildes: fd });
      f.result(ctx, f.read(fd, buffer, f.page, 0));
      const extending = f.write(fd, buffer, f.page, 4 * f.page, nowait);
      const answer = f.answerOf('nowaitExtending');
      if (answer === 'refused') {
        f.refused(ctx, 'EOPNOTSUPP', extending);
        return;
      }
      f.eventFails(ctx, answer, extending);
      const inside = f.result(ctx, f.read(fd, buffer, f.page, f.page, nowait));
      assert.ok(inside === f.page || inside === -ERRNO.EAGAIN, `answered ${inside}`);
    },
  },
  {
    id: 'direct/cancel',
    rule: 'CANCEL-08',
    title: 'disk reads and a sync in flight are not cancellable: EINVAL, and they end with their own result',
    run(f) {
      const ctx = f.setup(16);
      const { fd } = direct(f, pattern(8 * MIB));
      const buffers = memory(f, 8 * MIB);
      const reads = Array.from({ length: 8 }, (_, index) =>
        f.iocb(f.read(fd, buffers + index * MIB, MIB, index * MIB)),
      );
      const sync = f.iocb({ aio_lio_opcode: IOCB_CMD_FSYNC, aio_fildes: fd });
      f.accepted(ctx, ...reads, sync);
      for (const { address } of [...reads, sync])
        f.fails(f.kernel.io_cancel(ctx, address, 0), 'EINVAL', 'io_cancel');
      const results = f.reap(ctx, 9).map(({ obj, res }) => [Number(obj), Number(res)]);
      assert.deepEqual(
        new Map(results as [number, number][]),
        new Map([...reads.map(({ address }): [number, number] => [address, MIB]), [sync.address, 0]]),
      );
    },
  },
  {
    id: 'direct/destroy-waits',
    rule: 'DESTROY-04 RESFD-07',
    title:
      'io_destroy waits for disk I/O in flight: afterwards the buffers have everything and stay as they are',
    requires: ['blocking-wait'],
    run(f) {
      const ctx = f.setup(16);
      const content = pattern(16 * MIB);
      const { fd } = direct(f, content);
      const buffers = memory(f, 16 * MIB);
      const aio_resfd = f.eventfd(0);
      f.accepted(
        ctx,
        ...Array.from({ length: 16 }, (_, index) =>
          f.read(fd, buffers + index * MIB, MIB, index * MIB, { aio_flags: IOCB_FLAG_RESFD, aio_resfd }),
        ),
      );
      assert.equal(f.destroy(ctx), 0);
      assert.ok(Buffer.from(f.peek(buffers, 16 * MIB)).equals(content));
      assert.equal(f.kernel.eventfd_read(aio_resfd), 16n);
    },
  },
  {
    id: 'direct/destroy-waits-for-fsync',
    rule: 'FSYNC-05 DESTROY-04',
    title: 'io_destroy waits for a sync',
    requires: ['blocking-wait'],
    run(f) {
      const ctx = f.setup();
      const { fd } = f.file(pattern(4 * MIB));
      const aio_resfd = f.eventfd(0);
      f.accepted(ctx, {
        aio_lio_opcode: IOCB_CMD_FSYNC,
        aio_fildes: fd,
        aio_flags: IOCB_FLAG_RESFD,
        aio_resfd,
      });
      assert.equal(f.destroy(ctx), 0);
      assert.equal(f.kernel.eventfd_read(aio_resfd), 1n);
    },
  },
];
