/** Paths as bytes: nothing is decoded, and `..` stays, for behind a link it does not mean the folder above in the text. */
import { randomBytes } from 'node:crypto';
import { lstat, readlink } from 'node:fs/promises';
import { isAbsolute } from 'node:path';

const SEPARATORS = process.platform === 'win32' ? ['/', '\\', ':'] : ['/'];
/** As many as Linux follows (see path_resolution(7)). */
const MOST_LINKS = 40;
/** Shorter than any file system's limit. A longer name is allowed where the destination's own is as long. */
const SAFE_NAME_BYTES = 64;
const RANDOM_BYTES = 6;

function baseStart(path: Buffer): number {
  return Math.max(...SEPARATORS.map((separator) => path.lastIndexOf(separator))) + 1;
}

/** Up to the last separator, that included; empty where there is none. */
export function directoryPrefix(path: Buffer): Buffer {
  return path.subarray(0, baseStart(path));
}

/** The folder that a path's name is in. */
export function directoryOf(path: Buffer): Buffer {
  const prefix = directoryPrefix(path);
  return prefix.length === 0 ? Buffer.from('.') : prefix;
}

export function endsInSeparator(path: Buffer): boolean {
  return path.length > 0 && baseStart(path) === path.length;
}

/**
 * A name beside `path` that nobody has: a run that was killed leaves one behind, perhaps from a process with the same id.
 *
 * It is no longer than the name of `path`, or than every file system allows.
 */
export function partialPath(path: Buffer): Buffer {
  const base = path.subarray(baseStart(path));
  const ending = `.kaio-${randomBytes(RANDOM_BYTES).toString('hex')}`;
  let kept = Math.min(base.length, Math.max(SAFE_NAME_BYTES, base.length) - ending.length - 1);
  // Not within a character: some file systems take whole ones only.
  while (kept > 0 && kept < base.length && (base[kept]! & 0xc0) === 0x80) kept--;
  return Buffer.concat([
    directoryPrefix(path),
    Buffer.from('.'),
    base.subarray(0, kept),
    Buffer.from(ending),
  ]);
}

/** What a chain of links ends in, `path` itself where it is no link. @throws What lstat(2) and readlink(2) throw. */
export async function followLinks(path: Buffer): Promise<Buffer> {
  let at = path;
  for (let links = 0; links < MOST_LINKS && (await lstat(at)).isSymbolicLink(); links++) {
    const link = await readlink(at, { encoding: 'buffer' });
    at = isAbsolute(link.toString('latin1')) ? link : Buffer.concat([directoryPrefix(at), link]);
  }
  return at;
}
