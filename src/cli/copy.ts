/** Copying a file through AIO, reads and writes overlapping. */
import { constants } from 'node:fs';
import { type FileHandle, open, realpath, rename, rm, stat as statPath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { AioContext } from '../common/context/aio-context.ts';
import { AioError, codeOf } from '../common/errors.ts';
import { pageAlignedBuffer } from '../common/memory/page-aligned.ts';

/** Alignment that every device with O_DIRECT is content with. */
const DIRECT_BYTES = 4096;
const MAX_BUFFER_BYTES = 2 ** 31;
/** Opening a FIFO would wait for its writer. Windows has neither. */
const DO_NOT_WAIT: number = (constants.O_NONBLOCK as number | undefined) ?? 0;

export interface CopyOptions {
  readonly context: AioContext;
  readonly queueDepth: number;
  readonly blockBytes: number;
  readonly direct: boolean;
  /** Called as bytes arrive at the destination. */
  readonly onProgress?: (bytesDone: number, bytesTotal: number) => void;
  /** Stops the copy; the half-written file is removed. */
  readonly signal?: AbortSignal;
}

/**
 * Copies `source` to `destination`, which appears only when it is whole and durable.
 *
 * @returns Bytes copied.
 * @throws What opening, reading, writing or renaming throws; a RangeError for a block size that O_DIRECT cannot have.
 */
export async function copyFile(source: string, destination: string, options: CopyOptions): Promise<number> {
  const { direct, blockBytes } = options;
  if (direct && blockBytes % DIRECT_BYTES !== 0) {
    throw new RangeError(
      `--block-size must be a multiple of ${DIRECT_BYTES} with --direct, ${blockBytes} is not`,
    );
  }
  const flag = direct ? directFlag() : 0;
  await using from = await openHere(source, constants.O_RDONLY | DO_NOT_WAIT | flag);
  const stat = await from.stat();
  if (!stat.isFile()) throw new Error(`'${source}' is not a regular file`);
  const there = await identityOf(destination);
  if (there !== undefined && there.dev === stat.dev && there.ino === stat.ino) {
    throw new Error(`'${source}' and '${destination}' are the same file`);
  }
  // The rename would put a file in the place of a device or a FIFO.
  if (there?.regular === false) throw new Error(`'${destination}' is not a regular file`);
  // What a link points at is replaced, not the link.
  const target = there === undefined ? destination : await realpath(destination);
  // Beside the destination, so that the rename stays on one file system.
  const partial = join(dirname(target), `.${basename(target)}.kaio-${process.pid}`);
  const to = await openHere(
    partial,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | flag,
    stat.mode & 0o777,
  );
  try {
    const { kernel } = options.context;
    // Both descriptors are ours until the last request has settled.
    kernel.fget(from.fd);
    kernel.fget(to.fd);
    try {
      await transfer(from, to, stat.size, options);
    } finally {
      await options.context.drain();
      kernel.fput(from.fd);
      kernel.fput(to.fd);
    }
    await to.chmod(stat.mode & 0o7777);
    await options.context.fdatasync(to.fd);
    if ((await from.stat()).size !== stat.size)
      throw new Error(`'${source}' changed its size while it was copied`);
    options.signal?.throwIfAborted();
    await to.close();
    await rename(partial, target);
  } catch (error) {
    await to.close();
    await rm(partial, { force: true });
    throw error;
  }
  return stat.size;
}

async function transfer(from: FileHandle, to: FileHandle, size: number, options: CopyOptions): Promise<void> {
  const { context, blockBytes, direct, onProgress, signal } = options;
  const lanes = Math.max(1, Math.min(options.queueDepth, Math.ceil(size / blockBytes)));
  if (lanes * blockBytes > MAX_BUFFER_BYTES) {
    throw new RangeError(
      `${lanes} blocks of ${blockBytes} bytes at once are more than 2 GiB: lower --queue-depth or --block-size`,
    );
  }
  const slab = pageAlignedBuffer(lanes * blockBytes);
  let next = 0;
  let done = 0;
  let failed = false;
  const lane = async (index: number): Promise<void> => {
    const block = new Uint8Array(slab, index * blockBytes, blockBytes);
    try {
      while (next < size && !failed) {
        signal?.throwIfAborted();
        const position = next;
        const length = Math.min(blockBytes, size - position);
        next += length;
        await readFully(context, from, block, position, length);
        // O_DIRECT writes whole sectors: the tail is padded here and cut off at the end.
        const padded = direct ? Math.ceil(length / DIRECT_BYTES) * DIRECT_BYTES : length;
        block.fill(0, length, padded);
        await writeFully(context, to, block.subarray(0, padded), position);
        done += length;
        onProgress?.(done, size);
      }
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: lanes }, (_, index) => lane(index)));
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  if (direct && size % DIRECT_BYTES !== 0) await to.truncate(size);
}

async function readFully(
  context: AioContext,
  from: FileHandle,
  block: Uint8Array,
  position: number,
  length: number,
): Promise<void> {
  for (let got = 0; got < length; ) {
    const bytes = await context.read(from.fd, block.subarray(got), position + got);
    if (bytes === 0)
      throw new Error(`the source ended after ${position + got} bytes: it was truncated while it was copied`);
    got += bytes;
  }
}

async function writeFully(
  context: AioContext,
  to: FileHandle,
  block: Uint8Array,
  position: number,
): Promise<void> {
  for (let put = 0; put < block.byteLength; ) {
    const bytes = await context.write(to.fd, block.subarray(put), position + put);
    if (bytes === 0) throw new AioError('EIO', 5, 'pwrite');
    put += bytes;
  }
}

function directFlag(): number {
  const flag: number | undefined = constants.O_DIRECT;
  if (flag === undefined) throw new Error(`there is no O_DIRECT on ${process.platform}: leave out --direct`);
  return flag;
}

async function openHere(path: string, flags: number, mode?: number): Promise<FileHandle> {
  try {
    return await open(path, flags, mode);
  } catch (error) {
    const direct: number | undefined = constants.O_DIRECT;
    if (codeOf(error) !== 'EINVAL' || direct === undefined || (flags & direct) === 0) throw error;
    // Linux has made the file by the time it finds that O_DIRECT is not to be had.
    if ((flags & constants.O_CREAT) !== 0) await rm(path, { force: true });
    throw new Error(`the file system of '${path}' does not open files with O_DIRECT: leave out --direct`, {
      cause: error,
    });
  }
}

async function identityOf(path: string): Promise<{ dev: number; ino: number; regular: boolean } | undefined> {
  try {
    const stat = await statPath(path);
    return { dev: stat.dev, ino: stat.ino, regular: stat.isFile() };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
