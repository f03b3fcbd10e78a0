/** I/O priorities: validity only, since `node:fs` cannot pass them on. */
import {
  IOPRIO_CLASS_BE,
  IOPRIO_CLASS_IDLE,
  IOPRIO_CLASS_NONE,
  IOPRIO_CLASS_RT,
  IOPRIO_CLASS_SHIFT,
} from '../../common/abi/constants.ts';
import { ERRNO } from '../../common/abi/errno.ts';

const LEVEL_BITS = 7;

/** @param ioprio - As u16. Privilege is guessed from the user id: capabilities cannot be seen. */
export function ioprio_check_cap(ioprio: number): number {
  switch (ioprio >>> IOPRIO_CLASS_SHIFT) {
    case IOPRIO_CLASS_NONE:
      return (ioprio & LEVEL_BITS) === 0 ? 0 : -ERRNO.EINVAL;
    case IOPRIO_CLASS_RT:
      return process.geteuid?.() === 0 ? 0 : -ERRNO.EPERM;
    case IOPRIO_CLASS_BE:
    case IOPRIO_CLASS_IDLE:
      return 0;
    default:
      return -ERRNO.EINVAL;
  }
}
