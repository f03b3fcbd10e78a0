/** FSYNC and FDSYNC: what is judged at submission. */
import { ERRNO } from '../../common/abi/errno.ts';
import type { Iocb } from '../iocb.ts';
import type { Kiocb } from '../kiocb.ts';

export function aio_fsync(req: Kiocb, iocb: Iocb): number {
  if (!iocb.isBare || !req.ki_filp.hasFsync) return -ERRNO.EINVAL;
  req.ki_ctx.run_list.push(req);
  return 0;
}
