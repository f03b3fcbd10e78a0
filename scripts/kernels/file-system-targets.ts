/** File systems that the checks of this folder make and mount, a few lines each. */

const MEBIBYTE = 1 << 20;

/** One kind of file system, and what has to be told of it. */
export interface FileSystem {
  readonly name: string;
  /** As `/proc/filesystems` calls it. */
  readonly type: string;
  /** The command that makes it on an image, which comes last. None: it needs no device. */
  readonly mkfs?: readonly string[];
  readonly imageBytes?: number;
  readonly options?: readonly string[];
  /** Of the loop device's sectors, where they are not of 512. */
  readonly sectorBytes?: number;
  /** Like another kind to file tests: rules and doctor alone. */
  readonly isVariant?: true;
  /** Where turns are taken, it has one. So has each variant. */
  readonly takesTurns?: true;
  /** The kind that is below it. */
  readonly on?: string;
  /** The program of user space that serves it: told the folder below, and where to mount it. An overlay has none. */
  readonly mounted?: readonly string[];
  /** Tests that are not of it, with the reason. */
  readonly without?: { readonly tests: string; readonly reason: string };
  /** What `direct` and `direct_reason` of the doctor have to be. */
  readonly direct: RegExp;
  readonly reason: RegExp;
}

const TOLD = /^the kernel says that this file takes it$|^verified: /;

/** ext4, made otherwise. */
function variant(name: string, how: readonly string[]): FileSystem {
  return {
    name,
    type: 'ext4',
    mkfs: ['mkfs.ext4', '-qF', ...how],
    isVariant: true,
    direct: /^yes$/,
    reason: TOLD,
  };
}

export const FILE_SYSTEMS: readonly FileSystem[] = [
  { name: 'ext4', type: 'ext4', mkfs: ['mkfs.ext4', '-qF'], direct: /^yes$/, reason: TOLD },
  {
    name: 'ext4-data-journal',
    type: 'ext4',
    mkfs: ['mkfs.ext4', '-qF'],
    options: ['data=journal'],
    direct: /^no: /,
    reason: /data=journal/,
  },
  variant('ext4-blocks-of-1024', ['-b', '1024']),
  variant('ext4-bigalloc', ['-O', 'bigalloc']),
  variant('ext4-without-journal', ['-O', '^has_journal']),
  { ...variant('ext4-sectors-of-4096', []), sectorBytes: 4096 },
  {
    name: 'xfs',
    type: 'xfs',
    mkfs: ['mkfs.xfs', '-qf'],
    imageBytes: 512 * MEBIBYTE,
    direct: /^yes$/,
    reason: TOLD,
  },
  { name: 'btrfs', type: 'btrfs', mkfs: ['mkfs.btrfs', '-qf'], direct: /^yes$/, reason: TOLD },
  {
    name: 'btrfs-compressed',
    type: 'btrfs',
    mkfs: ['mkfs.btrfs', '-qf'],
    options: ['compress-force=zstd'],
    isVariant: true,
    direct: /^no: /,
    reason: /came from the page cache/,
  },
  { name: 'tmpfs', type: 'tmpfs', direct: /^no: /, reason: /memory|does not open/ },
  { name: 'overlay-on-ext4', type: 'overlay', on: 'ext4', direct: /^yes$/, reason: TOLD },
  {
    name: 'overlay-on-tmpfs',
    type: 'overlay',
    on: 'tmpfs',
    direct: /^no: /,
    reason: /memory|page cache|does not open/,
  },
  {
    name: 'fuse-on-ext4',
    type: 'fuse',
    on: 'ext4',
    takesTurns: true,
    mounted: ['bindfs', '--no-allow-other'],
    without: {
      tests: '**/block-device.test.ts',
      reason: 'it is mounted without devices, and loop devices over its files have nothing to forget',
    },
    direct: /^yes$/,
    reason: /fuse/,
  },
];
