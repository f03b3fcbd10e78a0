/** Pipes and stream sockets with a buffer of which only a part is there, and who is told when the last reference to an end goes. */
import assert from 'node:assert/strict';
import { IOCB_CMD_POLL, IOCB_CMD_PREADV, POLLIN, POLLOUT, POLLPRI } from '../../src/common/abi/constants.ts';
import type { Case } from './case.ts';
import { describe, type Fixture, type IocbFields } from './fixture.ts';
import { pipe, socketpair } from './pipes.ts';

const PIPE_PAGES = 16;
/** More than any stream here holds. */
const EVERYTHING = 1 << 21;

type Kind = 'pipe' | 'socket';

/** A stream. @returns The end to read from, and the end to write to. */
function stream(f: Fixture, kind: Kind, nonblocking = true): readonly [number, number] {
  return kind === 'pipe' ? pipe(f, nonblocking) : socketpair(f, nonblocking);
}

/** Address of the last `bytes` bytes before memory that is missing. */
function lastBytes(f: Fixture, bytes: number): number {
  const pages = Math.max(1, Math.ceil(bytes / f.page));
  return (
    f.pages(...Array.from({ length: pages }, () => 'read-write' as const), 'none') + pages * f.page - bytes
  );
}

function written(f: Fixture, fd: number, ...lengths: readonly number[]): void {
  for (const length of lengths)
    assert.equal(f.host.call('write', fd, f.bytes(length).address, length), length);
}

/** What comes out of a stream: bytes, or -EAGAIN for none. */
function left(f: Fixture, fd: number): string {
  return describe(f.host.call('read', fd, f.bytes(EVERYTHING).address, EVERYTHING));
}

function poll(fd: number, events: number): IocbFields {
  return { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: fd, aio_buf: events };
}

/** One request, with memory for `there` bytes of its `length`. */
interface Fault {
  id: string;
  title: string;
  kind: Kind;
  op: 'read' | 'write';
  /** Writes that come before. */
  before: readonly number[];
  length: number;
  there: number;
  res: string;
  left: string;
}

/** Of a pipe, whose units are pages of that many bytes, and of a socket, which has none. */
const faults = (page: number): readonly Fault[] => [
  {
    id: 'pipe-read',
    title: 'a read of 8 into memory for 4: EFAULT, and all 10 bytes stay',
    kind: 'pipe',
    op: 'read',
    before: [10],
    length: 8,
    there: 4,
    res: '-EFAULT',
    left: '10',
  },
  {
    id: 'pipe-read-merged',
    title: 'two small writes share a page, which is read whole or not at all',
    kind: 'pipe',
    op: 'read',
    before: [4, 4],
    length: 8,
    there: 6,
    res: '-EFAULT',
    left: '8',
  },
  {
    id: 'pipe-read-pages',
    title: 'a read of two pages into memory for one and a half: the first',
    kind: 'pipe',
    op: 'read',
    before: [2 * page],
    length: 2 * page,
    there: page + 1904,
    res: String(page),
    left: String(page),
  },
  {
    id: 'pipe-read-short-page',
    title: 'a page that holds 100 bytes, and one that memory ends in: 100',
    kind: 'pipe',
    op: 'read',
    before: [100, page],
    length: page + 100,
    there: 150,
    res: '100',
    left: String(page),
  },
  {
    id: 'pipe-read-enough',
    title: 'memory for all that is there is enough',
    kind: 'pipe',
    op: 'read',
    before: [10],
    length: 20,
    there: 10,
    res: '10',
    left: '-EAGAIN',
  },
  {
    id: 'pipe-write',
    title: 'a write of 8 from memory for 4: EFAULT, and nothing is written',
    kind: 'pipe',
    op: 'write',
    before: [],
    length: 8,
    there: 4,
    res: '-EFAULT',
    left: '-EAGAIN',
  },
  {
    id: 'pipe-write-pages',
    title: 'a write of two pages from memory for one and a bit: the first',
    kind: 'pipe',
    op: 'write',
    before: [],
    length: 2 * page,
    there: page + 904,
    res: String(page),
    left: String(page),
  },
  {
    id: 'pipe-write-merged',
    title: 'what exceeds whole pages goes into the last page first: it arrives, the page after it does not',
    kind: 'pipe',
    op: 'write',
    before: [10],
    length: page + 10,
    there: page + 5,
    res: '10',
    left: '20',
  },
  {
    id: 'pipe-write-merged-in-part',
    title: 'what exceeds whole pages is not there whole: EFAULT',
    kind: 'pipe',
    op: 'write',
    before: [10],
    length: page + 10,
    there: 5,
    res: '-EFAULT',
    left: '10',
  },
  {
    id: 'pipe-write-not-merged',
    title: 'what exceeds whole pages does not fit into the last page: pages from the beginning',
    kind: 'pipe',
    op: 'write',
    before: [page - 6],
    length: page + 10,
    there: page + 4,
    res: String(page),
    left: String(2 * page - 6),
  },
  {
    id: 'pipe-write-full',
    title: 'a full pipe: EAGAIN, and the memory is not looked at',
    kind: 'pipe',
    op: 'write',
    before: [PIPE_PAGES * page],
    length: 8,
    there: 4,
    res: '-EAGAIN',
    left: String(PIPE_PAGES * page),
  },
  {
    id: 'socket-read',
    title: 'a read of 8 into memory for 4: EFAULT, and all 10 bytes stay',
    kind: 'socket',
    op: 'read',
    before: [10],
    length: 8,
    there: 4,
    res: '-EFAULT',
    left: '10',
  },
  {
    id: 'socket-read-writes',
    title: 'of two writes the one that there is memory for',
    kind: 'socket',
    op: 'read',
    before: [4, 4],
    length: 8,
    there: 6,
    res: '4',
    left: '4',
  },
  {
    id: 'socket-read-large',
    title: 'a write of 8192 bytes is read whole or not at all',
    kind: 'socket',
    op: 'read',
    before: [8192],
    length: 8192,
    there: 6000,
    res: '-EFAULT',
    left: '8192',
  },
  {
    id: 'socket-write',
    title: 'a write of 8 from memory for 4: EFAULT, and nothing is sent',
    kind: 'socket',
    op: 'write',
    before: [10],
    length: 8,
    there: 4,
    res: '-EFAULT',
    left: '10',
  },
  {
    id: 'socket-write-large',
    title: 'a write of 8192 bytes from memory for 5000: EFAULT, and nothing is sent',
    kind: 'socket',
    op: 'write',
    before: [],
    length: 8192,
    there: 5000,
    res: '-EFAULT',
    left: '-EAGAIN',
  },
];

/** How the last reference to an end goes, which a pending poll holds. */
const PUTS: readonly {
  id: string;
  title: string;
  /** Linux lets it go on a kernel thread, a moment later. */
  later?: true;
  /** What the other end of a stream socket is told: HUP, and ERR where there was something unread. */
  socket: number;
  go(f: Fixture, ctx: number, pending: number, other: number): void;
}[] = [
  {
    id: 'destroyed',
    title: 'io_destroy of its context',
    socket: 0x10,
    go: (f, ctx) => assert.equal(f.destroy(ctx), 0),
  },
  {
    id: 'cancelled',
    title: 'io_cancel',
    later: true,
    socket: 0x10,
    go: (f, ctx, pending) => f.fails(f.kernel.io_cancel(ctx, pending, 0), 'EINPROGRESS', 'io_cancel'),
  },
  {
    id: 'woken',
    title: 'a write that wakes it',
    socket: 0x18,
    go: (f, _ctx, _pending, other) => written(f, other, 1),
  },
];

export const faultingStreamCases: readonly Case[] = [
  ...faults(4096).map(
    ({ id, title, kind, op }, index): Case => ({
      id: `file/fault-${id}`,
      rule: kind === 'pipe' ? 'FILE-15' : 'FILE-16',
      title: `${kind}: ${title}`,
      // A kernel that asks a file for the rest finds the missing memory at its beginning.
      ...(op === 'write' ? { requires: ['single-call'] } : {}),
      run(f) {
        const { before, length, there, res, left: rest } = faults(f.page)[index]!;
        const ctx = f.setup();
        const [reader, writer] = stream(f, kind);
        written(f, writer, ...before);
        const address = lastBytes(f, there);
        const request = op === 'read' ? f.read(reader, address, length) : f.write(writer, address, length);
        assert.equal(describe(f.result(ctx, request)), res);
        assert.equal(left(f, reader), rest, 'what comes out afterwards');
      },
    }),
  ),
  {
    id: 'file/fault-pipe-segments',
    rule: 'FILE-15 VEC-09 VEC-10',
    title: 'pipe: segments, an empty one among them, take a page together or not at all',
    run(f) {
      const ctx = f.setup();
      const [reader, writer] = pipe(f);
      written(f, writer, 10);
      const good = f.bytes(16);
      const readv = (...segments: readonly (readonly [number, number])[]): string =>
        describe(
          f.result(ctx, {
            aio_lio_opcode: IOCB_CMD_PREADV,
            aio_fildes: reader,
            aio_buf: f.iovecs(...segments),
            aio_nbytes: segments.length,
          }),
        );
      const missing = lastBytes(f, 1) + 1;
      assert.equal(readv([good.address, 4], [0, 0], [missing, 6]), '-EFAULT');
      assert.equal(readv([good.address, 4], [0, 0], [good.address + 4, 6]), '10');
      assert.equal(left(f, reader), '-EAGAIN');
    },
  },
  {
    id: 'file/fault-pipe-blocking',
    rule: 'FILE-15',
    title: 'pipe: a write that runs into missing memory does not wait for room',
    requires: ['single-call'],
    run(f) {
      const ctx = f.setup();
      const [reader, writer] = pipe(f, false);
      const address = lastBytes(f, f.page + 8);
      assert.equal(f.result(ctx, f.write(writer, address, 3 * f.page)), f.page);
      assert.equal(f.result(ctx, f.read(reader, f.bytes(2 * f.page).address, 2 * f.page)), f.page);
    },
  },
  {
    id: 'poll/woken-faulting-write',
    rule: 'POLL-14',
    title:
      'a write to an empty pipe that can fetch nothing wakes who polls for input: 0x41, and there is none',
    requires: ['poll'],
    run(f) {
      const ctx = f.setup();
      const [reader, writer] = pipe(f);
      f.accepted(ctx, poll(reader, POLLIN));
      f.accepted(ctx, f.write(writer, lastBytes(f, 4), 8));
      assert.deepEqual(
        f.reap(ctx, 2).map(({ res }) => describe(Number(res))),
        ['65', '-EFAULT'],
      );
      assert.equal(left(f, reader), '-EAGAIN');
    },
  },
  {
    id: 'poll/not-woken-faulting-socket-write',
    rule: 'POLL-14',
    title: 'a write to a stream socket that can fetch nothing wakes nobody',
    requires: ['poll'],
    run(f) {
      const ctx = f.setup();
      const [one, other] = socketpair(f);
      f.accepted(ctx, poll(one, POLLIN));
      f.eventFails(ctx, 'EFAULT', f.write(other, lastBytes(f, 4), 8));
      assert.equal(f.ready(ctx).length, 0);
    },
  },
  {
    id: 'poll/not-woken-faulting-read',
    rule: 'POLL-14',
    title: 'a read of a full pipe that can store nothing wakes no writer; one that takes a page does',
    requires: ['poll', 'clean-faults'],
    run(f) {
      const ctx = f.setup();
      const [reader, writer] = pipe(f);
      written(f, writer, PIPE_PAGES * f.page);
      f.accepted(ctx, poll(writer, POLLOUT));
      f.eventFails(ctx, 'EFAULT', f.read(reader, lastBytes(f, 4), 8));
      assert.equal(f.ready(ctx).length, 0);
      f.accepted(ctx, f.read(reader, lastBytes(f, f.page + 904), 2 * f.page));
      assert.deepEqual(
        f.reap(ctx, 2).map(({ res }) => Number(res)),
        [0x104, f.page],
      );
    },
  },
  ...(['pipe', 'socket'] as const).flatMap((kind) =>
    PUTS.map(
      ({ id, title, later, socket, go }): Case => ({
        id: `block/last-put-${kind}-${id}`,
        rule: 'BLOCK-16',
        title: `${kind}: an end whose descriptor is closed, held by a poll: the other end knows after ${title}`,
        requires: id === 'destroyed' ? ['poll', 'puts-in-call'] : ['poll'],
        run(f) {
          const [ctx, watching, writing] = [f.setup(), f.setup(), f.setup()];
          const [reader, writer] = stream(f, kind);
          const pending = f.iocb(poll(reader, POLLIN));
          f.accepted(ctx, pending);
          f.accepted(watching, poll(writer, POLLPRI));
          f.host.call('close', reader);
          assert.equal(f.ready(watching).length, 0, 'the poll still holds it');
          go(f, ctx, pending.address, writer);
          const hungUp = (): void =>
            assert.equal(Number(f.reap(watching, 1)[0]!.res), kind === 'pipe' ? 0x08 : socket);
          // Also what io_destroy calls off: it waits for that thread nearly always (one run in hundreds did not, on Linux 6.18).
          const isLater = later === true || (id === 'destroyed' && f.kernel.completesAside === true);
          if (isLater) hungUp();
          f.eventFails(writing, 'EPIPE', f.write(writer, f.bytes(1).address, 1));
          if (!isLater) hungUp();
        },
      }),
    ),
  ),
  {
    id: 'block/last-put-batch',
    rule: 'BLOCK-16',
    title: 'the file of a request that the batch wakes is let go when io_submit returns, not before',
    requires: ['poll'],
    run(f) {
      const ctx = f.setup();
      const [reader, writer] = pipe(f);
      f.accepted(ctx, poll(reader, POLLIN));
      f.host.call('close', reader);
      const write = f.write(writer, f.bytes(1).address, 1);
      f.accepted(ctx, write, write);
      assert.deepEqual(
        f.reap(ctx, 3).map(({ res }) => Number(res)),
        [0x41, 1, 1],
      );
      f.eventFails(ctx, 'EPIPE', write);
    },
  },
];
