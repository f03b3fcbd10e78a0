/** The end of a request. */
import { BUG_ON } from '../bug.ts';
import { type AioKiocb, aio_put_req, KIF_CANCELLED, KIF_DONE } from './aio-kiocb.ts';

/**
 * Puts the event into the ring, moves the tail, then signals the eventfd: a reader that the eventfd wakes finds the event.
 *
 * There is no event for a request whose context is gone. The request must not be touched afterwards.
 */
export function aio_complete(req: AioKiocb, result: number): void {
  const ctx = req.ki_ctx;
  if (ctx?.debug === true) BUG_ON((req.ki_flags & KIF_DONE) !== 0, 'a request ends twice');
  req.ki_flags |= KIF_DONE;
  req.ki_wait?.();
  req.ki_wait = undefined;
  if (ctx === undefined) {
    req.ki_result = result;
    req.ki_wake?.();
  } else {
    ctx.active_reqs.delete(req);
    if ((req.ki_flags & KIF_CANCELLED) !== 0 && !ctx.profile.cancelledToRing) req.ki_result = result;
    else if (!ctx.dead) ctx.ring.add(req.ki_dataLow, req.ki_dataHigh, req.ki_user, result);
    if (!ctx.dead) ctx.slots.completed(ctx.ring);
    signal(req);
  }
  aio_put_req(req);
}

/**
 * Gives up on the operation of a request, because its context is gone. Its eventfd is signalled all the same: Linux waits for
 * the request, and then its completion signals.
 *
 * The request, and with it its file, stays until the operation has ended.
 */
export function cutOff(req: AioKiocb): void {
  if (req.ki_cut || (req.ki_flags & KIF_DONE) !== 0) return;
  req.ki_cut = true;
  if (req.ki_ctx !== undefined) req.ki_ctx.reqs_cut++;
  signal(req);
}

function signal(req: AioKiocb): void {
  const eventfd = req.ki_eventfd;
  if (eventfd === undefined) return;
  req.ki_eventfd = undefined;
  eventfd.signal();
  eventfd.put();
}
