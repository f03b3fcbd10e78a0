/** Errors of the host, translated by name: its numbers differ from Linux's on macOS and Windows. */
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
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

/** How a host names its error numbers. */
export interface HostErrors {
  /** The name of one of libuv's (negative) numbers; anything else for a number that libuv does not know. */
  uvName(errno: number): string;
  /** The system's own numbers, which libuv passes on, negated, where it has no name for one. Windows' are never passed on. */
  readonly errno: Readonly<Record<string, number>>;
}

const HOST: HostErrors = {
  uvName: getSystemErrorName,
  errno: process.platform === 'win32' ? {} : constants.errno,
};

/**
 * The negative Linux errno for what a `node:fs` call threw or passed to its callback.
 *
 * An error without a Linux counterpart is EIO: the operation failed and nothing more is known.
 */
export function linuxErrno(error: unknown, host: HostErrors = HOST): number {
  const code = codeOf(error);
  if (code === undefined) return -ERRNO.EIO;
  const known = numberOf(code);
  if (known !== undefined) return -known;
  // libuv knows neither EDQUOT nor EINPROGRESS, and then only the number tells.
  const errno = (error as { errno?: unknown }).errno;
  return typeof errno === 'number' ? linuxErrnoOf(errno, host) : -ERRNO.EIO;
}

/** The negative Linux errno for the (negative) number that `node:fs` puts into an error. */
export function linuxErrnoOf(errno: number, host: HostErrors = HOST): number {
  if (!Number.isInteger(errno) || errno >= 0) return -ERRNO.EIO;
  const known = numberOf(host.uvName(errno));
  if (known !== undefined) return -known;
  for (const [name, value] of Object.entries(host.errno)) {
    const number = value === -errno ? numberOf(name) : undefined;
    if (number !== undefined) return -number;
  }
  return -ERRNO.EIO;
}

function numberOf(name: string): number | undefined {
  return isErrnoName(name) ? ERRNO[name] : ALIASES[name];
}
