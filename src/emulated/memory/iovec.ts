/** Importing the user's buffer, or array of buffers (`lib/iov_iter.c`). Whether memory is there is not looked at. */

import { HIGH_HALF_BYTES, LITTLE_ENDIAN } from '../../common/abi/byte-order.ts';
import { MAX_RW_COUNT, UIO_MAXIOV } from '../../common/abi/constants.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import { IOVEC_BYTES } from '../../common/abi/layout.ts';
import type { Profile } from '../profiles.ts';
import type { IovIter } from './iov-iter.ts';
import { type AddressSpace, access_ok } from './mm.ts';
import { fromHalves, unsignedLong } from './registers.ts';

const SSIZE_MAX = 0x7fff_ffff_ffff_ffffn;

/** One buffer: cut to what one request may move, where the kernel does that, then judged. */
export function import_ubuf(
  req: IovIter,
  address: number,
  bytes: number,
  { cutsLengths }: Pick<Profile, 'cutsLengths'>,
): number {
  const length = cutsLengths ? Math.min(bytes, MAX_RW_COUNT) : bytes;
  if (!access_ok(address, length)) return -ERRNO.EFAULT;
  req.ki_buf = address;
  req.ki_nbytes = length;
  return 0;
}

/** @param countLow - Elements: `aio_nbytes`, of which today's kernel takes the low half. */
export function import_iovec(
  mm: AddressSpace,
  req: IovIter,
  array: number,
  countLow: number,
  countHigh: number,
  profile: Pick<Profile, 'cutsLengths'>,
): number {
  const count = profile.cutsLengths ? countLow : fromHalves(countLow, countHigh);
  if (count === 0) return 0;
  if (count > UIO_MAXIOV) return -ERRNO.EINVAL;
  if (!access_ok(array, count * IOVEC_BYTES)) return -ERRNO.EFAULT;
  // In 2007 the array is copied whole before any of it is judged.
  if (!profile.cutsLengths && mm.reach(array, count * IOVEC_BYTES, 'read') === undefined)
    return -ERRNO.EFAULT;
  const base: number[] = [];
  const length: number[] = [];
  let sum = 0n;
  // Element by element: a bad length wins over a later part of the array that is missing. And all lengths are judged before
  // any range.
  for (let i = 0; i < count; i++) {
    const address = array + i * IOVEC_BYTES;
    const memory = mm.reach(address, IOVEC_BYTES, 'read');
    if (memory === undefined) return -ERRNO.EFAULT;
    const { view } = memory;
    const at = address - memory.base;
    if (view.getInt32(at + 8 + HIGH_HALF_BYTES, LITTLE_ENDIAN) < 0) return -ERRNO.EINVAL;
    base.push(unsignedLong(view, at));
    length.push(unsignedLong(view, at + 8));
    if (!profile.cutsLengths) sum += view.getBigUint64(at + 8, LITTLE_ENDIAN);
  }
  if (!profile.cutsLengths && sum > SSIZE_MAX) return -ERRNO.EINVAL;
  if (count === 1) return import_ubuf(req, base[0]!, length[0]!, profile);
  let total = 0;
  for (let i = 0; i < count; i++) {
    if (!access_ok(base[i]!, length[i]!)) return -ERRNO.EFAULT;
    if (profile.cutsLengths) length[i] = Math.min(length[i]!, MAX_RW_COUNT - total);
    total += length[i]!;
  }
  req.ki_segments = { base, length };
  req.ki_nbytes = total;
  return 0;
}
