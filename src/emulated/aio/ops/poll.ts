/** POLL: one event, when the file is ready or the request is called off. */
import { POLLERR, POLLHUP } from '../../../common/abi/constants.ts';
import { ERRNO } from '../../../common/abi/errno.ts';
import type { Cancel } from '../../files/kiocb.ts';
import type { WakeFunction } from '../../files/wait-queue.ts';
import { aio_complete } from '../aio-complete.ts';
import type { AioKiocb } from '../aio-kiocb.ts';
import type { Iocb } from '../iocb.ts';

const POLL_BITS = 0xffff;

export function aio_poll(req: AioKiocb, iocb: Iocb): number {
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
    // A waker that tells nothing has the file asked again; the bits of one that does are not cut to what was wanted.
    const mask = key === 0 ? file.poll() & wanted : (key & wanted) === 0 ? 0 : key;
    if (mask === 0) return false;
    aio_complete(req, mask);
    return true;
  };
  queue.add(aio_poll_wake);
  const ki_wait = (): void => queue.remove(aio_poll_wake);
  req.ki_wait = ki_wait;
  req.ki_cancel = aio_poll_cancel;
  req.activate();
  return 0;
}

/** The event of a poll that is called off has result 0. */
const aio_poll_cancel: Cancel = (req) => {
  req.complete(0);
  return 0;
};
