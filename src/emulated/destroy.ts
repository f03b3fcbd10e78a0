/** The end of a context. */

import { IOCB_CMD_PREAD, IOCB_CMD_PREADV } from '../common/abi/constants.ts';
import { ERRNO } from '../common/abi/errno.ts';
import type { Word } from '../common/kernel.ts';
import { cutOff } from './aio-complete.ts';
import { aio_run_iocb } from './aio-run.ts';
import { cancel } from './cancel.ts';
import type { KernelState } from './kernel-state.ts';
import type { Kiocb } from './kiocb.ts';
import type { Kioctx } from './kioctx.ts';
import { pointer } from './registers.ts';
import { inline } from './workqueue/inline.ts';

/**
 * Ends a context now.
 *
 * On Linux everything accepted has run when `io_destroy` returns, so what has not begun runs here. What has begun cannot be
 * waited for: it is cut off, and neither memory nor ring is written afterwards.
 */
export function io_destroy(kernel: KernelState, ctx_id: Word): number {
  const ctx = kill_ioctx(kernel, ctx_id);
  if (ctx === undefined) return -ERRNO.EINVAL;
  for (let req = ctx.run_list.shift(); req !== undefined; req = ctx.run_list.shift()) {
    if (mightNeverEnd(req)) cutOff(req);
    else aio_run_iocb(req, inline);
  }
  for (const req of ctx.running) cutOff(req);
  return 0;
}

/** Ends a context while the event loop goes on. Settles when nothing of it runs any more. */
export async function destroyInBackground(kernel: KernelState, ctx_id: Word): Promise<number> {
  const ctx = kill_ioctx(kernel, ctx_id);
  if (ctx === undefined) return -ERRNO.EINVAL;
  const unbegun: Kiocb[] = [];
  for (let req = ctx.run_list.shift(); req !== undefined; req = ctx.run_list.shift()) unbegun.push(req);
  for (const req of unbegun) {
    if (mightNeverEnd(req)) cutOff(req);
    else ctx.run_list.push(req);
  }
  await ctx.idle();
  return 0;
}

/** Makes a context unusable, gives its budget back, and calls off what waits. */
function kill_ioctx(kernel: KernelState, ctx_id: Word): Kioctx | undefined {
  const ctx = kernel.table.lookup(pointer(ctx_id));
  if (ctx === undefined) return undefined;
  ctx.dead = true;
  kernel.table.remove(ctx);
  kernel.sysctl.uncharge(ctx.max_reqs);
  kernel.mm.munmap(ctx.user_id, ctx.ring.memory.byteLength);
  for (const reader of ctx.readers) reader.detach();
  for (const req of ctx.active_reqs) cancel(req);
  for (const req of ctx.waiting) cutOff(req);
  return ctx;
}

function mightNeverEnd(req: Kiocb): boolean {
  return (req.ki_opcode === IOCB_CMD_PREAD || req.ki_opcode === IOCB_CMD_PREADV) && req.ki_filp.mayWait;
}
