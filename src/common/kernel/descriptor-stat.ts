/** What a kernel tells of the file behind a descriptor without waiting for anybody. */

/** As `fs.Stats` has it, as far as files are made by it. */
export interface DescriptorStat {
  readonly dev: number;
  readonly ino: number;
  readonly rdev: number;
  /** Bytes. */
  size: number;
  /** Of 512 bytes, that it takes on its file system. */
  readonly blocks: number;
  /** Bytes of a block of the file system. */
  readonly blksize: number;
  isFile(): boolean;
  isBlockDevice(): boolean;
}
