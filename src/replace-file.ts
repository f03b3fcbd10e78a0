/** Replacing a file so that it survives. */
import type { PathLike } from 'node:fs';
import type { FileData } from './common/file/aio-file-type.ts';
import { isEncoding } from './common/file/file-arguments.ts';
import { pathBytes } from './common/file/file-names.ts';
import { piecesOf } from './common/file/whole-transfers.ts';
import { isArrayBufferView } from './common/intrinsics.ts';
import { invalidArgType, invalidArgValue, validateInteger, validateSignal } from './common/validate.ts';
import { FileReplacement, type Replacing } from './file-replacement.ts';
import type { OpenOptions } from './open.ts';

/** Options of {@link replaceFile}. */
export interface ReplaceFileOptions extends Pick<OpenOptions, 'backend' | 'context'> {
  /**
   * The mode that the file has afterwards, as it is: no umask is taken off. A number, or a string of octal digits. Default: the permissions of
   * the file that is replaced; where there is none, 0o666 without the bits of the umask.
   */
  readonly mode?: number | string | undefined;
  /** Of strings. Default `'utf8'`. */
  readonly encoding?: BufferEncoding | null | undefined;
  /** Gives up before the file is replaced, and leaves nothing behind. */
  readonly signal?: AbortSignal | undefined;
}

const MODE_BITS = 0o7777;
const MOST_MODE = 2 ** 32 - 1;

/**
 * Replaces a file, or makes it, so that a crash at any moment leaves the old content or the new one, as a whole.
 *
 * @remarks
 * A temporary file is made beside it (`.NAME.kaio-` and 12 hexadecimal digits), written, synced and renamed over it, and the directory is
 * synced. Once this has resolved, the new content is there after a loss of power too. Whoever has the old file open goes on reading that.
 * What is kept of the old file, and what is not, is told in docs/durability.md: mode and, where that is permitted, owner; no set-id bits,
 * extended attributes or further hard links. A symbolic link stays one: what it points to is replaced.
 *
 * *Blocking*: never the event loop. The write goes as {@link AioFile}'s writes do.
 *
 * *Ownership*: a view belongs to the call until the promise settles.
 *
 * *Abort*: `signal` is looked at before each piece of 512 KiB and before the rename, and ends waiting for the next piece of an asynchronous
 * iterable or stream. When it is renamed it is too late: the promise resolves.
 *
 * *Availability*: both backends, and disks of `simulate()`. Windows has no sync of directories: what has resolved may be the old content
 * again after a loss of power there, and never a mixture.
 *
 * @param path - As `fs.promises.writeFile` takes it, but for FileHandles. In the file system of `context`'s kernel where that brings one.
 * @param data - A string or a view, or an iterable, asynchronous iterable or stream of either.
 * @param options - Or an encoding.
 * @returns When the new content is durable.
 * @throws What `fs.promises.writeFile` throws, with `path` in each system error and the step that failed in `cause`; then the old file is as
 * it was and no temporary file is left. `EINVAL` for what is neither a regular file nor a link to one. After an error of the last sync
 * (`syscall` is `'fsync'`, and the message says it) the new content is there, but may be lost with the power. Whatever an iterable throws.
 * AbortError (`ABORT_ERR`).
 *
 * @example
 * ```ts
 * await replaceFile('settings.json', JSON.stringify({ theme: 'dark' }));
 * ```
 *
 * @see docs/durability.md
 */
export async function replaceFile(
  path: PathLike,
  data: FileData,
  options?: ReplaceFileOptions | BufferEncoding | null,
): Promise<void> {
  await new FileReplacement(replacing(path, data, options)).run();
}

/**
 * Reads what the caller hands over, each property once.
 *
 * @internal
 */
export function replacing(path: unknown, data: unknown, options: unknown): Replacing {
  const given = typeof options === 'string' ? { encoding: options } : (options ?? {});
  if (typeof given !== 'object')
    throw invalidArgType('options', 'of type string or an instance of Object', options);
  const { mode, encoding, signal, backend, context } = given as Partial<Record<string, unknown>>;
  if (encoding !== undefined && encoding !== null && !isEncoding(encoding))
    throw invalidArgValue('encoding', encoding);
  const { kernel } = (context ?? {}) as { kernel?: { files?: Parameters<typeof pathBytes>[1] } };
  if (typeof data !== 'string' && !isArrayBufferView(data) && piecesOf(data) === undefined) {
    const expected =
      'of type string or an instance of Buffer, TypedArray, DataView, Iterable, AsyncIterable or Stream';
    throw invalidArgType('data', expected, data);
  }
  return {
    path: pathBytes(path, kernel?.files),
    data: data as FileData,
    mode: modeOf(mode),
    encoding: (encoding ?? undefined) as BufferEncoding | undefined,
    signal: validateSignal(signal),
    backend: backend as Replacing['backend'],
    context: context as Replacing['context'],
  };
}

/** @returns `undefined` where none is given. */
function modeOf(mode: unknown): number | undefined {
  if (mode === undefined || mode === null) return undefined;
  if (typeof mode !== 'string') return validateInteger('options.mode', mode, 0, MOST_MODE) & MODE_BITS;
  if (!/^[0-7]+$/.test(mode)) throw invalidArgValue('options.mode', mode);
  return Number.parseInt(mode, 8) & MODE_BITS;
}
