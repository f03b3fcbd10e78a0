/** Opening files whose transfers go through kernel AIO. */
import { constants } from 'node:fs';
import type { FileHandle, open as openHandle } from 'node:fs/promises';
import type { AioContext } from './common/context/aio-context.ts';
import { AioFile as HostFile } from './common/file/aio-file.ts';
import type { AioFileClass, AioFile as AnyFile } from './common/file/aio-file-type.ts';
import { fallocateOfHost } from './common/file/allocation.ts';
import { descriptorFlags } from './common/file/descriptor-flags.ts';
import { descriptorHandle, type HostHandle } from './common/file/descriptor-handle.ts';
import type { Unaligned } from './common/file/direct-transfers.ts';
import { asksForDirect } from './common/file/direct-verdict.ts';
import { openHost } from './common/file/host-open.ts';
import { makeFile, openIn, type Wanted } from './common/file/made-file.ts';
import { openAtOnceBy } from './common/file/open-at-once.ts';
import { flagsNumber } from './common/file/open-flags.ts';
import { invalidArgType, invalidArgValue, validateDescriptor } from './common/validate.ts';
import { type BackendPreference, fallocate } from './select.ts';
import { leaseSharedContext, sharedKernel } from './shared-context.ts';

/**
 * An open file: a FileHandle whose transfers go through kernel AIO where that pays.
 *
 * @remarks
 * What `open()` answers is the FileHandle that `fs.promises.open` has made: whatever takes a FileHandle takes it, and the methods that are
 * not here are Node's own. Those here take the same arguments, answer the same and throw the same codes. Files of a kernel
 * that brings its own (a simulated disk), and files over a descriptor ({@link fromDescriptor}), have the same methods and are no FileHandle
 * of Node's. The table in docs/filehandle.md has every difference.
 *
 * *Blocking*: never the event loop for the disk. Direct transfers go to the kernel with RWF_NOWAIT, and to the thread pool where it would have
 * to wait (writes that extend the file or fill holes, dirty pages in the way) or where the file system knows no RWF_NOWAIT; more than the
 * device takes at once waits in a queue. What Linux waits for nevertheless is found by the time it took, and then goes to the thread
 * pool for a while; docs/direct-io.md has what that can be. Buffered reads at a position go there with RWF_NOWAIT and, when
 * the page cache has not got them or they are more than a mebibyte at once, to the thread pool; buffered writes, parts of blocks of
 * direct files, and whatever goes on at the current position of a buffered file, go to the thread pool. So do syncs, one for all
 * who wait for one (docs/durability.md). `file.routes` tells.
 *
 * *Ownership*: a buffer belongs to the file until the promise settles, also after an abort. Giving its memory away meanwhile is refused, or
 * fails the request with `ERR_INVALID_ARG_VALUE`. A read into a WebAssembly memory, which may grow meanwhile, is made at the call where
 * nothing can hold it: without the addon (docs/memory.md).
 *
 * *Abort*: `signal` gives up an operation that has not begun at once, with an AbortError. One that has begun settles with its
 * real outcome: Linux gives up neither reads nor writes, and what the thread pool has been given has begun.
 */
export type AioFile = AnyFile;
/** The class of files, for `instanceof`. */
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
  const wanted = { context: contextFor(context, backend), unaligned, fallocate: fallocateByHost };
  if (files !== undefined) {
    const opened = await openIn(files, path, flags, mode, direct);
    return makeFile(opened.handle, wanted, {
      direct: opened.direct,
      reason: opened.reason,
      hostCursor: false,
      appends: appends(flags),
      writes: writes(flags),
      autoClose: true,
      isOwn: false,
    });
  }
  const opened = await openHost(
    path,
    flags,
    mode,
    direct,
    openAtOnceBy(context?.kernel ?? sharedKernel(backend)),
  );
  const asked = opened.pending !== undefined;
  // Spelt out: copies of objects by `...` are hash tables, two kilobytes for each file.
  return makeFile(opened.handle, wanted, {
    direct: asked,
    reason: opened.reason,
    imitated: opened.imitated,
    isToBeJudged: asked,
    pending: opened.pending,
    hostCursor: false,
    appends: appends(flags),
    writes: writes(flags),
    autoClose: true,
    isOwn: true,
    stat: opened.stat,
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
  return makeFile(
    handle,
    { context: contextFor(context, backend), unaligned, fallocate: fallocateByHost },
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

const fallocateByHost = fallocateOfHost(fallocate);

function contextFor(
  context: AioContext | undefined,
  backend: BackendPreference | undefined,
): Wanted['context'] {
  return context ?? (() => leaseSharedContext(backend));
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
