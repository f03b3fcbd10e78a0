/** Opening the host's file behind a descriptor once more, without O_DIRECT. */
import { constants, open as openWithCallback } from 'node:fs';
import { promisify } from 'node:util';
import { ERRNO } from '../abi/errno.ts';
import { codeOf } from '../errors.ts';
import { descriptorFlags } from './descriptor-flags.ts';
import { FileError } from './file-error.ts';

const { O_RDONLY, O_RDWR, O_WRONLY, O_APPEND, O_DSYNC, O_SYNC } = constants;
const open = promisify(openWithCallback);

const HELP =
  'What is not whole blocks is written through the page cache, for which the file has to be opened a second time, as /proc/self/fd shows it';

/**
 * Through /proc, so that it is the same file whatever its name means by now, and if it has none.
 *
 * @returns A descriptor for writing, which appends and syncs as the first one does.
 * @throws Error `EBADF` where the first one is not open for writing; what open(2) throws, with the same code.
 */
export async function openCached(fd: number): Promise<number> {
  const flags = descriptorFlags(fd)?.flags;
  if (flags === undefined) throw new FileError('ENOENT', ERRNO.ENOENT, 'open', { help: HELP });
  const access = flags & (O_WRONLY | O_RDWR);
  if (access === O_RDONLY) throw new FileError('EBADF', ERRNO.EBADF, 'write');
  try {
    return await open(`/proc/self/fd/${fd}`, access | (flags & (O_APPEND | O_DSYNC | O_SYNC)));
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    throw new FileError(codeOf(error) ?? 'EIO', errno ?? ERRNO.EIO, 'open', { help: HELP, cause: error });
  }
}
