/**
 * Encoders and decoders for the structures of {@link layout}, for any {@link Abi}; by default with 64 bits in this machine's byte order.
 * The iocb, the event and the ring are the same where words have 32 bits.
 *
 * These are for clarity, tools and tests. The hot path of the upper half writes the same bytes through typed arrays
 * (`iocb-slab.ts`).
 */
import { ABI_64, type Abi, type AioRingField, readField, writeField } from './layout.ts';

/** `struct iocb`, every field; 64-bit fields are `bigint`. */
export interface Iocb {
  /** u64. Whatever the submitter likes; it comes back in the event. */
  aio_data: bigint;
  /** u32. Written by `io_submit`, and to be left alone until the event: `io_cancel` looks at it. */
  aio_key: number;
  /** i32. RWF_* bits of a read or write. */
  aio_rw_flags: number;
  /** u16. An IOCB_CMD_*. */
  aio_lio_opcode: number;
  /** i16. An I/O priority, which counts with IOCB_FLAG_IOPRIO. */
  aio_reqprio: number;
  /** u32. A descriptor. */
  aio_fildes: number;
  /** u64. The address of a buffer, or of an array of iovecs for PREADV and PWRITEV; for POLL, the events to wait for. */
  aio_buf: bigint;
  /** u64. Bytes, or the number of iovecs. */
  aio_nbytes: bigint;
  /** i64. A place in the file, in bytes. */
  aio_offset: bigint;
  /** u64. Must be 0. */
  aio_reserved2: bigint;
  /** u32. IOCB_FLAG_* bits. */
  aio_flags: number;
  /** u32. The eventfd to be counted up on completion, with IOCB_FLAG_RESFD. */
  aio_resfd: number;
}

/** `struct io_event`. */
export interface IoEvent {
  /** u64. `aio_data` of the request. */
  data: bigint;
  /** u64. The address of its iocb in user memory. */
  obj: bigint;
  /** i64. Bytes moved, a mask of poll events, or a negative Linux errno. */
  res: bigint;
  /** i64. Always 0 since Linux 5.16. */
  res2: bigint;
}

/** The header of the completion ring: all u32. */
export type AioRingHeader = { [Key in AioRingField]: number };

/** `struct iovec`. */
export interface Iovec {
  /** The address of a buffer. */
  iov_base: bigint;
  /** Its bytes. */
  iov_len: bigint;
}

/** `struct timespec` as `io_getevents` takes it. */
export interface Timespec {
  /** Seconds. */
  tv_sec: bigint;
  /** Nanoseconds beside them. */
  tv_nsec: bigint;
}

/** A view over the bytes of any buffer or view. */
export function dataView(bytes: ArrayBufferView | ArrayBufferLike): DataView {
  return ArrayBuffer.isView(bytes)
    ? new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new DataView(bytes);
}

type Values<Name extends string> = { [Key in Name]: number | bigint };

function encode<Name extends string>(
  abi: Abi,
  layout: {
    readonly fields: { readonly [Key in Name]: { offset: number; size: 1 | 2 | 4 | 8; signed: boolean } };
  },
  values: Partial<Values<Name>>,
  view: DataView,
  offset: number,
): void {
  for (const name in layout.fields) {
    writeField(abi, view, offset, layout.fields[name], BigInt(values[name] ?? 0));
  }
}

/** Writes all 64 bytes of an iocb; fields that are not given are 0. */
export function encodeIocb(
  values: Partial<Values<keyof Iocb>>,
  view: DataView,
  offset = 0,
  abi: Abi = ABI_64,
): void {
  encode(abi, abi.iocb, values, view, offset);
}

/** Reads an iocb. */
export function decodeIocb(view: DataView, offset = 0, abi: Abi = ABI_64): Iocb {
  const { fields } = abi.iocb;
  const wide = (name: keyof typeof fields): bigint => readField(abi, view, offset, fields[name]);
  const small = (name: keyof typeof fields): number => Number(wide(name));
  return {
    aio_data: wide('aio_data'),
    aio_key: small('aio_key'),
    aio_rw_flags: small('aio_rw_flags'),
    aio_lio_opcode: small('aio_lio_opcode'),
    aio_reqprio: small('aio_reqprio'),
    aio_fildes: small('aio_fildes'),
    aio_buf: wide('aio_buf'),
    aio_nbytes: wide('aio_nbytes'),
    aio_offset: wide('aio_offset'),
    aio_reserved2: wide('aio_reserved2'),
    aio_flags: small('aio_flags'),
    aio_resfd: small('aio_resfd'),
  };
}

/** Writes an event. */
export function encodeIoEvent(
  values: Partial<Values<keyof IoEvent>>,
  view: DataView,
  offset = 0,
  abi: Abi = ABI_64,
): void {
  encode(abi, abi.io_event, values, view, offset);
}

/** Reads an event. */
export function decodeIoEvent(view: DataView, offset = 0, abi: Abi = ABI_64): IoEvent {
  const { data, obj, res, res2 } = abi.io_event.fields;
  return {
    data: readField(abi, view, offset, data),
    obj: readField(abi, view, offset, obj),
    res: readField(abi, view, offset, res),
    res2: readField(abi, view, offset, res2),
  };
}

/** Writes a ring header. */
export function encodeAioRing(
  values: Partial<AioRingHeader>,
  view: DataView,
  offset = 0,
  abi: Abi = ABI_64,
): void {
  encode(abi, abi.aio_ring, values, view, offset);
}

/** Reads a ring header. */
export function decodeAioRing(view: DataView, offset = 0, abi: Abi = ABI_64): AioRingHeader {
  const { fields } = abi.aio_ring;
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, Number(readField(abi, view, offset, field))]),
  ) as AioRingHeader;
}

/** Writes one iovec. */
export function encodeIovec(
  values: Values<keyof Iovec>,
  view: DataView,
  offset = 0,
  abi: Abi = ABI_64,
): void {
  encode(abi, abi.iovec, values, view, offset);
}

/** Reads one iovec. */
export function decodeIovec(view: DataView, offset = 0, abi: Abi = ABI_64): Iovec {
  const { iov_base, iov_len } = abi.iovec.fields;
  return { iov_base: readField(abi, view, offset, iov_base), iov_len: readField(abi, view, offset, iov_len) };
}

/** Writes a timespec. */
export function encodeTimespec(
  values: Values<keyof Timespec>,
  view: DataView,
  offset = 0,
  abi: Abi = ABI_64,
): void {
  encode(abi, abi.timespec, values, view, offset);
}

/** Reads a timespec. */
export function decodeTimespec(view: DataView, offset = 0, abi: Abi = ABI_64): Timespec {
  const { tv_sec, tv_nsec } = abi.timespec.fields;
  return { tv_sec: readField(abi, view, offset, tv_sec), tv_nsec: readField(abi, view, offset, tv_nsec) };
}
