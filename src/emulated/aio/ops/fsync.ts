/** FSYNC and FDSYNC: what is judged at submission. */
import { IOCB_CMD_FDSYNC } from '../../../common/abi/constants.ts';
import { ERRNO } from '../../../common/abi/errno.ts';
import type { AioKiocb, Retry } from '../aio-kiocb.ts';
import { aio_submit_run } from '../aio-run.ts';
import type { Iocb } from '../iocb.ts';
import type { KernelState } from '../kernel-state.ts';

/** `ki_retry` of both. */
export const aio_fsync_retry: Retry = (req, executor) =>
  req.ki_filp.fsync(req, req.ki_opcode === IOCB_CMD_FDSYNC, executor);

export function aio_fsync(kernel: KernelState, req: AioKiocb, iocb: Iocb): number {
  const { profile } = kernel;
  const file = req.ki_filp;
  if (profile.bareFsync && !iocb.isBare) return -ERRNO.EINVAL;
  const has = iocb.opcode === IOCB_CMD_FDSYNC ? (file.hasFdatasync ?? file.hasFsync) : file.hasFsync;
  if (!has || !(profile.fsync || file.ownFsync === true)) return -ERRNO.EINVAL;
  req.ki_retry = aio_fsync_retry;
  aio_submit_run(req);
  return 0;
}
