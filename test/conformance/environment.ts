/** Telling what the environment cannot give from what a kernel does wrong. */
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ERRNO, errnoName } from '../../src/common/abi/errno.ts';
import { EnvironmentBroken } from './outcome.ts';

/** Errors of the host's calls, by code, that say nothing about the AIO interface. */
const OF_THE_ENVIRONMENT: ReadonlySet<string> = new Set([
  'EACCES',
  'EDQUOT',
  'EIO',
  'EMFILE',
  'ENAMETOOLONG',
  'ENFILE',
  'ENODEV',
  'ENOENT',
  'ENOMEM',
  'ENOSPC',
  'ENOTDIR',
  'EPERM',
  'EROFS',
  'ETXTBSY',
]);

/** Answers of a kernel to a case's own preparations that only a lack of something explains. */
const SHORTAGES: readonly number[] = [-ERRNO.EMFILE, -ERRNO.ENFILE, -ERRNO.ENOMEM];

/** No case has more than this in files at once; checked by writing it. */
const ROOM_BYTES = 16 * 1024 * 1024;
const BLOCK_BYTES = 1024 * 1024;

/**
 * Why the environment, not the kernel, made a host's call fail.
 *
 * @returns `undefined` for an error that is no system error, or one that a wrong kernel can bring about (EBADF, EINVAL ...).
 */
export function environmentalReason(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined;
  return OF_THE_ENVIRONMENT.has(String(error.code)) ? error.message : undefined;
}

/** Refuses to judge a kernel by an answer to preparations that tells of a shortage. */
export function insistOnMeans(answer: number, what: string): void {
  if (SHORTAGES.includes(answer)) throw new EnvironmentBroken(`${what} answered -${errnoName(answer)}`);
}

/**
 * Why cases cannot make their files in a directory: by making some, with as much room as any case takes.
 *
 * @returns `undefined` where they can.
 */
export function directoryFault(directory: string): string | undefined {
  const advice = 'name another with --directory';
  try {
    if (!statSync(directory).isDirectory()) return `${directory} is not a directory: ${advice}`;
    const made = mkdtempSync(join(directory, 'kaio-room-'));
    try {
      writeRoom(join(made, 'room'));
    } finally {
      rmSync(made, { recursive: true, force: true });
    }
    return undefined;
  } catch (error) {
    const reason = environmentalReason(error);
    if (reason === undefined) throw error;
    const room = ROOM_BYTES / 1024 / 1024;
    return `cases cannot make their files in ${directory} (${reason}): free ${room} MiB there, or ${advice}`;
  }
}

function writeRoom(path: string): void {
  const block = new Uint8Array(BLOCK_BYTES);
  const fd = openSync(path, 'wx');
  try {
    for (let written = 0; written < ROOM_BYTES; ) written += writeSync(fd, block);
    // Where blocks are given out late, only this tells.
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
