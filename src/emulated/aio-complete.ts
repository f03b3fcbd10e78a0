/** The end of a request. */
import type { Kiocb } from './kiocb.ts';

/**
 * Puts the event into the ring, moves the tail, then signals the eventfd: a reader that the eventfd wakes finds the event.
 *
 * Does nothing for a request that was cut off.
 */
export function aio_complete(req: Kiocb, result: number): void {
  if (req.ki_cut) return;
  const ctx = req.ki_ctx;
  ctx.active_reqs.delete(req);
  ctx.ring.add(req.ki_dataLow, req.ki_dataHigh, req.ki_user, result);
  ctx.slots.completed(ctx.ring);
  iocb_put(req);
}

/**
 * Ends a request without an event, because its context is gone. Its eventfd is signalled all the same: Linux waits for the
 * request, and then its completion signals.
 */
export function cutOff(req: Kiocb): void {
  if (req.ki_cut) return;
  iocb_put(req);
  req.ki_cut = true;
}

function iocb_put(req: Kiocb): void {
  req.ki_cancel = undefined;
  const eventfd = req.ki_eventfd;
  if (eventfd !== undefined) {
    req.ki_eventfd = undefined;
    eventfd.signal();
    eventfd.put();
  }
  req.ki_filp.put();
}
