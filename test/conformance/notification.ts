/** POLL and IOCB_FLAG_RESFD. */
import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import {
  EFD_NONBLOCK,
  EFD_SEMAPHORE,
  IOCB_CMD_FSYNC,
  IOCB_CMD_POLL,
  IOCB_FLAG_RESFD,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDNORM,
  POLLWRNORM,
} from '../../src/common/abi/constants.ts';
import type { Case } from './case.ts';
import type { Fixture, IocbFields } from './fixture.ts';
import { pipe, socketpair } from './pipes.ts';

const PAIRS = { pipe, socketpair };

function poll(fd: number, events: number, more: IocbFields = {}): IocbFields {
  return { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: fd, aio_buf: events, ...more };
}

const resfd = (fd: number): IocbFields => ({ aio_flags: IOCB_FLAG_RESFD, aio_resfd: fd });

/** Polls of a descriptor that is ready at once. */
const READY: readonly {
  id: string;
  rule: string;
  title: string;
  fd(fixture: Fixture): number;
  events: number;
  res: number;
}[] = [
  {
    id: 'eventfd-in',
    rule: 'POLL-03',
    title: 'an eventfd with a count is IN',
    fd: (f) => f.eventfd(1),
    events: POLLIN,
    res: POLLIN,
  },
  {
    id: 'eventfd-out',
    rule: 'POLL-03',
    title: 'an eventfd with room is OUT',
    fd: (f) => f.eventfd(0),
    events: POLLOUT,
    res: POLLOUT,
  },
  {
    id: 'eventfd-both',
    rule: 'POLL-03',
    title: 'both at once',
    fd: (f) => f.eventfd(1),
    events: POLLIN | POLLOUT,
    res: POLLIN | POLLOUT,
  },
  {
    id: 'eventfd-wanted-only',
    rule: 'POLL-03',
    title: 'only what was wanted is told',
    fd: (f) => f.eventfd(1),
    events: POLLOUT | POLLPRI,
    res: POLLOUT,
  },
  {
    id: 'file-all',
    rule: 'POLL-05',
    title: 'a regular file is ready for reading and writing',
    fd: (f) => f.file('x').fd,
    events: 0xffff,
    res: POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM,
  },
  {
    id: 'file-in',
    rule: 'POLL-05',
    title: 'a regular file is IN, also at its end',
    fd: (f) => f.file('').fd,
    events: POLLIN,
    res: POLLIN,
  },
  {
    id: 'directory-out',
    rule: 'POLL-05',
    title: 'a directory is OUT',
    fd: (f) => f.open(f.directory, constants.O_RDONLY),
    events: POLLOUT,
    res: POLLOUT,
  },
];

const UNPOLLABLE: readonly { id: string; title: string; fd(fixture: Fixture): number; events: number }[] = [
  {
    id: 'file-pri',
    title: 'a regular file polled for PRI alone',
    fd: (f) => f.file('x').fd,
    events: POLLPRI,
  },
  { id: 'file-none', title: 'a regular file polled for nothing', fd: (f) => f.file('x').fd, events: 0 },
  {
    id: 'directory-hup',
    title: 'a directory polled for HUP',
    fd: (f) => f.open(f.directory, constants.O_RDONLY),
    events: POLLHUP,
  },
];

export const notificationCases: readonly Case[] = [
  ...READY.map(
    ({ id, rule, title, fd, events, res }): Case => ({
      id: `poll/ready-${id}`,
      rule,
      title: `${title}: the event is in the ring when io_submit returns`,
      run(fixture) {
        const ctx = fixture.setup();
        fixture.accepted(ctx, poll(fd(fixture), events));
        assert.equal(fixture.ring(ctx).tail, 1, 'BLOCK-06');
        assert.equal(Number(fixture.reap(ctx, 1)[0]!.res), res);
      },
    }),
  ),
  ...UNPOLLABLE.map(
    ({ id, title, fd, events }): Case => ({
      id: `poll/unpollable-${id}`,
      rule: 'POLL-05',
      title: `${title} is EINVAL`,
      run(fixture) {
        fixture.refused(fixture.setup(), 'EINVAL', poll(fd(fixture), events));
      },
    }),
  ),
  {
    id: 'poll/later',
    rule: 'POLL-04',
    title: 'an eventfd written later completes with IN',
    run(fixture) {
      const ctx = fixture.setup();
      const fd = fixture.eventfd();
      fixture.accepted(ctx, poll(fd, POLLIN));
      assert.equal(fixture.ready(ctx).length, 0);
      assert.equal(fixture.kernel.eventfd_write(fd, 1n), 0);
      assert.equal(fixture.reap(ctx, 1)[0]!.res, BigInt(POLLIN));
    },
  },
  {
    id: 'poll/one-shot',
    rule: 'POLL-07',
    title: 'one event per submission, also when the readiness was consumed before anyone looked',
    run(fixture) {
      const ctx = fixture.setup();
      const fd = fixture.eventfd();
      fixture.accepted(ctx, poll(fd, POLLIN));
      fixture.kernel.eventfd_write(fd, 1n);
      assert.equal(fixture.kernel.eventfd_read(fd), 1n);
      fixture.kernel.eventfd_write(fd, 1n);
      assert.equal(fixture.reap(ctx, 1).length, 1);
      assert.equal(fixture.ready(ctx).length, 0);
    },
  },
  {
    id: 'poll/reverse-order',
    rule: 'POLL-08',
    title: 'several polls on one eventfd complete in reverse order of submission',
    run(fixture) {
      const ctx = fixture.setup();
      const fd = fixture.eventfd();
      for (let data = 1; data <= 3; data++) fixture.accepted(ctx, poll(fd, POLLIN, { aio_data: data }));
      fixture.kernel.eventfd_write(fd, 1n);
      assert.deepEqual(
        fixture.reap(ctx, 3).map(({ data }) => data),
        [3n, 2n, 1n],
      );
    },
  },
  {
    id: 'poll/missed-set',
    rule: 'POLL-09 POLL-02',
    title: 'a poll for nothing or PRI goes on waiting when the eventfd is written',
    run(fixture) {
      const ctx = fixture.setup();
      const fd = fixture.eventfd();
      fixture.accepted(ctx, poll(fd, POLLPRI), poll(fd, 0));
      fixture.kernel.eventfd_write(fd, 1n);
      assert.equal(fixture.ready(ctx).length, 0);
    },
  },
  {
    id: 'poll/closed-while-pending',
    rule: 'POLL-10',
    title: 'an eventfd closed while polled can be closed, and its context destroyed',
    run(fixture) {
      const ctx = fixture.setup();
      const fd = fixture.kernel.eventfd(0, EFD_NONBLOCK);
      fixture.accepted(ctx, poll(fd, POLLIN));
      assert.equal(fixture.kernel.close(fd), 0);
      assert.equal(fixture.ready(ctx).length, 0);
      assert.equal(fixture.destroy(ctx), 0);
    },
  },
  {
    id: 'poll/pipe-written',
    rule: 'POLL-04',
    title: 'a pipe written later completes with 0x41',
    run(fixture) {
      const ctx = fixture.setup();
      const [reader, writer] = pipe(fixture);
      fixture.accepted(ctx, poll(reader, POLLIN));
      assert.equal(fixture.host.call('write', writer, fixture.bytes(8).address, 1), 1);
      assert.equal(fixture.reap(ctx, 1)[0]!.res, 0x41n);
    },
  },
  {
    id: 'poll/pipe-hangup',
    rule: 'POLL-02 POLL-04',
    title: 'a pipe whose writer goes completes with HUP, wanted or not',
    run(fixture) {
      const ctx = fixture.setup();
      const [reader, writer] = pipe(fixture);
      fixture.accepted(ctx, poll(reader, 0));
      fixture.host.call('close', writer);
      assert.equal(fixture.reap(ctx, 1)[0]!.res, BigInt(POLLHUP));
    },
  },
  {
    id: 'poll/socket-data',
    rule: 'POLL-04',
    title: 'a unix stream socket that gets data completes with 0xc3',
    run(fixture) {
      const ctx = fixture.setup();
      const [one, other] = socketpair(fixture);
      fixture.accepted(ctx, poll(one, POLLIN));
      assert.equal(fixture.host.call('write', other, fixture.bytes(8).address, 1), 1);
      assert.equal(fixture.reap(ctx, 1)[0]!.res, 0xc3n);
    },
  },
  ...(['pipe', 'socketpair'] as const).flatMap((kind): Case[] => [
    {
      id: `transfer/${kind}-empty`,
      rule: kind === 'pipe' ? 'FILE-03' : 'FILE-04',
      title: `an empty ${kind} that does not block is EAGAIN in the event`,
      run(fixture) {
        const [one] = PAIRS[kind](fixture);
        fixture.eventFails(fixture.setup(), 'EAGAIN', fixture.read(one, fixture.bytes(8).address, 8));
      },
    },
    {
      id: `transfer/${kind}-data`,
      rule: kind === 'pipe' ? 'FILE-03' : 'FILE-04',
      title: `a ${kind} brings what was written into it`,
      run(fixture) {
        const ctx = fixture.setup();
        const [one, other] = PAIRS[kind](fixture);
        const from = fixture.bytes(8);
        from.bytes.fill(7);
        assert.equal(fixture.result(ctx, fixture.write(other, from.address, 5)), 5);
        const to = fixture.bytes(8);
        assert.equal(fixture.result(ctx, fixture.read(one, to.address, 8)), 5);
        assert.deepEqual([...to.bytes], [7, 7, 7, 7, 7, 0, 0, 0]);
      },
    },
    {
      id: `iocb/${kind}-fsync`,
      rule: 'FSYNC-02',
      title: `a ${kind} can not be synced: EINVAL from io_submit`,
      run(fixture) {
        const [one] = PAIRS[kind](fixture);
        fixture.refused(fixture.setup(), 'EINVAL', { aio_lio_opcode: IOCB_CMD_FSYNC, aio_fildes: one });
      },
    },
  ]),
  {
    id: 'transfer/socket-offset',
    rule: 'OFF-08',
    title: 'a place other than 0 on a socket is ESPIPE in the event',
    run(fixture) {
      const [one] = socketpair(fixture);
      fixture.eventFails(fixture.setup(), 'ESPIPE', fixture.read(one, fixture.bytes(8).address, 8, 1));
    },
  },
  {
    id: 'resfd/counts',
    rule: 'RESFD-01',
    title: 'each completion adds 1, whatever the opcode and the result',
    run(fixture) {
      const ctx = fixture.setup();
      const fd = fixture.eventfd();
      const file = fixture.file('abc').fd;
      const { address } = fixture.bytes(8);
      fixture.accepted(
        ctx,
        { ...fixture.read(file, address, 3), ...resfd(fd) },
        { ...fixture.write(file, address, 3), ...resfd(fd) },
        { ...fixture.read(file, 0x1000, 3), ...resfd(fd) },
        { ...poll(file, POLLIN), ...resfd(fd) },
      );
      fixture.reap(ctx, 4);
      assert.equal(fixture.kernel.eventfd_read(fd), 4n);
    },
  },
  {
    id: 'resfd/fsync',
    rule: 'RESFD-01 FSYNC-04',
    title: 'FSYNC signals too',
    async run(fixture) {
      const ctx = fixture.setup();
      const fd = fixture.eventfd();
      fixture.accepted(ctx, {
        aio_lio_opcode: IOCB_CMD_FSYNC,
        aio_fildes: fixture.file('x').fd,
        ...resfd(fd),
      });
      fixture.reap(ctx, 1);
      // The event lies in the ring a moment before the counter rises (RESFD-03).
      for (let turn = 0; turn < 1000; turn++) {
        const count = fixture.kernel.eventfd_read(fd);
        if (count === 1n) return;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assert.fail('the eventfd was not signalled');
    },
  },
  {
    id: 'resfd/refused',
    rule: 'RESFD-02',
    title: 'a refused request leaves the counter alone',
    run(fixture) {
      const fd = fixture.eventfd();
      fixture.refused(fixture.setup(), 'EINVAL', {
        ...fixture.read(fixture.file('x').fd, 0, 0, -1),
        ...resfd(fd),
      });
      assert.equal(fixture.kernel.eventfd_read(fd), -11n);
    },
  },
  {
    id: 'resfd/saturates',
    rule: 'RESFD-04',
    title: 'the counter saturates at 2^64-1: IN and ERR, and no event is lost',
    run(fixture) {
      const ctx = fixture.setup();
      const fd = fixture.eventfd();
      const file = fixture.file('abc').fd;
      assert.equal(fixture.kernel.eventfd_write(fd, 2n ** 64n - 2n), 0);
      fixture.accepted(ctx, { ...poll(file, POLLIN), ...resfd(fd) }, { ...poll(file, POLLIN), ...resfd(fd) });
      assert.equal(fixture.reap(ctx, 2).length, 2);
      assert.equal(fixture.result(ctx, poll(fd, POLLIN)), POLLIN | POLLERR);
      assert.equal(BigInt.asUintN(64, fixture.kernel.eventfd_read(fd)), 2n ** 64n - 1n);
    },
  },
  {
    id: 'resfd/semaphore',
    rule: 'RESFD-05',
    title: 'with EFD_SEMAPHORE three completions are three reads of 1',
    run(fixture) {
      const ctx = fixture.setup();
      const fd = fixture.eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE);
      const one = { ...poll(fixture.file('x').fd, POLLIN), ...resfd(fd) };
      fixture.accepted(ctx, one, one, one);
      fixture.reap(ctx, 3);
      assert.deepEqual(
        Array.from({ length: 4 }, () => fixture.kernel.eventfd_read(fd)),
        [1n, 1n, 1n, -11n],
      );
    },
  },
  {
    id: 'resfd/destroy',
    rule: 'RESFD-07 DESTROY-03',
    title: 'io_destroy cancels a pending poll and signals its eventfd before it returns',
    run(fixture) {
      const ctx = fixture.setup();
      const fd = fixture.eventfd();
      fixture.accepted(ctx, { ...poll(fixture.eventfd(), POLLIN), ...resfd(fd) });
      assert.equal(fixture.destroy(ctx), 0);
      assert.equal(fixture.kernel.eventfd_read(fd), 1n);
    },
  },
  {
    id: 'resfd/polls-itself',
    rule: 'RESFD-08',
    title: 'a poll on its own resfd, written once: one event, counter 2',
    run(fixture) {
      const ctx = fixture.setup();
      const fd = fixture.eventfd();
      fixture.accepted(ctx, { ...poll(fd, POLLIN), ...resfd(fd) });
      assert.equal(fixture.kernel.eventfd_write(fd, 1n), 0);
      assert.equal(fixture.reap(ctx, 1)[0]!.res, BigInt(POLLIN));
      assert.equal(fixture.kernel.eventfd_read(fd), 2n);
      assert.equal(fixture.ready(ctx).length, 0);
    },
  },
];
