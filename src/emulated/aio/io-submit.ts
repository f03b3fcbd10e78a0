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
} from '../../common/abi/constants.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import { IOCB_BYTES } from '../../common/abi/layout.ts';
import type { Word } from '../../common/kernel/aio-kernel.ts';
import { EventFd } from '../files/eventfd.ts';
import { aio_fput_routine, pendingFputs } from '../files/fput.ts';
import { access_ok } from '../memory/mm.ts';
import { pointer, signedLong, unsignedLong } from '../memory/registers.ts';
import { AioKiocb, type AioKioctx, aio_put_req } from './aio-kiocb.ts';
import { aio_run_all_iocbs } from './aio-run.ts';
import { Iocb } from './iocb.ts';
import type { KernelState } from './kernel-state.ts';
import { KIOCB_OPERATIONS } from './kiocb-operations.ts';
import { put_ioctx } from './kioctx.ts';
import { aio_fsync } from './ops/fsync.ts';
import { aio_poll } from './ops/poll.ts';
import { aio_read, aio_write } from './ops/read-write.ts';

const POINTER_BYTES = 8;

export function io_submit(kernel: KernelState, ctx_id: Word, nr: Word, iocbpp: Word): number {
  const count = signedLong(nr);
  if (count < 0) return -ERRNO.EINVAL;
  const array = pointer(iocbpp);
  if (kernel.profile.judgesArrayFirst && !access_ok(array, bytesOf(count))) return -ERRNO.EFAULT;
  const ctx = kernel.table.lookup(pointer(ctx_id));
  if (ctx === undefined) return -ERRNO.EINVAL;
  const wanted = kernel.profile.cutsBatch ? Math.min(Number(count), ctx.ring.nr) : Number(count);
  let accepted = 0;
  let error = 0;
  ctx.users++;
  for (; accepted < wanted; accepted++) {
    error = submitPointer(kernel, ctx, array + accepted * POINTER_BYTES);
    if (error !== 0) break;
  }
  kernel.files.endBatch();
  if (!ctx.accepted.isEmpty) kernel.work.queue(ctx);
  put_ioctx(ctx);
  return accepted > 0 ? accepted : error;
}

/** What `count` pointers take up, cut to 64 bits as the kernel's product is: 2^61 of them take up nothing. */
function bytesOf(count: number | bigint): number {
  return Number(BigInt.asUintN(64, BigInt(count) * BigInt(POINTER_BYTES)));
}

/** Fetches one pointer of the array, and only then looks at what it points to. */
function submitPointer(kernel: KernelState, ctx: AioKioctx, address: number): number {
  // A file's method may have destroyed the context meanwhile.
  if (ctx.dead) return -ERRNO.EINVAL;
  const entry = kernel.mm.reach(address, POINTER_BYTES, 'read');
  if (entry === undefined) return -ERRNO.EFAULT;
  const at = address - entry.base;
  return io_submit_one(kernel, ctx, unsignedLong(entry.view, at));
}

function io_submit_one(kernel: KernelState, ctx: AioKioctx, user: number): number {
  const { profile } = kernel;
  const memory = kernel.mm.reach(user, IOCB_BYTES, 'read');
  if (memory === undefined) return -ERRNO.EFAULT;
  const iocb = new Iocb(memory.view, user - memory.base, user);
  if (iocb.hasReserved) return -ERRNO.EINVAL;
  if ((profile.aio_flags | profile.rw_flags) === 0 && iocb.hasFlags) return -ERRNO.EINVAL;
  if (iocb.nbytesHigh >= 0x8000_0000) return -ERRNO.EINVAL;
  if (!profile.slotBeforeFile && kernel.files.fget(iocb.fildes) === undefined) return -ERRNO.EBADF;
  if (!takeSlot(ctx)) return -ERRNO.EAGAIN;
  const error = submitWithSlot(kernel, ctx, iocb);
  if (error !== 0) ctx.slots.put(1);
  return error;
}

/** `aio_get_req`: before it gives up, it finishes pending file puts, which may free requests. */
function takeSlot(ctx: AioKioctx): boolean {
  if (ctx.slots.get(ctx.ring)) return true;
  if (pendingFputs() === 0) return false;
  aio_fput_routine();
  return ctx.slots.get(ctx.ring);
}

function submitWithSlot(kernel: KernelState, ctx: AioKioctx, iocb: Iocb): number {
  const file = kernel.files.fget(iocb.fildes);
  if (file === undefined) return -ERRNO.EBADF;
  let eventfd: EventFd | undefined;
  if ((iocb.flags & kernel.profile.aio_flags & IOCB_FLAG_RESFD) !== 0) {
    const found = kernel.files.fget(iocb.resfd);
    if (found === undefined) return -ERRNO.EBADF;
    if (!(found instanceof EventFd)) return -ERRNO.EINVAL;
    eventfd = found;
  }
  if (!iocb.storeKey(kernel.mm, 0)) return -ERRNO.EFAULT;
  const req = new AioKiocb(
    ctx,
    iocb.opcode,
    iocb.user,
    iocb.dataLow,
    iocb.dataHigh,
    file,
    eventfd,
    KIOCB_OPERATIONS,
  );
  file.get();
  eventfd?.get();
  ctx.reqs_active++;
  const { drainsLate, cancelsOldest } = kernel.profile;
  // In 2007 `active_reqs` has every request, whether it can be cancelled or not.
  if (!cancelsOldest) req.activate();
  const error = submitOperation(kernel, req, iocb);
  if (error === 0) {
    if (drainsLate) aio_run_all_iocbs(ctx);
    aio_put_req(req);
    return 0;
  }
  ctx.active_reqs.delete(req);
  ctx.reqs_active--;
  file.put();
  eventfd?.put();
  return error;
}

function submitOperation(kernel: KernelState, req: AioKiocb, iocb: Iocb): number {
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
      return aio_fsync(kernel, req, iocb);
    case IOCB_CMD_POLL:
      return kernel.profile.opcodes.includes(IOCB_CMD_POLL) ? aio_poll(req, iocb) : -ERRNO.EINVAL;
    default:
      return -ERRNO.EINVAL;
  }
}
