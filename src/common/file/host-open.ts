/** Opening the host's files, with O_DIRECT where it was asked for, so that a refusal leaves everything as it was. */
import { constants, type PathLike } from 'node:fs';
import {
  type FileHandle,
  lstat,
  open as openHandle,
  readlink,
  stat,
  truncate,
  unlink,
} from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ERRNO } from '../abi/errno.ts';
import { AioError, codeOf } from '../errors.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import type { DescriptorStat } from '../kernel/descriptor-stat.ts';
import { asksForDirect } from './direct-verdict.ts';
import type { OpenAtOnce } from './open-at-once.ts';
import { flagsNumber } from './open-flags.ts';

/** See `OpenOptions.direct`. */
export type DirectChoice = false | 'prefer' | 'require';
type Mode = Parameters<typeof openHandle>[2];

export interface HostFile {
  readonly handle: FileHandle;
  /** Why it is direct or not; for one that is opened so, what asked for that. */
  readonly reason: string;
  /** Not direct, but to be aligned as if it were. */
  readonly imitated: boolean;
  /** Where it is known already. */
  readonly stat?: DescriptorStat;
  /** What is to be done when it is known whether direct I/O is there. `undefined` for what has not been opened so. */
  readonly pending: PendingDirect | undefined;
}

const { O_CREAT, O_EXCL, O_TRUNC } = constants;
const O_NOFOLLOW: number = constants.O_NOFOLLOW ?? 0;
const O_DIRECT: number | undefined = constants.O_DIRECT;
/** What a descriptor keeps of its flags when it is opened again. */
const KEPT_FLAGS =
  constants.O_RDONLY |
  constants.O_WRONLY |
  constants.O_RDWR |
  constants.O_APPEND |
  (constants.O_SYNC ?? 0) |
  (constants.O_DSYNC ?? 0) |
  (constants.O_NOATIME ?? 0) |
  (constants.O_NONBLOCK ?? 0);
/** As many as Linux follows. */
const MOST_LINKS = 40;
/** How often somebody else may make the file just before us. */
const MOST_TRIES = 5;
const MOST_MODE = 0xffff_ffff;
const NOT_OPENED = 'the file system does not open this file with O_DIRECT';

/**
 * Opens a file of the host.
 *
 * @throws What `fs.promises.open` throws; `EINVAL` with the reason where direct I/O is required and is known already not to be had.
 */
export async function openHost(
  path: PathLike,
  flags: string | number,
  mode: Mode,
  direct: DirectChoice,
  atOnce?: OpenAtOnce,
): Promise<HostFile> {
  const number = flagsNumber(flags);
  // What Node.js would not have as a mode, it has to refuse.
  const isMode = typeof mode === 'number' && Number.isInteger(mode) && mode >= 0 && mode <= MOST_MODE;
  const openNow = isMode ? atOnce : undefined;
  const flagged = typeof flags === 'number' && asksForDirect(flags);
  if (!flagged && direct === false) {
    const opening = number === undefined ? undefined : openNow?.(path, number);
    const known = opening instanceof Promise ? await opening : opening;
    if (known === undefined) return buffered(path, flags, mode, 'not asked for');
    const { handle, stat } = known;
    return { handle, reason: 'not asked for', imitated: false, pending: undefined, stat };
  }
  if (number === undefined || O_DIRECT === undefined) {
    const refusal =
      number === undefined ? `the flags '${flags}' are unknown` : `${process.platform} has no O_DIRECT`;
    if (direct === 'require') throw noDirect(refusal, path);
    const imitated = number !== undefined;
    const reason = imitated ? `${refusal}; transfers have to be aligned all the same` : refusal;
    return buffered(path, flags, mode, reason, imitated);
  }
  const plain = number & ~O_DIRECT;
  const opening = openNow?.(path, plain | O_DIRECT);
  const known = opening instanceof Promise ? await opening : opening;
  if (known !== undefined) {
    const isRequired = flagged || direct === 'require';
    const pending = new PendingDirect(known.handle, path, plain, { isNew: false, isRequired });
    const reason = flagged ? 'the flags say O_DIRECT' : 'asked for';
    return { handle: known.handle, reason, imitated: false, pending, stat: known.stat };
  }
  return flagged || direct === 'require'
    ? required(path, plain, mode, flagged ? 'the flags say O_DIRECT' : 'asked for')
    : preferred(path, plain, mode);
}

async function buffered(
  path: PathLike,
  flags: string | number,
  mode: Mode,
  reason: string,
  imitated = false,
): Promise<HostFile> {
  return { handle: await openHandle(path, flags, mode), reason, imitated, pending: undefined };
}

async function preferred(path: PathLike, flags: number, mode: Mode): Promise<HostFile> {
  try {
    const handle = await openHandle(path, flags | O_DIRECT!, mode);
    const pending = new PendingDirect(handle, path, flags, { isNew: false, isRequired: false });
    return { handle, reason: 'asked for', imitated: false, pending };
  } catch (error) {
    if (codeOf(error) !== 'EINVAL') throw error;
    return { ...(await openAfterRefusal(path, flags, mode)), reason: NOT_OPENED };
  }
}

/** Linux has made the file by the time it finds that O_DIRECT is not to be had. */
async function openAfterRefusal(path: PathLike, flags: number, mode: Mode): Promise<HostFile> {
  try {
    return await buffered(path, flags, mode, NOT_OPENED);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    // Had it been there before, that had been the first answer too. So the flags are good ones, and it is the one made just now.
    await unlink(path);
    return buffered(path, flags, mode, NOT_OPENED);
  }
}

/** What is there is not emptied before it is known to take direct I/O, and what is not there is made exclusively: then it is ours to remove. */
async function required(
  path: PathLike,
  flags: number,
  mode: Mode,
  reason: string,
  tries = MOST_TRIES,
): Promise<HostFile> {
  const place = (flags & O_CREAT) === 0 || tries === 0 ? undefined : await placeToMake(path, flags);
  const isNew = place !== undefined;
  const where = place ?? path;
  const how = isNew ? flags | O_EXCL : flags;
  try {
    const handle = await openHandle(where, (how & ~O_TRUNC) | O_DIRECT!, mode);
    const pending = new PendingDirect(handle, where, flags, { isNew, isRequired: true });
    return { handle, reason, imitated: false, pending };
  } catch (error) {
    // Somebody else was quicker: it is an old file now.
    if (codeOf(error) === 'EEXIST' && isNew && (flags & O_EXCL) === 0)
      return required(path, flags, mode, reason, tries - 1);
    if (codeOf(error) !== 'EINVAL') throw error;
    if (isNew) {
      const { handle } = await openAfterRefusal(where, how, mode);
      await unlink(where).catch(() => {});
      await handle.close();
    }
    throw noDirect(NOT_OPENED, path, error);
  }
}

/** Where open(2) would make a file: at the end of symbolic links that lead nowhere. @returns `undefined` where there is one, or it cannot be seen. */
async function placeToMake(path: PathLike, flags: number): Promise<PathLike | undefined> {
  if ((flags & O_EXCL) !== 0) return path;
  let place = path;
  for (let links = 0; links <= ((flags & O_NOFOLLOW) === 0 ? MOST_LINKS : 0); links++) {
    try {
      await stat(place);
      return undefined;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') return undefined;
    }
    try {
      if (!(await lstat(place)).isSymbolicLink()) return place;
      place = await linkedFrom(place);
    } catch (error) {
      return codeOf(error) === 'ENOENT' ? place : undefined;
    }
  }
  return undefined;
}

async function linkedFrom(link: PathLike): Promise<Buffer> {
  const from = Buffer.from(link instanceof URL ? fileURLToPath(link) : link);
  const to = await readlink(link, 'buffer');
  // By hand, and not by what looks simpler: `..` behind a linked folder is not the folder before it.
  return to[0] === SLASH ? to : Buffer.concat([from.subarray(0, from.lastIndexOf(SLASH) + 1), to]);
}

const SLASH = 0x2f;

/** A file that has been opened with O_DIRECT, before it is known what came of that. */
export class PendingDirect {
  readonly #handle: FileHandle;
  readonly #path: PathLike;
  readonly #flags: number;
  readonly #isNew: boolean;
  readonly #isRequired: boolean;

  /** @param flags - Without O_DIRECT. */
  constructor(
    handle: FileHandle,
    path: PathLike,
    flags: number,
    { isNew, isRequired }: { isNew: boolean; isRequired: boolean },
  ) {
    this.#handle = handle;
    this.#path = path;
    this.#flags = flags;
    this.#isNew = isNew;
    this.#isRequired = isRequired;
  }

  /** Whether {@link accept} will empty it. */
  get empties(): boolean {
    return this.#isRequired && !this.#isNew && (this.#flags & O_TRUNC) !== 0;
  }

  /** It is direct: what O_TRUNC asked for can be done. */
  async accept(): Promise<void> {
    if (!this.empties) return;
    if (!(await this.#handle.stat()).isFile()) return;
    const writes = (this.#flags & (constants.O_WRONLY | constants.O_RDWR)) !== 0;
    // O_TRUNC needs the right to write, not a descriptor that does.
    if (writes) await this.#handle.truncate(0);
    else await truncate(self(this.#handle), 0);
  }

  /**
   * It is not.
   *
   * @returns A handle of the same file without O_DIRECT; the one from before is closed where it is another.
   * @throws EINVAL with the reason, where it was required.
   */
  async refuse(kernel: AioKernel, reason: string): Promise<FileHandle> {
    if (this.#isRequired) throw noDirect(reason, this.#path);
    const handle = this.#handle;
    if (kernel.clearDirect?.(handle.fd) === true) return handle;
    const again = await this.#again();
    if (again === undefined) return handle;
    await handle.close();
    return again;
  }

  /** Removes what was made for it, as long as it is at its place. To be called before the handle is closed. */
  async undo(): Promise<void> {
    if (!this.#isNew) return;
    try {
      const [made, there] = await Promise.all([this.#handle.stat(), lstat(this.#path)]);
      if (made.ino === there.ino && made.dev === there.dev) await unlink(this.#path);
    } catch {
      // It is not there any more, or cannot be removed: the error that led here says more.
    }
  }

  /** `undefined`: it cannot be opened a second time. It was made without the right to, for example; O_DIRECT does no harm where it is ignored. */
  async #again(): Promise<FileHandle | undefined> {
    try {
      return await openHandle(self(this.#handle), this.#flags & KEPT_FLAGS);
    } catch {
      return undefined;
    }
  }
}

/** The open file itself, whatever its path means by now. */
function self({ fd }: FileHandle): string {
  return `/proc/self/fd/${fd}`;
}

/** @param path - As the caller gave it. */
export function noDirect(reason: string, path?: PathLike, cause?: unknown): AioError {
  return new AioError('EINVAL', ERRNO.EINVAL, 'open', {
    ...(path === undefined ? {} : { path: path instanceof URL ? fileURLToPath(path) : String(path) }),
    help: `Direct I/O was required, but ${reason}`,
    cause,
  });
}
