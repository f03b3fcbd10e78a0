/** What hangs on an inode besides its content, and whether another can be given it. */
import type { BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { codeOf } from '../common/errors.ts';
import { extendedAttributes } from '../native/extended-attributes.ts';
import { printable } from '../command/printable.ts';

const MODE = 0o7777n;
const SET_ID = 0o6000n;

/** A file that is there, open for writing. */
export interface Existing {
  readonly path: Buffer;
  readonly file: FileHandle;
  readonly stat: BigIntStats;
}

export function isSame(one: BigIntStats, other: BigIntStats): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

/** Whether nothing was given to a file or taken from it: a new link, owner, mode or attribute all set its time of change. */
export function isUnchanged(now: BigIntStats, old: BigIntStats): boolean {
  return isSame(now, old) && now.ctimeNs === old.ctimeNs && now.nlink === old.nlink && now.mode === old.mode;
}

/** Why an inode is not to be replaced, whatever the new one is. */
export function tiesOf({ nlink, mode }: BigIntStats): string | undefined {
  if (nlink > 1n) return `it has ${nlink} links`;
  return (mode & SET_ID) === 0n ? undefined : 'it has set-id bits';
}

function attributesDiffer(one: number, other: number): { differ: string[]; known: boolean } {
  const left = extendedAttributes(one);
  const right = extendedAttributes(other);
  if (left === undefined || right === undefined) return { differ: [], known: false };
  const names = [...new Set([...left.keys(), ...right.keys()])];
  const differ = names.filter((name) => {
    const value = right.get(name);
    return value === undefined || left.get(name)?.equals(value) !== true;
  });
  return { differ, known: true };
}

/**
 * Gives a new file all that hangs on the one that it is to replace.
 *
 * @returns Why that could not be done; a note where it is not known.
 */
export async function adopt(
  partial: FileHandle,
  { file, stat: old }: Existing,
): Promise<{ why?: string; note?: string }> {
  const ties = tiesOf(old);
  if (ties !== undefined) return { why: ties };
  const own = await partial.stat({ bigint: true });
  try {
    // The owner first: changing it takes rights away again.
    if (own.uid !== old.uid || own.gid !== old.gid) await partial.chown(Number(old.uid), Number(old.gid));
    if ((own.mode & MODE) !== (old.mode & MODE)) await partial.chmod(Number(old.mode & MODE));
  } catch (error) {
    return { why: `another file cannot be given its owner and mode (${codeOf(error)})` };
  }
  const now = await partial.stat({ bigint: true });
  if (now.uid !== old.uid || now.gid !== old.gid || (now.mode & MODE) !== (old.mode & MODE))
    return { why: 'another file cannot be given its owner and mode' };
  const { differ, known } = attributesDiffer(partial.fd, file.fd);
  if (differ.length > 0) return { why: `it has attributes of its own (${printable(differ.join(', '))})` };
  return known || process.platform !== 'linux'
    ? {}
    : { note: 'access control lists and extended attributes were not looked at: that takes koffi' };
}
