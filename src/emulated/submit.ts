/** `io_submit`: the ladder of checks, in the kernel's order. The first that fails decides. */
import {
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_POLL,
  IOCB_CMD_PREAD,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITEV,
  IOCB_FLAG_RESFD,
} from '../common/abi/constants.ts';
import { ERRNO } from '../common/abi/errno.ts';
import { IOCB_BYTES } from '../common/abi/layout.ts';
import type { Word } from '../common/kernel.ts';
import { EventFd } from './eventfd.ts';
import { Iocb } from './iocb.ts';
import type { KernelState } from './kernel-state.ts';
import { Kiocb } from './kiocb.ts';
import type { Kioctx } from './kioctx.ts';
import { aio_fsync } from './ops/fsync.ts';
import { aio_poll } from './ops/poll.ts';
import { aio_read, aio_write } from './ops/read-write.ts';
import { fromHalves, pointer, signedLong } from './registers.ts';

const POINTER_BYTES = 8;

export function io_submit(kernel: KernelState, ctx_id: Word, nr: Word, iocbpp: Word): number {
  const count = signedLong(nr);
  if (count < 0) return -ERRNO.EINVAL;
  const ctx = kernel.table.lookup(pointer(ctx_id));
  if (ctx === undefined) return -ERRNO.EINVAL;
  const array = pointer(iocbpp);
  const wanted = Math.min(Number(count), ctx.ring.nr);
  let accepted = 0;
  let error = 0;
  for (; accepted < wanted; accepted++) {
    error = submitPointer(kernel, ctx, array + accepted * POINTER_BYTES);
    if (error !== 0) break;
  }
  kernel.files.endBatch();
  if (!ctx.run_list.isEmpty) kernel.work.queue(ctx);
  return accepted > 0 ? accepted : error;
}

/** Fetches one pointer of the array, and only then looks at what it points to. */
function submitPointer(kernel: KernelState, ctx: Kioctx, address: number): number {
  const entry = kernel.mm.reach(address, POINTER_BYTES, 'read');
  if (entry === undefined) return -ERRNO.EFAULT;
  const at = address - entry.base;
  return io_submit_one(
    kernel,
    ctx,
    fromHalves(entry.view.getUint32(at, true), entry.view.getUint32(at + 4, true)),
  );
}

function io_submit_one(kernel: KernelState, ctx: Kioctx, user: number): number {
  const memory = kernel.mm.reach(user, IOCB_BYTES, 'read');
  if (memory === undefined) return -ERRNO.EFAULT;
  const iocb = new Iocb(memory.view, user - memory.base, user);
  if (iocb.hasReserved) return -ERRNO.EINVAL;
  if (iocb.nbytesHigh >= 0x8000_0000) return -ERRNO.EINVAL;
  if (!ctx.slots.get(ctx.ring)) return -ERRNO.EAGAIN;
  const error = submitWithSlot(kernel, ctx, iocb);
  if (error !== 0) ctx.slots.put(1);
  return error;
}

function submitWithSlot(kernel: KernelState, ctx: Kioctx, iocb: Iocb): number {
  const file = kernel.files.fget(iocb.fildes);
  if (file === undefined) return -ERRNO.EBADF;
  let eventfd: EventFd | undefined;
  if ((iocb.flags & IOCB_FLAG_RESFD) !== 0) {
    const found = kernel.files.fget(iocb.resfd);
    if (found === undefined) return -ERRNO.EBADF;
    if (!(found instanceof EventFd)) return -ERRNO.EINVAL;
    eventfd = found;
  }
  if (!iocb.storeKey(kernel.mm, 0)) return -ERRNO.EFAULT;
  const req = new Kiocb(ctx, iocb.opcode, iocb.user, iocb.dataLow, iocb.dataHigh, file, eventfd);
  file.get();
  eventfd?.get();
  const error = submitOperation(kernel, req, iocb);
  if (error !== 0) {
    file.put();
    eventfd?.put();
  }
  return error;
}

function submitOperation(kernel: KernelState, req: Kiocb, iocb: Iocb): number {
  switch (iocb.opcode) {
    case IOCB_CMD_PREAD:
      return aio_read(kernel, req, iocb, false);
    case IOCB_CMD_PWRITE:
      return aio_write(kernel, req, iocb, false);
    case IOCB_CMD_PREADV:
      return aio_read(kernel, req, iocb, true);
    case IOCB_CMD_PWRITEV:
      return aio_write(kernel, req, iocb, true);
    case IOCB_CMD_FSYNC:
    case IOCB_CMD_FDSYNC:
      return aio_fsync(req, iocb);
    case IOCB_CMD_POLL:
      return aio_poll(req, iocb);
    default:
      return -ERRNO.EINVAL;
  }
}
