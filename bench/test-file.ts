/** The files that transfers go to. */
import { closeSync, constants, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { pageAlignedBuffer } from '../src/index.ts';
import { FRESH, stamp } from './blocks.ts';
import { codeOf, messageOf } from './errors.ts';
import { type Case, isOpen } from './job.ts';

const CHUNK_BYTES = 1 << 20;
const FILES_AT_ONCE = 64;

/**
 * Writes a file of stamped blocks, so that every block of it exists on the device.
 *
 * @throws What writing throws, with a line on what to do about it; the file is removed then.
 */
export async function makeTestFile(
  path: string,
  size: number,
  { onProgress, signal }: { onProgress?: (bytes: number) => void; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const fd = openSync(path, 'wx');
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    for (let position = 0; position < size; position += CHUNK_BYTES) {
      signal?.throwIfAborted();
      const length = Math.min(CHUNK_BYTES, size - position);
      stamp(chunk.subarray(0, length), position, FRESH);
      for (let done = 0; done < length; ) done += writeSync(fd, chunk, done, length - done, position + done);
      onProgress?.(position + length);
      await setImmediate();
    }
    fdatasyncSync(fd);
  } catch (error) {
    rmSync(path, { force: true });
    const code = codeOf(error);
    if (code !== 'ENOSPC' && code !== 'EDQUOT' && code !== 'EFBIG') throw error;
    throw new Error(
      `no room for a file of ${size} bytes (${code}): lower --size, or choose another --directory`,
      {
        cause: error,
      },
    );
  } finally {
    closeSync(fd);
  }
}

/**
 * Makes a directory with files of one stamped block each, named by their numbers: 0, 1 and so on. Together they are a file of blocks.
 *
 * @throws What writing throws; the directory is removed then.
 */
export async function makeSmallFiles(path: string, files: number, blockSize: number): Promise<void> {
  await mkdir(path);
  try {
    const make = async (index: number): Promise<void> => {
      const block = Buffer.alloc(blockSize);
      stamp(block, index * blockSize, FRESH);
      await writeFile(join(path, String(index)), block, { flush: true });
    };
    // Many at once, for a journal makes those durable together.
    for (let index = 0; index < files; index += FILES_AT_ONCE) {
      const count = Math.min(FILES_AT_ONCE, files - index);
      await Promise.all(Array.from({ length: count }, (_, more) => make(index + more)));
    }
  } catch (error) {
    await rm(path, { recursive: true, force: true });
    throw error;
  }
}

/** Waits until everything written lies on the device, so that it is not written during somebody else's turn. */
export async function settle(path: string, limitMs: number): Promise<void> {
  await within(limitMs, async () => {
    await using handle = await open(path, 'r+');
    await handle.datasync();
  });
}

/** @returns Why these transfers are not possible here, for whatever engine; or nothing. */
export async function impossible(path: string, one: Case, limitMs: number): Promise<string | undefined> {
  const file = isOpen(one) ? join(path, '0') : path;
  try {
    return await within(limitMs, () => tryOne(file, one.blockSize, one.mode === 'direct'));
  } catch (error) {
    return messageOf(error);
  }
}

async function tryOne(path: string, blockSize: number, isDirect: boolean): Promise<string | undefined> {
  const direct: number | undefined = constants.O_DIRECT;
  if (isDirect && direct === undefined) return `there is no O_DIRECT on ${process.platform}`;
  try {
    await using handle = await open(path, constants.O_RDONLY | (isDirect ? direct! : 0));
    const { size } = await handle.stat();
    if (size < blockSize) return `the file has ${size} bytes, less than one block: raise --size`;
    const block = new Uint8Array(pageAlignedBuffer(blockSize), 0, blockSize);
    await handle.read(block, 0, blockSize, size >= 2 * blockSize ? blockSize : 0);
    return undefined;
  } catch (error) {
    if (codeOf(error) !== 'EINVAL') throw error;
    return `direct transfers of ${blockSize} bytes are refused by this file system or device`;
  }
}

/** The operation's outcome, or an error when it takes too long: what has hung is left behind. */
async function within<T>(limitMs: number, operation: () => Promise<T>): Promise<T> {
  const { promise: late, reject } = deferred();
  const timer = setTimeout(
    () => reject(new Error(`the device gave no answer in ${Math.round(limitMs / 1000)} seconds`)),
    limitMs,
  );
  try {
    return await Promise.race([operation(), late]);
  } finally {
    clearTimeout(timer);
  }
}

function deferred(): { promise: Promise<never>; reject: (reason: unknown) => void } {
  let reject!: (reason: unknown) => void;
  const promise = new Promise<never>((_, refuse) => {
    reject = refuse;
  });
  return { promise, reject };
}
