/** PREAD, PWRITE, PREADV, PWRITEV: what is judged at submission. */
import { IOCB_FLAG_IOPRIO } from '../../common/abi/constants.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import type { Iocb } from '../iocb.ts';
import { ioprio_check_cap } from '../ioprio.ts';
import { import_iovec, import_ubuf } from '../iovec.ts';
import type { KernelState } from '../kernel-state.ts';
import type { Kiocb } from '../kiocb.ts';
import { fromHalves } from '../registers.ts';
import { kiocb_set_rw_flags } from '../rw-flags.ts';

const SIGN = 0x8000_0000;

export function aio_read(kernel: KernelState, req: Kiocb, iocb: Iocb, vectored: boolean): number {
  return (
    aio_prep_rw(kernel, req, iocb) ||
    req.ki_filp.mayRead() ||
    aio_setup_rw(kernel, req, iocb, vectored) ||
    rw_verify_area(req, iocb) ||
    enqueue(req)
  );
}

export function aio_write(kernel: KernelState, req: Kiocb, iocb: Iocb, vectored: boolean): number {
  return (
    aio_prep_rw(kernel, req, iocb) ||
    req.ki_filp.mayWrite() ||
    aio_setup_rw(kernel, req, iocb, vectored) ||
    rw_verify_area(req, iocb) ||
    enqueue(req)
  );
}

/** Priority and flags, before anything is known about the file's mode. */
function aio_prep_rw(kernel: KernelState, req: Kiocb, iocb: Iocb): number {
  const error = (iocb.flags & IOCB_FLAG_IOPRIO) === 0 ? 0 : ioprio_check_cap(iocb.reqprio);
  return error || kiocb_set_rw_flags(req, iocb.rw_flags, kernel.profile);
}

function aio_setup_rw(kernel: KernelState, req: Kiocb, iocb: Iocb, vectored: boolean): number {
  return vectored
    ? import_iovec(kernel.mm, req, iocb.buf, iocb.nbytesLow)
    : import_ubuf(req, iocb.buf, iocb.nbytes);
}

/** The place in the file: not negative, and its end within a signed 64-bit integer. */
function rw_verify_area(req: Kiocb, iocb: Iocb): number {
  const { offsetLow, offsetHigh } = iocb;
  if (offsetHigh >= SIGN) return -ERRNO.EINVAL;
  if (offsetHigh === SIGN - 1 && offsetLow + req.ki_nbytes > 0xffff_ffff) return -ERRNO.EINVAL;
  req.ki_pos = fromHalves(offsetLow, offsetHigh);
  return 0;
}

function enqueue(req: Kiocb): number {
  req.ki_ctx.run_list.push(req);
  return 0;
}
