/**
 * Replacing a file, step by step.
 *
 * The order is the promise: the content is durable before it gets the name, and the name is durable before anybody is told. With any of
 * the steps left out a loss of power can leave neither the old content nor the new, or lose what was promised.
 */
import { constants } from 'node:fs';
import type { AioContext } from './common/context/aio-context.ts';
import { codeOf } from './common/errors.ts';
import type { AioFile, FileData } from './common/file/aio-file-type.ts';
import { FileError } from './common/file/file-error.ts';
import { type FileNames, fileNames, type NamedFile, UnfitError } from './common/file/file-names.ts';
import { throwIfAborted } from './common/file/file-requests.ts';
import { Pieces } from './common/file/pieces.ts';
import { directoryOf, partialPath } from './common/path-bytes.ts';
import { open } from './open.ts';
import type { BackendPreference } from './select.ts';

/** What is wanted, read and judged already. */
export interface Replacing {
  readonly path: Buffer;
  /** A string or view, or something to iterate over. */
  readonly data: FileData;
  /** Permissions, with set-id bits. */
  readonly mode: number | undefined;
  readonly encoding: BufferEncoding | undefined;
  readonly signal: AbortSignal | undefined;
  readonly backend: BackendPreference | undefined;
  readonly context: AioContext | undefined;
}

/** What is to become the file. */
export interface Temporary {
  readonly path: Buffer;
  readonly file: AioFile;
}

/** A new file, before anything is taken off by the umask. */
const NEW_MODE = 0o666;
/** Nobody else's, until it has the rights of the file that it replaces. */
const PRIVATE_MODE = 0o600;
const GROUP = 0o070;
const OTHERS = 0o007;
/** Names that are tried before somebody who has made files of all of them is believed. */
const MOST_NAMES = 16;
/** Windows has no such flag, and nothing there opens a directory. */
const DIRECTORY: number = (constants.O_DIRECTORY as number | undefined) ?? 0;
const NOT_PERMITTED = new Set(['EPERM', 'EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);
/** There are file systems that have no sync of directories. */
const NO_DIRECTORY_SYNC = new Set(['EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

/** Each step is a method, so that a test can leave one out and see that it is missed. */
export class FileReplacement {
  protected readonly wanted: Replacing;
  protected readonly names: FileNames;
  readonly #pieces: Pieces | undefined;

  constructor(wanted: Replacing) {
    const { data, signal, context } = wanted;
    this.wanted = wanted;
    this.names = fileNames(context?.kernel.files);
    this.#pieces =
      typeof data === 'string' || ArrayBuffer.isView(data) ? undefined : new Pieces(data, signal);
  }

  /** @throws What any of the steps throws; system errors name the path that was given. */
  async run(): Promise<void> {
    try {
      await this.#replace();
    } catch (error) {
      this.#pieces?.discard();
      throw error;
    }
  }

  async #replace(): Promise<void> {
    const { path: asked, signal } = this.wanted;
    throwIfAborted(signal);
    const { path, file: old } = await this.#opening(() => this.names.find(asked));
    const directory = await this.openDirectory(path);
    try {
      const temporary = await this.#opening(() => this.create(path, old));
      try {
        await this.#fill(temporary.file, path);
        throwIfAborted(signal);
        await this.#told(() => this.putInPlace(temporary, path));
      } catch (error) {
        // What cannot be removed either is left, under a name that says what it is.
        await this.names.unlink(temporary.path).catch(() => {});
        throw error;
      }
      // From here on the new file is there, whatever happens.
      if (directory !== undefined) {
        const help = 'The file is replaced, but may be the old one again when the power is lost';
        await this.#told(() => this.syncDirectory(directory), { help });
      }
    } finally {
      // It was only looked at.
      await directory?.close().catch(() => {});
    }
  }

  /** Gives the file its content and all that it shall have, and makes that durable. Closes it. */
  async #fill(file: AioFile, path: Buffer): Promise<void> {
    try {
      await this.#told(() => this.write(file));
      // Once more, for writing may have taken long: a file that came to be meanwhile, or whose mode was changed, is the one to be replaced.
      const { file: old } = await this.#opening(() => this.names.find(path));
      await this.#told(() => this.adopt(file, old));
      await this.#told(() => this.syncFile(file));
    } catch (error) {
      await file.close().catch(() => {});
      throw error;
    }
    // A network's file system may say only now that there was no room.
    await this.#told(() => file.close());
  }

  /** Before anything is made: where it cannot be opened, nothing can be promised. */
  protected async openDirectory(path: Buffer): Promise<AioFile | undefined> {
    const { separators, syncsDirectories } = this.names;
    if (!syncsDirectories) return undefined;
    const directory = directoryOf(path, separators);
    const help = `Its directory has to be opened, to be made durable: '${directory.toString()}'`;
    return this.#opening(() => this.#open(directory, constants.O_RDONLY | DIRECTORY), { help });
  }

  protected async create(path: Buffer, old: NamedFile | undefined): Promise<Temporary> {
    const { names } = this;
    const mode = old === undefined && this.wanted.mode === undefined ? NEW_MODE : PRIVATE_MODE;
    for (let tried = 1; ; tried++) {
      const temporary = partialPath(path, names.separators, (count) => names.randomBytes(count));
      try {
        return { path: temporary, file: await this.#open(temporary, 'wx', mode) };
      } catch (error) {
        if (codeOf(error) !== 'EEXIST' || tried === MOST_NAMES) throw error;
      }
    }
  }

  protected write(file: AioFile): Promise<void> {
    const { data, encoding, signal } = this.wanted;
    return file.writeFile((this.#pieces as AsyncIterable<string> | undefined) ?? data, { encoding, signal });
  }

  /** Gives it the mode that was asked for, or that of the old file, and the owner of that as far as is permitted. */
  protected async adopt(file: AioFile, old: NamedFile | undefined): Promise<void> {
    const { mode } = this.wanted;
    if (old === undefined) {
      if (mode !== undefined) await file.chmod(mode);
      return;
    }
    // The owner first: changing it takes set-id bits away.
    const hasGroup = await giveOwner(file, old);
    if (mode !== undefined) await file.chmod(mode);
    // Another group gets no more than everybody has.
    else await file.chmod(hasGroup ? old.rights : old.rights & (~GROUP | ((old.rights & OTHERS) << 3)));
  }

  /** fsync(2), for mode and owner too. */
  protected syncFile(file: AioFile): Promise<void> {
    return file.sync();
  }

  protected putInPlace(temporary: Temporary, path: Buffer): Promise<void> {
    return this.names.rename(temporary.path, path);
  }

  protected async syncDirectory(directory: AioFile): Promise<void> {
    try {
      await directory.sync();
    } catch (error) {
      if (!NO_DIRECTORY_SYNC.has(codeOf(error) ?? '')) throw error;
    }
  }

  #open(path: Buffer, flags: string | number, mode?: number): Promise<AioFile> {
    const { backend, context } = this.wanted;
    return open(path, flags, mode, { backend, context } as Parameters<typeof open>[3]);
  }

  /** Errors of a step that looks for something, or makes it: to the caller it is open(2) that failed, as for `fs.promises.writeFile`. */
  #opening<T>(step: () => Promise<T>, more: { readonly help?: string } = {}): Promise<T> {
    return this.#told(step, { syscall: 'open', ...more });
  }

  /** Runs a step. System errors name the path of the caller, who has never heard of the other files. */
  async #told<T>(
    step: () => Promise<T>,
    { syscall, help }: { readonly syscall?: string; readonly help?: string } = {},
  ): Promise<T> {
    try {
      return await step();
    } catch (error) {
      if (this.#pieces?.hasThrown(error) === true || !isSystemError(error)) throw error;
      const words = error instanceof UnfitError ? error.help : help;
      throw new FileError(error.code, error.errno, syscall ?? error.syscall, {
        path: this.wanted.path.toString(),
        cause: error,
        ...(words === undefined ? {} : { help: words }),
      });
    }
  }
}

/** @returns Whether it has the group of the old file. */
async function giveOwner(file: AioFile, { uid, gid }: NamedFile): Promise<boolean> {
  const own = await file.stat();
  if (own.uid === uid && own.gid === gid) return true;
  if (await isPermitted(file.chown(uid, gid))) return true;
  // One of the caller's own groups can be given without being root.
  return own.gid === gid || (await isPermitted(file.chown(own.uid, gid)));
}

async function isPermitted(change: Promise<void>): Promise<boolean> {
  try {
    await change;
    return true;
  } catch (error) {
    if (NOT_PERMITTED.has(codeOf(error) ?? '')) return false;
    throw error;
  }
}

interface SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
}

function isSystemError(error: unknown): error is SystemError {
  if (!(error instanceof Error)) return false;
  const { code, errno, syscall } = error as Partial<SystemError>;
  return typeof code === 'string' && typeof errno === 'number' && typeof syscall === 'string';
}
