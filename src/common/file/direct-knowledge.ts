/** What is known of direct I/O by the kind of file system, before anything is tried. */
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type Mount, mounts, optionOf } from './mounts.ts';

/** How it can be seen whether a read was direct. */
export type Witness =
  /** The process's counter of bytes read from devices. */
  | 'device'
  /** The page cache: nothing that a device would count. */
  | 'page cache'
  | 'none';

export interface Knowledge {
  /** What holds where nothing can be seen. */
  readonly direct: boolean;
  /** In words, to be followed by nothing or by what was seen. */
  readonly reason: string;
  readonly witness: Witness;
  /** Whether it is the same for all files of the file system: what was seen of one holds for the others. */
  readonly sameForAll: boolean;
  /**
   * Whether it refuses what is not aligned. Others (btrfs, whatever may be below an overlay) pass it through the page cache, so that trying
   * does not tell what direct transfers need.
   */
  readonly refusesUnaligned: boolean;
}

/** Where nothing better is known. */
const UNSURE = { direct: true, witness: 'page cache', sameForAll: false, refusesUnaligned: false } as const;
/** Of file systems on block devices whose ways are known. */
const USUAL = { direct: true, witness: 'device', sameForAll: false, refusesUnaligned: true } as const;

const MEMORY = new Set(['tmpfs', 'ramfs', 'devtmpfs', 'hugetlbfs', 'rootfs']);
/** Some of their files are read directly, others not: journalled, encrypted, compressed, inline. */
const BY_FILE = new Set(['ext2', 'ext3', 'ext4', 'f2fs', 'bcachefs', 'ntfs3', 'erofs']);
const BY_FILE_SYSTEM = new Set(['xfs', 'jfs', 'vfat', 'exfat', 'gfs2', 'ocfs2']);
const REMOTE = /^(?:nfs4?|cifs|smb3|ceph|9p|afs|lustre)$/;
const FUSE = /^(?:fuse(?:blk)?(?:\..*)?|virtiofs)$/;
const FIRST_DIRECT_ZFS = [2, 3] as const;

/** A block device, whichever file system its name is on. */
export const OF_BLOCK_DEVICES: Knowledge = {
  ...USUAL,
  reason: 'block devices are known to do direct I/O',
};

/** @param mount - Where the file is; `undefined` where that is not known. */
export async function knowledgeOf(mount: Mount | undefined): Promise<Knowledge> {
  if (mount === undefined) return { ...UNSURE, reason: 'the file system is not known' };
  const { type } = mount;
  if (MEMORY.has(type)) return memory(type);
  if (type === 'overlay') return overlay(mount);
  if (type === 'zfs') return zfs();
  const journalled = journals(mount);
  if (journalled !== undefined) return journalled;
  if (type === 'btrfs') {
    const reason =
      'the file system btrfs is known to read directly, and to pass writes of files with checksums through the page cache';
    return { ...USUAL, reason, refusesUnaligned: false };
  }
  const known = `the file system ${type} is known to do direct I/O`;
  if (BY_FILE.has(type)) return { ...USUAL, reason: known };
  if (BY_FILE_SYSTEM.has(type)) return { ...USUAL, reason: known, sameForAll: true };
  if (FUSE.test(type) || REMOTE.test(type)) {
    const reason = `the file system ${type} is known to bypass the page cache here, not what its server keeps`;
    return { ...UNSURE, reason, sameForAll: true };
  }
  const reason = `nothing is known of the file system ${type}`;
  return { ...UNSURE, reason };
}

function memory(type: string): Knowledge {
  const reason = `the file system ${type} is known to be memory, whatever O_DIRECT says`;
  return { ...UNSURE, direct: false, reason, witness: 'none', sameForAll: true };
}

/** ext3 and ext4 print the option also where it is the default that the file system itself has. */
function journals({ type, options }: Mount): Knowledge | undefined {
  if (!/^ext[34]$/.test(type) || !options.includes('data=journal')) return undefined;
  const reason = `the file system ${type} mounted with data=journal is known to pass everything through the page cache`;
  return { ...UNSURE, direct: false, reason, witness: 'none', sameForAll: true };
}

/** Its files are those of the layers; what is written is in the upper one. */
async function overlay(mount: Mount): Promise<Knowledge> {
  const upper = optionOf(mount, 'upperdir');
  const below = upper === undefined ? undefined : await typeAt(upper);
  const direct = below === undefined || below.direct;
  const reason =
    below === undefined
      ? 'an overlay is known to do what the file systems below it do, which cannot be seen from here'
      : `an overlay is known to do what the file systems below it do, and ${below.reason}`;
  // A file that is only read may be in another layer.
  return { ...USUAL, direct, reason, refusesUnaligned: false };
}

/** What is known of a folder: `undefined` where it cannot be seen, which is so in most containers. */
async function typeAt(path: string): Promise<Knowledge | undefined> {
  // A relative path was one of whoever has mounted it.
  if (!path.startsWith('/')) return undefined;
  try {
    const { dev } = await stat(path);
    const device = `${major(dev)}:${minor(dev)}`;
    const mount = (await mounts()).find((one) => one.device === device);
    return mount === undefined || mount.type === 'overlay' ? undefined : await knowledgeOf(mount);
  } catch {
    return undefined;
  }
}

/** As the C library packs them into `st_dev`. */
function major(dev: number): number {
  return Math.floor(dev / 2 ** 8) % 2 ** 12;
}

function minor(dev: number): number {
  return (dev % 2 ** 8) + (Math.floor(dev / 2 ** 20) % 2 ** 12) * 2 ** 8;
}

function zfs(): Knowledge {
  let version = '';
  try {
    version = readFileSync('/sys/module/zfs/version', 'latin1').trim();
  } catch {
    // Not to be had: taken for a new one.
  }
  const [first, second] = /^(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number) ?? [];
  const [since, sinceMinor] = FIRST_DIRECT_ZFS;
  const old = first !== undefined && (first < since || (first === since && second! < sinceMinor));
  const reason = old
    ? `OpenZFS ${version} is known to take O_DIRECT and ignore it`
    : 'OpenZFS is known to bypass its cache since 2.3, where the property `direct` allows it';
  return { ...UNSURE, direct: !old, reason, witness: 'none', sameForAll: true };
}
