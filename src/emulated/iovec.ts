/** Importing the user's buffer, or array of buffers (`lib/iov_iter.c`). Whether memory is there is not looked at. */
import { MAX_RW_COUNT, UIO_MAXIOV } from '../common/abi/constants.ts';
import { ERRNO } from '../common/abi/errno.ts';
import { IOVEC_BYTES } from '../common/abi/layout.ts';
import type { Kiocb } from './kiocb.ts';
import { type AddressSpace, access_ok } from './mm.ts';
import { fromHalves } from './registers.ts';

/** One buffer: cut to what one request may move, then judged. */
export function import_ubuf(req: Kiocb, address: number, bytes: number): number {
  const length = Math.min(bytes, MAX_RW_COUNT);
  if (!access_ok(address, length)) return -ERRNO.EFAULT;
  req.ki_buf = address;
  req.ki_nbytes = length;
  return 0;
}

/** @param count - Elements: 32 bits of `aio_nbytes`. */
export function import_iovec(mm: AddressSpace, req: Kiocb, array: number, count: number): number {
  if (count === 0) return 0;
  if (count > UIO_MAXIOV) return -ERRNO.EINVAL;
  const memory = mm.reach(array, count * IOVEC_BYTES, 'read');
  if (memory === undefined) return -ERRNO.EFAULT;
  const { view } = memory;
  const base: number[] = [];
  const length: number[] = [];
  // All lengths are judged before any range.
  for (let i = 0, at = array - memory.base; i < count; i++, at += IOVEC_BYTES) {
    const high = view.getUint32(at + 12, true);
    if (high >= 0x8000_0000) return -ERRNO.EINVAL;
    base.push(fromHalves(view.getUint32(at, true), view.getUint32(at + 4, true)));
    length.push(fromHalves(view.getUint32(at + 8, true), high));
  }
  if (count === 1) return import_ubuf(req, base[0]!, length[0]!);
  let total = 0;
  for (let i = 0; i < count; i++) {
    if (!access_ok(base[i]!, length[i]!)) return -ERRNO.EFAULT;
    length[i] = Math.min(length[i]!, MAX_RW_COUNT - total);
    total += length[i]!;
  }
  req.ki_segments = { base, length };
  req.ki_nbytes = total;
  return 0;
}
