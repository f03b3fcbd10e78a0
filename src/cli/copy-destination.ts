/**
 * Where a copy goes, and how it gets there.
 *
 * A file that is made beside the destination and takes its place at the end keeps the promise that the old content or the new one is there,
 * whatever happens. It is another inode, though. What hangs on the old one (other names, its owner, rights and attributes) must be given to
 * it; where that cannot be, the old inode is overwritten in place, as cp(1) does, and the promise with it is gone.
 */
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, rm, stat } from 'node:fs/promises';
import { ERRNO } from '../common/abi/errno.ts';
import { codeOf, errnoException } from '../common/errors.ts';
import { directoryOf, endsInSeparator, followLinks, partialPath } from '../common/path-bytes.ts';
import { adopt, type Existing, isSame, isUnchanged, tiesOf } from './copy-identity.ts';
import { printable } from '../command/printable.ts';

/** Opening a FIFO would wait for its other end. Windows has neither. */
const DO_NOT_WAIT: number = (constants.O_NONBLOCK as number | undefined) ?? 0;
/** Opening a terminal would make it that of this process. */
const NO_TERMINAL: number = (constants.O_NOCTTY as number | undefined) ?? 0;
export const ONLY_OPEN: number = DO_NOT_WAIT | NO_TERMINAL;

const RIGHTS = 0o777n;
/** The file is its owner's alone until it has the rights of the one it replaces. */
const PRIVATE = 0o600;
const MOST_NAMES = 16;
/** No file can be made beside the destination, which may be written all the same. */
const NO_ROOM_BESIDE = new Set(['EACCES', 'EPERM', 'EROFS', 'ENAMETOOLONG']);
/** Codes of a folder that cannot be made durable: it cannot be read, or its file system has no such thing. */
const NO_DIRECTORY_SYNC = new Set(['EACCES', 'EPERM', 'EINVAL', 'EISDIR', 'EBADF', 'ENOTSUP', 'EOPNOTSUPP']);

/** A file to write the copy into. */
export interface CopyTarget {
  readonly file: FileHandle;
  /** Why what is there is overwritten and not replaced; `undefined` where nothing can be lost. */
  readonly inPlace: string | undefined;
  /** What could not be looked at, for people. */
  readonly note: string | undefined;
  /**
   * Puts the file in its place.
   *
   * @param seal - Gives it its last attributes and makes it durable; called again where the destination has changed meanwhile.
   * @throws `EBUSY` where something is mounted on the destination: {@link overwrite} goes then.
   */
  publish(seal: () => Promise<void>): Promise<void>;
  /** Ends a copy that failed: nothing is left but what was overwritten in place. */
  discard(): Promise<void>;
}

/** What is at a path, links followed; `undefined` where nothing is, not even a link. */
async function statOf(path: Buffer): Promise<BigIntStats | undefined> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  try {
    // Somebody else may have made a file in between.
    if (!(await lstat(path)).isSymbolicLink()) return await stat(path, { bigint: true });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  throw new Error(
    `'${printable(path)}' is a link to a file that does not exist: name that file, or remove the link`,
  );
}

/** What stands in the way of writing to `there`. @throws It. */
function refuse(path: Buffer, source: Buffer, there: BigIntStats, from: BigIntStats): void {
  const name = printable(path);
  if (isSame(there, from)) throw new Error(`'${printable(source)}' and '${name}' are the same file`);
  if (there.isDirectory())
    throw new Error(`'${name}' is not a regular file but a directory: name the file to be made in it`);
  // The rename would put a file in the place of a device or a FIFO.
  if (!there.isFile()) throw new Error(`'${name}' is not a regular file`);
}

/** Opens what is to be overwritten or replaced: who may not write to it may not replace it either. */
async function openExisting(
  path: Buffer,
  flag: number,
  { source, from }: { readonly source: Buffer; readonly from: BigIntStats },
): Promise<Existing | undefined> {
  const there = await statOf(path);
  if (there === undefined) return undefined;
  refuse(path, source, there, from);
  const file = await openFile(path, constants.O_WRONLY | ONLY_OPEN | flag);
  try {
    const opened = await file.stat({ bigint: true });
    refuse(path, source, opened, from);
    return { path, file, stat: opened };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Opens a file, and says so when it is O_DIRECT that cannot be had. */
export async function openFile(path: Buffer, flags: number, mode?: number): Promise<FileHandle> {
  try {
    return await open(path, flags, mode);
  } catch (error) {
    const direct: number | undefined = constants.O_DIRECT;
    if (codeOf(error) !== 'EINVAL' || direct === undefined || (flags & direct) === 0) throw error;
    // Linux has made the file by the time it finds that O_DIRECT is not to be had.
    if ((flags & constants.O_CREAT) !== 0) await rm(path, { force: true });
    throw new Error(
      `the file system of '${printable(path)}' does not open files with O_DIRECT: leave out --direct`,
      { cause: error },
    );
  }
}

async function createPartial(
  target: Buffer,
  flag: number,
  mode: number,
): Promise<{ path: Buffer; file: FileHandle }> {
  for (let names = 1; ; names++) {
    const path = partialPath(target);
    try {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | flag;
      return { path, file: await openFile(path, flags, mode) };
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || names === MOST_NAMES) throw error;
    }
  }
}

/** Written beside the destination, then renamed. */
class Replacement implements CopyTarget {
  readonly inPlace = undefined;
  readonly file: FileHandle;
  readonly note: string | undefined;
  readonly #path: Buffer;
  readonly #target: Buffer;
  readonly #openOld: () => Promise<Existing | undefined>;
  /** What was there when it was looked at last. */
  #old: BigIntStats | undefined;

  constructor(
    made: { path: Buffer; file: FileHandle },
    target: Buffer,
    old: BigIntStats | undefined,
    openOld: () => Promise<Existing | undefined>,
    note?: string,
  ) {
    this.file = made.file;
    this.#path = made.path;
    this.#target = target;
    this.#old = old;
    this.#openOld = openOld;
    this.note = note;
  }

  async publish(seal: () => Promise<void>): Promise<void> {
    await seal();
    if (await this.#adoptAgain()) await seal();
    await this.file.close();
    await rename(this.#path, this.#target);
    await syncDirectory(this.#target);
  }

  /** A copy may take hours: another file may have come, or the rights of the old one may have become others. */
  async #adoptAgain(): Promise<boolean> {
    const now = await statOf(this.#target);
    if (now === undefined || (this.#old !== undefined && isUnchanged(now, this.#old))) return false;
    const existing = await this.#openOld();
    if (existing === undefined) return false;
    try {
      const { why } = await adopt(this.file, existing);
      if (why !== undefined)
        throw new Error(
          `'${printable(this.#target)}' has changed while the copy was made, and is left as it is: ${why}`,
        );
      this.#old = existing.stat;
      return true;
    } finally {
      await existing.file.close();
    }
  }

  async discard(): Promise<void> {
    await this.file.close();
    await rm(this.#path, { force: true });
  }
}

/** The old inode, overwritten. */
class Overwriting implements CopyTarget {
  readonly note = undefined;
  readonly file: FileHandle;
  readonly inPlace: string;

  constructor(file: FileHandle, why: string) {
    this.file = file;
    this.inPlace = why;
  }

  async publish(seal: () => Promise<void>): Promise<void> {
    await seal();
    await this.file.close();
  }

  discard(): Promise<void> {
    return this.file.close();
  }
}

/** A new file under its own name, where no other name fits beside it. */
class Created implements CopyTarget {
  readonly inPlace = undefined;
  readonly note =
    'it is made under its own name, for no other fits beside it: it is there before it is whole';
  readonly file: FileHandle;
  readonly #path: Buffer;

  constructor({ path, file }: { path: Buffer; file: FileHandle }) {
    this.file = file;
    this.#path = path;
  }

  async publish(seal: () => Promise<void>): Promise<void> {
    await seal();
    await this.file.close();
    await syncDirectory(this.#path);
  }

  async discard(): Promise<void> {
    await this.file.close();
    await rm(this.#path, { force: true });
  }
}

/** Makes the name durable, which the file's own fsync(2) does not. */
async function syncDirectory(path: Buffer): Promise<void> {
  try {
    await using directory = await open(directoryOf(path), constants.O_RDONLY);
    await directory.sync();
  } catch (error) {
    if (!NO_DIRECTORY_SYNC.has(codeOf(error) ?? '')) throw error;
  }
}

export interface TargetOptions {
  readonly source: Buffer;
  /** Of the source. */
  readonly from: BigIntStats;
  /** O_DIRECT or 0. */
  readonly flag: number;
  /** The source's mode, owner and times are set at the end. */
  readonly preserve: boolean;
}

/**
 * Opens the file that the copy is written into.
 *
 * @throws When the destination is the source, no regular file, a link to nothing, or must not be written to.
 */
export async function openTarget(destination: Buffer, options: TargetOptions): Promise<CopyTarget> {
  const existing = await openExisting(destination, options.flag, options);
  if (existing === undefined) return await openNew(destination, options);
  let kept = false;
  try {
    const target = await openReplacement(existing, options);
    kept = target.file === existing.file;
    return target;
  } finally {
    // Held open for writing, a program could not be started meanwhile.
    if (!kept) await existing.file.close();
  }
}

/** The same in place, for a destination that turned out not to let itself be replaced. */
export async function overwrite(
  destination: Buffer,
  why: string,
  options: TargetOptions,
): Promise<CopyTarget> {
  const existing = await openExisting(destination, options.flag, options);
  if (existing === undefined) return await openNew(destination, options);
  return new Overwriting(existing.file, why);
}

async function openNew(destination: Buffer, options: TargetOptions): Promise<CopyTarget> {
  if (destination.length === 0) throw errnoException(-ERRNO.ENOENT, 'open', { path: '' });
  if (endsInSeparator(destination))
    throw errnoException(-ERRNO.ENOTDIR, 'open', { path: destination.toString() });
  const { flag, from, preserve } = options;
  // The kernel takes the umask off, or applies the folder's default access control list, as for cp(1). What is to become the source's
  // owner's is nobody else's before that.
  const mode = Number(from.mode & RIGHTS & (preserve ? 0o700n : RIGHTS));
  const openOld = (): Promise<Existing | undefined> => openExisting(destination, 0, options);
  try {
    return new Replacement(await createPartial(destination, flag, mode), destination, undefined, openOld);
  } catch (error) {
    if (codeOf(error) !== 'ENAMETOOLONG') throw error;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | flag;
    return new Created({ path: destination, file: await openFile(destination, flags, mode) });
  }
}

async function openReplacement(existing: Existing, options: TargetOptions): Promise<CopyTarget> {
  const overwriting = (why: string): CopyTarget => new Overwriting(existing.file, why);
  const ties = tiesOf(existing.stat);
  if (ties !== undefined) return overwriting(ties);
  // What a link points at is replaced, not the link.
  const path = await placeOf(existing);
  if (path === undefined) return overwriting('its own name is not known');
  let made: { path: Buffer; file: FileHandle };
  try {
    made = await createPartial(path, options.flag, PRIVATE);
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (!NO_ROOM_BESIDE.has(code)) throw error;
    return overwriting(`no file can be made beside it (${code})`);
  }
  const openOld = (): Promise<Existing | undefined> => openExisting(path, 0, options);
  let replacement: Replacement | undefined;
  try {
    const { why, note } = await adopt(made.file, existing);
    if (why !== undefined) return overwriting(why);
    replacement = new Replacement(made, path, existing.stat, openOld, note);
    return replacement;
  } finally {
    if (replacement === undefined) {
      await made.file.close();
      await rm(made.path, { force: true });
    }
  }
}

/** The name of an open file behind all links; `undefined` where the links of a path lead nowhere that can be named (see proc(5)). */
async function placeOf({ path, stat: opened }: Existing): Promise<Buffer | undefined> {
  try {
    const place = await followLinks(path);
    return isSame(await lstat(place, { bigint: true }), opened) ? place : undefined;
  } catch {
    return undefined;
  }
}
