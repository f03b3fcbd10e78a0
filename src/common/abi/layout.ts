/**
 * Sizes and offsets of the structures that cross the system call boundary.
 *
 * Every layout is data. Memory that is shared with a kernel has the byte order of this machine: {@link abiOf} is what the code uses. The
 * emulation is a machine of 64 bits everywhere; the native kernel's words are the machine's, with 32 bits on arm and ia32.
 *
 * Source: `uapi/linux/aio_abi.h`; the ring from `fs/aio.c`. `scripts/checks/abi.ts` compares with a compiler.
 */

import { LITTLE_ENDIAN } from './byte-order.ts';

/** One field: where it starts and how many bytes it has. */
export interface Field {
  /** Bytes from the start of the structure. */
  readonly offset: number;
  /** Its width in bytes. */
  readonly size: 1 | 2 | 4 | 8;
  /** Whether C reads it as a signed integer. */
  readonly signed: boolean;
}

/** One structure: total size, and its fields by their C names. */
export interface Layout<Name extends string> {
  /** What `sizeof` says, in bytes. */
  readonly size: number;
  /** By their names in C. */
  readonly fields: { readonly [Key in Name]: Field };
}

/** Fields of `struct iocb`. */
export type IocbField =
  | 'aio_data'
  | 'aio_key'
  | 'aio_rw_flags'
  | 'aio_lio_opcode'
  | 'aio_reqprio'
  | 'aio_fildes'
  | 'aio_buf'
  | 'aio_nbytes'
  | 'aio_offset'
  | 'aio_reserved2'
  | 'aio_flags'
  | 'aio_resfd';
/** Fields of `struct io_event`. */
export type IoEventField = 'data' | 'obj' | 'res' | 'res2';
/** Fields of the header of `struct aio_ring`. */
export type AioRingField =
  | 'id'
  | 'nr'
  | 'head'
  | 'tail'
  | 'magic'
  | 'compat_features'
  | 'incompat_features'
  | 'header_length';
/** Fields of `struct iovec`. */
export type IovecField = 'iov_base' | 'iov_len';
/** Fields of `struct timespec`. */
export type TimespecField = 'tv_sec' | 'tv_nsec';
/** Fields of `struct __aio_sigset`. */
export type AioSigsetField = 'sigmask' | 'sigsetsize';

/** The structures of one word size and byte order. */
export interface Abi {
  /** Bytes of a pointer and of a long. */
  readonly wordBytes: 4 | 8;
  /** Whether the lowest byte of a number comes first. */
  readonly littleEndian: boolean;
  /** A request. Its fields are as wide whatever a word is; `aio_key` and `aio_rw_flags` change places with the byte order. */
  readonly iocb: Layout<IocbField>;
  /** A completion. The same whatever a word is. */
  readonly io_event: Layout<IoEventField>;
  /** The header of a completion ring; its events follow. The same whatever a word is. */
  readonly aio_ring: Layout<AioRingField>;
  /** One buffer of a vector: two words. */
  readonly iovec: Layout<IovecField>;
  /** As `io_getevents` takes it: two longs. */
  readonly timespec: Layout<TimespecField>;
  /** The last argument of `io_pgetevents`. */
  readonly aio_sigset: Layout<AioSigsetField>;
}

const field = (offset: number, size: Field['size'], signed = false): Field => ({ offset, size, signed });

function iocb(littleEndian: boolean): Layout<IocbField> {
  return {
    size: 64,
    fields: {
      aio_data: field(0, 8),
      // The header swaps this pair by byte order, so that old 64-bit readers of aio_key found it in the low word.
      aio_key: field(littleEndian ? 8 : 12, 4),
      aio_rw_flags: field(littleEndian ? 12 : 8, 4, true),
      aio_lio_opcode: field(16, 2),
      aio_reqprio: field(18, 2, true),
      aio_fildes: field(20, 4),
      aio_buf: field(24, 8),
      aio_nbytes: field(32, 8),
      aio_offset: field(40, 8, true),
      aio_reserved2: field(48, 8),
      aio_flags: field(56, 4),
      aio_resfd: field(60, 4),
    },
  };
}

function abi(wordBytes: 4 | 8, littleEndian: boolean): Abi {
  return {
    wordBytes,
    littleEndian,
    iocb: iocb(littleEndian),
    io_event: {
      size: 32,
      fields: { data: field(0, 8), obj: field(8, 8), res: field(16, 8, true), res2: field(24, 8, true) },
    },
    aio_ring: {
      size: 32,
      fields: {
        id: field(0, 4),
        nr: field(4, 4),
        head: field(8, 4),
        tail: field(12, 4),
        magic: field(16, 4),
        compat_features: field(20, 4),
        incompat_features: field(24, 4),
        header_length: field(28, 4),
      },
    },
    iovec: {
      size: 2 * wordBytes,
      fields: { iov_base: field(0, wordBytes), iov_len: field(wordBytes, wordBytes) },
    },
    timespec: {
      size: 2 * wordBytes,
      fields: { tv_sec: field(0, wordBytes, true), tv_nsec: field(wordBytes, wordBytes, true) },
    },
    aio_sigset: {
      size: 2 * wordBytes,
      fields: { sigmask: field(0, wordBytes), sigsetsize: field(wordBytes, wordBytes) },
    },
  };
}

/** x64, arm64, riscv64, loong64, ppc64le. */
export const ABI_64LE: Abi = abi(8, true);
/** s390x, ppc64. */
export const ABI_64BE: Abi = abi(8, false);
/** ia32, arm. */
export const ABI_32LE: Abi = abi(4, true);
/** ppc, and others of the past. */
export const ABI_32BE: Abi = abi(4, false);

/** Words of 64 bits in this machine's byte order: the emulation, and the native kernel where it has 64 bits. */
export const ABI_64: Abi = LITTLE_ENDIAN ? ABI_64LE : ABI_64BE;
const ABI_32: Abi = LITTLE_ENDIAN ? ABI_32LE : ABI_32BE;

/** What a kernel with words of that width shares with its programs on this machine: `abiOf(kernel.memory.wordBytes)`. */
export function abiOf(wordBytes: 4 | 8): Abi {
  return wordBytes === 8 ? ABI_64 : ABI_32;
}

/** `sizeof(struct iocb)`. */
export const IOCB_BYTES = 64;
/** `sizeof(struct io_event)`. */
export const IO_EVENT_BYTES = 32;
/** Bytes before the events of a ring. */
export const AIO_RING_HEADER_BYTES = 32;
/** `sizeof(struct iovec)` where words have 64 bits. */
export const IOVEC_BYTES = 16;
/** `sizeof(struct timespec)` of 64 bits. */
export const TIMESPEC_BYTES = 16;

/**
 * Reads one field.
 *
 * @param view - Bytes of the structure, or an array of them.
 * @param offset - Where the structure starts in `view`.
 * @returns The value as a `bigint`, sign extended for signed fields.
 */
export function readField(
  abi: Abi,
  view: DataView,
  offset: number,
  { offset: at, size, signed }: Field,
): bigint {
  const le = abi.littleEndian;
  switch (size) {
    case 8:
      return signed ? view.getBigInt64(offset + at, le) : view.getBigUint64(offset + at, le);
    case 4:
      return BigInt(signed ? view.getInt32(offset + at, le) : view.getUint32(offset + at, le));
    case 2:
      return BigInt(signed ? view.getInt16(offset + at, le) : view.getUint16(offset + at, le));
    case 1:
      return BigInt(signed ? view.getInt8(offset + at) : view.getUint8(offset + at));
  }
}

/** Writes one field, cut to its width as C does. */
export function writeField(
  abi: Abi,
  view: DataView,
  offset: number,
  { offset: at, size }: Field,
  value: bigint,
): void {
  const le = abi.littleEndian;
  switch (size) {
    case 8:
      view.setBigUint64(offset + at, BigInt.asUintN(64, value), le);
      break;
    case 4:
      view.setUint32(offset + at, Number(BigInt.asUintN(32, value)), le);
      break;
    case 2:
      view.setUint16(offset + at, Number(BigInt.asUintN(16, value)), le);
      break;
    case 1:
      view.setUint8(offset + at, Number(BigInt.asUintN(8, value)));
      break;
  }
}
