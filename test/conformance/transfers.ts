/** Reads and writes that were accepted: buffers, offsets, files, flags. */
import assert from 'node:assert/strict';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { devNull } from 'node:os';
import {
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITEV,
  IOCB_FLAG_IOPRIO,
  RWF_APPEND,
  RWF_DSYNC,
  RWF_HIPRI,
  RWF_NOAPPEND,
  RWF_NOSIGNAL,
  RWF_NOWAIT,
  RWF_SYNC,
} from '../../src/common/abi/constants.ts';
import type { ErrnoName } from '../../src/common/abi/errno.ts';
import type { Word } from '../../src/common/kernel/aio-kernel.ts';
import type { Feature } from '../../src/common/kernel/supports.ts';
import type { Case } from './case.ts';
import { type Fixture, type IocbFields, KERNEL_ADDRESS, UNMAPPED } from './fixture.ts';
import { Unsupported } from './outcome.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const ascii = (string: string): Uint8Array => new Uint8Array(Buffer.from(string, 'latin1'));

type Expected = number | ErrnoName;

/** One request: its result, or the error that comes as an event. */
const ANSWERS: readonly {
  id: string;
  rule: string;
  title: string;
  requires?: readonly Feature[];
  iocb(fixture: Fixture): IocbFields;
  expect: Expected | ((fixture: Fixture) => Expected);
}[] = [
  {
    id: 'empty-null',
    rule: 'BUF-01',
    title: 'length 0 with a NULL buffer answers 0',
    iocb: (f) => f.read(f.file('abc').fd, 0, 0),
    expect: 0,
  },
  {
    id: 'empty-unmapped',
    rule: 'BUF-01',
    title: 'length 0 with an unmapped buffer answers 0',
    iocb: (f) => f.read(f.file('abc').fd, UNMAPPED, 0),
    expect: 0,
  },
  {
    id: 'empty-write',
    rule: 'OFF-06',
    title: 'an empty write answers 0',
    iocb: (f) => f.write(f.file('abc').fd, 0, 0),
    expect: 0,
  },
  {
    id: 'huge-length',
    rule: 'BUF-02',
    title: 'SSIZE_MAX on a small file is a plain short read',
    iocb: (f) => f.read(f.file('abc').fd, f.bytes(8).address, 2n ** 63n - 1n),
    expect: 3,
  },
  {
    id: 'unmapped-read',
    rule: 'BUF-04',
    title: 'an unmapped buffer is EFAULT in the event',
    iocb: (f) => f.read(f.file('abc').fd, UNMAPPED, 3),
    expect: 'EFAULT',
  },
  {
    id: 'unmapped-write',
    rule: 'BUF-04',
    title: 'writing from an unmapped buffer is EFAULT in the event',
    iocb: (f) => f.write(f.file('abc').fd, UNMAPPED, 3),
    expect: 'EFAULT',
  },
  {
    id: 'read-only-page',
    rule: 'BUF-04',
    title: 'reading into a read-only page is EFAULT in the event',
    iocb: (f) => f.read(f.file('abc').fd, f.pages('read'), 3),
    expect: 'EFAULT',
  },
  {
    id: 'write-from-read-only',
    rule: 'BUF-04',
    title: 'writing from a read-only page works',
    iocb: (f) => f.write(f.file('abc').fd, f.pages('read'), 3),
    expect: 3,
  },
  {
    id: 'half-mapped-read',
    rule: 'BUF-05',
    title: 'only the first 100 bytes of the buffer are mapped: 100',
    iocb: (f) => f.read(f.file(new Uint8Array(300)).fd, f.pages('read-write', 'none') + f.page - 100, 300),
    expect: 100,
  },
  {
    id: 'half-mapped-write',
    rule: 'BUF-05',
    title: 'only the first 100 bytes to write are mapped: 100',
    iocb: (f) => f.write(f.file().fd, f.pages('read-write', 'none') + f.page - 100, 300),
    expect: (f) => (f.answerOf('halfMappedWrite') === 'part' ? 100 : 'EFAULT'),
  },
  {
    id: 'unmapped-eof',
    rule: 'BUF-06',
    title: 'an unmapped buffer at the end of the file answers 0',
    iocb: (f) => f.read(f.file('abc').fd, UNMAPPED, 3, 3),
    expect: 0,
  },
  {
    id: 'at-eof',
    rule: 'OFF-04',
    title: 'a read at the end of the file answers 0',
    iocb: (f) => f.read(f.file('abc').fd, f.bytes(8).address, 8, 3),
    expect: 0,
  },
  {
    id: 'past-eof',
    rule: 'OFF-04',
    title: 'a read past the end of the file answers 0',
    iocb: (f) => f.read(f.file('abc').fd, f.bytes(8).address, 8, 1e12),
    expect: 0,
  },
  {
    id: 'across-eof',
    rule: 'OFF-04',
    title: 'a read across the end of the file is short',
    iocb: (f) => f.read(f.file('abcdef').fd, f.bytes(8).address, 8, 4),
    expect: 2,
  },
  {
    id: 'offset-max-empty',
    rule: 'OFF-02',
    title: 'INT64_MAX with length 0 is fine',
    iocb: (f) => f.read(f.file('abc').fd, 0, 0, 2n ** 63n - 1n),
    expect: 0,
  },
  {
    id: 'offset-max-read',
    rule: 'OFF-02',
    title: 'the last byte before INT64_MAX can be asked for',
    iocb: (f) => f.read(f.file('abc').fd, f.bytes(8).address, 8, 2n ** 63n - 9n),
    expect: 0,
  },
  {
    id: 'write-too-far',
    rule: 'OFF-03',
    title: 'a write past the largest file size is EFBIG in the event',
    iocb: (f) => {
      if (f.answerOf('farWrite') !== 'EFBIG')
        throw new Unsupported('the largest file of the file system here has room there');
      return f.write(f.file('abc').fd, f.bytes(8).address, 8, 2n ** 62n);
    },
    expect: 'EFBIG',
  },
  {
    id: 'fsync',
    rule: 'FSYNC-03',
    title: 'FSYNC of a file answers 0',
    iocb: (f) => ({ aio_lio_opcode: 2, aio_fildes: f.file('abc').fd }),
    expect: 0,
  },
  {
    id: 'fdsync',
    rule: 'FSYNC-03',
    title: 'FDSYNC of a file answers 0',
    iocb: (f) => ({ aio_lio_opcode: 3, aio_fildes: f.file('abc').fd }),
    expect: 0,
  },
  {
    id: 'fsync-read-only',
    rule: 'FSYNC-03',
    title: 'FSYNC of a read-only descriptor answers 0',
    requires: ['syncs-any-descriptor'],
    iocb: (f) => ({ aio_lio_opcode: 2, aio_fildes: f.file('abc', constants.O_RDONLY).fd }),
    expect: 0,
  },
  {
    id: 'fsync-write-only',
    rule: 'FSYNC-03',
    title: 'FSYNC of a write-only descriptor answers 0',
    iocb: (f) => ({ aio_lio_opcode: 2, aio_fildes: f.file('abc', constants.O_WRONLY).fd }),
    expect: 0,
  },
  {
    id: 'fsync-directory',
    rule: 'FSYNC-03',
    title: 'FSYNC of a directory answers 0',
    requires: ['syncs-any-descriptor'],
    iocb: (f) => ({ aio_lio_opcode: 2, aio_fildes: f.open(f.directory, constants.O_RDONLY) }),
    expect: 0,
  },
  {
    id: 'fsync-junk',
    rule: 'FSYNC-04',
    title: 'FSYNC ignores junk flags and a bad priority',
    iocb: (f) => ({
      aio_lio_opcode: 2,
      aio_fildes: f.file('abc').fd,
      aio_flags: IOCB_FLAG_IOPRIO | 0xfffffff0,
      aio_reqprio: -1,
    }),
    expect: 0,
  },
  {
    id: 'eventfd-read',
    rule: 'FILE-06',
    title: 'an eventfd gives its 8 bytes',
    iocb: (f) => f.read(f.eventfd(5), f.bytes(8).address, 8),
    expect: 8,
  },
  {
    id: 'eventfd-read-more',
    rule: 'FILE-06',
    title: 'and no more than 8',
    iocb: (f) => f.read(f.eventfd(5), f.bytes(64).address, 64),
    expect: 8,
  },
  {
    id: 'eventfd-read-short',
    rule: 'FILE-06',
    title: 'less than 8 bytes is EINVAL in the event',
    iocb: (f) => f.read(f.eventfd(5), f.bytes(8).address, 7),
    expect: 'EINVAL',
  },
  {
    id: 'eventfd-read-empty',
    rule: 'FILE-06',
    title: 'an empty eventfd that does not block is EAGAIN in the event',
    iocb: (f) => f.read(f.eventfd(0), f.bytes(8).address, 8),
    expect: 'EAGAIN',
  },
  {
    id: 'eventfd-offset',
    rule: 'OFF-08',
    title: 'an eventfd ignores the place',
    iocb: (f) => f.read(f.eventfd(5), f.bytes(8).address, 8, 12345),
    expect: 8,
  },
  ...[0, 2 << 13, (2 << 13) | 7, 3 << 13, (3 << 13) | 7].map((aio_reqprio) => ({
    id: `ioprio-${aio_reqprio}`,
    rule: 'PRIO-01 PRIO-03',
    title: `priority 0x${aio_reqprio.toString(16)} is fine`,
    iocb: (f: Fixture): IocbFields => ({
      ...f.read(f.file('abc').fd, f.bytes(8).address, 3),
      aio_flags: IOCB_FLAG_IOPRIO,
      aio_reqprio,
    }),
    expect: 3,
  })),
];

/** Flags that a plain read and a plain write may carry. */
const FLAGS: readonly { id: string; flag: number; rule: string }[] = [
  { id: 'hipri', flag: RWF_HIPRI, rule: 'RWF-02' },
  { id: 'dsync', flag: RWF_DSYNC, rule: 'RWF-02' },
  { id: 'sync', flag: RWF_SYNC, rule: 'RWF-02' },
  { id: 'append', flag: RWF_APPEND, rule: 'RWF-09' },
  { id: 'noappend', flag: RWF_NOAPPEND, rule: 'RWF-10' },
  { id: 'nosignal', flag: RWF_NOSIGNAL, rule: 'RWF-13' },
];

interface VectorCase {
  id: string;
  rule: string;
  title: string;
  /** Segments of a read of 'abcdefgh', and the count; the array's address may be replaced. */
  segments(fixture: Fixture): readonly (readonly [Word, Word])[];
  count?: Word;
  array?: Word;
  offset?: Word;
  refused?: ErrnoName;
  expect?: Expected | ((fixture: Fixture, isRead: boolean) => Expected);
  /** A write would go on for as far as memory is mapped. */
  readsOnly?: boolean;
  requires?: readonly Feature[];
}

const DIRECTIONS = [
  { name: 'preadv', opcode: IOCB_CMD_PREADV },
  { name: 'pwritev', opcode: IOCB_CMD_PWRITEV },
] as const;

const three = (f: Fixture): readonly (readonly [Word, Word])[] => [
  [f.bytes(8).address, 3],
  [f.bytes(8).address, 0],
  [f.bytes(8).address, 3],
];

const VECTORS: readonly VectorCase[] = [
  { id: 'plain', rule: 'VEC-01', title: 'three segments', segments: three, expect: 6 },
  {
    id: 'count-low-half',
    rule: 'VEC-01',
    title: 'only the low 32 bits of the count matter',
    segments: three,
    count: 2 ** 32 + 1,
    expect: 3,
  },
  {
    id: 'count-zero-high',
    rule: 'VEC-01 VEC-02',
    title: 'a count of 2^32 is 0',
    segments: () => [],
    count: 2 ** 32,
    array: KERNEL_ADDRESS,
    expect: 0,
  },
  {
    id: 'none',
    rule: 'VEC-02',
    title: 'no segments: the array is not looked at',
    segments: () => [],
    array: KERNEL_ADDRESS,
    expect: 0,
  },
  {
    id: 'none-negative-offset',
    rule: 'VEC-02 OFF-01',
    title: 'no segments: the place is',
    segments: () => [],
    offset: -1,
    refused: 'EINVAL',
  },
  {
    id: 'count-1024',
    rule: 'VEC-03',
    title: '1024 segments',
    segments: () => Array.from({ length: 1024 }, () => [0, 0] as const),
    expect: 0,
  },
  {
    id: 'count-1025',
    rule: 'VEC-03',
    title: '1025 segments are too many, before the array is read',
    segments: () => [],
    count: 1025,
    array: UNMAPPED,
    refused: 'EINVAL',
  },
  {
    id: 'count-negative',
    rule: 'SUBMIT-23 VEC-01',
    title: 'a negative count',
    segments: three,
    count: -1,
    refused: 'EINVAL',
  },
  {
    id: 'array-null',
    rule: 'VEC-04',
    title: 'a NULL array',
    segments: () => [],
    count: 1,
    array: 0,
    refused: 'EFAULT',
  },
  {
    id: 'array-unmapped',
    rule: 'VEC-04',
    title: 'an unmapped array',
    segments: () => [],
    count: 2,
    array: UNMAPPED,
    refused: 'EFAULT',
  },
  {
    id: 'length-negative',
    rule: 'VEC-05',
    title: 'a negative segment length',
    segments: (f) => [
      [f.bytes(8).address, 3],
      [f.bytes(8).address, -1],
    ],
    refused: 'EINVAL',
  },
  {
    id: 'length-before-range',
    rule: 'VEC-05',
    title: 'a negative length wins over a base in the kernel',
    segments: (f) => [
      [KERNEL_ADDRESS, 3],
      [f.bytes(8).address, -1],
    ],
    refused: 'EINVAL',
  },
  {
    id: 'base-kernel',
    rule: 'VEC-06',
    title: 'a base in the kernel',
    segments: (f) => [
      [f.bytes(8).address, 3],
      [KERNEL_ADDRESS, 3],
    ],
    refused: 'EFAULT',
  },
  {
    id: 'base-kernel-empty',
    rule: 'VEC-06',
    title: 'also with length 0',
    segments: (f) => [
      [f.bytes(8).address, 3],
      [KERNEL_ADDRESS, 0],
    ],
    refused: 'EFAULT',
  },
  {
    id: 'single-huge',
    rule: 'VEC-07',
    title: 'one segment of SSIZE_MAX is cut',
    segments: (f) => [[f.farFromTheTop(), f.longest]],
    expect: 8,
    readsOnly: true,
    requires: ['cuts-one-segment'],
  },
  {
    id: 'double-huge',
    rule: 'VEC-07',
    title: 'two of them are not',
    segments: (f) => [
      [f.bytes(8).address, f.longest],
      [f.bytes(8).address, f.longest],
    ],
    refused: 'EFAULT',
  },
  {
    id: 'null-empty',
    rule: 'VEC-09',
    title: 'a NULL base with length 0 is skipped',
    segments: (f) => [
      [0, 0],
      [f.bytes(8).address, 8],
    ],
    expect: 8,
  },
  {
    id: 'first-unmapped',
    rule: 'VEC-10',
    title: 'an unmapped first segment is EFAULT in the event',
    segments: (f) => [
      [UNMAPPED, 3],
      [f.bytes(8).address, 3],
    ],
    expect: 'EFAULT',
  },
  {
    id: 'second-unmapped',
    rule: 'VEC-10',
    title: 'an unmapped second segment is a short count',
    segments: (f) => [
      [f.bytes(8).address, 3],
      [UNMAPPED, 3],
    ],
    expect: (f, isRead) => (isRead || f.answerOf('halfMappedVector') === 'part' ? 3 : 'EFAULT'),
  },
  {
    id: 'offset-negative',
    rule: 'OFF-01 VEC-11',
    title: 'a negative place',
    segments: three,
    offset: -1,
    refused: 'EINVAL',
  },
  {
    id: 'range-before-offset',
    rule: 'VEC-11',
    title: 'a base in the kernel wins over a negative place',
    segments: () => [[KERNEL_ADDRESS, 3]],
    offset: -1,
    refused: 'EFAULT',
  },
];

function vector(
  fixture: Fixture,
  { segments, count, array, offset = 0 }: VectorCase,
  fd: number,
  opcode: number,
): IocbFields {
  const list = segments(fixture);
  return {
    aio_lio_opcode: opcode,
    aio_fildes: fd,
    aio_buf: BigInt.asUintN(64, BigInt(array ?? fixture.iovecs(...list))),
    aio_nbytes: count ?? list.length,
    aio_offset: offset,
  };
}

export const transferCases: readonly Case[] = [
  ...ANSWERS.map(
    ({ id, rule, title, iocb, expect, requires = [] }): Case => ({
      id: `transfer/${id}`,
      rule,
      title,
      requires,
      run(fixture) {
        const result = fixture.result(fixture.setup(), iocb(fixture));
        const expected = typeof expect === 'function' ? expect(fixture) : expect;
        if (typeof expected === 'number') assert.equal(result, expected);
        else fixture.fails(result, expected, 'the event');
      },
    }),
  ),
  {
    id: 'transfer/read-bytes',
    rule: 'FILE-01',
    title: 'a read brings the bytes of the place, and touches nothing beyond its count',
    run(fixture) {
      const { bytes, address } = fixture.bytes(16);
      bytes.fill(0x2e);
      assert.equal(
        fixture.result(fixture.setup(), fixture.read(fixture.file('0123456789').fd, address + 2, 5, 3)),
        5,
      );
      assert.equal(text(bytes), '..34567.........');
    },
  },
  {
    id: 'transfer/write-bytes',
    rule: 'FILE-01',
    title: 'a write puts the bytes at the place, extending the file with zeros',
    run(fixture) {
      const { bytes, address } = fixture.bytes(8);
      bytes.set(ascii('abcdefgh'));
      const file = fixture.file('01');
      assert.equal(fixture.result(fixture.setup(), fixture.write(file.fd, address + 1, 3, 4)), 3);
      assert.equal(file.read().toString('latin1'), '01\0\0bcd');
    },
  },
  {
    id: 'transfer/hole',
    rule: 'OFF-04',
    title: 'a hole reads as zeros',
    run(fixture) {
      const ctx = fixture.setup();
      const file = fixture.file();
      const { bytes, address } = fixture.bytes(8);
      bytes.fill(1);
      assert.equal(fixture.result(ctx, fixture.write(file.fd, address, 8, 100_000)), 8);
      assert.equal(fixture.result(ctx, fixture.read(file.fd, address, 8, 50_000)), 8);
      assert.deepEqual([...bytes], Array<number>(8).fill(0));
    },
  },
  {
    id: 'transfer/position-unused',
    rule: 'OFF-05',
    title: 'the position of the descriptor is neither used nor moved',
    run(fixture) {
      const ctx = fixture.setup();
      const { fd } = fixture.file('abcdef');
      const byte = new Uint8Array(1);
      assert.equal(readSync(fd, byte, 0, 1, null), 1);
      const { bytes, address } = fixture.bytes(8);
      assert.equal(fixture.result(ctx, fixture.read(fd, address, 2, 4)), 2);
      assert.equal(text(bytes.subarray(0, 2)), 'ef');
      assert.equal(readSync(fd, byte, 0, 1, null), 1);
      assert.equal(text(byte), 'b');
    },
  },
  {
    id: 'transfer/empty-write-keeps',
    rule: 'OFF-06',
    title: 'an empty write beyond the end neither extends the file nor changes its time',
    run(fixture) {
      const { fd } = fixture.file('abc');
      const before = fstatSync(fd, { bigint: true });
      assert.equal(fixture.result(fixture.setup(), fixture.write(fd, 0, 0, 1000)), 0);
      const after = fstatSync(fd, { bigint: true });
      assert.equal(after.size, before.size);
      assert.equal(after.mtimeNs, before.mtimeNs);
    },
  },
  {
    id: 'transfer/cut-count',
    rule: 'BUF-02',
    title: 'the null device takes SSIZE_MAX as INT_MAX bytes, cut to whole pages',
    requires: ['runs-in-submit'],
    run(fixture) {
      const fd = fixture.open(devNull, constants.O_RDWR);
      assert.equal(
        fixture.result(fixture.setup(), fixture.write(fd, fixture.bytes(8).address, 2n ** 63n - 1n)),
        fixture.maxTransfer,
      );
    },
  },
  {
    id: 'transfer/buffered-order',
    rule: 'BLOCK-01 GET-17',
    title: 'buffered requests complete in the order of submission',
    requires: ['submission-order'],
    run(fixture) {
      const ctx = fixture.setup(64);
      const { fd } = fixture.file(new Uint8Array(64));
      const { address } = fixture.bytes(64);
      fixture.accepted(
        ctx,
        ...Array.from({ length: 50 }, (_, index) => ({
          ...fixture.read(fd, address + index, 1, index),
          aio_data: index,
        })),
      );
      assert.deepEqual(
        fixture.reap(ctx, 50).map(({ data }) => Number(data)),
        Array.from({ length: 50 }, (_, index) => index),
      );
    },
  },
  {
    id: 'transfer/in-ring-on-return',
    rule: 'BLOCK-01',
    title: 'a buffered read lies in the ring when io_submit returns',
    requires: ['runs-in-submit'],
    run(fixture) {
      const ctx = fixture.setup();
      fixture.accepted(ctx, fixture.read(fixture.file('abc').fd, fixture.bytes(8).address, 3));
      assert.equal(fixture.ring(ctx).tail, 1);
    },
  },
  {
    id: 'transfer/write-then-read',
    rule: 'BLOCK-01',
    title: 'a read after a write in one batch sees it',
    run(fixture) {
      const ctx = fixture.setup();
      const { fd } = fixture.file();
      const from = fixture.bytes(8);
      from.bytes.set(ascii('abcdefgh'));
      const to = fixture.bytes(8);
      fixture.accepted(ctx, fixture.write(fd, from.address, 8), fixture.read(fd, to.address, 8));
      assert.deepEqual(
        fixture.reap(ctx, 2).map(({ res }) => Number(res)),
        [8, 8],
      );
      assert.equal(text(to.bytes), 'abcdefgh');
    },
  },
  {
    id: 'transfer/closed-after-submit',
    rule: 'BLOCK-12',
    title: 'a descriptor closed after io_submit does not disturb the request',
    requires: ['holds-files'],
    run(fixture) {
      const ctx = fixture.setup();
      const { path } = fixture.file('abc');
      const fd = openSync(path, constants.O_RDONLY);
      const { bytes, address } = fixture.bytes(8);
      fixture.accepted(ctx, fixture.read(fd, address, 3));
      closeSync(fd);
      assert.equal(fixture.reap(ctx, 1)[0]!.res, 3n);
      assert.equal(text(bytes.subarray(0, 3)), 'abc');
    },
  },
  {
    id: 'transfer/reused-after-submit',
    rule: 'BLOCK-12',
    title: 'a descriptor closed and reused after io_submit: the other file is never touched',
    run(fixture) {
      const ctx = fixture.setup();
      const first = fixture.file('first');
      const other = fixture.file('other');
      const fd = openSync(first.path, constants.O_RDWR);
      const { bytes, address } = fixture.bytes(8);
      bytes.fill(0x58);
      fixture.accepted(ctx, fixture.write(fd, address, 5));
      closeSync(fd);
      assert.equal(
        fixture.open(other.path, constants.O_RDWR),
        fd,
        'the number must be reused for the case to mean anything',
      );
      fixture.reap(ctx, 1);
      assert.equal(other.read().toString('latin1'), 'other');
    },
  },
  {
    id: 'transfer/append-descriptor',
    rule: 'RWF-09',
    title: 'a write to a file opened for appending goes to its end, wherever it was asked for',
    run(fixture) {
      const { bytes, address } = fixture.bytes(8);
      bytes.set(ascii('XY'));
      const file = fixture.file('abc', constants.O_RDWR | constants.O_APPEND);
      assert.equal(fixture.result(fixture.setup(), fixture.write(file.fd, address, 2, 1)), 2);
      assert.equal(file.read().toString('latin1'), 'abcXY');
    },
  },
  {
    id: 'transfer/append-flag',
    rule: 'RWF-09',
    title: 'RWF_APPEND sends one write to the end',
    rw_flags: RWF_APPEND,
    run(fixture) {
      const { bytes, address } = fixture.bytes(8);
      bytes.set(ascii('XY'));
      const file = fixture.file('abc');
      assert.equal(
        fixture.result(fixture.setup(), {
          ...fixture.write(file.fd, address, 2, 1),
          aio_rw_flags: RWF_APPEND,
        }),
        2,
      );
      assert.equal(file.read().toString('latin1'), 'abcXY');
    },
  },
  {
    id: 'transfer/noappend-flag',
    rule: 'RWF-10',
    title: 'RWF_NOAPPEND writes at the place although the file appends',
    rw_flags: RWF_NOAPPEND,
    run(fixture) {
      const { bytes, address } = fixture.bytes(8);
      bytes.set(ascii('XY'));
      const file = fixture.file('abc', constants.O_RDWR | constants.O_APPEND);
      assert.equal(
        fixture.result(fixture.setup(), {
          ...fixture.write(file.fd, address, 2, 1),
          aio_rw_flags: RWF_NOAPPEND,
        }),
        2,
      );
      assert.equal(
        file.read().toString('latin1'),
        fixture.answerOf('noappend') === 'place' ? 'aXY' : 'abcXY',
      );
    },
  },
  {
    id: 'transfer/append-and-noappend',
    rule: 'RWF-01',
    title: 'APPEND with NOAPPEND is EINVAL',
    rw_flags: RWF_APPEND | RWF_NOAPPEND,
    run(fixture) {
      fixture.refused(fixture.setup(), 'EINVAL', {
        ...fixture.read(fixture.file('x').fd, 0, 0),
        aio_rw_flags: RWF_APPEND | RWF_NOAPPEND,
      });
    },
  },
  {
    id: 'transfer/nowait-cached',
    rule: 'RWF-04',
    title: 'RWF_NOWAIT brings cached bytes, or EAGAIN, or is not supported by the file system: never others',
    rw_flags: RWF_NOWAIT,
    run(fixture) {
      const ctx = fixture.setup();
      const { bytes, address } = fixture.bytes(8);
      const iocb = { ...fixture.read(fixture.file('abc').fd, address, 3), aio_rw_flags: RWF_NOWAIT };
      const answer = fixture.submit(ctx, iocb);
      if (answer < 0) return fixture.fails(answer, 'EOPNOTSUPP', 'io_submit');
      const result = Number(fixture.reap(ctx, 1)[0]!.res);
      if (result < 0) return fixture.fails(result, 'EAGAIN', 'the event');
      assert.equal(text(bytes.subarray(0, result)), 'abc'.slice(0, result));
    },
  },
  ...FLAGS.flatMap(({ id, flag, rule }) =>
    (['read', 'write'] as const).map(
      (direction): Case => ({
        id: `transfer/${direction}-${id}`,
        rule,
        title: `a ${direction} with ${id} is accepted and done`,
        rw_flags: flag,
        run(fixture) {
          const iocb = fixture[direction](fixture.file('abc').fd, fixture.bytes(8).address, 3);
          assert.equal(fixture.result(fixture.setup(), { ...iocb, aio_rw_flags: flag }), 3);
        },
      }),
    ),
  ),
  ...VECTORS.flatMap((one) =>
    DIRECTIONS.filter(({ name }) => name === 'preadv' || one.readsOnly !== true).map(
      ({ name, opcode }): Case => ({
        id: `${name}/${one.id}`,
        rule: one.rule,
        title: `${name}: ${one.title}`,
        requires: one.requires ?? [],
        run(fixture) {
          const ctx = fixture.setup();
          const iocb = vector(fixture, one, fixture.file('abcdefgh').fd, opcode);
          if (one.refused !== undefined) return fixture.refused(ctx, one.refused, iocb);
          const result = fixture.result(ctx, iocb);
          const { expect } = one;
          const expected = typeof expect === 'function' ? expect(fixture, name === 'preadv') : expect!;
          if (typeof expected === 'number') assert.equal(result, expected);
          else fixture.fails(result, expected, 'the event');
        },
      }),
    ),
  ),
  {
    id: 'pwritev/single-huge',
    rule: 'VEC-07',
    title: 'pwritev: one segment of SSIZE_MAX is cut, and written as far as memory is readable',
    requires: ['cuts-one-segment'],
    run(fixture) {
      const address = fixture.farFromTheTop();
      const written = fixture.file();
      const answer = fixture.result(fixture.setup(), {
        aio_lio_opcode: IOCB_CMD_PWRITEV,
        aio_fildes: written.fd,
        aio_buf: fixture.iovecs([address, fixture.longest]),
        aio_nbytes: 1,
      });
      assert.equal(answer, fixture.page);
      assert.deepEqual(written.read(), Buffer.alloc(fixture.page));
    },
  },
  {
    id: 'preadv/mode-first',
    rule: 'VEC-11',
    title: 'the open mode wins over the count',
    run(fixture) {
      fixture.refused(fixture.setup(), 'EBADF', {
        aio_lio_opcode: IOCB_CMD_PREADV,
        aio_fildes: fixture.file('x', constants.O_WRONLY).fd,
        aio_nbytes: 2000,
      });
    },
  },
  {
    id: 'preadv/overlap',
    rule: 'VEC-09',
    title: 'overlapping segments are filled in order: the last write wins',
    run(fixture) {
      const { bytes, address } = fixture.bytes(8);
      const iov = fixture.iovecs([address, 4], [address + 2, 4]);
      assert.equal(
        fixture.result(fixture.setup(), {
          aio_lio_opcode: IOCB_CMD_PREADV,
          aio_fildes: fixture.file('abcdefgh').fd,
          aio_buf: iov,
          aio_nbytes: 2,
        }),
        8,
      );
      assert.equal(text(bytes.subarray(0, 6)), 'abefgh');
    },
  },
  {
    id: 'preadv/array-captured',
    rule: 'SUBMIT-08',
    title: 'an iovec array overwritten after the call has no effect',
    run(fixture) {
      const ctx = fixture.setup();
      const { bytes, address } = fixture.bytes(8);
      const iov = fixture.iovecs([address, 4]);
      fixture.accepted(ctx, {
        aio_lio_opcode: IOCB_CMD_PREADV,
        aio_fildes: fixture.file('abcd').fd,
        aio_buf: iov,
        aio_nbytes: 1,
      });
      fixture.pokeWord(iov, UNMAPPED);
      assert.equal(fixture.reap(ctx, 1)[0]!.res, 4n);
      assert.equal(text(bytes.subarray(0, 4)), 'abcd');
    },
  },
  {
    id: 'pwritev/bytes',
    rule: 'VEC-09',
    title: 'segments are written one after the other',
    run(fixture) {
      const { bytes, address } = fixture.bytes(8);
      bytes.set(ascii('abcdefgh'));
      const file = fixture.file();
      const iov = fixture.iovecs([address + 4, 2], [0, 0], [address, 3]);
      assert.equal(
        fixture.result(fixture.setup(), {
          aio_lio_opcode: IOCB_CMD_PWRITEV,
          aio_fildes: file.fd,
          aio_buf: iov,
          aio_nbytes: 3,
        }),
        5,
      );
      assert.equal(file.read().toString('latin1'), 'efabc');
    },
  },
];
