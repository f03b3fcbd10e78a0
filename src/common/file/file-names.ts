/** Names of files, the host's or those of a kernel that brings its own: what replacing a file takes of them. */
import { type BigIntStats, constants, type Stats } from 'node:fs';
import { access, lstat, rename, stat, unlink } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ERRNO } from '../abi/errno.ts';
import { AioError, codeOf, errnoException } from '../errors.ts';
import { isArrayBufferView } from '../intrinsics.ts';
import type { KernelFiles } from '../kernel/kernel-files.ts';
import { crypto } from '../lazy-builtins.ts';
import { endsInSeparator, followLinks } from '../path-bytes.ts';
import { invalidArgType, invalidArgValue } from '../validate.ts';

/** A regular file that has a name. */
export interface NamedFile {
  /** Permissions, without set-id bits: writing to a file takes those away. */
  readonly rights: number;
  readonly uid: number;
  readonly gid: number;
}

/** Where a path leads. */
export interface FilePlace {
  /** The path behind all links. */
  readonly path: Buffer;
  /** `undefined` where a file could be made. */
  readonly file: NamedFile | undefined;
}

export interface FileNames {
  /** What ends the name of a directory; `undefined` for the host's. */
  readonly separators: readonly string[] | undefined;
  /** Whether a directory can be opened and synced. */
  readonly syncsDirectories: boolean;
  /**
   * Looks for a file that may be written to.
   *
   * @throws What open(2) throws for such a path; `EINVAL` for what is no regular file.
   */
  find(path: Buffer): Promise<FilePlace>;
  rename(from: Buffer, to: Buffer): Promise<void>;
  unlink(path: Buffer): Promise<void>;
  randomBytes(count: number): Uint8Array;
}

const RIGHTS = 0o777;
const SLASH: readonly string[] = ['/'];

/** There is something that is not to be replaced. The words are kept, for whoever tells the error with another path. */
export class UnfitError extends AioError {
  readonly help: string;

  constructor(help: string) {
    super('EINVAL', -ERRNO.EINVAL, 'open', { help });
    this.help = help;
  }
}

/** @throws `EISDIR`, or `EINVAL` for other special files. */
function namedFile(stats: Stats | BigIntStats): NamedFile {
  if (stats.isDirectory()) throw errnoException(-ERRNO.EISDIR, 'open');
  if (!stats.isFile()) {
    throw new UnfitError(
      `It is ${kindOf(stats)} and no regular file, and would no longer be one if it were replaced`,
    );
  }
  return { rights: Number(stats.mode) & RIGHTS, uid: Number(stats.uid), gid: Number(stats.gid) };
}

function kindOf(stats: Stats | BigIntStats): string {
  if (stats.isFIFO()) return 'a FIFO';
  if (stats.isSocket()) return 'a socket';
  if (stats.isBlockDevice()) return 'a block device';
  return stats.isCharacterDevice() ? 'a character device' : 'something else';
}

/** @returns `undefined` where nothing is. */
async function orNothing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function findOnHost(path: Buffer): Promise<FilePlace> {
  // First, and by the kernel: there are links that it does not follow for everybody (fs.protected_symlinks of proc_sys_fs(5)).
  const there = await orNothing(stat(path, { bigint: true }));
  const file = there === undefined ? undefined : namedFile(there);
  const place = await followLinks(path);
  if (there === undefined) {
    if (path.length === 0) throw errnoException(-ERRNO.ENOENT, 'open');
    if (endsInSeparator(path)) throw errnoException(-ERRNO.EISDIR, 'open');
    return { path: place, file };
  }
  const found = await orNothing(lstat(place, { bigint: true }));
  // Links in /proc lead to files that have lost their names, too.
  if (found?.ino !== there.ino || found.dev !== there.dev)
    throw new UnfitError('It leads to a file whose own name is not known');
  // rename(2) asks for no right to the file. Who may not write to it shall not replace it either.
  await access(place, constants.W_OK);
  return { path: place, file };
}

/** The host's. */
const hostNames: FileNames = {
  separators: undefined,
  // Windows opens them, and does not sync what is open for reading.
  syncsDirectories: process.platform !== 'win32',
  find: findOnHost,
  rename,
  unlink,
  randomBytes: (count) => crypto().randomBytes(count),
};

/** @param files - Absent: the host's. */
export function fileNames(files: KernelFiles | undefined): FileNames {
  if (files === undefined) return hostNames;
  const { names } = files;
  return {
    separators: SLASH,
    syncsDirectories: true,
    find: async (path) => {
      const there = await orNothing(names.stat(path));
      if (there === undefined && endsInSeparator(path, SLASH)) throw errnoException(-ERRNO.EISDIR, 'open');
      return { path, file: there === undefined ? undefined : namedFile(there) };
    },
    rename: (from, to) => names.rename(from, to),
    unlink: (path) => names.unlink(path),
    randomBytes: (count) => names.randomBytes(count),
  };
}

/**
 * A path as bytes, read once.
 *
 * @param files - Whose path it is. Absent: the host's.
 * @throws TypeError as `node:fs` does for what is no path.
 */
export function pathBytes(path: unknown, files: KernelFiles | undefined): Buffer {
  const bytes = bytesOf(path, files);
  if (bytes.includes(0)) throw invalidArgValue('path', path);
  return bytes;
}

function bytesOf(path: unknown, files: KernelFiles | undefined): Buffer {
  if (typeof path === 'string') return Buffer.from(path);
  if (isArrayBufferView(path))
    return Buffer.from(new Uint8Array(path.buffer, path.byteOffset, path.byteLength));
  if (path instanceof URL) {
    return Buffer.from(files === undefined ? fileURLToPath(path) : decodeURIComponent(path.pathname));
  }
  throw invalidArgType('path', 'of type string or an instance of Buffer or URL', path);
}
