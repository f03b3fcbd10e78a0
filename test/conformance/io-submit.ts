/** io_submit: the call, and the ladder of checks on one iocb. */
import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import {
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_NOOP,
  IOCB_CMD_POLL,
  IOCB_FLAG_IOPRIO,
  IOCB_FLAG_RESFD,
  POLLIN,
} from '../../src/common/abi/constants.ts';
import type { ErrnoName } from '../../src/common/abi/errno.ts';
import type { Case } from './case.ts';
import { type Fixture, type IocbFields, KERNEL_ADDRESS, UNMAPPED } from './fixture.ts';

const KEY_GARBAGE = 0xdeadbeef;

/** Refused iocbs, alone in a call. `key` says whether aio_key was already written. */
const LADDER: readonly {
  id: string;
  rule: string;
  title: string;
  iocb(fixture: Fixture): IocbFields;
  expect: ErrnoName;
  key: 'written' | 'untouched';
}[] = [
  {
    id: 'reserved2',
    rule: 'SUBMIT-22',
    title: 'aio_reserved2 must be 0',
    iocb: (f) => ({ ...f.read(f.file('x').fd, 0, 0), aio_reserved2: 1 }),
    expect: 'EINVAL',
    key: 'untouched',
  },
  {
    id: 'reserved2-high',
    rule: 'SUBMIT-22',
    title: 'also its highest bit',
    iocb: (f) => ({ ...f.read(f.file('x').fd, 0, 0), aio_reserved2: 2n ** 63n }),
    expect: 'EINVAL',
    key: 'untouched',
  },
  {
    id: 'reserved2-before-fd',
    rule: 'SUBMIT-22',
    title: 'aio_reserved2 wins over a bad descriptor',
    iocb: (f) => ({ ...f.read(f.closedFd(), 0, 0), aio_reserved2: 1 }),
    expect: 'EINVAL',
    key: 'untouched',
  },
  {
    id: 'nbytes-negative',
    rule: 'SUBMIT-23',
    title: 'aio_nbytes below 0 as signed',
    iocb: (f) => f.read(f.file('x').fd, 0, 2n ** 63n),
    expect: 'EINVAL',
    key: 'untouched',
  },
  {
    id: 'nbytes-negative-before-fd',
    rule: 'SUBMIT-23',
    title: 'a negative length wins over a bad descriptor',
    iocb: (f) => f.read(f.closedFd(), 0, -1),
    expect: 'EINVAL',
    key: 'untouched',
  },
  {
    id: 'wider-than-words',
    rule: 'SUBMIT-23',
    title: 'an address that does not fit into the words of a kernel of 32 bits',
    iocb: (f) => f.read(f.file('x').fd, 2n ** 32n, 1),
    expect: 'EINVAL',
    key: 'untouched',
  },
  {
    id: 'nbytes-negative-fsync',
    rule: 'SUBMIT-23',
    title: 'a negative length with FSYNC',
    iocb: (f) => ({ aio_lio_opcode: IOCB_CMD_FSYNC, aio_fildes: f.file().fd, aio_nbytes: -1 }),
    expect: 'EINVAL',
    key: 'untouched',
  },
  {
    id: 'fd-closed',
    rule: 'SUBMIT-25',
    title: 'a descriptor that is not open',
    iocb: (f) => f.read(f.closedFd(), 0, 0),
    expect: 'EBADF',
    key: 'untouched',
  },
  {
    id: 'fd-minus-1',
    rule: 'SUBMIT-25',
    title: 'descriptor -1',
    iocb: (f) => f.read(0xffffffff, 0, 0),
    expect: 'EBADF',
    key: 'untouched',
  },
  {
    id: 'fd-before-opcode',
    rule: 'SUBMIT-25',
    title: 'a bad descriptor wins over an unknown opcode',
    iocb: (f) => ({ ...f.read(f.closedFd(), 0, 0), aio_lio_opcode: 99 }),
    expect: 'EBADF',
    key: 'untouched',
  },
  {
    id: 'fd-before-resfd',
    rule: 'SUBMIT-25 SUBMIT-26',
    title: 'a bad descriptor wins over a resfd that is no eventfd',
    iocb: (f) => ({ ...f.read(f.closedFd(), 0, 0), aio_flags: IOCB_FLAG_RESFD, aio_resfd: f.file().fd }),
    expect: 'EBADF',
    key: 'untouched',
  },
  {
    id: 'fd-fsync',
    rule: 'SUBMIT-25',
    title: 'FSYNC of a descriptor that is not open',
    iocb: (f) => ({ aio_lio_opcode: IOCB_CMD_FSYNC, aio_fildes: f.closedFd() }),
    expect: 'EBADF',
    key: 'untouched',
  },
  {
    id: 'fd-poll',
    rule: 'SUBMIT-25',
    title: 'POLL of a descriptor that is not open',
    iocb: (f) => ({ aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: f.closedFd(), aio_buf: POLLIN }),
    expect: 'EBADF',
    key: 'untouched',
  },
  {
    id: 'resfd-closed',
    rule: 'SUBMIT-26',
    title: 'a resfd that is not open',
    iocb: (f) => ({ ...f.read(f.file('x').fd, 0, 0), aio_flags: IOCB_FLAG_RESFD, aio_resfd: f.closedFd() }),
    expect: 'EBADF',
    key: 'untouched',
  },
  {
    id: 'resfd-file',
    rule: 'SUBMIT-26',
    title: 'a resfd that is a file',
    iocb: (f) => ({ ...f.read(f.file('x').fd, 0, 0), aio_flags: IOCB_FLAG_RESFD, aio_resfd: f.file().fd }),
    expect: 'EINVAL',
    key: 'untouched',
  },
  {
    id: 'resfd-before-opcode',
    rule: 'SUBMIT-26 SUBMIT-28',
    title: 'a closed resfd wins over an unknown opcode',
    iocb: (f) => ({
      ...f.read(f.file('x').fd, 0, 0),
      aio_lio_opcode: 99,
      aio_flags: IOCB_FLAG_RESFD,
      aio_resfd: f.closedFd(),
    }),
    expect: 'EBADF',
    key: 'untouched',
  },
  ...[4, IOCB_CMD_NOOP, 9, 10, 0x100, 0xffff].map((opcode) => ({
    id: `opcode-${opcode}`,
    rule: 'SUBMIT-28',
    title: `opcode ${opcode} is unknown`,
    iocb: (f: Fixture): IocbFields => ({ ...f.read(f.file('x').fd, 0, 0), aio_lio_opcode: opcode }),
    expect: 'EINVAL' as const,
    key: 'written' as const,
  })),
  {
    id: 'ioprio-class',
    rule: 'PRIO-03',
    title: 'priority class 4 is unknown',
    iocb: (f) => ({ ...f.read(f.file('x').fd, 0, 0), aio_flags: IOCB_FLAG_IOPRIO, aio_reqprio: 4 << 13 }),
    expect: 'EINVAL',
    key: 'written',
  },
  {
    id: 'ioprio-class-7',
    rule: 'PRIO-03',
    title: 'priority class 7, negative as i16, is unknown',
    iocb: (f) => ({ ...f.read(f.file('x').fd, 0, 0), aio_flags: IOCB_FLAG_IOPRIO, aio_reqprio: -8192 }),
    expect: 'EINVAL',
    key: 'written',
  },
  {
    id: 'ioprio-none-level',
    rule: 'PRIO-01',
    title: 'class 0 has no levels',
    iocb: (f) => ({ ...f.read(f.file('x').fd, 0, 0), aio_flags: IOCB_FLAG_IOPRIO, aio_reqprio: 1 }),
    expect: 'EINVAL',
    key: 'written',
  },
  {
    id: 'ioprio-before-rwf',
    rule: 'SUBMIT-29 SUBMIT-30',
    title: 'a bad priority wins over an unknown RWF bit',
    iocb: (f) => ({
      ...f.read(f.file('x').fd, 0, 0),
      aio_flags: IOCB_FLAG_IOPRIO,
      aio_reqprio: 1,
      aio_rw_flags: 0x4000,
    }),
    expect: 'EINVAL',
    key: 'written',
  },
  {
    id: 'rwf-unknown',
    rule: 'RWF-01',
    title: 'an unknown RWF bit',
    iocb: (f) => ({ ...f.read(f.file('x').fd, 0, 0), aio_rw_flags: 0x4000 }),
    expect: 'EOPNOTSUPP',
    key: 'written',
  },
  {
    id: 'rwf-sign-bit',
    rule: 'RWF-01',
    title: 'the sign bit of aio_rw_flags',
    iocb: (f) => ({ ...f.write(f.file('x').fd, 0, 0), aio_rw_flags: -0x80000000 }),
    expect: 'EOPNOTSUPP',
    key: 'written',
  },
  {
    id: 'rwf-before-mode',
    rule: 'SUBMIT-30 SUBMIT-31',
    title: 'an unknown RWF bit wins over the open mode',
    iocb: (f) => ({ ...f.read(f.file('x', constants.O_WRONLY).fd, 0, 0), aio_rw_flags: 0x4000 }),
    expect: 'EOPNOTSUPP',
    key: 'written',
  },
  {
    id: 'mode-read',
    rule: 'SUBMIT-31',
    title: 'reading a write-only descriptor',
    iocb: (f) => f.read(f.file('x', constants.O_WRONLY).fd, f.bytes(8).address, 8),
    expect: 'EBADF',
    key: 'written',
  },
  {
    id: 'mode-write',
    rule: 'SUBMIT-31',
    title: 'writing a read-only descriptor',
    iocb: (f) => f.write(f.file('x', constants.O_RDONLY).fd, f.bytes(8).address, 8),
    expect: 'EBADF',
    key: 'written',
  },
  {
    id: 'mode-read-empty',
    rule: 'SUBMIT-31 BUF-01',
    title: 'reading nothing from a write-only descriptor',
    iocb: (f) => f.read(f.file('x', constants.O_WRONLY).fd, 0, 0),
    expect: 'EBADF',
    key: 'written',
  },
  {
    id: 'mode-write-empty',
    rule: 'SUBMIT-31 BUF-01',
    title: 'writing nothing to a read-only descriptor',
    iocb: (f) => f.write(f.file('x', constants.O_RDONLY).fd, 0, 0),
    expect: 'EBADF',
    key: 'written',
  },
  {
    id: 'mode-before-buffer',
    rule: 'SUBMIT-31 SUBMIT-33',
    title: 'the open mode wins over a kernel address',
    iocb: (f) => f.read(f.file('x', constants.O_WRONLY).fd, KERNEL_ADDRESS, 8),
    expect: 'EBADF',
    key: 'written',
  },
  {
    id: 'directory-read',
    rule: 'FILE-02 SUBMIT-32',
    title: 'a directory can not be read: EINVAL, not EISDIR',
    iocb: (f) => f.read(f.open(f.directory, constants.O_RDONLY), f.bytes(8).address, 8),
    expect: 'EINVAL',
    key: 'written',
  },
  {
    id: 'directory-write',
    rule: 'FILE-02',
    title: 'a directory is not open for writing',
    iocb: (f) => f.write(f.open(f.directory, constants.O_RDONLY), f.bytes(8).address, 8),
    expect: 'EBADF',
    key: 'written',
  },
  {
    id: 'eventfd-write',
    rule: 'FILE-06',
    title: 'an eventfd has no write_iter',
    iocb: (f) => f.write(f.eventfd(), f.bytes(8).address, 8),
    expect: 'EINVAL',
    key: 'written',
  },
  {
    id: 'eventfd-fsync',
    rule: 'FILE-06 FSYNC-02',
    title: 'an eventfd has no fsync',
    iocb: (f) => ({ aio_lio_opcode: IOCB_CMD_FSYNC, aio_fildes: f.eventfd() }),
    expect: 'EINVAL',
    key: 'written',
  },
  {
    id: 'buffer-kernel',
    rule: 'BUF-03',
    title: 'a buffer in the kernel',
    iocb: (f) => f.read(f.file('x').fd, KERNEL_ADDRESS, 8),
    expect: 'EFAULT',
    key: 'written',
  },
  {
    id: 'buffer-kernel-eof',
    rule: 'BUF-03',
    title: 'a buffer in the kernel, at the end of the file',
    iocb: (f) => f.read(f.file('x').fd, KERNEL_ADDRESS, 8, 4096),
    expect: 'EFAULT',
    key: 'written',
  },
  {
    id: 'buffer-kernel-empty',
    rule: 'BUF-03 BUF-01',
    title: 'a buffer in the kernel of length 0',
    iocb: (f) => f.read(f.file('x').fd, KERNEL_ADDRESS, 0),
    expect: 'EFAULT',
    key: 'written',
  },
  {
    id: 'buffer-past-user',
    rule: 'BUF-03',
    title: 'a buffer that crosses the end of user space',
    iocb: (f) => f.write(f.file('x').fd, 0x7fffffffe000, 0x2000),
    expect: 'EFAULT',
    key: 'written',
  },
  {
    id: 'offset-negative',
    rule: 'OFF-01 SUBMIT-34',
    title: 'a negative place in the file',
    iocb: (f) => f.read(f.file('x').fd, f.bytes(8).address, 8, -1),
    expect: 'EINVAL',
    key: 'written',
  },
  {
    id: 'offset-negative-empty',
    rule: 'OFF-01',
    title: 'a negative place with length 0',
    iocb: (f) => f.read(f.file('x').fd, 0, 0, -1),
    expect: 'EINVAL',
    key: 'written',
  },
  {
    id: 'offset-negative-append',
    rule: 'OFF-01 RWF-09',
    title: 'a negative place in a file opened for appending',
    iocb: (f) => f.write(f.file('x', constants.O_RDWR | constants.O_APPEND).fd, f.bytes(8).address, 8, -1),
    expect: 'EINVAL',
    key: 'written',
  },
  {
    id: 'buffer-before-offset',
    rule: 'OFF-01 SUBMIT-33',
    title: 'a buffer in the kernel wins over a negative place',
    iocb: (f) => f.read(f.file('x').fd, KERNEL_ADDRESS, 8, -1),
    expect: 'EFAULT',
    key: 'written',
  },
  {
    id: 'offset-overflow',
    rule: 'OFF-02',
    title: 'offset + length beyond INT64_MAX',
    iocb: (f) => f.read(f.file('x').fd, f.bytes(8).address, 8, 2n ** 63n - 4n),
    expect: 'EINVAL',
    key: 'written',
  },
  ...(
    [
      ['buf', 'aio_buf'],
      ['nbytes', 'aio_nbytes'],
      ['offset', 'aio_offset'],
      ['rw-flags', 'aio_rw_flags'],
    ] as const
  ).flatMap(([name, field]) => [
    {
      id: `fsync-${name}`,
      rule: 'FSYNC-01',
      title: `FSYNC with ${field}`,
      iocb: (f: Fixture): IocbFields => ({
        aio_lio_opcode: IOCB_CMD_FSYNC,
        aio_fildes: f.file().fd,
        [field]: 1,
      }),
      expect: 'EINVAL' as const,
      key: 'written' as const,
    },
    {
      id: `fdsync-${name}`,
      rule: 'FSYNC-01',
      title: `FDSYNC with ${field}`,
      iocb: (f: Fixture): IocbFields => ({
        aio_lio_opcode: IOCB_CMD_FDSYNC,
        aio_fildes: f.file().fd,
        [field]: 1,
      }),
      expect: 'EINVAL' as const,
      key: 'written' as const,
    },
  ]),
  ...(
    [
      ['nbytes', 'aio_nbytes'],
      ['offset', 'aio_offset'],
      ['rw-flags', 'aio_rw_flags'],
    ] as const
  ).map(([name, field]) => ({
    id: `poll-${name}`,
    rule: field === 'aio_rw_flags' ? 'POLL-01 RWF-14' : 'POLL-01',
    title: `POLL with ${field}`,
    iocb: (f: Fixture): IocbFields => ({
      aio_lio_opcode: IOCB_CMD_POLL,
      aio_fildes: f.eventfd(1),
      aio_buf: POLLIN,
      [field]: 1,
    }),
    expect: 'EINVAL' as const,
    key: 'written' as const,
  })),
  {
    id: 'poll-mask',
    rule: 'POLL-01',
    title: 'a POLL mask of more than 16 bits',
    iocb: (f) => ({ aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: f.eventfd(1), aio_buf: 0x10001 }),
    expect: 'EINVAL',
    key: 'written',
  },
  {
    id: 'poll-mask-after-fd',
    rule: 'POLL-01',
    title: 'a bad descriptor wins over a POLL mask too wide',
    iocb: (f) => ({ aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: f.closedFd(), aio_buf: 0x10001 }),
    expect: 'EBADF',
    key: 'untouched',
  },
];

/** Things the kernel must not mind. */
const IGNORED: readonly { id: string; title: string; fields(fixture: Fixture): IocbFields }[] = [
  { id: 'flags', title: 'unknown aio_flags', fields: () => ({ aio_flags: 0xfffffffc }) },
  { id: 'resfd', title: 'aio_resfd without RESFD', fields: () => ({ aio_resfd: 0xffffffff }) },
  { id: 'reqprio', title: 'aio_reqprio without IOPRIO', fields: () => ({ aio_reqprio: -1 }) },
  { id: 'key', title: 'aio_key on input', fields: () => ({ aio_key: KEY_GARBAGE }) },
  { id: 'data', title: 'any aio_data', fields: () => ({ aio_data: 2n ** 64n - 1n }) },
];

function byteRead(fixture: Fixture, more: IocbFields = {}): IocbFields {
  return { ...fixture.read(fixture.file('x').fd, fixture.bytes(8).address, 1), ...more };
}

export const ioSubmitCases: readonly Case[] = [
  ...LADDER.map(
    ({ id, rule, title, iocb, expect, key }): Case => ({
      id: `iocb/${id}`,
      rule,
      title: `${title}: ${expect} from io_submit`,
      run(fixture) {
        const ctx = fixture.setup();
        const one = fixture.iocb({ ...iocb(fixture), aio_key: KEY_GARBAGE });
        fixture.refused(ctx, expect, one);
        assert.equal(one.decode().aio_key, key === 'written' ? 0 : KEY_GARBAGE, 'SUBMIT-27: aio_key');
        assert.equal(fixture.ready(ctx).length, 0, 'a refused request has no event');
      },
    }),
  ),
  ...IGNORED.map(
    ({ id, title, fields }): Case => ({
      id: `iocb/ignored-${id}`,
      rule: 'SUBMIT-35',
      title: `${title} is ignored`,
      run(fixture) {
        const ctx = fixture.setup();
        const one = fixture.iocb(byteRead(fixture, fields(fixture)));
        fixture.accepted(ctx, one);
        assert.equal(one.decode().aio_key, 0, 'SUBMIT-27: aio_key is written');
        const [event] = fixture.reap(ctx, 1);
        assert.equal(event!.res, 1n);
        assert.equal(event!.res2, 0n);
        assert.equal(event!.data, one.decode().aio_data);
        assert.equal(event!.obj, BigInt(one.address));
      },
    }),
  ),
  {
    id: 'iocb/no-slot-before-fd',
    rule: 'SUBMIT-24',
    title: 'no slot left is EAGAIN, before EBADF',
    run(fixture) {
      const ctx = fixture.setup(1);
      const pending = fixture.iocb(fixture.held().fields);
      while (fixture.submit(ctx, pending) === 1);
      fixture.refused(ctx, 'EAGAIN', fixture.read(fixture.closedFd(), 0, 0));
    },
  },
  {
    id: 'iocb/not-writable',
    rule: 'SUBMIT-27',
    title: 'an iocb whose aio_key can not be written is EFAULT',
    run(fixture) {
      const ctx = fixture.setup();
      const page = fixture.pages('read-write');
      const { address } = fixture.iocb(byteRead(fixture));
      fixture.poke(page, fixture.peek(address, 64));
      assert.equal(fixture.kernel.memory.mprotect(page, fixture.page, 'read'), 0);
      fixture.fails(fixture.kernel.io_submit(ctx, 1, fixture.pointers(page)), 'EFAULT', 'io_submit');
      assert.equal(fixture.ready(ctx).length, 0);
    },
  },
  {
    id: 'iocb/not-writable-after-fd',
    rule: 'SUBMIT-27 SUBMIT-25',
    title: 'a bad descriptor wins over an iocb that can not be written',
    run(fixture) {
      const ctx = fixture.setup();
      const page = fixture.pages('read-write');
      fixture.poke(page, fixture.peek(fixture.iocb(fixture.read(fixture.closedFd(), 0, 0)).address, 64));
      assert.equal(fixture.kernel.memory.mprotect(page, fixture.page, 'read'), 0);
      fixture.fails(fixture.kernel.io_submit(ctx, 1, fixture.pointers(page)), 'EBADF', 'io_submit');
    },
  },
  ...[
    { id: 'null', title: 'a NULL iocb', at: 0 },
    { id: 'unmapped', title: 'an unmapped iocb', at: UNMAPPED },
    { id: 'kernel', title: 'an iocb in the kernel', at: KERNEL_ADDRESS },
  ].map(
    ({ id, title, at }): Case => ({
      id: `iocb/pointer-${id}`,
      rule: 'SUBMIT-21',
      title: `${title} is EFAULT`,
      run(fixture) {
        fixture.fails(
          fixture.kernel.io_submit(fixture.setup(), 1, fixture.pointers(at)),
          'EFAULT',
          'io_submit',
        );
      },
    }),
  ),
  {
    id: 'iocb/straddles',
    rule: 'SUBMIT-21',
    title: 'an iocb that runs into an unmapped page is EFAULT',
    run(fixture) {
      const pages = fixture.pages('read-write', 'none');
      fixture.fails(
        fixture.kernel.io_submit(fixture.setup(), 1, fixture.pointers(pages + fixture.page - 32)),
        'EFAULT',
        'io_submit',
      );
    },
  },
  {
    id: 'io_submit/nr-negative',
    rule: 'SUBMIT-01',
    title: 'nr below 0 is EINVAL',
    run(fixture) {
      fixture.fails(fixture.kernel.io_submit(fixture.setup(), -1, 0), 'EINVAL', 'io_submit');
    },
  },
  {
    id: 'io_submit/nr-long',
    rule: 'SUBMIT-09',
    title: 'nr is a whole long: 2^32 is not 0',
    run(fixture) {
      fixture.fails(fixture.kernel.io_submit(fixture.setup(), 2 ** 32, UNMAPPED), 'EFAULT', 'io_submit');
    },
  },
  {
    id: 'io_submit/nr-long-negative',
    rule: 'SUBMIT-09',
    title: 'nr 0xffffffff80000000 is negative',
    run(fixture) {
      fixture.fails(fixture.kernel.io_submit(fixture.setup(), 0xffffffff80000000n, 0), 'EINVAL', 'io_submit');
    },
  },
  ...[0, UNMAPPED, KERNEL_ADDRESS].map(
    (iocbpp): Case => ({
      id: `io_submit/nr-0-iocbpp-${iocbpp}`,
      rule: 'SUBMIT-02',
      title: `nr 0 answers 0 whatever iocbpp is (${iocbpp})`,
      run(fixture) {
        assert.equal(fixture.kernel.io_submit(fixture.setup(), 0, iocbpp), 0);
      },
    }),
  ),
  ...[0, UNMAPPED].map(
    (iocbpp): Case => ({
      id: `io_submit/iocbpp-${iocbpp}`,
      rule: 'SUBMIT-20',
      title: `an array of pointers at ${iocbpp} is EFAULT`,
      run(fixture) {
        fixture.fails(fixture.kernel.io_submit(fixture.setup(), 1, iocbpp), 'EFAULT', 'io_submit');
      },
    }),
  ),
  ...[
    { id: 'zero', handle: () => 0 },
    { id: 'minus-1', handle: () => -1 },
    { id: 'plus-8', handle: (ctx: number) => ctx + 8 },
    { id: 'unmapped', handle: () => UNMAPPED },
    { id: 'kernel', handle: () => KERNEL_ADDRESS },
  ].flatMap(({ id, handle }) =>
    [0, 1].map(
      (nr): Case => ({
        id: `io_submit/context-${id}-nr-${nr}`,
        rule: nr === 0 ? 'SUBMIT-03' : 'SUBMIT-11 SUBMIT-03',
        title: `handle ${id} is EINVAL with nr ${nr}, before iocbpp is looked at`,
        run(fixture) {
          fixture.fails(
            fixture.kernel.io_submit(handle(fixture.setup()), nr, UNMAPPED),
            'EINVAL',
            'io_submit',
          );
        },
      }),
    ),
  ),
  {
    id: 'io_submit/context-destroyed',
    rule: 'SUBMIT-11',
    title: 'a destroyed context is EINVAL',
    run(fixture) {
      const ctx = fixture.setup();
      assert.equal(fixture.destroy(ctx), 0);
      fixture.fails(fixture.kernel.io_submit(ctx, 0, 0), 'EINVAL', 'io_submit');
    },
  },
  {
    id: 'io_submit/partial',
    rule: 'SUBMIT-04',
    title: 'a failure at index 2 answers 2, and its error when it is first',
    run(fixture) {
      const ctx = fixture.setup();
      const good = fixture.iocb(byteRead(fixture));
      const bad = fixture.iocb(fixture.read(fixture.closedFd(), 0, 0));
      assert.equal(fixture.submit(ctx, good, good, bad, good), 2);
      fixture.fails(fixture.submit(ctx, bad, good), 'EBADF', 'io_submit');
      assert.equal(fixture.reap(ctx, 2).length, 2);
      assert.equal(fixture.ready(ctx).length, 0);
    },
  },
  {
    id: 'io_submit/array-ends',
    rule: 'SUBMIT-05',
    title: 'an array that ends at an unmapped page after 2 entries answers 2',
    run(fixture) {
      const ctx = fixture.setup();
      const { address } = fixture.iocb(byteRead(fixture));
      const end = fixture.pages('read-write', 'none') + fixture.page;
      const { wordBytes } = fixture;
      fixture.pokeWord(end - 2 * wordBytes, address);
      fixture.pokeWord(end - wordBytes, address);
      assert.equal(fixture.kernel.io_submit(ctx, 4, end - 2 * wordBytes), 2);
      fixture.fails(fixture.kernel.io_submit(ctx, 1, end), 'EFAULT', 'io_submit');
      fixture.reap(ctx, 2);
    },
  },
  {
    id: 'io_submit/one-at-a-time',
    rule: 'SUBMIT-06',
    title: 'a read by request 0 supplies the pointer of request 1',
    requires: ['runs-in-submit'],
    run(fixture) {
      const ctx = fixture.setup();
      const second = fixture.iocb({ ...byteRead(fixture), aio_data: 2 });
      const { wordBytes } = fixture;
      const { address, bytes } = fixture.bytes(2 * wordBytes);
      const { fd } = fixture.file(fixture.word(second.address));
      const first = fixture.iocb({ ...fixture.read(fd, address + wordBytes, wordBytes), aio_data: 1 });
      bytes.set(fixture.word(first.address));
      assert.equal(fixture.kernel.io_submit(ctx, 2, address), 2);
      assert.deepEqual(
        fixture.reap(ctx, 2).map(({ data }) => data),
        [1n, 2n],
      );
    },
  },
  {
    id: 'io_submit/same-iocb',
    rule: 'SUBMIT-07',
    title: 'the same iocb three times has three events',
    run(fixture) {
      const ctx = fixture.setup();
      const one = fixture.iocb({ ...byteRead(fixture), aio_data: 7 });
      fixture.accepted(ctx, one, one);
      fixture.accepted(ctx, one);
      for (const event of fixture.reap(ctx, 3)) {
        assert.equal(event.data, 7n);
        assert.equal(event.obj, BigInt(one.address));
      }
    },
  },
  {
    id: 'io_submit/captured',
    rule: 'SUBMIT-08',
    title: 'an iocb overwritten after the call has no effect',
    run(fixture) {
      const ctx = fixture.setup();
      const held = fixture.held({ aio_data: 5 });
      const one = fixture.iocb(held.fields);
      fixture.accepted(ctx, one);
      one.set({ aio_data: 6, aio_fildes: fixture.closedFd(), aio_lio_opcode: 99 });
      held.release();
      assert.equal(fixture.reap(ctx, 1)[0]!.data, 5n);
    },
  },
  {
    id: 'io_submit/unaligned',
    rule: 'SUBMIT-10',
    title: 'an unaligned iocb and an unaligned array work',
    run(fixture) {
      const ctx = fixture.setup();
      const { address: iocb } = fixture.bytes(80);
      fixture.poke(iocb + 3, fixture.peek(fixture.iocb(byteRead(fixture)).address, 64));
      const { address: array } = fixture.bytes(24);
      fixture.pokeWord(array + 5, iocb + 3);
      assert.equal(fixture.kernel.io_submit(ctx, 1, array + 5), 1);
      assert.equal(fixture.reap(ctx, 1)[0]!.res, 1n);
    },
  },
  {
    id: 'io_submit/more-than-asked',
    rule: 'SUBMIT-10 CAP-05',
    title: 'io_setup(1) takes 100 in one call',
    run(fixture) {
      const ctx = fixture.setup(1);
      const one = fixture.iocb(byteRead(fixture));
      fixture.accepted(ctx, ...Array<typeof one>(100).fill(one));
      assert.equal(fixture.reap(ctx, 100).length, 100);
    },
  },
  {
    id: 'io_submit/bad-context-first',
    rule: 'SUBMIT-03 SUBMIT-11',
    title: 'a bad context is EINVAL with nr 0, and with an iocbpp that is NULL, unmapped or in the kernel',
    run(f) {
      const good = f.setup();
      for (const ctx of [0, -1, good + 8, good + 64]) {
        for (const iocbpp of [0, UNMAPPED, KERNEL_ADDRESS]) {
          f.fails(f.kernel.io_submit(ctx, 0, iocbpp), 'EINVAL', 'io_submit');
          f.fails(f.kernel.io_submit(ctx, 1, iocbpp), 'EINVAL', 'io_submit');
        }
      }
    },
  },
  {
    id: 'io_submit/buffer-anywhere',
    rule: 'BUF-09',
    title: 'a buffer may lie in the iocb itself, in the ring, and under another request',
    requires: ['runs-in-submit'],
    run(f) {
      const ctx = f.setup();
      const { fd } = f.file('ABCDEFGH');
      const own = f.iocb({});
      own.set(f.read(fd, own.address, 8, 0, { aio_data: 77 }));
      f.accepted(ctx, own);
      assert.equal(f.reap(ctx, 1)[0]!.data, 77n, 'the data was captured before');
      assert.equal(Buffer.from(f.peek(own.address, 8)).toString(), 'ABCDEFGH');
      const cell = ctx + 32 + 32 * 100;
      assert.equal(f.result(ctx, f.read(fd, cell, 8, 0)), 8);
      assert.equal(Buffer.from(f.peek(cell, 8)).toString(), 'ABCDEFGH');
      const { bytes, address } = f.bytes(8);
      f.accepted(ctx, f.read(fd, address, 8, 0), f.read(fd, address + 2, 2, 0));
      f.reap(ctx, 2);
      assert.equal(Buffer.from(bytes).toString(), 'ABABEFGH', 'the later one wins');
    },
  },
];
