/** Opening files whose transfers go through kernel AIO. */
import { constants } from 'node:fs';
import { type FileHandle, open as openHandle, rm } from 'node:fs/promises';
import { UNALIGNED } from './common/aligned.ts';
import { directAlignment } from './common/alignment.ts';
import type { AioContext } from './common/context.ts';
import { descriptorHandle, type HostHandle } from './common/descriptor-handle.ts';
import { codeOf } from './common/errors.ts';
import { AioFile } from './common/file.ts';
import type { Unaligned } from './common/file-io.ts';
import { Routing } from './common/routing.ts';
import { invalidArgType, validateDescriptor } from './common/validate.ts';
import type { BackendPreference } from './select.ts';
import { leaseSharedContext } from './shared-context.ts';

/** Beyond what `fs.promises.open` takes. */
export interface OpenOptions {
  /**
   * Whether to bypass the page cache.
   *
   * - `false` (default): buffered.
   * - `'prefer'`: direct where the file system can, else buffered; `file.direct` and `file.directReason` tell.
   * - `'require'`: direct, or an error.
   */
  readonly direct?: false | 'prefer' | 'require';
  /** What becomes of a direct transfer out of `file.alignment`. Default `'error'`. */
  readonly unaligned?: Unaligned;
  /** Which kernel. Default: `KAIO_BACKEND`, else automatic. Not together with `context`. */
  readonly backend?: BackendPreference;
  /** A context of your own. Default: the one that this thread shares. It stays yours to close, after the file. */
  readonly context?: AioContext;
}

/** Options of {@link fromDescriptor}. */
export interface DescriptorOptions extends Pick<OpenOptions, 'unaligned' | 'backend' | 'context'> {
  /** Whether it was opened with O_DIRECT. Plain Node.js cannot ask. Default false. */
  readonly direct?: boolean;
  /** Whether closing the AioFile closes the descriptor too. Default false. */
  readonly autoClose?: boolean;
}

const O_DIRECT: number | undefined = constants.O_DIRECT;
const DIRECT_CHOICES: readonly unknown[] = [false, 'prefer', 'require', undefined];
const UNALIGNED_CHOICES: readonly unknown[] = ['error', 'copy', 'read-modify-write', undefined];

interface Opened {
  readonly handle: FileHandle;
  readonly direct: boolean;
  readonly reason: string;
}

/**
 * Opens a file.
 *
 * @param path - As in `fs.promises.open`.
 * @param flags - As there; a number may have O_DIRECT in it, which is `direct: 'require'`. Default `'r'`.
 * @param mode - As there. Default 0o666.
 * @throws What `fs.promises.open` throws; `EINVAL` with help when direct I/O was required and can't be had;
 * `ERR_AIO_BACKEND_UNAVAILABLE` when a kernel was asked for and can't be had.
 *
 * @example
 * ```ts
 * await using file = await open('data.bin', 'r', 0o666, { direct: 'prefer', unaligned: 'copy' });
 * const buffer = alignedBuffer(65536);
 * const { bytesRead } = await file.read(buffer, { position: 0 });
 * ```
 */
export async function open(
  path: Parameters<typeof openHandle>[0],
  flags: string | number = 'r',
  mode: Parameters<typeof openHandle>[2] = 0o666,
  options: OpenOptions = {},
): Promise<AioFile> {
  const { direct = false, unaligned = 'error' } = options;
  validateChoice('options.direct', direct, DIRECT_CHOICES);
  validateChoice('options.unaligned', unaligned, UNALIGNED_CHOICES);
  const opened = await openAs(path, flags, mode, direct);
  return make(opened.handle, options, {
    direct: opened.direct,
    directReason: opened.reason,
    hostCursor: appends(flags),
    autoClose: true,
  });
}

/**
 * Makes an AioFile of a descriptor or FileHandle that is open already.
 *
 * Transfers without a position go on from the descriptor's own position, which only the thread pool can use.
 *
 * @remarks *Ownership*: unless `autoClose` is set it stays yours; keep it open until the AioFile is closed.
 */
export async function fromDescriptor(
  descriptor: number | FileHandle,
  options: DescriptorOptions = {},
): Promise<AioFile> {
  const { direct = false, autoClose = false, unaligned = 'error' } = options;
  validateChoice('options.unaligned', unaligned, UNALIGNED_CHOICES);
  const fd = validateDescriptor(descriptor);
  const handle: HostHandle = typeof descriptor === 'number' ? descriptorHandle(fd) : descriptor;
  return make(handle, options, {
    direct,
    directReason: direct
      ? 'the caller says that it was opened so'
      : 'the caller does not say that it was opened so',
    hostCursor: true,
    autoClose,
  });
}

interface Made {
  readonly direct: boolean;
  readonly directReason: string;
  readonly hostCursor: boolean;
  readonly autoClose: boolean;
}

async function make(
  handle: HostHandle,
  { backend, context: own, unaligned = 'error' }: Pick<OpenOptions, 'backend' | 'context' | 'unaligned'>,
  { direct, directReason, hostCursor, autoClose }: Made,
): Promise<AioFile> {
  const { fd } = handle;
  const undo: (() => void)[] = [];
  try {
    const lease = own === undefined ? leaseSharedContext(backend) : undefined;
    if (lease !== undefined) undo.push(lease.release);
    const context = own ?? lease!.context;
    const { kernel } = context;
    const stat = await handle.stat();
    const seekable = stat.isFile() || stat.isBlockDevice();
    const alignment = direct ? await directAlignment(kernel, fd) : UNALIGNED;
    if (autoClose) {
      // The descriptor is ours until every request has ended: the emulation may rely on it.
      kernel.fget(fd);
      undo.push(() => kernel.fput(fd));
    }
    return new AioFile({
      handle: autoClose ? handle : unclosable(handle),
      context,
      backend: kernel.name,
      backendReason: lease?.reason ?? 'the context that was given',
      direct,
      directReason,
      alignment,
      unaligned,
      routing: new Routing(context, fd, direct, seekable),
      hostCursor: hostCursor || !seekable,
      release: () => {
        for (const step of undo.reverse()) step();
      },
    });
  } catch (error) {
    for (const step of undo.reverse()) step();
    if (autoClose) await handle.close();
    throw error;
  }
}

/** Somebody else's: closing the AioFile leaves it open. */
function unclosable(handle: HostHandle): HostHandle {
  return new Proxy(handle, {
    get(target, property) {
      if (property === 'close') return () => Promise.resolve();
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function openAs(
  path: Parameters<typeof openHandle>[0],
  flags: string | number,
  mode: Parameters<typeof openHandle>[2],
  direct: false | 'prefer' | 'require',
): Promise<Opened> {
  if (typeof flags === 'number' && O_DIRECT !== undefined && (flags & O_DIRECT) !== 0) {
    return { handle: await openHandle(path, flags, mode), direct: true, reason: 'the flags say O_DIRECT' };
  }
  if (direct === false)
    return { handle: await openHandle(path, flags, mode), direct: false, reason: 'not asked for' };
  const number = flagsNumber(flags);
  const refusal =
    O_DIRECT === undefined
      ? `${process.platform} has no O_DIRECT`
      : number === undefined
        ? `the flags '${flags}' are unknown`
        : undefined;
  if (refusal !== undefined) {
    if (direct === 'require') throw noDirect(refusal);
    return { handle: await openHandle(path, flags, mode), direct: false, reason: refusal };
  }
  try {
    return { handle: await openHandle(path, number! | O_DIRECT!, mode), direct: true, reason: 'asked for' };
  } catch (error) {
    if (codeOf(error) !== 'EINVAL') throw error;
    const reason = 'the file system does not open files with O_DIRECT';
    const creates = (number! & constants.O_CREAT) !== 0;
    const exclusive = (number! & constants.O_EXCL) !== 0;
    // Linux has made the file by the time it finds that O_DIRECT is not to be had.
    if (creates && exclusive) await rm(path as string, { force: true });
    if (direct === 'require') throw noDirect(reason, error);
    return { handle: await openHandle(path, flags, mode), direct: false, reason };
  }
}

function noDirect(reason: string, cause?: unknown): Error {
  return Object.assign(new Error(`EINVAL: direct I/O was required, but ${reason}`, { cause }), {
    code: 'EINVAL',
    syscall: 'open',
  });
}

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_SYNC, O_TRUNC, O_WRONLY } = constants;
const FLAGS: Readonly<Record<string, number>> = {
  r: O_RDONLY,
  rs: O_RDONLY | O_SYNC,
  sr: O_RDONLY | O_SYNC,
  'r+': O_RDWR,
  'rs+': O_RDWR | O_SYNC,
  'sr+': O_RDWR | O_SYNC,
  w: O_TRUNC | O_CREAT | O_WRONLY,
  wx: O_TRUNC | O_CREAT | O_WRONLY | O_EXCL,
  xw: O_TRUNC | O_CREAT | O_WRONLY | O_EXCL,
  'w+': O_TRUNC | O_CREAT | O_RDWR,
  'wx+': O_TRUNC | O_CREAT | O_RDWR | O_EXCL,
  'xw+': O_TRUNC | O_CREAT | O_RDWR | O_EXCL,
  a: O_APPEND | O_CREAT | O_WRONLY,
  ax: O_APPEND | O_CREAT | O_WRONLY | O_EXCL,
  xa: O_APPEND | O_CREAT | O_WRONLY | O_EXCL,
  as: O_APPEND | O_CREAT | O_WRONLY | O_SYNC,
  sa: O_APPEND | O_CREAT | O_WRONLY | O_SYNC,
  'a+': O_APPEND | O_CREAT | O_RDWR,
  'ax+': O_APPEND | O_CREAT | O_RDWR | O_EXCL,
  'xa+': O_APPEND | O_CREAT | O_RDWR | O_EXCL,
  'as+': O_APPEND | O_CREAT | O_RDWR | O_SYNC,
  'sa+': O_APPEND | O_CREAT | O_RDWR | O_SYNC,
};

function flagsNumber(flags: string | number): number | undefined {
  return typeof flags === 'number' ? flags : FLAGS[flags];
}

function appends(flags: string | number): boolean {
  return ((flagsNumber(flags) ?? 0) & O_APPEND) !== 0;
}

function validateChoice(name: string, value: unknown, choices: readonly unknown[]): void {
  if (choices.includes(value)) return;
  const known = choices.filter((choice) => choice !== undefined).map((choice) => JSON.stringify(choice));
  throw invalidArgType(name, `one of ${known.join(', ')}`, value);
}
