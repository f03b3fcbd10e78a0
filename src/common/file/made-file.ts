/** Makes a file of what was opened: by the host, by somebody else, or by a kernel that brings its own files. */
import { constants } from 'node:fs';
import type { open as openHandle } from 'node:fs/promises';
import type { AioContext } from '../context/aio-context.ts';
import { AioStateError, codeOf } from '../errors.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import type { DescriptorStat } from '../kernel/descriptor-stat.ts';
import type { DescriptorCalls, KernelFiles } from '../kernel/kernel-files.ts';
import { UNALIGNED } from '../memory/aligned.ts';
import { invalidArgValue } from '../validate.ts';
import { AioFile as HostFile } from './aio-file.ts';
import type { AioFile } from './aio-file-type.ts';
import type { Fallocate } from './allocation.ts';
import { blockDeviceOf } from './block-device.ts';
import { CachedDescriptor } from './cached-descriptor.ts';
import { DescriptorFile } from './descriptor-file.ts';
import { descriptorHandle, type HostHandle, hostCalls } from './descriptor-handle.ts';
import { directAlignment, SAFE_ALIGNMENT } from './direct-alignment.ts';
import type { Unaligned } from './direct-transfers.ts';
import { asksForDirect, type DirectVerdict, judgeDirect } from './direct-verdict.ts';
import type { FileParts } from './file-parts.ts';
import { noDirect, type PendingDirect } from './host-open.ts';
import { flagsNumber } from './open-flags.ts';
import { Routing } from './routing.ts';
import { fileKey, Writers } from './writers.ts';

const O_DIRECT: number | undefined = constants.O_DIRECT;

/** What was asked for. */
export interface Wanted {
  /** A context, which stays the caller's, or what lends one. */
  readonly context: AioContext | (() => LentContext);
  readonly unaligned: Unaligned;
  /** fallocate(2) on the host. */
  readonly fallocate?: Fallocate;
}

/** A context that others use too. */
export interface LentContext {
  readonly context: AioContext;
  /** Why it is of that kernel. */
  readonly reason: string;
  readonly release: () => void;
}

/** What is known of a file that was opened. */
export interface Made {
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
  /** What is known of the file already. */
  readonly stat?: DescriptorStat | undefined;
}

/** Makes an AioFile of what was opened. Where that fails, what was opened is closed again, if it is the file's to close. */
export async function makeFile(
  opened: HostHandle,
  { context: own, unaligned, fallocate }: Wanted,
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
    stat: known,
  }: Made,
): Promise<AioFile> {
  let handle = opened;
  const undo: (() => void)[] = [];
  try {
    const lease = typeof own === 'function' ? own() : undefined;
    if (lease !== undefined) undo.push(lease.release);
    const context = typeof own === 'function' ? lease!.context : own;
    const { kernel } = context;
    // A kernel that can tell at once saves a turn on the thread pool. One with files of its own has no say in the host's numbers.
    const stat =
      known ?? (kernel.files === undefined ? kernel.stat?.(handle.fd) : undefined) ?? (await handle.stat());
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
    const isInMemory = known !== undefined;
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
      fallocate: fallocateOf(kernel, fallocate),
      // A kernel's own files, and direct ones, cannot leave that to the host; and what is in memory shall not wait for its threads.
      hostCursor:
        hostCursor || !seekable || (!isAligned && !isInMemory && (appends || kernel.files === undefined)),
      isInMemory,
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

/** Descriptors of the host are the host's, whichever kernel has their transfers. */
function fallocateOf({ files, release }: AioKernel, host: Fallocate | undefined): Fallocate {
  if (files === undefined && host !== undefined) return host;
  return (
    files?.calls.fallocate ??
    (async () => {
      throw new AioStateError('ERR_AIO_UNSUPPORTED', `There is no fallocate(2) for the files of ${release}`);
    })
  );
}

/** Why it is direct: what asked for it, and how it is known that it was obtained. Why not: the latter alone. */
function told(asked: string, { direct, reason }: DirectVerdict): string {
  return direct ? `${asked}; ${reason}` : reason;
}

/** What a kernel with files of its own has opened. */
interface OpenedIn {
  readonly handle: HostHandle;
  readonly direct: boolean;
  readonly reason: string;
}

/** Opens a file of a kernel that brings its own, which knows what it does. */
export async function openIn(
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
