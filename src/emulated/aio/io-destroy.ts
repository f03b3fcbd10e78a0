/** The end of a context, and of all contexts. */

import { IOCB_CMD_PREAD, IOCB_CMD_PREADV } from '../../common/abi/constants.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import type { Word } from '../../common/kernel/aio-kernel.ts';
import { aio_fput_routine } from '../files/fput.ts';
import { pointer } from '../memory/registers.ts';
import { inline } from '../workqueue/inline.ts';
import { aio_complete, cutOff } from './aio-complete.ts';
import type { AioKiocb, AioKioctx } from './aio-kiocb.ts';
import { aio_run_all_iocbs, aio_run_iocb } from './aio-run.ts';
import { aio_cancel_all } from './io-cancel.ts';
import type { KernelState } from './kernel-state.ts';
import { put_ioctx } from './kioctx.ts';
import { FOREVER } from './timeout.ts';

/** How long a file that supplies its own operations may take to end them after its context was destroyed. */
const GRACE_NS = 1_000_000_000;

/**
 * Ends a context now.
 *
 * On Linux everything accepted has run when `io_destroy` returns, so what has not begun runs here. What has begun is waited
 * for if the executor can be waited for; else, or where it might never end, it is cut off, and neither memory nor ring is
 * written afterwards.
 */
export function io_destroy(kernel: KernelState, ctx_id: Word): number {
  const ctx = kill_ioctx(kernel, ctx_id);
  if (ctx === undefined) return -ERRNO.EINVAL;
  for (let req = ctx.accepted.shift(); req !== undefined; req = ctx.accepted.shift()) {
    if (mightNeverEnd(req)) aio_complete(req, -ERRNO.EINTR);
    else aio_run_iocb(req, inline);
  }
  for (const req of ctx.running) if (mightNeverEnd(req) || req.ki_filp.mayNeverAnswer === true) cutOff(req);
  while (ctx.isBusy && kernel.work.executor.wait?.(FOREVER) === true);
  for (const req of ctx.running) cutOff(req);
  free_ioctx(kernel, ctx);
  return 0;
}

/** Ends a context while the event loop goes on. Settles when nothing of it runs any more. */
export async function destroyInBackground(kernel: KernelState, ctx_id: Word): Promise<number> {
  const ctx = kill_ioctx(kernel, ctx_id);
  if (ctx === undefined) return -ERRNO.EINVAL;
  const unbegun: AioKiocb[] = [];
  for (let req = ctx.accepted.shift(); req !== undefined; req = ctx.accepted.shift()) unbegun.push(req);
  for (const req of unbegun) {
    if (mightNeverEnd(req)) aio_complete(req, -ERRNO.EINTR);
    else ctx.accepted.push(req);
  }
  const idle = ctx.wait_for_all_aios();
  const callOff = kernel.clock.after(GRACE_NS, () => giveUpOnUserFiles(ctx));
  await idle;
  callOff();
  free_ioctx(kernel, ctx);
  return 0;
}

/** `exit_aio`: ends every context of a kernel, and waits. In 2007 one after the other, the newest first. */
export async function exit_aio(kernel: KernelState): Promise<void> {
  const handles = kernel.table.contexts.map(({ user_id }) => user_id);
  if (kernel.profile.cancelsOldest) {
    await Promise.all(handles.map((ctx_id) => destroyInBackground(kernel, ctx_id)));
    return;
  }
  for (const ctx_id of handles.reverse()) await destroyInBackground(kernel, ctx_id);
}

/** Makes a context unusable, gives its budget back where that is done first, and calls off what waits. */
function kill_ioctx(kernel: KernelState, ctx_id: Word): AioKioctx | undefined {
  const ctx = kernel.table.lookup(pointer(ctx_id));
  if (ctx === undefined) return undefined;
  ctx.dead = true;
  kernel.table.remove(ctx);
  if (kernel.profile.unchargesFirst) kernel.sysctl.uncharge(ctx.max_reqs);
  kernel.mm.munmap(ctx.user_id, ctx.ring.memory.byteLength);
  for (const reader of ctx.readers) reader.detach();
  ctx.delayed?.();
  aio_cancel_all(ctx);
  aio_run_all_iocbs(ctx);
  return ctx;
}

/** Nothing of a context is under way any more. */
function free_ioctx(kernel: KernelState, ctx: AioKioctx): void {
  if (kernel.profile.destroyPutsFiles) aio_fput_routine();
  put_ioctx(ctx);
  if (!kernel.profile.unchargesFirst) kernel.sysctl.uncharge(ctx.max_reqs);
}

/** What its file never answers is cut off, so that the end of a context comes whatever files do. */
function giveUpOnUserFiles(ctx: AioKioctx): void {
  for (const req of [...ctx.running]) {
    if (req.ki_filp.mayNeverAnswer !== true) continue;
    cutOff(req);
    ctx.ended(req);
  }
}

function mightNeverEnd(req: AioKiocb): boolean {
  return (req.ki_opcode === IOCB_CMD_PREAD || req.ki_opcode === IOCB_CMD_PREADV) && req.ki_filp.mayWait;
}
