/** Mode, owner and times of a copy, as `cp --preserve` gives them. */
import type { BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { codeOf } from '../common/errors.ts';

const MODE = 0o7777n;
/** Set-id and sticky bits: they mean something for the right owner only. */
const RIGHTS = 0o777n;
const NOT_ALLOWED = new Set(['EPERM', 'EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

/**
 * Seconds as `node:fs` takes them: doubles, good for a microsecond. A quarter of one more keeps the rounding of a double from taking one
 * away where libuv cuts off what is less than one. As text, for Node.js takes a negative number for now.
 */
function seconds(ns: bigint): string {
  return String((Number(ns / 1000n) + (ns < 0n ? -0.25 : 0.25)) / 1e6);
}

async function giveOwner(file: FileHandle, { uid, gid }: BigIntStats): Promise<boolean> {
  const own = await file.stat({ bigint: true });
  if (own.uid === uid && own.gid === gid) return true;
  try {
    await file.chown(Number(uid), Number(gid));
    return true;
  } catch (error) {
    if (!NOT_ALLOWED.has(codeOf(error) ?? '')) throw error;
  }
  try {
    // One of the caller's own groups can be given without being root.
    await file.chown(Number(own.uid), Number(gid));
  } catch (error) {
    if (!NOT_ALLOWED.has(codeOf(error) ?? '')) throw error;
  }
  return false;
}

/**
 * Gives `file` what `source` has.
 *
 * @returns What was left out, for people; `undefined` when nothing was.
 */
export async function preserveAttributes(file: FileHandle, source: BigIntStats): Promise<string | undefined> {
  const owned = await giveOwner(file, source);
  // After the owner: a change of it takes the set-id bits away, and must.
  await file.chmod(Number(source.mode & (owned ? MODE : RIGHTS)));
  await file.utimes(seconds(source.atimeNs), seconds(source.mtimeNs));
  if (owned) return undefined;
  const bits = (source.mode & (MODE - RIGHTS)) === 0n ? '' : ', and so not its set-id and sticky bits';
  return `the owner ${source.uid}:${source.gid} could not be given to it${bits}`;
}
