/** Opening files whose transfers go through kernel AIO. */
import { constants } from 'node:fs';
import { type FileHandle, open as openHandle, rm } from 'node:fs/promises';
import type { AioContext } from './common/context/aio-context.ts';
import { AioStateError, codeOf } from './common/errors.ts';
import { AioFile as HostFile } from './common/file/aio-file.ts';
import type { AioFileClass, AioFile as AnyFile } from './common/file/aio-file-type.ts';
import { type Fallocate, fallocateOfHost } from './common/file/allocation.ts';
import { blockDeviceOf } from './common/file/block-device.ts';
import { CachedDescriptor } from './common/file/cached-descriptor.ts';
import { DescriptorFile } from './common/file/descriptor-file.ts';
import { descriptorHandle, type HostHandle, hostCalls } from './common/file/descriptor-handle.ts';
import { directAlignment, SAFE_ALIGNMENT } from './common/file/direct-alignment.ts';
import type { Unaligned } from './common/file/direct-transfers.ts';
import type { FileParts } from './common/file/file-parts.ts';
import { flagsNumber } from './common/file/open-flags.ts';
import { Routing } from './common/file/routing.ts';
import { fileKey, Writers } from './common/file/writers.ts';
import type { AioKernel } from './common/kernel/aio-kernel.ts';
import type { DescriptorCalls, KernelFiles } from './common/kernel/kernel-files.ts';
import { UNALIGNED } from './common/memory/aligned.ts';
import { invalidArgType, invalidArgValue, validateDescriptor } from './common/validate.ts';
import { type BackendPreference, fallocate } from './select.ts';
import { leaseSharedContext } from './shared-context.ts';

/** {@inheritDoc AnyFile} */
export type AioFile = AnyFile;
export const AioFile = HostFile as unknown as AioFileClass;

/** Beyond what `fs.promises.open` takes. */
export interface OpenOptions {
  /**
   * Whether to bypass the page cache.
   *
   * - `false` (default): buffered.
   * - `'prefer'`: direct where the file system can, else buffered; `file.direct` and `file.directReason` tell. On a platform
   *   without O_DIRECT (macOS, Windows) transfers still have to be aligned, to a page, so that mistakes show there.
   * - `'require'`: direct, or an error.
   */
  readonly direct?: false | 'prefer' | 'require';
  /**
   * What becomes of a direct `read`, `write`, `readv` or `writev` out of `file.alignment`. Default `'error'`. Whole files, streams and lines are
   * cut to fit in any case (docs/direct-io.md).
   *
   * With `'read-modify-write'` a file that is open for writing takes a second descriptor.
   */
  readonly unaligned?: Unaligned;
  /** Which kernel. Default: `KAIO_BACKEND`, else automatic. Not together with `context`. */
  readonly backend?: BackendPreference;
  /**
   * A context of your own. Default: the one that this thread shares. It stays yours to close, after the file. Where its kernel
   * brings a file system (a simulated disk), the path is one of that.
   */
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
  readonly handle: HostHandle;
  readonly direct: boolean;
  readonly reason: string;
  /** Not direct, but to be aligned as if it were. */
  readonly imitated?: boolean;
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
  // Each once: they may be getters.
  const { direct = false, unaligned = 'error', backend, context } = options;
  validateChoice('options.direct', direct, DIRECT_CHOICES);
  validateChoice('options.unaligned', unaligned, UNALIGNED_CHOICES);
  const files = context?.kernel.files;
  const opened =
    files === undefined
      ? await openAs(path, flags, mode, direct)
      : await openIn(files, path, flags, mode, direct);
  return make(
    opened.handle,
    { backend, context, unaligned },
    {
      direct: opened.direct,
      imitated: opened.imitated === true,
      directReason: opened.reason,
      hostCursor: false,
      appends: appends(flags),
      writes: writes(flags),
      autoClose: true,
      isOwn: files === undefined,
    },
  );
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
  const { direct = false, autoClose = false, unaligned = 'error', backend, context } = options;
  validateChoice('options.unaligned', unaligned, UNALIGNED_CHOICES);
  const files = context?.kernel.files;
  const fd = validateDescriptor(descriptor);
  if (files !== undefined && typeof descriptor !== 'number')
    throw invalidArgType('descriptor', "a descriptor of the context's kernel", descriptor);
  const handle: HostHandle = typeof descriptor === 'number' ? descriptorHandle(fd, files?.calls) : descriptor;
  return make(
    handle,
    { backend, context, unaligned },
    {
      direct,
      directReason: direct
        ? 'the caller says that it was opened so'
        : 'the caller does not say that it was opened so',
      imitated: false,
      hostCursor: !direct,
      appends: false,
      writes: undefined,
      autoClose,
      isOwn: false,
    },
  );
}

/** What was asked for. */
interface Wanted {
  readonly backend: BackendPreference | undefined;
  readonly context: AioContext | undefined;
  readonly unaligned: Unaligned;
}

interface Made {
  readonly direct: boolean;
  readonly imitated: boolean;
  readonly directReason: string;
  readonly hostCursor: boolean;
  readonly appends: boolean;
  /** Whether it is open for writing. `undefined` where nobody has said so. */
  readonly writes: boolean | undefined;
  readonly autoClose: boolean;
  /** Whether the handle is the host's, and nobody else has it. */
  readonly isOwn: boolean;
}

async function make(
  handle: HostHandle,
  { backend, context: own, unaligned }: Wanted,
  { direct, imitated, directReason, hostCursor, appends, writes, autoClose, isOwn }: Made,
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
    const imitation = imitated && seekable ? SAFE_ALIGNMENT : UNALIGNED;
    const blockDevice = kernel.files === undefined ? await blockDeviceOf(stat) : undefined;
    const alignment = direct ? await directAlignment(kernel, fd, blockDevice?.logicalSectorBytes) : imitation;
    if (autoClose) {
      // The descriptor is ours until every request has ended: the emulation may rely on it.
      kernel.fget(fd, imitation === UNALIGNED ? undefined : imitation);
      undo.push(() => kernel.fput(fd));
    }
    const isAligned = alignment !== UNALIGNED;
    const calls = kernel.files?.calls ?? hostCalls;
    const key = fileKey(stat);
    const cached = isAligned && seekable ? cachedOf(calls, handle, key, !autoClose) : undefined;
    if (cached !== undefined) undo.push(() => void cached.close().catch(warn));
    if (isAligned && writes === true && unaligned === 'read-modify-write') await cached?.open();
    // Nobody has a direct descriptor of what cannot be opened so.
    const canBeDirect = O_DIRECT !== undefined || kernel.files !== undefined;
    const writers = seekable && canBeDirect ? new Writers(calls, key) : undefined;
    if (writers !== undefined) undo.push(() => writers.leave());
    const routing = new Routing(context, fd, direct, seekable);
    await routing.prepareDirect(stat);
    const parts: FileParts = {
      handle,
      context,
      backend: kernel.name,
      backendReason: lease?.reason ?? 'the context that was given',
      direct,
      directReason,
      alignment,
      unaligned,
      appends,
      writers,
      cached,
      routing,
      blockDevice,
      fallocate: fallocateOf(kernel),
      // A kernel's own files, and direct ones, cannot leave that to the host.
      hostCursor: hostCursor || !seekable || (!isAligned && (appends || kernel.files === undefined)),
      borrowed: !autoClose,
      release: () => {
        for (const step of undo.reverse()) step();
      },
    };
    return ((isOwn ? HostFile.of(parts) : undefined) ?? new DescriptorFile(parts)) as unknown as AioFile;
  } catch (error) {
    for (const step of undo.reverse()) step();
    if (autoClose) await handle.close();
    throw error;
  }
}

const fallocateByHost = fallocateOfHost(fallocate);

/** Descriptors of the host are the host's, whichever kernel has their transfers. */
function fallocateOf({ files, release }: AioKernel): Fallocate {
  if (files === undefined) return fallocateByHost;
  return (
    files.calls.fallocate ??
    (async () => {
      throw new AioStateError('ERR_AIO_UNSUPPORTED', `There is no fallocate(2) for the files of ${release}`);
    })
  );
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
    const handle = await openHandle(path, flags, mode);
    const imitated = O_DIRECT === undefined;
    const reason = imitated ? `${refusal}; transfers have to be aligned all the same` : refusal;
    return { handle, direct: false, reason, imitated };
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

/** Opens a file of a kernel that brings its own. */
async function openIn(
  files: KernelFiles,
  path: Parameters<typeof openHandle>[0],
  flags: string | number,
  mode: Parameters<typeof openHandle>[2],
  direct: false | 'prefer' | 'require',
): Promise<Opened> {
  const number = flagsNumber(flags);
  if (number === undefined) throw invalidArgValue('flags', flags);
  const bits = typeof mode === 'string' ? Number.parseInt(mode, 8) : (mode ?? 0o666);
  const flagged = O_DIRECT !== undefined && (number & O_DIRECT) !== 0;
  const opened = async (asDirect: boolean, reason: string): Promise<Opened> => {
    const fd = await files.open(path, number, bits, asDirect);
    return { handle: descriptorHandle(fd, files.calls), direct: asDirect, reason };
  };
  if (flagged) return opened(true, 'the flags say O_DIRECT');
  if (direct === false) return opened(false, 'not asked for');
  try {
    return await opened(true, 'asked for');
  } catch (error) {
    if (codeOf(error) !== 'EINVAL') throw error;
    const reason = 'the file system does not open files with O_DIRECT';
    if (direct === 'require') throw noDirect(reason, error);
    return opened(false, reason);
  }
}

function noDirect(reason: string, cause?: unknown): Error {
  return Object.assign(new Error(`EINVAL: direct I/O was required, but ${reason}`, { cause }), {
    code: 'EINVAL',
    syscall: 'open',
  });
}

/** Apart from what is undone at the end, which lives as long as a file that was dropped is to be told of: it must not hold the handle. */
function cachedOf(
  calls: DescriptorCalls,
  handle: HostHandle,
  key: string,
  borrowed: boolean,
): CachedDescriptor {
  const { fd } = handle;
  return new CachedDescriptor(calls, { fd, isOpen: borrowed ? () => handle.fd === fd : undefined }, key);
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}

function writes(flags: string | number): boolean {
  return ((flagsNumber(flags) ?? 0) & (constants.O_WRONLY | constants.O_RDWR)) !== 0;
}

function appends(flags: string | number): boolean {
  return ((flagsNumber(flags) ?? 0) & constants.O_APPEND) !== 0;
}

function validateChoice(name: string, value: unknown, choices: readonly unknown[]): void {
  if (choices.includes(value)) return;
  const known = choices.filter((choice) => choice !== undefined).map((choice) => JSON.stringify(choice));
  throw invalidArgType(name, `one of ${known.join(', ')}`, value);
}
