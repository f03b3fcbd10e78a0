/** Which file does what: pipes, sockets, timers, devices, /proc, sealed memory. */
import assert from 'node:assert/strict';
import { closeSync, constants, fstatSync, openSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LITTLE_ENDIAN } from '../../src/common/abi/byte-order.ts';
import {
  IOCB_CMD_FSYNC,
  IOCB_CMD_POLL,
  IOCB_CMD_PWRITEV,
  IOCB_FLAG_IOPRIO,
  IOCB_FLAG_RESFD,
  IOPRIO_CLASS_BE,
  IOPRIO_CLASS_NONE,
  IOPRIO_CLASS_RT,
  IOPRIO_CLASS_SHIFT,
  POLLIN,
  POLLOUT,
  RWF_ATOMIC,
  RWF_DONTCACHE,
  RWF_DSYNC,
  RWF_HIPRI,
  RWF_NOSIGNAL,
  RWF_NOWAIT,
} from '../../src/common/abi/constants.ts';
import { ERRNO, type ErrnoName } from '../../src/common/abi/errno.ts';
import { dataView, encodeTimespec } from '../../src/common/abi/structs.ts';
import type { Case } from './case.ts';
import type { IocbFields } from './fixture.ts';
import { describe, type Fixture } from './fixture.ts';
import { EnvironmentBroken, Unsupported } from './outcome.ts';
import { pipe, socketpair } from './pipes.ts';

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
const O_NOCTTY = 0o400;
const SIGUSR2 = 12;
const SIG_BLOCK = 0;
const SIG_SETMASK = 2;
const F_ADD_SEALS = 1033;
const F_SEAL_WRITE = 8;
const MFD_ALLOW_SEALING = 2;
const SIGSET_BYTES = 128;

/** A descriptor that a call of the host made; closed when the case ends. */
function made(f: Fixture, what: string, ...words: readonly (number | bigint)[]): number {
  const fd = f.host.call(what, ...words);
  if (fd < 0) throw new EnvironmentBroken(`${what} answered ${describe(fd)}`);
  f.after(() => f.host.call('close', fd));
  return fd;
}

/** Waits until there is something to read, by the system call of that name. */
function untilReadable(f: Fixture, fd: number): void {
  const { bytes, address } = f.bytes(8);
  const pollfd = new DataView(bytes.buffer);
  pollfd.setInt32(0, fd, LITTLE_ENDIAN);
  pollfd.setInt16(4, POLLIN, LITTLE_ENDIAN);
  if (f.host.call('poll', address, 1, 10_000) !== 1)
    throw new EnvironmentBroken('what was written to a terminal does not arrive');
}

function text(f: Fixture, content: string): number {
  const bytes = Buffer.from(content);
  const { bytes: memory, address } = f.bytes(bytes.byteLength);
  memory.set(bytes);
  return address;
}

/** A NUL-terminated name. */
function name(f: Fixture, content: string): number {
  return text(f, `${content}\0`);
}

function sync(fd: number): IocbFields {
  return { aio_lio_opcode: IOCB_CMD_FSYNC, aio_fildes: fd };
}

function poll(fd: number, events: number, more: IocbFields = {}): IocbFields {
  return { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: fd, aio_buf: events, ...more };
}

/** A timer that fires once, after so many milliseconds. */
function timerfd(f: Fixture, afterMs: number, flags: number): number {
  const fd = made(f, 'timerfd_create', 1, flags | O_CLOEXEC);
  const { bytes, address } = f.bytes(2 * f.abi.timespec.size);
  encodeTimespec({ tv_sec: 0, tv_nsec: afterMs * 1_000_000 }, dataView(bytes), f.abi.timespec.size, f.abi);
  f.succeeds(f.host.call('timerfd_settime', fd, 0, address, 0), 'timerfd_settime');
  return fd;
}

/** A device or file of the system's. */
function device(f: Fixture, path: string, flags: number): number {
  try {
    return f.open(path, flags);
  } catch (error) {
    throw new Unsupported(`${path} cannot be opened: ${(error as Error).message}`);
  }
}

/** Descriptors that take no AIO transfer at all. */
const NO_TRANSFERS: readonly { id: string; write: ErrnoName; open(f: Fixture): number }[] = [
  { id: 'epoll', write: 'EINVAL', open: (f) => made(f, 'epoll_create1', O_CLOEXEC) },
  // It is open for reading only, and the mode is looked at first (SUBMIT-31).
  { id: 'inotify', write: 'EBADF', open: (f) => made(f, 'inotify_init1', O_CLOEXEC) },
  { id: 'pidfd', write: 'EINVAL', open: (f) => made(f, 'pidfd_open', process.pid, 0) },
];

/** Blocks a signal for this thread and makes a descriptor that receives it. */
function signalfd(f: Fixture): number {
  const { bytes, address } = f.bytes(SIGSET_BYTES);
  bytes[(SIGUSR2 - 1) >> 3] = 1 << ((SIGUSR2 - 1) & 7);
  const { address: old } = f.bytes(SIGSET_BYTES);
  f.succeeds(f.host.call('pthread_sigmask', SIG_BLOCK, address, old), 'pthread_sigmask');
  f.after(() => f.host.call('pthread_sigmask', SIG_SETMASK, old, 0));
  return made(f, 'signalfd', -1, address, O_NONBLOCK | O_CLOEXEC);
}

/** Both ends of a pseudo-terminal. */
function terminal(f: Fixture): { master: number; slave: number } {
  const master = made(f, 'posix_openpt', constants.O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (f.host.call('grantpt', master) < 0 || f.host.call('unlockpt', master) < 0)
    throw new Unsupported('this environment gives no pseudo-terminals');
  const { bytes, address } = f.bytes(64);
  f.succeeds(f.host.call('ptsname_r', master, address, 64), 'ptsname_r');
  const path = Buffer.from(bytes).toString('utf8', 0, bytes.indexOf(0));
  return { master, slave: f.open(path, constants.O_RDWR | O_NOCTTY | O_NONBLOCK) };
}

/** Drops capabilities of this thread while `body` runs. */
function without(f: Fixture, capabilities: readonly number[], body: () => void): void {
  const { bytes: header, address: headerAt } = f.bytes(8);
  new DataView(header.buffer).setUint32(0, 0x20080522, LITTLE_ENDIAN);
  const { bytes: data, address: dataAt } = f.bytes(24);
  f.succeeds(f.host.call('capget', headerAt, dataAt), 'capget');
  const before = data.slice();
  for (const bit of capabilities) data[(bit >> 5) * 12 + ((bit & 31) >> 3)]! &= ~(1 << (bit & 7));
  f.succeeds(f.host.call('capset', headerAt, dataAt), 'capset');
  try {
    body();
  } finally {
    data.set(before);
    f.succeeds(f.host.call('capset', headerAt, dataAt), 'capset');
  }
}

const CAP_SYS_ADMIN = 21;
const CAP_SYS_NICE = 23;

export const fileKindCases: readonly Case[] = [
  {
    id: 'file/pipe',
    rule: 'FILE-03 BLOCK-11',
    title: 'pipe: event EAGAIN when empty or full, short counts passed through, 0 without a writer, no fsync',
    run(f) {
      const ctx = f.setup();
      const [reader, writer] = pipe(f);
      // A pipe has room for 16 pages (PIPE_DEF_BUFFERS).
      const much = 32 * f.page;
      const { bytes, address } = f.bytes(much);
      f.eventFails(ctx, 'EAGAIN', f.read(reader, address, 10));
      assert.equal(f.result(ctx, f.write(writer, text(f, 'abc'), 3)), 3);
      assert.equal(f.result(ctx, f.read(reader, address, 10)), 3);
      assert.equal(Buffer.from(bytes.subarray(0, 3)).toString(), 'abc');
      const room = f.result(ctx, f.write(writer, address, much));
      assert.ok(room > 0 && room < much, `a full pipe takes a part, took ${room}`);
      f.eventFails(ctx, 'EAGAIN', f.write(writer, address, 10));
      f.refused(ctx, 'EINVAL', sync(reader));
      f.refused(ctx, 'EINVAL', sync(writer));
      f.host.call('close', writer);
      assert.equal(f.result(ctx, f.read(reader, address, much)), room);
      assert.equal(f.result(ctx, f.read(reader, address, 10)), 0);
    },
  },
  {
    id: 'file/pipe-without-reader',
    rule: 'FILE-03 BLOCK-10 RWF-13',
    title: 'a pipe without a reader: event EPIPE',
    rw_flags: RWF_NOSIGNAL,
    run(f) {
      const ctx = f.setup();
      const [reader, writer] = pipe(f);
      f.host.call('close', reader);
      f.eventFails(ctx, 'EPIPE', f.write(writer, text(f, 'abc'), 3, 0, { aio_rw_flags: RWF_NOSIGNAL }));
    },
  },
  {
    id: 'file/stream-socket',
    rule: 'FILE-04',
    title: 'stream socket: as a pipe; no fsync',
    run(f) {
      const ctx = f.setup();
      const [one, other] = socketpair(f);
      const { bytes, address } = f.bytes(16);
      f.eventFails(ctx, 'EAGAIN', f.read(one, address, 16));
      assert.equal(f.result(ctx, f.write(other, text(f, 'abc'), 3)), 3);
      assert.equal(f.result(ctx, f.read(one, address, 16)), 3);
      assert.equal(Buffer.from(bytes.subarray(0, 3)).toString(), 'abc');
      f.refused(ctx, 'EINVAL', sync(one));
    },
  },
  {
    id: 'file/unconnected-socket',
    rule: 'FILE-04',
    title: 'unconnected TCP: event ENOTCONN and EPIPE',
    rw_flags: RWF_NOSIGNAL,
    run(f) {
      const ctx = f.setup();
      const { address } = f.bytes(16);
      const tcp = made(f, 'socket', AF_INET, SOCK_STREAM | O_NONBLOCK | O_CLOEXEC, 0);
      f.eventFails(ctx, 'ENOTCONN', f.read(tcp, address, 16));
      f.eventFails(ctx, 'EPIPE', f.write(tcp, address, 16, 0, { aio_rw_flags: RWF_NOSIGNAL }));
    },
  },
  {
    id: 'file/datagram-socket',
    rule: 'FILE-05',
    title: 'datagram socket: EAGAIN when empty, EDESTADDRREQ without a destination; no fsync',
    run(f) {
      const ctx = f.setup();
      const udp = made(f, 'socket', AF_INET, SOCK_DGRAM | O_NONBLOCK | O_CLOEXEC, 0);
      const { address } = f.bytes(16);
      f.eventFails(ctx, 'EAGAIN', f.read(udp, address, 16));
      f.eventFails(ctx, 'EDESTADDRREQ', f.write(udp, address, 16));
      f.refused(ctx, 'EINVAL', sync(udp));
    },
  },
  {
    id: 'file/timerfd',
    rule: 'FILE-07',
    title: 'timerfd: reads where the kernel has them, EINVAL where not; no write, no fsync; POLL works',
    run(f) {
      const ctx = f.setup();
      const fd = timerfd(f, 1, O_NONBLOCK);
      const { bytes, address } = f.bytes(8);
      assert.equal(f.result(ctx, poll(fd, POLLIN)), POLLIN);
      const answer = f.submit(ctx, f.read(fd, address, 8));
      // Reads came between 6.1 and 6.18.
      if (answer === 1) {
        assert.equal(Number(f.reap(ctx, 1)[0]!.res), 8);
        assert.equal(new DataView(bytes.buffer).getBigUint64(0, LITTLE_ENDIAN), 1n);
      } else f.fails(answer, 'EINVAL', 'io_submit');
      f.refused(ctx, 'EINVAL', f.write(fd, address, 8));
      f.refused(ctx, 'EINVAL', sync(fd));
    },
  },
  {
    id: 'file/signalfd',
    rule: 'FILE-07',
    title: 'signalfd: reads where the kernel has them, EINVAL where not; no write, no fsync',
    run(f) {
      const ctx = f.setup();
      const fd = signalfd(f);
      const { address } = f.bytes(128);
      const answer = f.submit(ctx, f.read(fd, address, 128));
      if (answer === 1) f.fails(Number(f.reap(ctx, 1)[0]!.res), 'EAGAIN', 'event');
      else f.fails(answer, 'EINVAL', 'io_submit');
      f.refused(ctx, 'EINVAL', f.write(fd, address, 8));
      f.refused(ctx, 'EINVAL', sync(fd));
    },
  },
  {
    id: 'file/signalfd-poll',
    rule: 'POLL-11',
    title: 'a poll on a signalfd does not see a signal that arrives after it; it can be cancelled',
    run(f) {
      const ctx = f.setup();
      const fd = signalfd(f);
      const waiting = f.iocb(poll(fd, POLLIN));
      f.accepted(ctx, waiting);
      f.succeeds(f.host.call('raise', SIGUSR2), 'raise');
      const { address: events } = f.bytes(32);
      assert.equal(f.kernel.io_getevents(ctx, 1, 1, events, f.timespec(0, 20_000_000)), 0);
      const { address } = f.bytes(128);
      assert.equal(f.host.call('read', fd, address, 128), 128, 'the signal was there all the time');
      f.fails(f.kernel.io_cancel(ctx, waiting.address, 0), 'EINPROGRESS', 'io_cancel');
      assert.equal(f.reap(ctx, 1)[0]!.res, 0n);
    },
  },
  ...NO_TRANSFERS.map(
    ({ id, write, open }): Case => ({
      id: `file/${id}`,
      rule: 'FILE-08',
      title: `${id}: neither read nor write nor fsync; POLL is taken`,
      run(f) {
        const ctx = f.setup();
        const fd = open(f);
        const { address } = f.bytes(64);
        f.refused(ctx, 'EINVAL', f.read(fd, address, 64));
        f.refused(ctx, write, f.write(fd, address, 64));
        f.refused(ctx, 'EINVAL', sync(fd));
        const waiting = f.iocb(poll(fd, POLLIN));
        f.accepted(ctx, waiting);
        f.fails(f.kernel.io_cancel(ctx, waiting.address, 0), 'EINPROGRESS', 'io_cancel');
        f.reap(ctx, 1);
      },
    }),
  ),
  {
    id: 'file/pty',
    rule: 'FILE-09 POLL-06 RWF-03',
    title: 'pseudo-terminal: reads and writes; POLL when ready, EINVAL when not; no fsync, no NOWAIT',
    rw_flags: RWF_NOWAIT,
    run(f) {
      const ctx = f.setup();
      const { master, slave } = terminal(f);
      const { bytes, address } = f.bytes(16);
      f.refused(ctx, 'EINVAL', poll(slave, POLLIN));
      f.refused(ctx, 'EOPNOTSUPP', f.read(slave, address, 16, 0, { aio_rw_flags: RWF_NOWAIT }));
      assert.equal(f.result(ctx, f.write(master, text(f, 'line\n'), 5)), 5);
      // The line travels by a worker of the kernel.
      untilReadable(f, slave);
      assert.equal(f.result(ctx, poll(slave, POLLIN)), POLLIN);
      assert.equal(f.result(ctx, f.read(slave, address, 16)), 5);
      assert.equal(Buffer.from(bytes.subarray(0, 5)).toString(), 'line\n');
      f.refused(ctx, 'EINVAL', sync(slave));
    },
  },
  {
    id: 'file/null-zero-random',
    rule: 'FILE-10 RWF-08',
    title:
      'null, zero and random device: nothing, zeros, something; writes take all; no fsync; NOWAIT accepted',
    requires: ['polls-descriptors'],
    rw_flags: RWF_NOWAIT,
    run(f) {
      const ctx = f.setup();
      const { bytes, address } = f.bytes(64);
      const nowait = { aio_rw_flags: RWF_NOWAIT };
      for (const path of ['/dev/null', '/dev/zero', '/dev/urandom']) {
        const fd = device(f, path, constants.O_RDWR);
        bytes.fill(0xaa);
        const expected = path === '/dev/null' ? 0 : 64;
        assert.equal(f.result(ctx, f.read(fd, address, 64)), expected, path);
        if (path === '/dev/zero') assert.ok(bytes.every((byte) => byte === 0));
        if (path === '/dev/urandom') assert.ok(bytes.some((byte) => byte !== 0xaa));
        f.refused(ctx, 'EINVAL', sync(fd));
        if (path === '/dev/urandom') {
          assert.equal(f.result(ctx, poll(fd, POLLIN | POLLOUT)), POLLIN | POLLOUT);
          continue;
        }
        assert.equal(f.result(ctx, f.write(fd, address, 64)), 64, path);
        assert.equal(f.result(ctx, f.read(fd, address, 64, 0, nowait)), expected, path);
        assert.equal(f.result(ctx, poll(fd, POLLIN | POLLOUT)), POLLIN | POLLOUT);
      }
      assert.equal(f.result(ctx, f.read(f.eventfd(7), address, 8, 0, nowait)), 8);
    },
  },
  {
    id: 'file/full',
    rule: 'FILE-11',
    title: '/dev/full: zeros; a write is refused with EINVAL, it cannot give ENOSPC here',
    requires: ['linux-files'],
    run(f) {
      const ctx = f.setup();
      const { bytes, address } = f.bytes(64);
      bytes.fill(0xaa);
      const fd = device(f, '/dev/full', constants.O_RDWR);
      assert.equal(f.result(ctx, f.read(fd, address, 64)), 64);
      assert.ok(bytes.every((byte) => byte === 0));
      f.refused(ctx, 'EINVAL', f.write(fd, address, 64));
      f.refused(ctx, 'EINVAL', sync(fd));
    },
  },
  {
    id: 'file/proc',
    rule: 'FILE-12',
    title: '/proc: some files are read, some refused with EINVAL; no fsync. A sysfs attribute: both',
    requires: ['linux-files'],
    run(f) {
      const ctx = f.setup();
      const { address } = f.bytes(4096);
      for (const file of ['status', 'maps', 'cmdline', 'environ']) {
        const fd = device(f, `/proc/self/${file}`, constants.O_RDONLY);
        // Emulators of other processors give files of their own in place of some.
        if (fstatSync(fd).dev === statSync('/proc').dev) f.refused(ctx, 'EINVAL', f.read(fd, address, 4096));
      }
      for (const file of ['uptime', 'sys/fs/aio-max-nr']) {
        const fd = device(f, `/proc/${file}`, constants.O_RDONLY);
        assert.ok(f.result(ctx, f.read(fd, address, 4096)) > 0, file);
        f.refused(ctx, 'EINVAL', sync(fd));
      }
      const attribute = device(f, '/sys/devices/system/cpu/possible', constants.O_RDONLY);
      assert.ok(f.result(ctx, f.read(attribute, address, 4096)) > 0);
      assert.equal(f.result(ctx, sync(attribute)), 0);
    },
  },
  {
    id: 'file/sealed-memfd',
    rule: 'FILE-13',
    title: 'a memfd sealed against writing: event EPERM; reads and fsync work',
    run(f) {
      const ctx = f.setup();
      const fd = made(f, 'memfd_create', name(f, 'kaio'), MFD_ALLOW_SEALING);
      assert.equal(f.result(ctx, f.write(fd, text(f, 'sealed'), 6)), 6);
      f.succeeds(f.host.call('fcntl', fd, F_ADD_SEALS, F_SEAL_WRITE), 'fcntl');
      f.eventFails(ctx, 'EPERM', f.write(fd, text(f, 'broken'), 6));
      const { bytes, address } = f.bytes(6);
      assert.equal(f.result(ctx, f.read(fd, address, 6)), 6);
      assert.equal(Buffer.from(bytes).toString(), 'sealed');
      assert.equal(f.result(ctx, sync(fd)), 0);
    },
  },
  {
    id: 'file/full-file-system',
    rule: 'FILE-13',
    title: 'a full file system: a short count first, then event ENOSPC',
    run(f) {
      const target = f.directory;
      const options = name(f, 'size=64k');
      if (f.host.call('mount', name(f, 'none'), name(f, target), name(f, 'tmpfs'), 0, options) < 0)
        throw new Unsupported('a small file system cannot be mounted without privilege');
      f.after(() => f.host.call('umount', name(f, target)));
      const path = join(target, 'full');
      writeFileSync(path, '');
      const fd = openSync(path, constants.O_RDWR);
      f.after(() => closeSync(fd));
      const ctx = f.setup();
      const { address } = f.bytes(1 << 17);
      const first = f.result(ctx, f.write(fd, address, 1 << 17));
      assert.ok(first > 0 && first < 1 << 17, `answered ${first}`);
      f.eventFails(ctx, 'ENOSPC', f.write(fd, address, 4096, first));
    },
  },
  {
    id: 'file/o-path',
    rule: 'FILE-14 SUBMIT-25',
    title: 'an O_PATH descriptor is EBADF everywhere',
    requires: ['open-flags'],
    run(f) {
      const ctx = f.setup();
      const fd = f.open(f.file('x').path, O_PATH);
      const { address } = f.bytes(8);
      f.refused(ctx, 'EBADF', f.read(fd, address, 8));
      f.refused(ctx, 'EBADF', f.write(fd, address, 8));
      f.refused(ctx, 'EBADF', sync(fd));
      f.refused(ctx, 'EBADF', poll(fd, POLLIN));
      f.refused(ctx, 'EBADF', poll(f.eventfd(1), POLLIN, { aio_flags: IOCB_FLAG_RESFD, aio_resfd: fd }));
    },
  },

  // What waits where
  {
    id: 'block/in-submit',
    rule: 'BLOCK-02',
    title: 'io_submit itself waits for a blocking eventfd or timer, holding up the rest of its batch',
    requires: ['runs-in-submit', 'mapped-ring'],
    run(f) {
      const ctx = f.setup();
      const fd = timerfd(f, 10, 0);
      const { bytes, address } = f.bytes(8);
      const other = f.file('rest');
      const { address: rest } = f.bytes(4);
      const probe = f.submit(ctx, f.read(timerfd(f, 1, 0), address, 8));
      if (probe === -ERRNO.EINVAL) throw new Unsupported('this kernel reads no timerfd through AIO');
      f.reap(ctx, 1);
      f.accepted(
        ctx,
        f.read(fd, address, 8, 0, { aio_data: 1 }),
        f.read(other.fd, rest, 4, 0, { aio_data: 2 }),
      );
      const { head, tail } = f.ring(ctx);
      assert.equal(tail - head, 2, 'both have ended when io_submit returns');
      assert.deepEqual(
        f.reap(ctx, 2).map(({ data, res }) => [data, res]),
        [
          [1n, 8n],
          [2n, 4n],
        ],
      );
      assert.equal(new DataView(bytes.buffer).getBigUint64(0, LITTLE_ENDIAN), 1n);
    },
  },
  {
    id: 'block/fsync',
    rule: 'BLOCK-05',
    title: 'syncs end by themselves, whatever is submitted after them',
    run(f) {
      const ctx = f.setup();
      const { fd } = f.file('durable');
      const { address } = f.bytes(7);
      f.accepted(ctx, { ...sync(fd), aio_data: 1 }, f.read(fd, address, 7, 0, { aio_data: 2 }));
      const events = f.reap(ctx, 2);
      assert.deepEqual(
        new Map(events.map(({ data, res }) => [data, res])),
        new Map([
          [1n, 0n],
          [2n, 7n],
        ]),
      );
    },
  },
  {
    id: 'block/poll',
    rule: 'BLOCK-06',
    title: 'POLL never waits in io_submit: what is ready has its event in the ring on return',
    requires: ['mapped-ring'],
    run(f) {
      const ctx = f.setup();
      f.accepted(ctx, poll(f.eventfd(0), POLLIN), poll(f.eventfd(1), POLLIN));
      assert.equal(f.ring(ctx).tail, 1);
      assert.equal(f.ready(ctx).length, 1);
    },
  },
  {
    id: 'block/short',
    rule: 'BLOCK-11',
    title: 'a short read is passed through: no second call of the file',
    run(f) {
      const ctx = f.setup();
      const { address } = f.bytes(64);
      assert.equal(f.result(ctx, f.read(f.file('0123456789').fd, address, 64, 4)), 6);
      const [reader, writer] = pipe(f, false);
      assert.equal(f.result(ctx, f.write(writer, text(f, 'abc'), 3)), 3);
      assert.equal(f.result(ctx, f.read(reader, address, 64)), 3, 'a blocking pipe too');
    },
  },
  {
    id: 'poll/two-queues',
    rule: 'POLL-06',
    title: 'a fifo opened for both: an event when it is ready, else EINVAL',
    run(f) {
      const ctx = f.setup();
      const path = join(f.directory, 'fifo');
      f.succeeds(f.host.call('mkfifo', name(f, path), 0o600), 'mkfifo');
      const fd = f.open(path, constants.O_RDWR | O_NONBLOCK);
      f.refused(ctx, 'EINVAL', poll(fd, POLLIN));
      assert.equal(f.result(ctx, f.write(fd, text(f, 'x'), 1)), 1);
      assert.equal(f.result(ctx, poll(fd, POLLIN)), POLLIN);
    },
  },
  {
    id: 'poll/woken-in-batch',
    rule: 'POLL-12',
    title: '[poll, write that wakes it] in one batch: the event of the poll comes first',
    run(f) {
      const ctx = f.setup();
      const [reader, writer] = pipe(f);
      f.accepted(
        ctx,
        poll(reader, POLLIN, { aio_data: 1 }),
        f.write(writer, text(f, 'x'), 1, 0, { aio_data: 2 }),
      );
      assert.deepEqual(
        f.reap(ctx, 2).map(({ data }) => data),
        [1n, 2n],
      );
    },
  },
  {
    id: 'resfd/closed-in-flight',
    rule: 'RESFD-06',
    title: 'an eventfd closed while its request is in flight is signalled all the same',
    requires: ['holds-files'],
    run(f) {
      const ctx = f.setup();
      const aio_resfd = f.kernel.eventfd(0, O_NONBLOCK);
      const copy = made(f, 'dup', aio_resfd);
      const gate = f.eventfd(0);
      f.accepted(ctx, poll(gate, POLLIN, { aio_flags: IOCB_FLAG_RESFD, aio_resfd }));
      assert.equal(f.kernel.close(aio_resfd), 0);
      assert.equal(f.kernel.eventfd_write(gate, 1n), 0);
      f.reap(ctx, 1);
      assert.equal(f.kernel.eventfd_read(copy), 1n);
    },
  },
  {
    id: 'resfd/event-first',
    rule: 'RESFD-03',
    title: 'whenever the counter says n, n events lie in the ring',
    requires: ['mapped-ring'],
    run(f) {
      const ctx = f.setup(64);
      const aio_resfd = f.eventfd(0);
      const gate = f.eventfd(0);
      const waiting = poll(gate, POLLIN, { aio_flags: IOCB_FLAG_RESFD, aio_resfd });
      f.accepted(ctx, ...Array<IocbFields>(32).fill(waiting));
      assert.equal(f.kernel.eventfd_write(gate, 1n), 0);
      let signalled = 0n;
      while (signalled < 32n) {
        const more = f.kernel.eventfd_read(aio_resfd);
        if (more > 0n) signalled += more;
        assert.ok(BigInt(f.ring(ctx).tail) >= signalled, 'no count without its event');
      }
      assert.equal(f.reap(ctx, 32).length, 32);
    },
  },

  // Flags
  {
    id: 'rwf/nowait-unsupported',
    rule: 'RWF-03',
    title: 'NOWAIT on a directory or on tmpfs is refused with EOPNOTSUPP',
    requires: ['open-flags'],
    rw_flags: RWF_NOWAIT,
    run(f) {
      const ctx = f.setup();
      const { address } = f.bytes(8);
      const nowait = { aio_rw_flags: RWF_NOWAIT };
      f.refused(ctx, 'EOPNOTSUPP', f.read(f.open(f.directory, constants.O_RDONLY), address, 8, 0, nowait));
      const memory = made(f, 'memfd_create', name(f, 'kaio'), 0);
      f.refused(ctx, 'EOPNOTSUPP', f.read(memory, address, 8, 0, nowait));
    },
  },
  {
    id: 'rwf/nowait-buffered-write',
    rule: 'RWF-05',
    title: 'NOWAIT on a buffered write: event EOPNOTSUPP, or the count where the file system can',
    requires: ['open-flags'],
    rw_flags: RWF_NOWAIT,
    run(f) {
      const ctx = f.setup();
      const { fd } = f.file('0123456789');
      const answer = f.submit(ctx, f.write(fd, text(f, 'abc'), 3, 0, { aio_rw_flags: RWF_NOWAIT }));
      if (answer === -ERRNO.EOPNOTSUPP) throw new Unsupported('the file system here has no NOWAIT at all');
      assert.equal(answer, 1);
      const res = Number(f.reap(ctx, 1)[0]!.res);
      assert.ok([3, -ERRNO.EOPNOTSUPP, -ERRNO.EAGAIN].includes(res), `answered ${describe(res)}`);
    },
  },
  {
    id: 'rwf/nowait-pipe',
    rule: 'RWF-07',
    title: 'NOWAIT on a blocking pipe or socket: event EAGAIN, io_submit does not sleep',
    requires: ['open-flags'],
    rw_flags: RWF_NOWAIT,
    run(f) {
      const ctx = f.setup();
      const { address } = f.bytes(8);
      for (const [reader] of [pipe(f, false), socketpair(f, false)]) {
        const answer = f.submit(ctx, f.read(reader, address, 8, 0, { aio_rw_flags: RWF_NOWAIT }));
        // Between 6.1 and 6.18 this came to pipes and sockets.
        if (answer === 1) f.fails(Number(f.reap(ctx, 1)[0]!.res), 'EAGAIN', 'event');
        else f.fails(answer, 'EOPNOTSUPP', 'io_submit');
      }
    },
  },
  {
    id: 'rwf/atomic',
    rule: 'RWF-11',
    title: 'ATOMIC: a read, and a write to a file without atomic writes, are refused with EOPNOTSUPP',
    run(f) {
      const ctx = f.setup();
      const { fd } = f.file('0123456789');
      const { address } = f.bytes(8);
      f.refused(ctx, 'EOPNOTSUPP', f.read(fd, address, 8, 0, { aio_rw_flags: RWF_ATOMIC }));
      if (f.answerOf('atomic') === 'refused')
        f.refused(ctx, 'EOPNOTSUPP', f.write(fd, address, 8, 0, { aio_rw_flags: RWF_ATOMIC }));
    },
  },
  {
    id: 'rwf/dontcache',
    rule: 'RWF-12',
    title: 'DONTCACHE: tmpfs, pipes and devices refuse it with EOPNOTSUPP',
    requires: ['open-flags'],
    rw_flags: RWF_DONTCACHE,
    run(f) {
      const ctx = f.setup();
      const { address } = f.bytes(8);
      const flag = { aio_rw_flags: RWF_DONTCACHE };
      const memory = made(f, 'memfd_create', name(f, 'kaio'), 0);
      const null_ = device(f, '/dev/null', constants.O_RDWR);
      for (const fd of [memory, pipe(f)[0], null_])
        f.refused(ctx, 'EOPNOTSUPP', f.read(fd, address, 8, 0, flag));
    },
  },
  {
    id: 'rwf/sync-and-poll',
    rule: 'RWF-14',
    title: 'any RWF bit with FSYNC, FDSYNC or POLL is EINVAL',
    run(f) {
      const ctx = f.setup();
      const { fd } = f.file('x');
      for (const aio_rw_flags of [RWF_HIPRI, RWF_DSYNC, RWF_NOWAIT, 1 << 30]) {
        f.refused(ctx, 'EINVAL', { ...sync(fd), aio_rw_flags });
        f.refused(ctx, 'EINVAL', { ...sync(fd), aio_lio_opcode: 3, aio_rw_flags });
        f.refused(ctx, 'EINVAL', poll(f.eventfd(1), POLLIN, { aio_rw_flags }));
      }
    },
  },
  {
    id: 'ioprio/realtime',
    rule: 'PRIO-02',
    title: 'the realtime class needs CAP_SYS_ADMIN or CAP_SYS_NICE: EPERM without',
    run(f) {
      const ctx = f.setup();
      const { fd } = f.file('x');
      const { address } = f.bytes(1);
      const realtime = (level: number): IocbFields =>
        f.read(fd, address, 1, 0, {
          aio_flags: IOCB_FLAG_IOPRIO,
          aio_reqprio: (IOPRIO_CLASS_RT << IOPRIO_CLASS_SHIFT) | level,
        });
      without(f, [CAP_SYS_ADMIN, CAP_SYS_NICE], () => f.refused(ctx, 'EPERM', realtime(0)));
      if (f.submit(ctx, realtime(0)) === -ERRNO.EPERM) return;
      f.reap(ctx, 1);
      for (let level = 1; level < 8; level++) assert.equal(f.result(ctx, realtime(level)), 1);
    },
  },
  {
    id: 'ioprio/hints',
    rule: 'PRIO-04',
    title: 'hint bits do not matter (before 6.5 they are EINVAL)',
    requires: ['open-flags'],
    run(f) {
      const ctx = f.setup();
      const { fd } = f.file('x');
      const { address } = f.bytes(1);
      const answers = [IOPRIO_CLASS_NONE, IOPRIO_CLASS_BE].map((class_) =>
        f.submit(
          ctx,
          f.read(fd, address, 1, 0, {
            aio_flags: IOCB_FLAG_IOPRIO,
            aio_reqprio: (class_ << IOPRIO_CLASS_SHIFT) | (5 << 3),
          }),
        ),
      );
      assert.ok(
        answers.every((answer) => answer === 1) || answers.every((answer) => answer === -ERRNO.EINVAL),
        answers.map(describe).join(', '),
      );
    },
  },
  {
    id: 'iovec/total-cut',
    rule: 'VEC-08',
    title: 'a total above 0x7ffff000 is cut there',
    run(f) {
      const ctx = f.setup();
      const fd = device(f, '/dev/null', constants.O_WRONLY);
      const { address } = f.bytes(8);
      const half = 0x60000000;
      assert.equal(
        f.result(ctx, {
          aio_lio_opcode: IOCB_CMD_PWRITEV,
          aio_fildes: fd,
          aio_buf: f.iovecs([address, half], [address, half]),
          aio_nbytes: 2,
        }),
        f.maxTransfer,
      );
    },
  },
  {
    id: 'io_setup/unprivileged',
    rule: 'SETUP-15',
    title: 'no capability is needed',
    run(f) {
      const every = Array.from({ length: 41 }, (_, bit) => bit);
      without(f, every, () => {
        const ctx = f.setup();
        assert.equal(f.result(ctx, poll(f.eventfd(1), POLLIN)), POLLIN);
      });
    },
  },
];
