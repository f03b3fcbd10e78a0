/** Has Linux read where the bytes of a file lie, by asking it where they do: FIEMAP brings the blocks of the extent tree into memory. */
import { LITTLE_ENDIAN } from '../common/abi/byte-order.ts';
import type { BackgroundCalls } from './background-calls.ts';
import type { Libc } from './libc.ts';

// `uapi/linux/fiemap.h` and `uapi/linux/fs.h`; the same on every architecture here.
const FS_IOC_FIEMAP = 0xc020660b;
const FIEMAP_BYTES = 32;
const FIEMAP_EXTENT_BYTES = 56;
const FM_LENGTH = 8;
const FM_MAPPED_EXTENTS = 20;
const FM_EXTENT_COUNT = 24;
const FE_LENGTH = 16;
const FE_FLAGS = 40;
const FIEMAP_EXTENT_LAST = 1;
const ALL = 0xffff_ffff_ffff_ffffn;
/** Of one call. A block of 4 KiB of ext4's tree has 340. */
const EXTENTS = 256;

// `uapi/linux/magic.h`.
const XFS_SUPER_MAGIC = 0x58465342;
const STATFS_BYTES = 512;

export class FileExtents {
  readonly #libc: Libc;
  readonly #background: BackgroundCalls | undefined;
  readonly #ioctl: number;
  readonly #fstatfs: ReturnType<Libc['bind']>;

  constructor(libc: Libc, background: BackgroundCalls | undefined, ioctl: number) {
    this.#libc = libc;
    this.#background = background;
    this.#ioctl = ioctl;
    this.#fstatfs = libc.bind('fstatfs', 'int', 2);
  }

  /** See `AioKernel.loadExtents`. */
  async load(fd: number, from: number): Promise<number> {
    if (this.#background === undefined || this.#answersItself(fd)) return Number.POSITIVE_INFINITY;
    const map = new DataView(new ArrayBuffer(FIEMAP_BYTES + EXTENTS * FIEMAP_EXTENT_BYTES));
    map.setBigUint64(0, BigInt(from), LITTLE_ENDIAN);
    map.setBigUint64(FM_LENGTH, ALL - BigInt(from), LITTLE_ENDIAN);
    map.setUint32(FM_EXTENT_COUNT, EXTENTS, LITTLE_ENDIAN);
    const answer = await this.#background.syscall(
      this.#ioctl,
      fd,
      FS_IOC_FIEMAP,
      this.#libc.addressOf(map.buffer),
    );
    // This also keeps the memory until the call has ended.
    const count = map.getUint32(FM_MAPPED_EXTENTS, LITTLE_ENDIAN);
    if (answer < 0 || count < EXTENTS) return Number.POSITIVE_INFINITY;
    const last = FIEMAP_BYTES + (count - 1) * FIEMAP_EXTENT_BYTES;
    if ((map.getUint32(last + FE_FLAGS, LITTLE_ENDIAN) & FIEMAP_EXTENT_LAST) !== 0)
      return Number.POSITIVE_INFINITY;
    return Number(map.getBigUint64(last, LITTLE_ENDIAN) + map.getBigUint64(last + FE_LENGTH, LITTLE_ENDIAN));
  }

  /** Whether the file system says EAGAIN to RWF_NOWAIT before it reads a tree of its own. btrfs does for writes alone (BLOCK-14). */
  #answersItself(fd: number): boolean {
    const statfs = new Uint32Array(STATFS_BYTES / Uint32Array.BYTES_PER_ELEMENT);
    if (this.#fstatfs(fd, this.#libc.addressOf(statfs)) < 0) return true;
    // The first word; which half of it depends on the architecture.
    return statfs[0] === XFS_SUPER_MAGIC || statfs[1] === XFS_SUPER_MAGIC;
  }
}
