import { Buffer } from 'node:buffer';
import { getSystemErrorName } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  AIO_RING_COMPAT_FEATURES,
  AIO_RING_INCOMPAT_FEATURES,
  AIO_RING_MAGIC,
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_POLL,
  IOCB_CMD_PREAD,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITEV,
  IOCB_FLAG_IOPRIO,
  IOCB_FLAG_RESFD,
  POLLIN,
  RWF_DSYNC,
  RWF_NOWAIT,
} from '../../../src/common/abi/constants.ts';
import { ERRNO, errnoMessage, errnoName, isErrnoName } from '../../../src/common/abi/errno.ts';
import {
  ABI_32BE,
  ABI_32LE,
  ABI_64BE,
  ABI_64LE,
  type Abi,
  AIO_RING_HEADER_BYTES,
  IO_EVENT_BYTES,
  IOCB_BYTES,
  IOVEC_BYTES,
  TIMESPEC_BYTES,
  writeField,
} from '../../../src/common/abi/layout.ts';
import {
  emptyIocb,
  io_prep_fdsync,
  io_prep_fsync,
  io_prep_poll,
  io_prep_pread,
  io_prep_preadv,
  io_prep_pwrite,
  io_prep_pwritev,
  io_set_data,
  io_set_eventfd,
  io_set_ioprio,
} from '../../../src/common/abi/prep.ts';
import {
  dataView,
  decodeAioRing,
  decodeIocb,
  decodeIoEvent,
  decodeIovec,
  decodeTimespec,
  encodeAioRing,
  encodeIocb,
  encodeIoEvent,
  encodeIovec,
  encodeTimespec,
  type Iocb,
} from '../../../src/common/abi/structs.ts';
import { IocbSlab } from '../../../src/common/context/iocb-slab.ts';
import { AbortError, AioError, AioStateError, codeOf, errnoException } from '../../../src/common/errors.ts';
import type { Memory } from '../../../src/common/kernel/aio-kernel.ts';
import { type EventSink, MappedRing, resultFromHalves } from '../../../src/common/kernel/mapped-ring.ts';

const ABIS: readonly [string, Abi][] = [
  ['64-bit little-endian', ABI_64LE],
  ['64-bit big-endian', ABI_64BE],
  ['32-bit little-endian', ABI_32LE],
  ['32-bit big-endian', ABI_32BE],
];

/** Every byte of every field differs from its neighbours. */
const IOCB: Iocb = {
  aio_data: 0x0102030405060708n,
  aio_key: 0x11121314,
  aio_rw_flags: 0x15161718,
  aio_lio_opcode: 0x2122,
  aio_reqprio: 0x2324,
  aio_fildes: 0x25262728,
  aio_buf: 0x3132333435363738n,
  aio_nbytes: 0x4142434445464748n,
  aio_offset: 0x5152535455565758n,
  aio_reserved2: 0x6162636465666768n,
  aio_flags: 0x71727374,
  aio_resfd: 0x75767778,
};

function hex(view: DataView): string {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('hex');
}

function bytes(count: number): DataView {
  return new DataView(new ArrayBuffer(count));
}

describe('struct iocb', () => {
  it('has the bytes of uapi/linux/aio_abi.h, little-endian', () => {
    const view = bytes(IOCB_BYTES);
    encodeIocb(IOCB, view);
    expect(hex(view)).toBe(
      [
        '0807060504030201',
        '14131211',
        '18171615',
        '2221',
        '2423',
        '28272625',
        '3837363534333231',
        '4847464544434241',
        '5857565554535251',
        '6867666564636261',
        '74737271',
        '78777675',
      ].join(''),
    );
  });

  it('has the bytes of uapi/linux/aio_abi.h, big-endian: aio_key and aio_rw_flags change places', () => {
    const view = bytes(IOCB_BYTES);
    encodeIocb(IOCB, view, 0, ABI_64BE);
    expect(hex(view)).toBe(
      [
        '0102030405060708',
        '15161718',
        '11121314',
        '2122',
        '2324',
        '25262728',
        '3132333435363738',
        '4142434445464748',
        '5152535455565758',
        '6162636465666768',
        '71727374',
        '75767778',
      ].join(''),
    );
  });

  it('writes all 64 bytes, so that nothing of an earlier request remains', () => {
    const view = bytes(IOCB_BYTES);
    new Uint8Array(view.buffer).fill(0xff);
    encodeIocb({}, view);
    expect(hex(view)).toBe('00'.repeat(IOCB_BYTES));
  });

  it('cuts values to the width of the field, as C does', () => {
    const view = bytes(IOCB_BYTES);
    encodeIocb({ aio_fildes: -1, aio_data: -1, aio_lio_opcode: 0x10001 }, view);
    expect(decodeIocb(view)).toMatchObject({
      aio_fildes: 0xffffffff,
      aio_data: 0xffffffffffffffffn,
      aio_lio_opcode: 1,
    });
  });
});

describe.each(ABIS)('round trip, %s', (_title, abi) => {
  // Not at 0, with guards on both sides: an encoder must stay inside its structure.
  const GUARD = 8;
  const within = (size: number): DataView => {
    const view = bytes(size + 2 * GUARD);
    new Uint8Array(view.buffer).fill(0xee);
    return view;
  };
  const expectGuards = (view: DataView, size: number): void => {
    expect(hex(view).slice(0, 2 * GUARD)).toBe('ee'.repeat(GUARD));
    expect(hex(view).slice(2 * (GUARD + size))).toBe('ee'.repeat(GUARD));
  };

  it('iocb, with negative values in its signed fields', () => {
    const view = within(abi.iocb.size);
    const iocb: Iocb = { ...IOCB, aio_rw_flags: -2, aio_reqprio: -3, aio_offset: -4n, aio_resfd: 0xfffffffe };
    encodeIocb(iocb, view, GUARD, abi);
    expect(decodeIocb(view, GUARD, abi)).toEqual(iocb);
    expectGuards(view, abi.iocb.size);
  });

  it('io_event', () => {
    const view = within(abi.io_event.size);
    const event = { data: 0xfedcba9876543210n, obj: 0x7fff12345678n, res: -11n, res2: -1n };
    encodeIoEvent(event, view, GUARD, abi);
    expect(decodeIoEvent(view, GUARD, abi)).toEqual(event);
    expectGuards(view, abi.io_event.size);
  });

  it('aio_ring', () => {
    const view = within(abi.aio_ring.size);
    const ring = {
      id: 1,
      nr: 127,
      head: 3,
      tail: 0xfffffffe,
      magic: AIO_RING_MAGIC,
      compat_features: 1,
      incompat_features: 0,
      header_length: 32,
    };
    encodeAioRing(ring, view, GUARD, abi);
    expect(decodeAioRing(view, GUARD, abi)).toEqual(ring);
    expectGuards(view, abi.aio_ring.size);
  });

  it('iovec', () => {
    const view = within(abi.iovec.size);
    const iovec = { iov_base: 0xfffff000n, iov_len: 4096n };
    encodeIovec(iovec, view, GUARD, abi);
    expect(decodeIovec(view, GUARD, abi)).toEqual(iovec);
    expectGuards(view, abi.iovec.size);
  });

  it('timespec', () => {
    const view = within(abi.timespec.size);
    const timespec = { tv_sec: -1n, tv_nsec: 999_999_999n };
    encodeTimespec(timespec, view, GUARD, abi);
    expect(decodeTimespec(view, GUARD, abi)).toEqual(timespec);
    expectGuards(view, abi.timespec.size);
  });

  it('aio_sigset', () => {
    const view = within(abi.aio_sigset.size);
    const { sigmask, sigsetsize } = abi.aio_sigset.fields;
    writeField(abi, view, GUARD, sigmask, 0x1000n);
    writeField(abi, view, GUARD, sigsetsize, 8n);
    const words = abi.littleEndian ? ['0010', '08'] : ['1000', '08'];
    const padded = words.map((word) =>
      abi.littleEndian ? word.padEnd(2 * abi.wordBytes, '0') : word.padStart(2 * abi.wordBytes, '0'),
    );
    expect(hex(view).slice(2 * GUARD, 2 * (GUARD + abi.aio_sigset.size))).toBe(padded.join(''));
    expectGuards(view, abi.aio_sigset.size);
  });

  it('no two fields of a structure overlap, and all lie inside', () => {
    for (const layout of [abi.iocb, abi.io_event, abi.aio_ring, abi.iovec, abi.timespec, abi.aio_sigset]) {
      const fields = Object.values<{ offset: number; size: number }>(layout.fields);
      const covered = new Set(
        fields.flatMap(({ offset, size }) => Array.from({ length: size }, (_, i) => offset + i)),
      );
      expect(covered.size).toBe(fields.reduce((sum, { size }) => sum + size, 0));
      expect(Math.max(...covered)).toBeLessThan(layout.size);
    }
  });
});

it('the sizes in use are those of the layout in use', () => {
  expect([IOCB_BYTES, IO_EVENT_BYTES, AIO_RING_HEADER_BYTES, IOVEC_BYTES, TIMESPEC_BYTES]).toEqual([
    ABI_64LE.iocb.size,
    ABI_64LE.io_event.size,
    ABI_64LE.aio_ring.size,
    ABI_64LE.iovec.size,
    ABI_64LE.timespec.size,
  ]);
});

describe('io_prep_*', () => {
  const used = (): Iocb => ({ ...IOCB, aio_data: 7n });
  const fresh = (fields: Partial<Iocb>): Iocb => ({ ...emptyIocb(), aio_data: 7n, ...fields });

  it.each([
    ['pread', io_prep_pread, IOCB_CMD_PREAD],
    ['pwrite', io_prep_pwrite, IOCB_CMD_PWRITE],
    ['preadv', io_prep_preadv, IOCB_CMD_PREADV],
    ['pwritev', io_prep_pwritev, IOCB_CMD_PWRITEV],
  ] as const)('io_prep_%s sets every field but aio_data', (_name, prepare, opcode) => {
    const iocb = used();
    prepare(iocb, 5, 0x7f0000001000, 4096, 8192n, RWF_NOWAIT);
    expect(iocb).toEqual(
      fresh({
        aio_lio_opcode: opcode,
        aio_fildes: 5,
        aio_buf: 0x7f0000001000n,
        aio_nbytes: 4096n,
        aio_offset: 8192n,
        aio_rw_flags: RWF_NOWAIT,
      }),
    );
  });

  it('flags are 0 unless given', () => {
    const iocb = used();
    io_prep_pwrite(iocb, 5, 1, 2, 3);
    expect(iocb.aio_rw_flags).toBe(0);
    io_prep_pwrite(iocb, 5, 1, 2, 3, RWF_DSYNC);
    expect(iocb.aio_rw_flags).toBe(RWF_DSYNC);
  });

  it.each([
    ['fsync', io_prep_fsync, IOCB_CMD_FSYNC],
    ['fdsync', io_prep_fdsync, IOCB_CMD_FDSYNC],
  ] as const)('io_prep_%s leaves the rest 0, as the kernel demands', (_name, prepare, opcode) => {
    const iocb = used();
    prepare(iocb, 5);
    expect(iocb).toEqual(fresh({ aio_lio_opcode: opcode, aio_fildes: 5 }));
  });

  it('io_prep_poll has the mask in aio_buf', () => {
    const iocb = used();
    io_prep_poll(iocb, 5, POLLIN);
    expect(iocb).toEqual(fresh({ aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: 5, aio_buf: BigInt(POLLIN) }));
  });

  it('io_set_eventfd and io_set_ioprio add to the flags', () => {
    const iocb = emptyIocb();
    io_set_eventfd(iocb, 9);
    io_set_ioprio(iocb, 0x2004);
    io_set_data(iocb, 12);
    expect(iocb).toEqual({
      ...emptyIocb(),
      aio_flags: IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO,
      aio_resfd: 9,
      aio_reqprio: 0x2004,
      aio_data: 12n,
    });
  });
});

describe('errno', () => {
  it('goes from name to number and back, for every error', () => {
    for (const [name, number] of Object.entries(ERRNO)) {
      expect(errnoName(number)).toBe(name);
      expect(errnoName(-number)).toBe(name);
      expect(isErrnoName(name)).toBe(true);
      expect(errnoMessage(-number)).not.toMatch(/^unknown/);
    }
  });

  it.each([
    ['EAGAIN', 11],
    ['EFAULT', 14],
    ['EINVAL', 22],
    ['EDEADLK', 35],
    ['ENOSYS', 38],
    ['EOPNOTSUPP', 95],
    ['EINPROGRESS', 115],
    ['EDQUOT', 122],
  ] as const)('%s is %i on every host', (name, number) => {
    expect(ERRNO[name]).toBe(number);
  });

  it('knows nothing of other numbers and names', () => {
    expect(errnoName(0)).toBeUndefined();
    // 41 and 58 are EWOULDBLOCK and EDEADLOCK in the original table, which Linux gives to nobody.
    expect(errnoName(41)).toBeUndefined();
    expect(errnoName(512)).toBeUndefined();
    expect(isErrnoName('toString')).toBe(false);
    expect(errnoMessage(512)).toBe('unknown error 512');
  });
});

describe('IocbSlab', () => {
  const BASE = 0x7ffe_1234_5000;
  /** Keeps what it is asked about, so that a test can look at the slab's bytes. */
  function memory(): { memory: Memory; buffer: () => ArrayBuffer } {
    let seen: ArrayBuffer | undefined;
    const fake: Partial<Memory> = {
      addressOf: (view) => {
        seen = view as ArrayBuffer;
        return BASE;
      },
    };
    return { memory: fake as Memory, buffer: () => seen! };
  }

  it.each([
    ['plain values', [IOCB_CMD_PWRITE, 5, 0x7f0000001000, 4096, 8192, 0, 0, 0, 3]],
    ['flags', [IOCB_CMD_PREAD, 5, 0x7f0000001000, 4096, 8192, RWF_NOWAIT, IOCB_FLAG_RESFD, 9, 3]],
    ['large values', [IOCB_CMD_PREADV, 5, 2 ** 47, 2 ** 40 + 1, 2 ** 52 + 5, 0, 0, 0, 2 ** 53 - 1]],
    ['a negative position', [IOCB_CMD_PREAD, 5, 0, 0, -1, 0, 0, 0, 0]],
    ['a negative descriptor', [IOCB_CMD_PREAD, -1, 0, 0, 0, 0, 0, 0, 0]],
  ] as const)('writes the bytes of encodeIocb: %s', (_title, values) => {
    const [opcode, fd, buf, nbytes, offset, rw_flags, flags, resfd, data] = values;
    const { memory: fake, buffer } = memory();
    const slab = new IocbSlab(fake, 3);
    // What an earlier request left behind must not shine through.
    new Uint8Array(buffer()).fill(0xff);
    slab.prepare(1, opcode, fd, buf, nbytes, offset, rw_flags, flags, resfd, data);
    const expected = bytes(IOCB_BYTES);
    encodeIocb(
      {
        aio_lio_opcode: opcode,
        aio_fildes: fd,
        aio_buf: buf,
        aio_nbytes: nbytes,
        aio_offset: offset,
        aio_rw_flags: rw_flags,
        aio_flags: flags,
        aio_resfd: resfd,
        aio_data: data,
      },
      expected,
    );
    expect(hex(new DataView(buffer(), IOCB_BYTES, IOCB_BYTES))).toBe(hex(expected));
    // The neighbours are untouched.
    expect(hex(new DataView(buffer(), 0, IOCB_BYTES))).toBe('ff'.repeat(IOCB_BYTES));
    expect(hex(new DataView(buffer(), 2 * IOCB_BYTES, IOCB_BYTES))).toBe('ff'.repeat(IOCB_BYTES));
  });

  it('knows where its iocbs are', () => {
    expect(new IocbSlab(memory().memory, 3).addressOf(2)).toBe(BASE + 2 * IOCB_BYTES);
  });
});

describe('MappedRing', () => {
  const NR = 4;

  function ring(header: Partial<Record<string, number>> = {}): DataView {
    const view = bytes(AIO_RING_HEADER_BYTES + NR * IO_EVENT_BYTES);
    encodeAioRing(
      {
        nr: NR,
        magic: AIO_RING_MAGIC,
        compat_features: AIO_RING_COMPAT_FEATURES,
        incompat_features: AIO_RING_INCOMPAT_FEATURES,
        header_length: AIO_RING_HEADER_BYTES,
        ...header,
      },
      view,
    );
    return view;
  }

  /** As aio_complete does: the event first, then the tail. */
  function complete(view: DataView, data: bigint, res: number): void {
    const { tail, nr } = decodeAioRing(view);
    encodeIoEvent({ data, res }, view, AIO_RING_HEADER_BYTES + tail * IO_EVENT_BYTES);
    writeField(ABI_64LE, view, 0, ABI_64LE.aio_ring.fields.tail, BigInt((tail + 1) % nr));
  }

  function collect(): { events: [number, number, number][]; sink: EventSink } {
    const events: [number, number, number][] = [];
    return { events, sink: (low, high, res) => events.push([low, high, res]) };
  }

  it('has nothing at first', () => {
    const { events, sink } = collect();
    const reader = new MappedRing(ring().buffer as ArrayBuffer);
    expect(reader.ready).toBe(0);
    expect(reader.reap(10, sink)).toBe(0);
    expect(events).toEqual([]);
  });

  it('hands out events in order, across the end of the ring', () => {
    const view = ring({ head: 3, tail: 3 });
    const reader = new MappedRing(view.buffer as ArrayBuffer);
    complete(view, 1n, 512);
    complete(view, 0xfedcba9887654321n, -11);
    complete(view, 3n, 0);
    expect(reader.ready).toBe(3);
    const { events, sink } = collect();
    expect(reader.reap(10, sink)).toBe(3);
    expect(events).toEqual([
      [1, 0, 512],
      [0x87654321, 0xfedcba98, -11],
      [3, 0, 0],
    ]);
    expect(decodeAioRing(view)).toMatchObject({ head: 2, tail: 2 });
    expect(reader.ready).toBe(0);
  });

  it('goes round many times without losing or repeating an event', () => {
    const view = ring();
    const reader = new MappedRing(view.buffer as ArrayBuffer);
    const { events, sink } = collect();
    for (let n = 0; n < 50; n++) {
      complete(view, BigInt(n), n);
      if (n % 3 === 2) reader.reap(NR, sink);
    }
    reader.reap(NR, sink);
    expect(events).toEqual(Array.from({ length: 50 }, (_, n) => [n, 0, n]));
  });

  it('takes no more than asked for', () => {
    const view = ring();
    const reader = new MappedRing(view.buffer as ArrayBuffer);
    for (let n = 0; n < 3; n++) complete(view, BigInt(n), n);
    const { events, sink } = collect();
    expect(reader.reap(2, sink)).toBe(2);
    expect(reader.ready).toBe(1);
    expect(reader.reap(2, sink)).toBe(1);
    expect(events.map(([low]) => low)).toEqual([0, 1, 2]);
  });

  it('loses nothing when the sink throws', () => {
    const view = ring();
    const reader = new MappedRing(view.buffer as ArrayBuffer);
    for (let n = 0; n < 3; n++) complete(view, BigInt(n), n);
    expect(() =>
      reader.reap(3, () => {
        throw new Error('stop');
      }),
    ).toThrow('stop');
    const { events, sink } = collect();
    reader.reap(3, sink);
    expect(events.map(([low]) => low)).toEqual([1, 2]);
  });

  it('lets the sink detach it', () => {
    const view = ring();
    const reader = new MappedRing(view.buffer as ArrayBuffer);
    for (let n = 0; n < 3; n++) complete(view, BigInt(n), n);
    expect(reader.reap(3, () => reader.detach())).toBe(1);
    expect(reader.ready).toBe(0);
    expect(reader.reap(3, () => {})).toBe(0);
  });

  it('lies anywhere in a buffer', () => {
    const inner = ring();
    complete(inner, 5n, 6);
    const outer = new Uint8Array(256 + inner.byteLength);
    outer.set(new Uint8Array(inner.buffer), 256);
    const { events, sink } = collect();
    expect(new MappedRing(outer.buffer, 256).reap(1, sink)).toBe(1);
    expect(events).toEqual([[5, 0, 6]]);
  });

  it.each([
    ['magic', { magic: 1 }],
    ['incompat_features', { incompat_features: 1 }],
    ['header_length', { header_length: 64 }],
  ])('refuses a header whose %s it does not know', (_name, header) => {
    expect(() => new MappedRing(ring(header).buffer as ArrayBuffer)).toThrow(/ring/);
  });

  it.each([
    [0, 0, 0],
    [512, 0, 512],
    [0x7ffff000, 0, 0x7ffff000],
    [0xfffffff5, 0xffffffff, -11],
    [0, 1, 2 ** 32],
  ])('the halves %i and %i are %i', (low, high, value) => {
    expect(resultFromHalves(low, high)).toBe(value);
  });

  it('views from dataView() cover exactly what they are given', () => {
    const view = dataView(new Uint8Array(new ArrayBuffer(16), 4, 8));
    expect([view.byteOffset, view.byteLength]).toEqual([4, 8]);
  });
});

describe('errors', () => {
  it('an AioError has the shape of a system error', () => {
    const error = errnoException(-11, 'io_submit');
    expect(error).toBeInstanceOf(AioError);
    expect(error.name).toBe('AioError');
    expect(error.code).toBe('EAGAIN');
    expect(error.syscall).toBe('io_submit');
    expect(error.message).toBe('EAGAIN: resource temporarily unavailable, io_submit');
    expect(Object.keys(error)).toEqual(['code', 'errno', 'syscall']);
    expect(String(error)).toBe('AioError: EAGAIN: resource temporarily unavailable, io_submit');
  });

  it('errno is the number of this host', () => {
    expect(getSystemErrorName(errnoException(-11, 'io_submit').errno)).toBe('EAGAIN');
    expect(getSystemErrorName(errnoException(22, 'io_submit').errno)).toBe('EINVAL');
  });

  it('names what libuv does not know', () => {
    expect(errnoException(-115, 'io_cancel').message).toBe(
      'EINPROGRESS: operation now in progress, io_cancel',
    );
    expect(errnoException(-600, 'io_cancel').code).toBe('E600');
  });

  it('tells path, bytes done, cause and help where there are some', () => {
    const cause = new Error('below');
    const error = errnoException(-28, 'pwrite', { path: '/data', bytesDone: 512, cause, help: 'Free some' });
    expect(error.message).toBe("ENOSPC: no space left on device, pwrite '/data'. Free some");
    expect(Object.keys(error)).toEqual(['code', 'errno', 'syscall', 'bytesDone', 'path']);
    expect(error.bytesDone).toBe(512);
    expect(error.path).toBe('/data');
    expect(error.cause).toBe(cause);
  });

  it('an AioStateError has a code and keeps its cause', () => {
    const cause = new Error('below');
    const error = new AioStateError('ERR_AIO_BACKEND_UNAVAILABLE', 'no kernel', cause);
    expect(error.name).toBe('AioStateError');
    expect(error.cause).toBe(cause);
    expect(Object.keys(error)).toEqual(['code']);
    expect('cause' in new AioStateError('ERR_AIO_CLOSED', 'closed')).toBe(false);
  });

  it("an AbortError is Node's", () => {
    const error = new AbortError('why');
    expect([error.name, error.code, error.cause]).toEqual(['AbortError', 'ABORT_ERR', 'why']);
    expect('cause' in new AbortError()).toBe(false);
  });

  it('codeOf reads codes off anything', () => {
    expect(codeOf(errnoException(-11, 'io_submit'))).toBe('EAGAIN');
    expect(codeOf({ code: 5 })).toBeUndefined();
    expect(codeOf(null)).toBeUndefined();
    expect(codeOf('EAGAIN')).toBeUndefined();
  });
});
