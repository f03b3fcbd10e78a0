/** How an engine opens the file. */
import { constants } from 'node:fs';
import { type Case, isMixed, isWrite } from '../job.ts';

/** Flags for `open(2)`. @throws Error where there is no O_DIRECT. */
export function openFlags(wanted: Case): number {
  const access = isMixed(wanted)
    ? constants.O_RDWR
    : isWrite(wanted)
      ? constants.O_WRONLY
      : constants.O_RDONLY;
  if (wanted.mode !== 'direct') return access;
  const direct: number | undefined = constants.O_DIRECT;
  if (direct === undefined) throw new Error(`there is no O_DIRECT on ${process.platform}`);
  return access | direct;
}
