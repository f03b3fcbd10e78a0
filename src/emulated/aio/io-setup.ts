/** `io_setup`: the limits and their order, then the ring, the budget and the handle. */
import { LITTLE_ENDIAN } from '../../common/abi/byte-order.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import type { Word } from '../../common/kernel/aio-kernel.ts';
import { pointer, unsignedInt } from '../memory/registers.ts';
import type { AioKiocb, AioKioctx } from './aio-kiocb.ts';
import { AioRingInfo, ringBytes } from './aio-ring.ts';
import type { KernelState } from './kernel-state.ts';
import { Kioctx } from './kioctx.ts';

const TWO_32 = 0x1_0000_0000;
const HANDLE_BYTES = 8;

export function io_setup(kernel: KernelState, nr_events: Word, ctxp: Word): number {
  const { mm } = kernel;
  const address = pointer(ctxp);
  const user = mm.reach(address, HANDLE_BYTES, 'read');
  if (user === undefined) return -ERRNO.EFAULT;
  const at = address - user.base;
  const nr = unsignedInt(nr_events);
  if (nr === 0 || user.view.getUint32(at) !== 0 || user.view.getUint32(at + 4) !== 0) {
    return -ERRNO.EINVAL;
  }
  const ctx = ioctx_alloc(kernel, nr);
  if (typeof ctx === 'number') return ctx;
  const out = mm.reach(address, HANDLE_BYTES, 'write');
  if (out === undefined) {
    mm.munmap(ctx.user_id, ctx.ring.memory.byteLength);
    kernel.sysctl.uncharge(nr);
    return -ERRNO.EFAULT;
  }
  kernel.table.add(ctx);
  out.view.setBigUint64(at, BigInt(ctx.user_id), LITTLE_ENDIAN);
  return 0;
}

function ioctx_alloc(kernel: KernelState, nr: number): AioKioctx | number {
  const { sysctl, profile, possibleCpus } = kernel;
  // An unsigned int in the kernel, so doubling wraps: half a billion requests and more are too many, or too few.
  const events = profile.doublesEvents ? (Math.max(nr, possibleCpus * 4) * 2) % TWO_32 : nr;
  if (events > profile.maxEvents) return -ERRNO.EINVAL;
  if (events === 0 || nr > sysctl.aio_max_nr()) return -ERRNO.EAGAIN;
  if (!sysctl.charge(nr)) return -ERRNO.EAGAIN;
  try {
    const ring = new AioRingInfo(new ArrayBuffer(ringBytes(events)));
    const options = { profile, work: kernel.work, debug: kernel.debug };
    return new Kioctx<AioKiocb>(
      kernel.mm.mapPages(ring.memory, 'read-write'),
      nr,
      ring,
      possibleCpus,
      options,
    );
  } catch {
    sysctl.uncharge(nr);
    return -ERRNO.ENOMEM;
  }
}
