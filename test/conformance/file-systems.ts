/**
 * Where file systems answer otherwise than ext4 does, as data, each with its source. A file system that is not here is not asked what
 * depends on it: nobody has looked yet.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { type Mount, optionOf, parseMounts } from '../../src/common/file/mounts.ts';

/** What a rule leaves to the file system. */
export interface FileSystemAnswers {
  /** BUF-05: a buffered write from memory of which only the beginning is there: that part, or EFAULT. */
  readonly halfMappedWrite: 'part' | 'EFAULT';
  /** VEC-10: a buffered write whose first segment is there and whose second is not: the first, or EFAULT. */
  readonly halfMappedVector: 'part' | 'EFAULT';
  /** BUF-07: a direct read into memory of which only the beginning is there: EFAULT, or what a read through the page cache brings. */
  readonly halfMappedDirect: 'EFAULT' | 'part';
  /** OFF-03: a write to 2^62: beyond the largest file, or inside. */
  readonly farWrite: 'EFBIG' | 'inside';
  /** RWF-06: NOWAIT for a direct write that makes the file longer: an event EAGAIN or EOPNOTSUPP, or refused by io_submit. */
  readonly nowaitExtending: 'EAGAIN' | 'EOPNOTSUPP' | 'refused';
  /** RWF-11: a buffered ATOMIC write. */
  readonly atomic: 'refused' | 'taken';
  /** BLOCK-04: a direct write that makes the file longer has ended when io_submit returns. */
  readonly extendsInSubmit: 'yes' | 'no';
  /** RWF-10: NOAPPEND on a file that appends: the place counts, or the server's own O_APPEND. */
  readonly noappend: 'place' | 'end';
}

const EXT4: FileSystemAnswers = {
  halfMappedWrite: 'part',
  halfMappedVector: 'part',
  halfMappedDirect: 'EFAULT',
  farWrite: 'EFBIG',
  nowaitExtending: 'EAGAIN',
  atomic: 'refused',
  extendsInSubmit: 'yes',
  noappend: 'place',
};

interface FileSystem {
  /** As `/proc/self/mountinfo` has it; what stands before a dot is enough. */
  readonly type: string;
  /** An option that makes the difference. */
  readonly option?: string;
  /** Beside ext4's. */
  readonly answers: Partial<FileSystemAnswers>;
  readonly source: string;
}

const HOST = 'observed on Linux 6.18, x86-64';
const UML = 'observed on Linux 6.1, User Mode Linux';

/** The first that fits counts. */
export const FILE_SYSTEMS: readonly FileSystem[] = [
  {
    type: 'ext4',
    option: 'data=journal',
    answers: { halfMappedDirect: 'part', nowaitExtending: 'EOPNOTSUPP' },
    source: `${HOST}: direct transfers go through the page cache`,
  },
  { type: 'ext4', answers: {}, source: `${HOST} and ${UML}` },
  { type: 'ext3', answers: {}, source: HOST },
  { type: 'ext2', answers: {}, source: HOST },
  {
    type: 'xfs',
    answers: { farWrite: 'inside', atomic: 'taken', extendsInSubmit: 'no' },
    source: HOST,
  },
  {
    type: 'btrfs',
    answers: {
      halfMappedWrite: 'EFAULT',
      halfMappedVector: 'EFAULT',
      halfMappedDirect: 'part',
      farWrite: 'inside',
    },
    source: HOST,
  },
  {
    type: 'tmpfs',
    answers: { farWrite: 'inside', halfMappedDirect: 'part' },
    source: `${HOST}; direct transfers below an overlay, where they go through the page cache`,
  },
  { type: 'ramfs', answers: { farWrite: 'inside' }, source: HOST },
  {
    type: 'fuse',
    answers: {
      halfMappedWrite: 'EFAULT',
      halfMappedDirect: 'part',
      nowaitExtending: 'refused',
      noappend: 'end',
    },
    source: `${HOST}, bindfs`,
  },
  {
    type: 'fuseblk',
    answers: {
      halfMappedWrite: 'EFAULT',
      halfMappedDirect: 'part',
      farWrite: 'inside',
      nowaitExtending: 'refused',
    },
    source: `${HOST}, ntfs-3g`,
  },
];

/** What is asked of the file system that a directory is on. */
export interface KnownFileSystem {
  /** With the option that counts, such as `ext4, data=journal`. */
  readonly name: string;
  /** `undefined` where nobody has looked. */
  readonly answers: FileSystemAnswers | undefined;
}

/** What an emulation answers there: memory, flags and the moment are its own, and ext4's; where files end is the file system's. */
export function imitated({ name, answers }: KnownFileSystem): KnownFileSystem {
  return { name, answers: { ...EXT4, ...(answers === undefined ? {} : { farWrite: answers.farWrite }) } };
}

/** What other systems are taken for. */
const ELSEWHERE: KnownFileSystem = { name: 'the host’s file system', answers: EXT4 };

/** @param mountinfo - `/proc/self/mountinfo`. @param path - Without symbolic links. */
export function fileSystemAt(path: string, mountinfo: string): KnownFileSystem {
  const mount = mountAt(path, parseMounts(mountinfo));
  if (mount === undefined) return ELSEWHERE;
  if (mount.type === 'overlay') return overlay(mount, mountinfo);
  const known = FILE_SYSTEMS.find(
    ({ type, option }) =>
      (mount.type === type || mount.type.startsWith(`${type}.`)) &&
      (option === undefined || mount.options.includes(option)),
  );
  const name = known?.option === undefined ? mount.type : `${mount.type}, ${known.option}`;
  return { name, answers: known === undefined ? undefined : { ...EXT4, ...known.answers } };
}

/** Files are made on the upper of its file systems. Observed on Linux 6.18: it refuses NOWAIT for direct writes itself. */
function overlay(mount: Mount, mountinfo: string): KnownFileSystem {
  const upper = optionOf(mount, 'upperdir');
  const below = upper === undefined ? ELSEWHERE : fileSystemAt(upper, mountinfo);
  return {
    name: `overlay on ${below.name}`,
    answers: below.answers === undefined ? undefined : { ...below.answers, nowaitExtending: 'refused' },
  };
}

/** The last of the mounts that cover it. */
function mountAt(path: string, mounts: readonly Mount[]): Mount | undefined {
  const covering = mounts.filter(
    ({ point }) => path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`),
  );
  const longest = Math.max(...covering.map(({ point }) => point.length));
  return covering.findLast(({ point }) => point.length === longest);
}

/** The file system of a directory of this machine. */
export function fileSystemOf(directory: string): KnownFileSystem {
  if (process.platform !== 'linux') return ELSEWHERE;
  try {
    return fileSystemAt(realpathSync(directory), readFileSync('/proc/self/mountinfo', 'latin1'));
  } catch {
    // No procfs.
    return ELSEWHERE;
  }
}
