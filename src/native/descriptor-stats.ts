/** statx(2) of descriptors, from what Linux has at hand. */
import { constants } from 'node:fs';
import type { DirectAlignment } from '../common/kernel/aio-kernel.ts';
import type { DescriptorStat } from '../common/kernel/descriptor-stat.ts';
import type { Libc } from './libc.ts';
import type { ProcessMemory } from './memory.ts';

// `linux/stat.h` and `linux/fcntl.h`; the layout of statx is the same on every architecture.
const AT_EMPTY_PATH = 0x1000;
/** A network file system, or a process that serves one by FUSE, is not asked: that would hold this thread, and might be this thread. */
const AT_STATX_DONT_SYNC = 0x4000;
const STATX_BASIC_STATS = 0x7ff;
const STATX_DIOALIGN = 0x2000;
const STATX_BYTES = 256;
/** Places of 4 bytes. */
const STX = {
  MASK: 0,
  BLKSIZE: 1,
  NLINK: 4,
  RDEV_MAJOR: 32,
  RDEV_MINOR: 33,
  DEV_MAJOR: 34,
  DEV_MINOR: 35,
  DIO_MEM_ALIGN: 38,
  DIO_OFFSET_ALIGN: 39,
} as const;
/** A place of 2 bytes. */
const STX_MODE = 14;
/** Places of 8 bytes. */
const STX_INO = 4;
const STX_SIZE = 5;
const STX_BLOCKS = 6;
const { S_IFMT, S_IFREG, S_IFBLK } = constants;

/** Asks statx(2), with memory of its own for the answers. */
export class DescriptorStats {
  readonly #libc: Libc;
  readonly #sysno: number;
  readonly #words = new Uint32Array(STATX_BYTES / Uint32Array.BYTES_PER_ELEMENT);
  readonly #halves = new Uint16Array(this.#words.buffer);
  readonly #doubles = new BigUint64Array(this.#words.buffer);
  readonly #noPath = new Uint8Array(1);
  readonly #wordsAt: number;
  readonly #noPathAt: number;

  constructor(libc: Libc, memory: ProcessMemory, statx: number) {
    this.#libc = libc;
    this.#sysno = statx;
    this.#wordsAt = memory.addressOf(this.#words);
    this.#noPathAt = memory.addressOf(this.#noPath);
  }

  /** @returns `undefined` where Linux does not tell: a closed descriptor, before Linux 4.11, a sandbox. */
  of(fd: number): DescriptorStat | undefined {
    if (!this.#ask(fd, STATX_BASIC_STATS)) return undefined;
    const words = this.#words;
    const kind = this.#halves[STX_MODE]! & S_IFMT;
    return {
      dev: device(words[STX.DEV_MAJOR]!, words[STX.DEV_MINOR]!),
      ino: Number(this.#doubles[STX_INO]!),
      rdev: device(words[STX.RDEV_MAJOR]!, words[STX.RDEV_MINOR]!),
      size: Number(this.#doubles[STX_SIZE]!),
      blocks: Number(this.#doubles[STX_BLOCKS]!),
      blksize: words[STX.BLKSIZE]!,
      isFile: () => kind === S_IFREG,
      isBlockDevice: () => kind === S_IFBLK,
    };
  }

  /** How many names a file has. @returns `undefined` where Linux does not tell, and for what is no regular file. */
  linksOf(fd: number): number | undefined {
    if (!this.#ask(fd, STATX_BASIC_STATS)) return undefined;
    return (this.#halves[STX_MODE]! & S_IFMT) === S_IFREG ? this.#words[STX.NLINK] : undefined;
  }

  /** See `AioKernel.directAlignment`. */
  direct(fd: number): DirectAlignment | undefined {
    if (!this.#ask(fd, STATX_DIOALIGN)) return undefined;
    return { memory: this.#words[STX.DIO_MEM_ALIGN]!, offset: this.#words[STX.DIO_OFFSET_ALIGN]! };
  }

  /** @returns Whether all that was asked for has been told. */
  #ask(fd: number, mask: number): boolean {
    const flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
    const answer = this.#libc.syscall(this.#sysno, fd, this.#noPathAt, flags, mask, this.#wordsAt);
    return answer >= 0 && (this.#words[STX.MASK]! & mask) === mask;
  }
}

/** As the C library packs it for stat(2), and Node.js hands it on. */
function device(major: number, minor: number): number {
  const high = Math.floor(major / 2 ** 12) * 2 ** 44 + Math.floor(minor / 2 ** 8) * 2 ** 20;
  return high + (major % 2 ** 12) * 2 ** 8 + (minor % 2 ** 8);
}
