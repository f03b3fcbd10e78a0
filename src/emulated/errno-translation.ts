/** Errors of the host, translated by name: its numbers differ from Linux's on macOS and Windows. */
import { ERRNO, isErrnoName } from '../common/abi/errno.ts';
import { codeOf } from '../common/errors.ts';

/** Names that hosts use for what Linux calls otherwise. */
const ALIASES: Readonly<Record<string, number>> = {
  ENOTSUP: ERRNO.EOPNOTSUPP,
  EWOULDBLOCK: ERRNO.EAGAIN,
  EDEADLOCK: ERRNO.EDEADLK,
  ECHARSET: ERRNO.EILSEQ,
  EFTYPE: ERRNO.EINVAL,
};

/**
 * The negative Linux errno for what a `node:fs` call threw or passed to its callback.
 *
 * An error without a Linux counterpart is EIO: the operation failed and nothing more is known.
 */
export function linuxErrno(error: unknown): number {
  const code = codeOf(error);
  if (code === undefined) return -ERRNO.EIO;
  return isErrnoName(code) ? -ERRNO[code] : -(ALIASES[code] ?? ERRNO.EIO);
}
