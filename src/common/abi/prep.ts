/**
 * Preparation helpers under libaio's names, so that whoever knows libaio is at home.
 *
 * Each sets every field of the iocb but `aio_data`, which it leaves as it is (libaio clears it; here the caller often sets
 * it first, and `io_set_data` may follow as well). Addresses are numbers, from `kernel.memory.addressOf(view)`.
 *
 * Differences from libaio that its manual pages do not settle: `io_prep_preadv` and `io_prep_pwritev` take the address
 * of the iovec array and its element count, and the optional last argument of the reads and writes is `aio_rw_flags`.
 */
import {
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_POLL,
  IOCB_CMD_PREAD,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITEV,
  IOCB_FLAG_IOPRIO,
  IOCB_FLAG_RESFD,
} from './constants.ts';
import type { Iocb } from './structs.ts';

/** A fresh iocb with every field 0. */
export function emptyIocb(): Iocb {
  return {
    aio_data: 0n,
    aio_key: 0,
    aio_rw_flags: 0,
    aio_lio_opcode: 0,
    aio_reqprio: 0,
    aio_fildes: 0,
    aio_buf: 0n,
    aio_nbytes: 0n,
    aio_offset: 0n,
    aio_reserved2: 0n,
    aio_flags: 0,
    aio_resfd: 0,
  };
}

function prepare(
  iocb: Iocb,
  opcode: number,
  fd: number,
  buf: number | bigint,
  nbytes: number | bigint,
  offset: number | bigint,
  rw_flags: number,
): void {
  Object.assign(iocb, emptyIocb(), { aio_data: iocb.aio_data });
  iocb.aio_lio_opcode = opcode;
  iocb.aio_fildes = fd;
  iocb.aio_buf = BigInt(buf);
  iocb.aio_nbytes = BigInt(nbytes);
  iocb.aio_offset = BigInt(offset);
  iocb.aio_rw_flags = rw_flags;
}

/** Reads `count` bytes at `offset` of the file into memory at `buf`. */
export function io_prep_pread(
  iocb: Iocb,
  fd: number,
  buf: number | bigint,
  count: number | bigint,
  offset: number | bigint,
  rw_flags = 0,
): void {
  prepare(iocb, IOCB_CMD_PREAD, fd, buf, count, offset, rw_flags);
}

/** Writes `count` bytes of memory at `buf` to the file at `offset`. */
export function io_prep_pwrite(
  iocb: Iocb,
  fd: number,
  buf: number | bigint,
  count: number | bigint,
  offset: number | bigint,
  rw_flags = 0,
): void {
  prepare(iocb, IOCB_CMD_PWRITE, fd, buf, count, offset, rw_flags);
}

/** Reads into the `iovcnt` segments described by the iovec array at `iov`. */
export function io_prep_preadv(
  iocb: Iocb,
  fd: number,
  iov: number | bigint,
  iovcnt: number | bigint,
  offset: number | bigint,
  rw_flags = 0,
): void {
  prepare(iocb, IOCB_CMD_PREADV, fd, iov, iovcnt, offset, rw_flags);
}

/** Writes from the `iovcnt` segments described by the iovec array at `iov`. */
export function io_prep_pwritev(
  iocb: Iocb,
  fd: number,
  iov: number | bigint,
  iovcnt: number | bigint,
  offset: number | bigint,
  rw_flags = 0,
): void {
  prepare(iocb, IOCB_CMD_PWRITEV, fd, iov, iovcnt, offset, rw_flags);
}

/** As `io_prep_preadv`, with RWF_* flags in the order that libaio has them. */
export function io_prep_preadv2(
  iocb: Iocb,
  fd: number,
  iov: number | bigint,
  iovcnt: number | bigint,
  offset: number | bigint,
  rw_flags: number,
): void {
  io_prep_preadv(iocb, fd, iov, iovcnt, offset, rw_flags);
}

/** As `io_prep_pwritev`, with RWF_* flags in the order that libaio has them. */
export function io_prep_pwritev2(
  iocb: Iocb,
  fd: number,
  iov: number | bigint,
  iovcnt: number | bigint,
  offset: number | bigint,
  rw_flags: number,
): void {
  io_prep_pwritev(iocb, fd, iov, iovcnt, offset, rw_flags);
}

/** fsync(2). */
export function io_prep_fsync(iocb: Iocb, fd: number): void {
  prepare(iocb, IOCB_CMD_FSYNC, fd, 0, 0, 0, 0);
}

/** fdatasync(2). */
export function io_prep_fdsync(iocb: Iocb, fd: number): void {
  prepare(iocb, IOCB_CMD_FDSYNC, fd, 0, 0, 0, 0);
}

/** One-shot poll for `events` (POLLIN and so on). */
export function io_prep_poll(iocb: Iocb, fd: number, events: number): void {
  prepare(iocb, IOCB_CMD_POLL, fd, events, 0, 0, 0);
}

/** Signals `eventfd` when this request completes. */
export function io_set_eventfd(iocb: Iocb, eventfd: number): void {
  iocb.aio_flags |= IOCB_FLAG_RESFD;
  iocb.aio_resfd = eventfd;
}

/** Sets an I/O priority for a read or write; see ioprio_set(2) for the value. */
export function io_set_ioprio(iocb: Iocb, ioprio: number): void {
  iocb.aio_flags |= IOCB_FLAG_IOPRIO;
  iocb.aio_reqprio = ioprio;
}

/** Sets the value that comes back in `io_event.data`. */
export function io_set_data(iocb: Iocb, data: number | bigint): void {
  iocb.aio_data = BigInt(data);
}
