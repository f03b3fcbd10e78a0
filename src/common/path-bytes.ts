/** Paths as bytes: nothing is decoded, and `..` stays, for behind a link it does not mean the folder above in the text. */
import { lstat, readlink } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { codeOf } from './errors.ts';
import { crypto } from './lazy-builtins.ts';

/** What ends the name of a folder on this host. */
const SEPARATORS: readonly string[] = process.platform === 'win32' ? ['/', '\\', ':'] : ['/'];
/** As many as Linux follows (see path_resolution(7)). */
const MOST_LINKS = 40;
/** Shorter than any file system's limit. A longer name is allowed where the destination's own is as long. */
const SAFE_NAME_BYTES = 64;
const RANDOM_BYTES = 6;

function baseStart(path: Buffer, separators = SEPARATORS): number {
  return Math.max(...separators.map((separator) => path.lastIndexOf(separator))) + 1;
}

/** Up to the last separator, that included; empty where there is none. */
export function directoryPrefix(path: Buffer, separators?: readonly string[]): Buffer {
  return path.subarray(0, baseStart(path, separators));
}

/** The folder that a path's name is in. */
export function directoryOf(path: Buffer, separators?: readonly string[]): Buffer {
  const prefix = directoryPrefix(path, separators);
  return prefix.length === 0 ? Buffer.from('.') : prefix;
}

export function endsInSeparator(path: Buffer, separators?: readonly string[]): boolean {
  return path.length > 0 && baseStart(path, separators) === path.length;
}

/**
 * A name beside `path` that nobody has: a run that was killed leaves one behind, perhaps from a process with the same id.
 *
 * It is no longer than the name of `path`, or than every file system allows.
 *
 * @param chance - Where the random bytes come from.
 */
export function partialPath(
  path: Buffer,
  separators?: readonly string[],
  chance: (count: number) => Uint8Array = (count) => crypto().randomBytes(count),
): Buffer {
  const base = path.subarray(baseStart(path, separators));
  const ending = `.kaio-${Buffer.from(chance(RANDOM_BYTES)).toString('hex')}`;
  let kept = Math.min(base.length, Math.max(SAFE_NAME_BYTES, base.length) - ending.length - 1);
  // Not within a character: some file systems take whole ones only.
  while (kept > 0 && kept < base.length && (base[kept]! & 0xc0) === 0x80) kept--;
  return Buffer.concat([
    directoryPrefix(path, separators),
    Buffer.from('.'),
    base.subarray(0, kept),
    Buffer.from(ending),
  ]);
}

/** Whether there is a link at a path; nothing at all is none. @throws What lstat(2) throws. */
async function isLink(path: Buffer): Promise<boolean> {
  try {
    return (await lstat(path)).isSymbolicLink();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/**
 * What a chain of links ends in, which need not exist; `path` itself where it is no link.
 *
 * @throws What lstat(2) and readlink(2) throw.
 */
export async function followLinks(path: Buffer): Promise<Buffer> {
  let at = path;
  for (let links = 0; links < MOST_LINKS && (await isLink(at)); links++) {
    const link = await readlink(at, { encoding: 'buffer' });
    at = isAbsolute(link.toString('latin1')) ? link : Buffer.concat([directoryPrefix(at), link]);
  }
  return at;
}
