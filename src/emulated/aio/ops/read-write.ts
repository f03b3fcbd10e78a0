/** PREAD, PWRITE, PREADV, PWRITEV: what is judged at submission. */
import { IOCB_FLAG_IOPRIO } from '../../../common/abi/constants.ts';
import { ERRNO } from '../../../common/abi/errno.ts';
import { import_iovec, import_ubuf } from '../../memory/iovec.ts';
import { fromHalves } from '../../memory/registers.ts';
import type { AioKiocb } from '../aio-kiocb.ts';
import { aio_submit_run } from '../aio-run.ts';
import type { Iocb } from '../iocb.ts';
import { ioprio_check_cap } from '../ioprio.ts';
import type { KernelState } from '../kernel-state.ts';
import { kiocb_set_rw_flags } from '../rw-flags.ts';
import { aio_rw_vect_retry } from '../vect-retry.ts';

const SIGN = 0x8000_0000;

export function aio_read(kernel: KernelState, req: AioKiocb, iocb: Iocb, vectored: boolean): number {
  const may = aio_prep_rw(kernel, req, iocb) || req.ki_filp.mayRead();
  return aio_setup_rw(kernel, req, iocb, vectored, may, req.ki_filp.isStream !== true);
}

export function aio_write(kernel: KernelState, req: AioKiocb, iocb: Iocb, vectored: boolean): number {
  const may = aio_prep_rw(kernel, req, iocb) || req.ki_filp.mayWrite();
  return aio_setup_rw(kernel, req, iocb, vectored, may, true);
}

/** Priority and flags, before anything is known about the file's mode. */
function aio_prep_rw(kernel: KernelState, req: AioKiocb, iocb: Iocb): number {
  const error =
    (iocb.flags & kernel.profile.aio_flags & IOCB_FLAG_IOPRIO) === 0 ? 0 : ioprio_check_cap(iocb.reqprio);
  return error || kiocb_set_rw_flags(req, iocb.rw_flags, kernel.profile);
}

/** @param may - What flags and open mode, or a missing method, answer. */
function aio_setup_rw(
  kernel: KernelState,
  req: AioKiocb,
  iocb: Iocb,
  vectored: boolean,
  may: number,
  loops: boolean,
): number {
  const { profile } = kernel;
  // Of the two answers a file can give, that it has no such method comes after the buffer in 2007.
  if (may !== 0 && (profile.methodBeforeBuffer || may !== -ERRNO.EINVAL)) return may;
  const error =
    (vectored
      ? import_iovec(kernel.mm, req, iocb.buf, iocb.nbytesLow, iocb.nbytesHigh, profile)
      : import_ubuf(req, iocb.buf, iocb.nbytes, profile)) ||
    may ||
    rw_verify_area(req, iocb, profile.judgesPlace);
  if (error !== 0) return error;
  req.ki_left = req.ki_nbytes;
  req.ki_loops = profile.loopsTransfers && loops;
  req.ki_retry = aio_rw_vect_retry;
  aio_submit_run(req);
  return 0;
}

/** The place in the file: not negative, and its end within a signed 64-bit integer. */
function rw_verify_area(req: AioKiocb, iocb: Iocb, atSubmission: boolean): number {
  const { offsetLow, offsetHigh } = iocb;
  req.ki_pos = fromHalves(offsetLow, offsetHigh);
  const fits = offsetHigh < SIGN && (offsetHigh < SIGN - 1 || offsetLow + req.ki_nbytes <= 0xffff_ffff);
  if (fits) return 0;
  if (atSubmission) return -ERRNO.EINVAL;
  if (offsetHigh >= SIGN) req.ki_pos = -1;
  return 0;
}
