/** POLL: one event, when the file is ready or the request is called off. */
import { POLLERR, POLLHUP } from '../../common/abi/constants.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import { aio_complete } from '../aio-complete.ts';
import type { Iocb } from '../iocb.ts';
import type { Kiocb } from '../kiocb.ts';
import type { WakeFunction } from '../wait-queue.ts';

const POLL_BITS = 0xffff;

export function aio_poll(req: Kiocb, iocb: Iocb): number {
  if (iocb.buf > POLL_BITS || !iocb.hasNoRange) return -ERRNO.EINVAL;
  const file = req.ki_filp;
  const wanted = iocb.buf | POLLERR | POLLHUP;
  const ready = file.poll() & wanted;
  if (ready !== 0) {
    aio_complete(req, ready);
    return 0;
  }
  const queue = file.poll_wait;
  if (queue === undefined) return -ERRNO.EINVAL;
  const aio_poll_wake: WakeFunction = (key) => {
    if ((key & wanted) === 0) return false;
    // The waker's bits, as they are: Linux does not cut them to what was wanted.
    aio_complete(req, key);
    return true;
  };
  queue.add(aio_poll_wake);
  req.ki_cancel = () => queue.remove(aio_poll_wake);
  req.ki_ctx.active_reqs.add(req);
  return 0;
}
