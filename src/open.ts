/** Opening files whose transfers go through kernel AIO. */
import { constants } from 'node:fs';
import type { FileHandle, open as openHandle } from 'node:fs/promises';
import type { AioContext } from './common/context/aio-context.ts';
import { AioStateError, codeOf } from './common/errors.ts';
import { AioFile as HostFile } from './common/file/aio-file.ts';
import type { AioFileClass, AioFile as AnyFile } from './common/file/aio-file-type.ts';
import { type Fallocate, fallocateOfHost } from './common/file/allocation.ts';
import { blockDeviceOf } from './common/file/block-device.ts';
import { CachedDescriptor } from './common/file/cached-descriptor.ts';
import { DescriptorFile } from './common/file/descriptor-file.ts';
import { descriptorFlags } from './common/file/descriptor-flags.ts';
import { descriptorHandle, type HostHandle, hostCalls } from './common/file/descriptor-handle.ts';
import { directAlignment, SAFE_ALIGNMENT } from './common/file/direct-alignment.ts';
import type { Unaligned } from './common/file/direct-transfers.ts';
import { asksForDirect, type DirectVerdict, judgeDirect } from './common/file/direct-verdict.ts';
import type { FileParts } from './common/file/file-parts.ts';
import { noDirect, openHost, type PendingDirect } from './common/file/host-open.ts';
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
   * - `'require'`: direct, or an error, which leaves everything as it was: no new file, and an old one is not emptied. For that a file
   *   is opened without O_TRUNC, and cut when it is known to be direct.
   *
   * A file system that takes O_DIRECT and ignores it does not count as direct. What the kernel says is believed; where it says nothing,
   * a block is read to see it, as far as it can be seen (docs/direct-io.md).
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
  /**
   * Whether it was opened with O_DIRECT. Default: what Linux tells of the descriptor in `/proc`; false where there is none. A word
   * that Linux contradicts is refused.
   */
  readonly direct?: boolean;
  /** Whether closing the AioFile closes the descriptor too. Default false. */
  readonly autoClose?: boolean;
}

const O_DIRECT: number | undefined = constants.O_DIRECT;
const DIRECT_CHOICES: readonly unknown[] = [false, 'prefer', 'require', undefined];
const UNALIGNED_CHOICES: readonly unknown[] = ['error', 'copy', 'read-modify-write', undefined];

/**
 * Opens a file.
 *
 * @param path - As in `fs.promises.open`.
 * @param flags - As there; a number may have O_DIRECT in it, which is `direct: 'require'`. Default `'r'`.
 * @param mode - As there. Default 0o666.
 * @throws What `fs.promises.open` throws; `EINVAL` with the reason when direct I/O was required and can't be had;
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
  const wanted = { backend, context, unaligned };
  const made = { hostCursor: false, appends: appends(flags), writes: writes(flags), autoClose: true };
  if (files !== undefined) {
    const opened = await openIn(files, path, flags, mode, direct);
    return make(opened.handle, wanted, { ...opened, ...made, isOwn: false });
  }
  const { handle, pending, ...opened } = await openHost(path, flags, mode, direct);
  const asked = pending !== undefined;
  return make(handle, wanted, {
    ...opened,
    ...made,
    direct: asked,
    isToBeJudged: asked,
    pending,
    isOwn: true,
  });
}

/**
 * Makes an AioFile of a descriptor or FileHandle that is open already.
 *
 * Transfers without a position go on from the descriptor's own position, which only the thread pool can use.
 *
 * @remarks *Ownership*: unless `autoClose` is set it stays yours; keep it open until the AioFile is closed.
 *
 * @throws TypeError `ERR_INVALID_ARG_VALUE` for an `options.direct` that is not so: Linux tells.
 */
export async function fromDescriptor(
  descriptor: number | FileHandle,
  options: DescriptorOptions = {},
): Promise<AioFile> {
  const { direct: said, autoClose = false, unaligned = 'error', backend, context } = options;
  validateChoice('options.unaligned', unaligned, UNALIGNED_CHOICES);
  validateChoice('options.direct', said, [true, false, undefined]);
  const files = context?.kernel.files;
  const fd = validateDescriptor(descriptor);
  if (files !== undefined && typeof descriptor !== 'number')
    throw invalidArgType('descriptor', "a descriptor of the context's kernel", descriptor);
  const handle: HostHandle = typeof descriptor === 'number' ? descriptorHandle(fd, files?.calls) : descriptor;
  const flags = files === undefined ? descriptorFlags(fd)?.flags : undefined;
  const { direct, reason } = claimed(said, flags);
  return make(
    handle,
    { backend, context, unaligned },
    {
      direct,
      reason,
      isToBeJudged: direct && files === undefined,
      hostCursor: !direct,
      appends: flags !== undefined && (flags & constants.O_APPEND) !== 0,
      writes: undefined,
      autoClose,
      isOwn: false,
    },
  );
}

/** What the descriptor's flags say counts, and the caller's word where they are not to be had. */
function claimed(said: boolean | undefined, flags: number | undefined): { direct: boolean; reason: string } {
  if (flags === undefined) {
    const direct = said ?? false;
    const reason = `the caller ${direct ? 'says' : 'does not say'} that it was opened so`;
    return { direct, reason };
  }
  const direct = asksForDirect(flags);
  if (said !== undefined && said !== direct) {
    const how = direct ? 'has O_DIRECT' : 'was opened without O_DIRECT';
    throw invalidArgValue('options.direct', said, `is not so: the descriptor ${how}`);
  }
  return { direct, reason: direct ? 'the descriptor has O_DIRECT' : 'the descriptor has no O_DIRECT' };
}

/** What was asked for. */
interface Wanted {
  readonly backend: BackendPreference | undefined;
  readonly context: AioContext | undefined;
  readonly unaligned: Unaligned;
}

interface Made {
  readonly direct: boolean;
  readonly reason: string;
  /** Not direct, but to be aligned as if it were. */
  readonly imitated?: boolean;
  /** Whether `direct` is no more than what was asked for, of a file of the host. */
  readonly isToBeJudged?: boolean;
  /** What is to be done after that. Absent for what others have opened. */
  readonly pending?: PendingDirect | undefined;
  readonly hostCursor: boolean;
  readonly appends: boolean;
  /** Whether it is open for writing. `undefined` where nobody has said so. */
  readonly writes: boolean | undefined;
  readonly autoClose: boolean;
  /** Whether the handle is the host's, and nobody else has it. */
  readonly isOwn: boolean;
}

async function make(
  opened: HostHandle,
  { backend, context: own, unaligned }: Wanted,
  {
    direct: asked,
    reason,
    imitated = false,
    isToBeJudged = false,
    pending,
    hostCursor,
    appends,
    writes,
    autoClose,
    isOwn,
  }: Made,
): Promise<AioFile> {
  let handle = opened;
  const undo: (() => void)[] = [];
  try {
    const lease = own === undefined ? leaseSharedContext(backend) : undefined;
    if (lease !== undefined) undo.push(lease.release);
    const context = own ?? lease!.context;
    const { kernel } = context;
    const stat = await handle.stat();
    const seekable = stat.isFile() || stat.isBlockDevice();
    const blockDevice = kernel.files === undefined ? await blockDeviceOf(stat) : undefined;
    let verdict: DirectVerdict | undefined;
    if (isToBeJudged) {
      verdict = await judgeDirect(kernel, handle.fd, stat, blockDevice?.logicalSectorBytes);
      undo.push(verdict.release);
      if (!verdict.direct && pending !== undefined) handle = await pending.refuse(kernel, verdict.reason);
    }
    const direct = verdict?.direct ?? asked;
    const imitation = imitated && seekable ? SAFE_ALIGNMENT : UNALIGNED;
    const alignment =
      verdict?.alignment ??
      (direct ? await directAlignment(kernel, handle.fd, blockDevice?.logicalSectorBytes) : imitation);
    const { fd } = handle;
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
    await routing.prepareDirect(pending?.empties === true ? Object.assign(stat, { size: 0 }) : stat);
    // The last thing that can fail: a file that is not opened is not emptied.
    if (direct) await pending?.accept();
    const parts: FileParts = {
      handle,
      context,
      backend: kernel.name,
      backendReason: lease?.reason ?? 'the context that was given',
      direct,
      directReason: verdict === undefined ? reason : told(reason, verdict),
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
    await pending?.undo();
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

/** Why it is direct: what asked for it, and how it is known that it was obtained. Why not: the latter alone. */
function told(asked: string, { direct, reason }: DirectVerdict): string {
  return direct ? `${asked}; ${reason}` : reason;
}

interface OpenedIn {
  readonly handle: HostHandle;
  readonly direct: boolean;
  readonly reason: string;
}

/** Opens a file of a kernel that brings its own, which knows what it does. */
async function openIn(
  files: KernelFiles,
  path: Parameters<typeof openHandle>[0],
  flags: string | number,
  mode: Parameters<typeof openHandle>[2],
  direct: false | 'prefer' | 'require',
): Promise<OpenedIn> {
  const number = flagsNumber(flags);
  if (number === undefined) throw invalidArgValue('flags', flags);
  const bits = typeof mode === 'string' ? Number.parseInt(mode, 8) : (mode ?? 0o666);
  const opened = async (asDirect: boolean, reason: string): Promise<OpenedIn> => {
    const fd = await files.open(path, number, bits, asDirect);
    return { handle: descriptorHandle(fd, files.calls), direct: asDirect, reason };
  };
  if (asksForDirect(number)) return opened(true, 'the flags say O_DIRECT');
  if (direct === false) return opened(false, 'not asked for');
  try {
    return await opened(true, 'asked for');
  } catch (error) {
    if (codeOf(error) !== 'EINVAL') throw error;
    const reason = 'the file system does not open files with O_DIRECT';
    if (direct === 'require') throw noDirect(reason, path, error);
    return opened(false, reason);
  }
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
