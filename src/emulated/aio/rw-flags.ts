/** RWF_* flags of reads and writes. */
import { ERRNO } from '../../common/abi/errno.ts';
import type { Profile } from '../profiles.ts';
import type { AioKiocb } from './aio-kiocb.ts';

/** Takes the flags over, if this kernel knows them all. */
export function kiocb_set_rw_flags(req: AioKiocb, flags: number, profile: Profile): number {
  if ((flags & ~profile.rw_flags) !== 0) return -ERRNO.EOPNOTSUPP;
  req.ki_rw_flags = flags;
  return 0;
}
