/** Pipes and stream sockets: what polls on them get, what fits, and how they end. */
import assert from 'node:assert/strict';
import { IOCB_CMD_POLL, POLLIN, POLLOUT, POLLPRI, POLLRDHUP } from '../../src/common/abi/constants.ts';
import type { Case } from './case.ts';
import { describe, type Fixture, type IocbFields } from './fixture.ts';
import { pipe, socketpair } from './pipes.ts';

/** Every bit that POLL takes. */
const ALL = 0xffff;
const SHUT_WR = 1;
const POLL_OUT_BITS = 0x104;

function poll(fd: number, events: number): IocbFields {
  return { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: fd, aio_buf: events };
}

const PAIRS = { pipe, socketpair };

function call(f: Fixture, name: 'read' | 'write', fd: number, bytes: number): number {
  return f.host.call(name, fd, f.bytes(bytes).address, bytes);
}

/** Writes until no byte fits. */
function fill(f: Fixture, fd: number): void {
  for (const bytes of [f.page, 1]) while (call(f, 'write', fd, bytes) > 0);
}

/** Polls of the second end, which is the writer of a pipe, or of the first. */
const WAKES: readonly {
  id: string;
  title: string;
  kind: keyof typeof PAIRS;
  end: 0 | 1;
  wanted: number;
  before?(f: Fixture, one: number, other: number): void;
  act(f: Fixture, one: number, other: number): void;
  res: number;
}[] = [
  {
    id: 'pipe-drained',
    title: 'a page of a full pipe drained: 0x104',
    kind: 'pipe',
    end: 1,
    wanted: POLLOUT,
    before: (f, _reader, writer) => fill(f, writer),
    act: (f, reader) => assert.equal(call(f, 'read', reader, f.page), f.page),
    res: POLL_OUT_BITS,
  },
  {
    id: 'pipe-readers-gone',
    title: 'the last reader of a full pipe closes: 0x08',
    kind: 'pipe',
    end: 1,
    wanted: POLLOUT,
    before: (f, _reader, writer) => fill(f, writer),
    act: (f, reader) => assert.equal(f.host.call('close', reader), 0),
    res: 0x08,
  },
  {
    id: 'socket-pri',
    title: 'a stream socket polled for PRI alone gets ordinary data: 0xc3',
    kind: 'socketpair',
    end: 0,
    wanted: POLLPRI,
    act: (f, _one, other) => assert.equal(call(f, 'write', other, 1), 1),
    res: 0xc3,
  },
  {
    id: 'socket-closed',
    title: 'the peer closes: 0x11',
    kind: 'socketpair',
    end: 0,
    wanted: POLLIN,
    act: (f, _one, other) => assert.equal(f.host.call('close', other), 0),
    res: 0x11,
  },
  {
    id: 'socket-closed-rdhup',
    title: 'the peer closes, only RDHUP was wanted: 0x2010',
    kind: 'socketpair',
    end: 0,
    wanted: POLLRDHUP,
    act: (f, _one, other) => assert.equal(f.host.call('close', other), 0),
    res: 0x2010,
  },
  {
    id: 'socket-shut-down',
    title: 'the peer shuts down writing: 0x01',
    kind: 'socketpair',
    end: 0,
    wanted: POLLIN,
    act: (f, _one, other) => assert.equal(f.host.call('shutdown', other, SHUT_WR), 0),
    res: 0x01,
  },
  {
    id: 'socket-room',
    title: 'a full stream socket is read empty: 0x304',
    kind: 'socketpair',
    end: 0,
    wanted: POLLOUT,
    before: (f, one) => fill(f, one),
    act(f, _one, other) {
      while (call(f, 'read', other, 1 << 20) > 0);
    },
    res: 0x304,
  },
];

/** What is ready at once, with every bit wanted. */
const READY: readonly {
  id: string;
  title: string;
  kind: keyof typeof PAIRS;
  end: 0 | 1;
  before?(f: Fixture, one: number, other: number): void;
  res: number;
}[] = [
  { id: 'pipe-writer', title: 'an empty pipe can be written: 0x104', kind: 'pipe', end: 1, res: 0x104 },
  {
    id: 'pipe-reader',
    title: 'a pipe with a byte can be read: 0x41',
    kind: 'pipe',
    end: 0,
    before: (f, _reader, writer) => assert.equal(call(f, 'write', writer, 1), 1),
    res: 0x41,
  },
  {
    id: 'pipe-hung-up',
    title: 'a pipe with a byte and no writer: 0x51',
    kind: 'pipe',
    end: 0,
    before(f, _reader, writer) {
      assert.equal(call(f, 'write', writer, 1), 1);
      f.host.call('close', writer);
    },
    res: 0x51,
  },
  {
    id: 'pipe-no-reader',
    title: 'a pipe without a reader: 0x10c',
    kind: 'pipe',
    end: 1,
    before: (f, reader) => assert.equal(f.host.call('close', reader), 0),
    res: 0x10c,
  },
  { id: 'socket', title: 'a fresh stream socket: 0x304', kind: 'socketpair', end: 0, res: 0x304 },
  {
    id: 'socket-data',
    title: 'a stream socket with data: 0x345',
    kind: 'socketpair',
    end: 0,
    before: (f, _one, other) => assert.equal(call(f, 'write', other, 1), 1),
    res: 0x345,
  },
  {
    id: 'socket-hung-up',
    title: 'a stream socket whose peer has closed: 0x2355',
    kind: 'socketpair',
    end: 0,
    before: (f, _one, other) => assert.equal(f.host.call('close', other), 0),
    res: 0x2355,
  },
  {
    id: 'socket-half-closed',
    title: 'a stream socket whose peer has shut down writing: 0x2345',
    kind: 'socketpair',
    end: 0,
    before: (f, _one, other) => assert.equal(f.host.call('shutdown', other, SHUT_WR), 0),
    res: 0x2345,
  },
];

export const pipeAndSocketCases: readonly Case[] = [
  ...WAKES.map(
    ({ id, title, kind, end, wanted, before, act, res }): Case => ({
      id: `poll/woken-${id}`,
      rule: 'POLL-04',
      title,
      requires: ['poll'],
      run(f) {
        const ctx = f.setup();
        const [one, other] = PAIRS[kind](f);
        before?.(f, one, other);
        f.accepted(ctx, poll(end === 0 ? one : other, wanted));
        assert.equal(f.ready(ctx).length, 0, 'it is not ready yet');
        act(f, one, other);
        assert.equal(Number(f.reap(ctx, 1)[0]!.res), res);
      },
    }),
  ),
  ...READY.map(
    ({ id, title, kind, end, before, res }): Case => ({
      id: `poll/ready-${id}`,
      rule: 'POLL-03',
      title: `${title}, with every bit wanted`,
      requires: ['poll'],
      run(f) {
        const ctx = f.setup();
        const [one, other] = PAIRS[kind](f);
        before?.(f, one, other);
        assert.equal(f.result(ctx, poll(end === 0 ? one : other, ALL)), res);
      },
    }),
  ),
  {
    id: 'poll/woken-pipe-byte',
    rule: 'POLL-04',
    title: 'a byte of a full pipe read wakes nobody (before 6.18: 0x104)',
    requires: ['poll'],
    run(f) {
      const ctx = f.setup();
      const [reader, writer] = pipe(f);
      fill(f, writer);
      f.accepted(ctx, poll(writer, POLLOUT));
      assert.equal(call(f, 'read', reader, 1), 1);
      for (const { res } of f.ready(ctx)) assert.equal(Number(res), POLL_OUT_BITS);
    },
  },
  {
    id: 'file/pipe-pages',
    rule: 'FILE-03',
    title: 'a pipe has 16 pages; what exceeds whole pages goes into the last one, if it fits there',
    run(f) {
      const ctx = f.setup();
      const [reader, writer] = pipe(f);
      const { address } = f.bytes(20 * f.page);
      const write = (bytes: number): number => f.result(ctx, f.write(writer, address, bytes));
      assert.deepEqual(
        [write(15 * f.page), write(1), write(f.page + 904), write(1)],
        [15 * f.page, 1, 904, 1],
      );
      f.eventFails(ctx, 'EAGAIN', f.write(writer, address, f.page));
      assert.equal(f.result(ctx, f.read(reader, address, f.page)), f.page);
      assert.equal(write(2 * f.page), f.page);
    },
  },
  {
    id: 'file/pipe-partly-mapped',
    rule: 'FILE-03 BUF-05',
    title: 'a pipe takes and gives what memory there is, and EFAULT where there is none; nothing is lost',
    run(f) {
      const ctx = f.setup();
      const [reader, writer] = pipe(f);
      const end = f.pages('read-write', 'none') + f.page;
      assert.equal(f.result(ctx, f.write(writer, end - 8, 8)), 8);
      f.eventFails(ctx, 'EFAULT', f.read(reader, end, 8));
      assert.equal(f.result(ctx, f.read(reader, end - 3, 3)), 3);
      assert.equal(f.result(ctx, f.read(reader, f.bytes(8).address, 8)), 5);
      f.eventFails(ctx, 'EFAULT', f.write(writer, end, 8));
      f.eventFails(ctx, 'EAGAIN', f.read(reader, f.bytes(8).address, 8));
    },
  },
  {
    id: 'file/socket-reset',
    rule: 'FILE-04',
    title: 'a stream socket whose peer closed with bytes unread: ECONNRESET once, then 0',
    run(f) {
      const ctx = f.setup();
      const [one, other] = socketpair(f);
      const { address } = f.bytes(8);
      assert.equal(call(f, 'write', one, 3), 3);
      assert.equal(call(f, 'write', other, 2), 2);
      f.host.call('close', other);
      const answers = [1, 2, 3].map(() => describe(f.result(ctx, f.read(one, address, 8))));
      assert.deepEqual(answers, ['2', '-ECONNRESET', '0']);
    },
  },
  {
    id: 'file/socket-ends',
    rule: 'FILE-04',
    title: 'a stream socket whose peer has shut down writing: what is there, then 0, and it can be written',
    run(f) {
      const ctx = f.setup();
      const [one, other] = socketpair(f);
      const { address } = f.bytes(8);
      assert.equal(call(f, 'write', other, 3), 3);
      f.host.call('shutdown', other, SHUT_WR);
      const answers = [1, 2].map(() => f.result(ctx, f.read(one, address, 8)));
      assert.deepEqual([...answers, f.result(ctx, f.write(one, address, 8))], [3, 0, 8]);
    },
  },
];
