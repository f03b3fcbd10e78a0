import { describe, expect, it } from 'vitest';
import { ERRNO } from '../../src/common/abi/errno.ts';
import { type HostErrors, linuxErrno, linuxErrnoOf } from '../../src/emulated/errno-translation.ts';

const unknown = (errno: number): string => `Unknown system error ${errno}`;

/** libuv passes the numbers of macOS on, negated; those of `sys/errno.h` there. */
const MACOS: HostErrors = {
  uvName: (errno) =>
    ({
      '-35': 'EAGAIN',
      '-45': 'ENOTSUP',
      '-9': 'EBADF',
      '-27': 'EFBIG',
      '-28': 'ENOSPC',
      '-63': 'ENAMETOOLONG',
      '-79': 'EFTYPE',
      '-92': 'EILSEQ',
    })[errno] ?? unknown(errno),
  errno: {
    EAGAIN: 35,
    EWOULDBLOCK: 35,
    EINPROGRESS: 36,
    EDEADLK: 11,
    EDQUOT: 69,
    ESTALE: 70,
    EOPNOTSUPP: 102,
    ENOLCK: 77,
    EOVERFLOW: 84,
  },
};

/** libuv has numbers of its own on Windows, below -4000. Those of its C library are never passed on. */
const WINDOWS: HostErrors = {
  uvName: (errno) =>
    ({
      '-4048': 'EPERM',
      '-4088': 'EAGAIN',
      '-4083': 'EBADF',
      '-4068': 'EISDIR',
      '-4055': 'ENOSPC',
      '-4036': 'EFBIG',
      '-4094': 'UNKNOWN',
      '-4095': 'EOF',
      '-4028': 'EFTYPE',
    })[errno] ?? unknown(errno),
  errno: {},
};

describe('errors of a host are translated by name', () => {
  it.each([
    ['macOS', MACOS, -35, ERRNO.EAGAIN],
    ['macOS', MACOS, -36, ERRNO.EINPROGRESS],
    ['macOS', MACOS, -11, ERRNO.EDEADLK],
    ['macOS', MACOS, -69, ERRNO.EDQUOT],
    ['macOS', MACOS, -70, ERRNO.ESTALE],
    ['macOS', MACOS, -45, ERRNO.EOPNOTSUPP],
    ['macOS', MACOS, -102, ERRNO.EOPNOTSUPP],
    ['macOS', MACOS, -84, ERRNO.EOVERFLOW],
    ['macOS', MACOS, -79, ERRNO.EINVAL],
    ['macOS', MACOS, -92, ERRNO.EILSEQ],
    ['macOS', MACOS, -63, ERRNO.ENAMETOOLONG],
    ['macOS', MACOS, -999, ERRNO.EIO],
    ['Windows', WINDOWS, -4048, ERRNO.EPERM],
    ['Windows', WINDOWS, -4088, ERRNO.EAGAIN],
    ['Windows', WINDOWS, -4083, ERRNO.EBADF],
    ['Windows', WINDOWS, -4068, ERRNO.EISDIR],
    ['Windows', WINDOWS, -4055, ERRNO.ENOSPC],
    ['Windows', WINDOWS, -4036, ERRNO.EFBIG],
    ['Windows', WINDOWS, -4094, ERRNO.EIO],
    ['Windows', WINDOWS, -11, ERRNO.EIO],
  ] as const)('%s, %#: %i', (_name, host, errno, expected) => {
    expect(linuxErrnoOf(errno, host)).toBe(-expected);
    expect(linuxErrno({ code: host.uvName(errno), errno }, host)).toBe(-expected);
  });

  it('and what is no system error is EIO', () => {
    for (const error of [
      undefined,
      'EAGAIN',
      new Error('x'),
      { code: 'ERR_OUT_OF_RANGE' },
      { code: 1, errno: -11 },
    ])
      expect(linuxErrno(error)).toBe(-ERRNO.EIO);
    for (const errno of [0, 11, Number.NaN, -1.5]) expect(linuxErrnoOf(errno)).toBe(-ERRNO.EIO);
  });

  it('the host here: its own numbers lead back to its names', () => {
    const quota = { code: 'Unknown system error -122', errno: -122 };
    expect(linuxErrno(quota)).toBe(process.platform === 'linux' ? -ERRNO.EDQUOT : -ERRNO.EIO);
    expect(linuxErrno({ code: 'EAGAIN' })).toBe(-ERRNO.EAGAIN);
  });
});
