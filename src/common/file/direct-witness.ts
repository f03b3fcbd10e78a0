/** Seeing whether reads through a descriptor with O_DIRECT bypass the page cache, where the kernel does not tell. */
import {
  close as closeWithCallback,
  constants,
  fdatasync as fdatasyncWithCallback,
  open as openWithCallback,
  readFileSync,
  read as readWithCallback,
} from 'node:fs';
import { promisify } from 'node:util';
import { codeOf } from '../errors.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import { pageAlignedBuffer } from '../memory/page-aligned.ts';
import type { Witness } from './direct-knowledge.ts';

const close = promisify(closeWithCallback);
const fdatasync = promisify(fdatasyncWithCallback);
const open = promisify(openWithCallback);
const read = promisify(readWithCallback);

const BLOCK_BYTES = 4096;
/** Files with less show nothing: it can be kept in the inode. */
export const LEAST_BYTES = BLOCK_BYTES;
const PLACES = 4;
/** How often the counter is read again where something else in the process has read from a device meanwhile. */
const TRIES = 5;

/** What was seen. */
export interface Sight {
  /** `undefined`: nothing that says so or so. */
  readonly direct: boolean | undefined;
  /** What, or why nothing. */
  readonly reason: string;
}

/** One after the other: each would see the reads of the others. */
let turn: Promise<unknown> = Promise.resolve();

/**
 * Reads a block or two of the file, and writes what it has in the page cache to the disk where that is in the way.
 *
 * @param fd - Open with O_DIRECT, for reading or not.
 * @param bytes - The size of the file.
 */
export function witness(kernel: AioKernel, fd: number, bytes: number, how: Witness): Promise<Sight> {
  if (how === 'none') return Promise.resolve(unseen('there is no way to see it'));
  if (bytes < LEAST_BYTES)
    return Promise.resolve(unseen(bytes === 0 ? 'the file is empty' : 'the file is too small'));
  const seen = turn.then(() => look(kernel, fd, bytes, how));
  turn = seen.catch(() => {});
  return seen;
}

async function look(kernel: AioKernel, fd: number, bytes: number, how: Witness): Promise<Sight> {
  let reader: number | undefined;
  let buffered: number | undefined;
  try {
    // Files that were opened for writing alone are read through another descriptor.
    reader = await open(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_DIRECT);
    const block = new Block(reader);
    let counted = how === 'device' ? await byDevice(block, bytes) : undefined;
    if (counted?.direct === false) {
      // btrfs (seen on Linux 6.18) reads what is not on the disk yet from the page cache, and directly afterwards.
      await fdatasync(reader);
      counted = await byDevice(block, bytes);
    }
    if (counted !== undefined) return counted;
    buffered = await open(`/proc/self/fd/${fd}`, constants.O_RDONLY);
    return (await byPageCache(kernel, block, buffered, bytes)) ?? unseen('the reads did not tell');
  } catch (error) {
    // A file that may not be read, a device that asks for larger blocks: whatever it is, nothing was seen.
    return unseen(`${codeOf(error) ?? 'an error'} when it was tried`);
  } finally {
    if (reader !== undefined) await close(reader);
    if (buffered !== undefined) await close(buffered);
  }
}

/** A block of memory, and the descriptor that it is read from. */
class Block {
  readonly #fd: number;
  // Touched, or btrfs (seen on Linux 6.18) reads through the page cache because the memory is not there yet.
  readonly #memory = new Uint8Array(pageAlignedBuffer(BLOCK_BYTES), 0, BLOCK_BYTES).fill(1);

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** @returns Whether there is something in the file. A hole reads as zeros, and nothing is read for them. */
  async read(position: number): Promise<boolean> {
    const { bytesRead } = await read(this.#fd, this.#memory, 0, BLOCK_BYTES, position);
    return bytesRead === BLOCK_BYTES && this.#memory.some((byte) => byte !== 0);
  }
}

/** Places for looking: the beginning, the end, and between. */
function places(bytes: number): number[] {
  const last = Math.floor(bytes / BLOCK_BYTES) - 1;
  const blocks = Array.from({ length: PLACES }, (_, index) => Math.floor((last * index) / (PLACES - 1)));
  return [...new Set(blocks)].map((block) => block * BLOCK_BYTES);
}

/** A block that was just read is read again: out of the page cache it costs nothing, and else comes from the device again. */
async function byDevice(block: Block, bytes: number): Promise<Sight | undefined> {
  for (const position of places(bytes)) {
    if (!(await block.read(position))) continue;
    for (let tries = 0; tries < TRIES; tries++) {
      const before = bytesFromDevices();
      if (before === undefined) return undefined;
      await block.read(position);
      const more = bytesFromDevices()! - before;
      if (more === BLOCK_BYTES)
        return { direct: true, reason: 'a block that was read again came from the device again' };
      if (more < BLOCK_BYTES)
        return { direct: false, reason: 'a block that was read again came from the page cache' };
      // Others in this process have read meanwhile.
    }
  }
  return undefined;
}

/** Of the whole process, block devices alone. @returns `undefined` where the kernel does not count. */
function bytesFromDevices(): number | undefined {
  try {
    const text = readFileSync('/proc/self/io', 'latin1');
    const count = /^read_bytes: (\d+)$/m.exec(text)?.[1];
    return count === undefined ? undefined : Number(count);
  } catch {
    return undefined;
  }
}

/** A block that is not in the page cache is read: it must not be there afterwards, and must be after a buffered read. */
async function byPageCache(
  kernel: AioKernel,
  block: Block,
  buffered: number,
  bytes: number,
): Promise<Sight | undefined> {
  const cached = (position: number): number | undefined =>
    kernel.cachedPages?.(buffered, position, BLOCK_BYTES);
  let brought = 0;
  for (const position of places(bytes)) {
    if (cached(position) !== 0) continue;
    await block.read(position);
    if (cached(position) !== 0) {
      // Or somebody else has read there: twice is enough.
      if (++brought < 2) continue;
      return { direct: false, reason: 'direct reads brought their pages into the page cache' };
    }
    const memory = new Uint8Array(BLOCK_BYTES);
    await read(buffered, memory, 0, BLOCK_BYTES, position);
    // Where not even a buffered read is seen (overlay), the answer said nothing.
    if (cached(position) === 0) return undefined;
    return { direct: true, reason: 'a direct read left the page cache as it was' };
  }
  return undefined;
}

function unseen(reason: string): Sight {
  return { direct: undefined, reason };
}
