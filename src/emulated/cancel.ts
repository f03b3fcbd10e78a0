/** `io_cancel`. */
import { ERRNO } from '../common/abi/errno.ts';
import type { Word } from '../common/kernel.ts';
import { aio_complete } from './aio-complete.ts';
import type { KernelState } from './kernel-state.ts';
import type { Kiocb } from './kiocb.ts';
import { pointer } from './registers.ts';

const KEY = 8;

export function io_cancel(kernel: KernelState, ctx_id: Word, iocb: Word): number {
  const user = pointer(iocb);
  const key = kernel.mm.reach(user + KEY, 4, 'read');
  if (key === undefined) return -ERRNO.EFAULT;
  if (key.view.getUint32(user + KEY - key.base, true) !== 0) return -ERRNO.EINVAL;
  const ctx = kernel.table.lookup(pointer(ctx_id));
  if (ctx === undefined) return -ERRNO.EINVAL;
  for (const req of ctx.active_reqs) {
    if (req.ki_user !== user) continue;
    cancel(req);
    return -ERRNO.EINPROGRESS;
  }
  return -ERRNO.EINVAL;
}

/** Calls a request off; its event has result 0. */
export function cancel(req: Kiocb): void {
  req.ki_cancel?.();
  aio_complete(req, 0);
}
