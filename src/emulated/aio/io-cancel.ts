/** `io_cancel`, and what calls off all requests of a context. */
import { ERRNO } from '../../common/abi/errno.ts';
import { IO_EVENT_BYTES } from '../../common/abi/layout.ts';
import { dataView, encodeIoEvent } from '../../common/abi/structs.ts';
import type { Word } from '../../common/kernel/aio-kernel.ts';
import { pointer } from '../memory/registers.ts';
import { inline } from '../workqueue/inline.ts';
import {
  type AioKiocb,
  type AioKioctx,
  KIF_BEGUN,
  KIF_CANCELLED,
  KIF_DONE,
  KIF_KICKED,
  KIF_REFUSED,
  KIF_RUNNING,
} from './aio-kiocb.ts';
import { aio_run_iocb } from './aio-run.ts';
import { KEY } from './iocb.ts';
import type { KernelState } from './kernel-state.ts';
import { put_ioctx } from './kioctx.ts';

export function io_cancel(kernel: KernelState, ctx_id: Word, iocb: Word, result: Word): number {
  const user = pointer(iocb);
  const key = kernel.mm.reach(user + KEY, 4, 'read');
  if (key === undefined) return -ERRNO.EFAULT;
  // Every request has key 0, so that a wrong one finds nothing.
  if (key.view.getUint32(user + KEY - key.base) !== 0) return -ERRNO.EINVAL;
  const ctx = kernel.table.lookup(pointer(ctx_id));
  if (ctx === undefined) return -ERRNO.EINVAL;
  const req = lookup_kiocb(ctx, user);
  if (req?.ki_cancel === undefined) return -ERRNO.EINVAL;
  ctx.users++;
  const answer = cancel(req);
  put_ioctx(ctx);
  if (answer !== 0) return answer;
  if (ctx.profile.cancelledToRing) return -ERRNO.EINPROGRESS;
  return kernel.mm.write(pointer(result), eventOf(req)) ? 0 : -ERRNO.EFAULT;
}

/** The request of that iocb: the oldest that can be cancelled, or in 2007 the newest, whether it can be or not. */
function lookup_kiocb(ctx: AioKioctx, user: number): AioKiocb | undefined {
  const found = [...ctx.active_reqs].filter((req) => req.ki_user === user);
  return ctx.profile.cancelsOldest ? found.find((req) => req.ki_cancel !== undefined) : found.at(-1);
}

/** The event that the caller gets instead of the ring. */
function eventOf(req: AioKiocb): Uint8Array {
  const bytes = new Uint8Array(IO_EVENT_BYTES);
  const data = BigInt(req.ki_dataHigh) * 2n ** 32n + BigInt(req.ki_dataLow);
  encodeIoEvent({ data, obj: BigInt(req.ki_user), res: BigInt(req.ki_result), res2: 0n }, dataView(bytes));
  return bytes;
}

/**
 * Calls a request off. Between runs it ends at once; during one, when its file has let go.
 *
 * @returns 0; or what its cancel function refuses with, and then it goes on, in 2007 with the mark on it: it is run no more, and
 * whatever ends it, it has no event.
 */
function cancel(req: AioKiocb): number {
  const { isCancelled } = req;
  req.ki_flags = (req.ki_flags | KIF_CANCELLED) & ~KIF_REFUSED;
  const answer = req.ki_cancel!(req);
  if (answer !== 0) {
    if (isCancelled) return answer;
    if (req.ki_ctx?.profile.refusalForgets === true) req.ki_flags &= ~KIF_CANCELLED;
    else req.ki_flags |= KIF_REFUSED;
    return answer;
  }
  req.ki_ctx?.active_reqs.delete(req);
  endBetweenRuns(req);
  return 0;
}

/** A cancelled request that does not run is run: it ends with EINTR, and its method is not called any more. */
function endBetweenRuns(req: AioKiocb): void {
  if ((req.ki_flags & (KIF_DONE | KIF_RUNNING)) !== 0) return;
  if ((req.ki_flags & KIF_KICKED) !== 0) req.ki_ctx?.run_list.remove(req);
  aio_run_iocb(req, inline);
}

/** What runs, or has not begun and would have run inside `io_submit` on Linux, and cannot be called off. */
function isOnlyWaitedFor(req: AioKiocb): boolean {
  return req.ki_cancel === undefined && (req.ki_flags & (KIF_BEGUN | KIF_RUNNING)) !== KIF_BEGUN;
}

/**
 * `aio_cancel_all`: calls off every request that can be, and those that wait for a kick.
 *
 * In 2007 it marks all others too. That cannot be seen: a context that is gone gets no events.
 */
export function aio_cancel_all(ctx: AioKioctx): void {
  const all = [...ctx.active_reqs];
  for (const req of ctx.profile.cancelsOldest ? all : all.reverse()) {
    if ((req.ki_flags & KIF_DONE) !== 0) continue;
    if (!ctx.profile.cancelsOldest && isOnlyWaitedFor(req)) {
      ctx.active_reqs.delete(req);
      continue;
    }
    req.ki_flags = (req.ki_flags | KIF_CANCELLED) & ~KIF_REFUSED;
    req.ki_cancel?.(req);
    ctx.active_reqs.delete(req);
    endBetweenRuns(req);
  }
}
