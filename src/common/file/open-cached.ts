/** Opening the host's file behind a descriptor once more, without O_DIRECT. */
import { constants, open as openWithCallback } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { ERRNO } from '../abi/errno.ts';
import { codeOf } from '../errors.ts';
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
  try {
    const flags = await flagsOf(fd);
    const access = flags & (O_WRONLY | O_RDWR);
    if (access !== O_RDONLY)
      return await open(`/proc/self/fd/${fd}`, access | (flags & (O_APPEND | O_DSYNC | O_SYNC)));
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    throw new FileError(codeOf(error) ?? 'EIO', errno ?? ERRNO.EIO, 'open', { help: HELP, cause: error });
  }
  throw new FileError('EBADF', ERRNO.EBADF, 'write');
}

/** What a descriptor was opened with, as Linux tells (proc_pid_fdinfo(5)). */
async function flagsOf(fd: number): Promise<number> {
  const told = /^flags:\s*([0-7]+)$/m.exec(await readFile(`/proc/self/fdinfo/${fd}`, 'latin1'));
  return Number.parseInt(told![1]!, 8);
}
