/** Copying a file through AIO, with the manners of cp(1). */
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, stat as statPath } from 'node:fs/promises';
import { codeOf } from '../common/errors.ts';
import { preserveAttributes } from './copy-attributes.ts';
import {
  type CopyTarget,
  ONLY_OPEN,
  openFile,
  openTarget,
  overwrite,
  type TargetOptions,
} from './copy-destination.ts';
import { DIRECT_BYTES, Transfer, type TransferOptions } from './copy-transfer.ts';
import { errorLine, printable } from '../command/printable.ts';

export interface CopyOptions extends TransferOptions {
  /** Gives the copy the source's mode with set-id bits, its owner and its times, as `cp --preserve`. */
  readonly preserve?: boolean;
  /** Told what is otherwise than one expects: that the destination is overwritten in place, and why. */
  readonly onNote?: (line: string) => void;
  /** Stops the copy; the half-written file is removed. */
  readonly signal?: AbortSignal;
}

/**
 * Copies `source` to `destination`, which appears only when it is whole and durable.
 *
 * @remarks
 * A destination that exists keeps its mode and owner. It is replaced by a rename, so that it is the old or the new one at any moment; where
 * something of it would be lost by that (other links, set-id bits, an owner that cannot be given, attributes, a folder that takes no file),
 * it is overwritten in place after `onNote` has said so.
 *
 * @returns Bytes copied.
 * @throws What opening, reading, writing or renaming throws; a RangeError for a block size that O_DIRECT cannot have.
 */
export async function copyFile(
  source: string | Buffer,
  destination: string | Buffer,
  options: CopyOptions,
): Promise<number> {
  const { direct, blockBytes } = options;
  if (direct && blockBytes % DIRECT_BYTES !== 0) {
    throw new RangeError(
      `--block-size must be a multiple of ${DIRECT_BYTES} with --direct, ${blockBytes} is not`,
    );
  }
  const sourcePath = Buffer.from(source);
  const destinationPath = Buffer.from(destination);
  try {
    return await copyTo(openTarget, sourcePath, destinationPath, options);
  } catch (error) {
    if (!(error instanceof MountedOver)) throw error;
    // From the start, with the source opened again: not all of proc(5) can be read twice.
    const inPlace = (path: Buffer, how: TargetOptions): Promise<CopyTarget> =>
      overwrite(path, error.message, how);
    return await copyTo(inPlace, sourcePath, destinationPath, options);
  }
}

async function copyTo(
  openDestination: (path: Buffer, options: TargetOptions) => Promise<CopyTarget>,
  source: Buffer,
  destination: Buffer,
  options: CopyOptions,
): Promise<number> {
  const { direct, preserve = false } = options;
  const flag = direct ? directFlag() : 0;
  await using from = await openSource(source, flag);
  const stat = await from.stat({ bigint: true });
  assertRegular(source, stat);
  // All memory is there before anything of the destination is touched.
  const transfer = new Transfer(from, stat, options);
  const copy = new Copy(from, stat, transfer, destination, options);
  return await copy.into(await openDestination(destination, { source, from: stat, flag, preserve }));
}

/** The rename has found a file that something is mounted on: containers have their `/etc/hosts` so. */
class MountedOver extends Error {}

class Copy {
  readonly #from: FileHandle;
  readonly #stat: BigIntStats;
  readonly #transfer: Transfer;
  readonly #destination: Buffer;
  readonly #options: CopyOptions;

  constructor(
    from: FileHandle,
    stat: BigIntStats,
    transfer: Transfer,
    destination: Buffer,
    options: CopyOptions,
  ) {
    this.#from = from;
    this.#stat = stat;
    this.#transfer = transfer;
    this.#destination = destination;
    this.#options = options;
  }

  async into(target: CopyTarget): Promise<number> {
    const { onNote, signal } = this.#options;
    const name = `'${printable(this.#destination)}'`;
    let overwriting: 'not yet' | 'begun' | 'filled' = 'not yet';
    try {
      if (target.note !== undefined) onNote?.(`${name}: ${target.note}`);
      if (target.inPlace !== undefined) {
        await this.#transfer.tryReading();
        signal?.throwIfAborted();
        onNote?.(
          `${name} is overwritten in place: ${target.inPlace}; until the copy has ended it is neither the old nor the new content`,
        );
        overwriting = 'begun';
        // Holes can be left where nothing is.
        await target.file.truncate(0);
      }
      const bytes = await this.#fill(target.file);
      signal?.throwIfAborted();
      if (overwriting === 'begun') overwriting = 'filled';
      await target.publish(() => this.#seal(target.file));
      return bytes;
    } catch (error) {
      await this.#discard(target);
      if (target.inPlace === undefined) {
        if (isRefusedRename(error)) throw new MountedOver('something is mounted on it');
        throw error;
      }
      if (overwriting === 'not yet') throw error;
      const state =
        overwriting === 'begun' ? 'holds a part of the new content at most' : 'has the new content';
      throw new Error(`${errorLine(error)}: ${name} was overwritten in place and ${state}`, { cause: error });
    }
  }

  /** What made the copy fail is what counts; that something is left behind is told beside it. */
  async #discard(target: CopyTarget): Promise<void> {
    try {
      await target.discard();
    } catch (error) {
      this.#options.onNote?.(`an unfinished file could not be removed: ${errorLine(error)}`);
    }
  }

  async #fill(to: FileHandle): Promise<number> {
    const { context } = this.#options;
    const { kernel } = context;
    // Both descriptors are ours until the last request has settled.
    kernel.fget(this.#from.fd);
    kernel.fget(to.fd);
    try {
      return await this.#transfer.fill(to);
    } finally {
      await context.drain();
      kernel.fput(this.#from.fd);
      kernel.fput(to.fd);
    }
  }

  /** The last attributes, and all of it on the device. */
  async #seal(file: FileHandle): Promise<void> {
    const { context, onNote, preserve = false } = this.#options;
    const left = preserve ? await preserveAttributes(file, this.#stat) : undefined;
    if (left !== undefined) onNote?.(`'${printable(this.#destination)}': ${left}`);
    try {
      await context.fsync(file.fd);
    } catch (error) {
      // Linux before 4.18 has no fsync in AIO.
      if (codeOf(error) !== 'EINVAL') throw error;
      await file.sync();
    }
  }
}

function isRefusedRename(error: unknown): boolean {
  if (codeOf(error) !== 'EBUSY' || !(error instanceof Error)) return false;
  return Reflect.get(error, 'syscall') === 'rename';
}

/** Asks what it is before it is opened: opening a device may do something to it. */
async function openSource(path: Buffer, flag: number): Promise<FileHandle> {
  const there = await statPath(path, { bigint: true }).catch(() => undefined);
  if (there !== undefined) assertRegular(path, there);
  return await openFile(path, constants.O_RDONLY | ONLY_OPEN | flag);
}

function assertRegular(path: Buffer, stat: BigIntStats): void {
  if (stat.isFile()) return;
  const what = stat.isDirectory() ? ' but a directory' : '';
  throw new Error(`'${printable(path)}' is not a regular file${what}`);
}

function directFlag(): number {
  const flag: number | undefined = constants.O_DIRECT;
  if (flag === undefined) throw new Error(`there is no O_DIRECT on ${process.platform}: leave out --direct`);
  return flag;
}
