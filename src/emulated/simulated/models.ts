/** What a file system promises beyond POSIX, by name: the rules as data, each with where it is known from. */
import { invalidArgValue } from '../../common/validate.ts';

/** The name of one of {@link MODELS}. */
export type ModelName = 'posix' | 'ext4-ordered' | 'xfs' | 'apfs' | 'ntfs';

/** One rule, for people. The test in `models.test.ts` has its name. */
export interface Rule {
  /** Short, with hyphens. */
  readonly name: string;
  /** What is found after a crash. */
  readonly says: string;
  /** Where it is known from: documentation, a standard, the source of a kernel. */
  readonly source: string;
}

/** What is kept in a crash, and by which rules. */
export interface Model {
  /** As `simulate({ model })` takes it. */
  readonly name: ModelName;
  /**
   * How changes of names, sizes and attributes reach the disk: each by itself, or in the order in which they happened, as a journal or
   * a checkpoint has it. Then a sync of anything that has such a change makes all earlier ones durable.
   */
  readonly metadata: 'apart' | 'ordered';
  /** Virtual milliseconds after which such a change is durable without a sync. `undefined`: nobody promises. */
  readonly commitMs: number | undefined;
  /** Virtual milliseconds after which a write is durable without a sync. `undefined`: nobody promises. */
  readonly writebackMs: number | undefined;
  /**
   * Bytes that make a file longer: `'in-order'`, what is found ends somewhere, with all before it; `'by-page'`, pages are there or are
   * holes, and the file ends with one that is there; `'apart'`, the size may be there without the bytes.
   */
  readonly appends: 'in-order' | 'by-page' | 'apart';
  /** Whether a rename that replaces a file is durable only with all bytes of the one that it gives the name to. */
  readonly renameCarriesData: boolean;
  /**
   * What the close of a file does that had been made empty: `'ordered'`, what was written to it is durable with the next change of
   * metadata that is; `'written'`, it is durable soon; or nothing.
   */
  readonly closeAfterTruncate: 'ordered' | 'written' | 'nothing';
  /** Whether a directory can be synced. */
  readonly syncsDirectories: boolean;
  /** The same, for people. */
  readonly rules: readonly Rule[];
}

const ordered = (source: string): Rule => ({
  name: 'metadata-in-order',
  says: 'Names, sizes and attributes are found as they were at one moment: none without all that came before it',
  source,
});

const EXT4 = 'Documentation/admin-guide/ext4.rst';

/** What is kept in a crash, by the name of the rules. */
export const MODELS: Readonly<Record<ModelName, Model>> = {
  posix: {
    name: 'posix',
    metadata: 'apart',
    commitMs: undefined,
    writebackMs: undefined,
    appends: 'apart',
    renameCarriesData: false,
    closeAfterTruncate: 'nothing',
    syncsDirectories: true,
    rules: [
      {
        name: 'nothing-but-syncs',
        says: 'What was not synced is there or not, each change by itself, however long ago',
        source: 'POSIX.1-2017, fsync(): only its return says that data was transferred',
      },
    ],
  },
  'ext4-ordered': {
    name: 'ext4-ordered',
    metadata: 'ordered',
    commitMs: 5000,
    // A page is old after dirty_expire_centisecs, the flusher looks every dirty_writeback_centisecs, and its size is in the next commit.
    writebackMs: 40_000,
    appends: 'in-order',
    renameCarriesData: true,
    closeAfterTruncate: 'ordered',
    syncsDirectories: true,
    rules: [
      ordered('Documentation/filesystems/ext4/journal.rst: a transaction is replayed as a whole, in order'),
      {
        name: 'sync-commits-all',
        says: 'A sync of a file whose metadata have changed makes all earlier changes of metadata durable, those of other files too',
        source: 'fs/ext4/fsync.c:ext4_fsync_journal: it commits the transaction that the inode is in',
      },
      {
        name: 'commit-interval',
        says: 'Changes of metadata are durable after 5 s',
        source: `${EXT4}: commit=nrsec`,
      },
      {
        name: 'data-before-metadata',
        says: 'A file is never longer than what was written to it: its size is durable with the bytes before its end',
        source: `${EXT4}: data=ordered, and i_disksize that follows delayed allocation`,
      },
      {
        name: 'delayed-allocation',
        says: 'Until then a new file may be found empty, also long after its name',
        source: `${EXT4}: delalloc`,
      },
      {
        name: 'replace-by-rename',
        says: 'A rename over a file that exists is durable only with the bytes of the new one',
        source: `${EXT4}: auto_da_alloc; fs/ext4/namei.c:ext4_rename`,
      },
      {
        name: 'replace-by-truncate',
        says: 'What was written to a file that had been made empty is durable with the first commit after its close',
        source: `${EXT4}: auto_da_alloc; fs/ext4/file.c:ext4_release_file`,
      },
      {
        name: 'overwrites-tear',
        says: 'Bytes that replace others are there or not, sector by sector, and in any order, until a sync',
        source: `${EXT4}: data=ordered journals metadata only`,
      },
      {
        name: 'background-writeback',
        says: 'What was written is durable after 40 s',
        source:
          'Documentation/admin-guide/sysctl/vm.rst: dirty_expire_centisecs 3000, dirty_writeback_centisecs 500; and one commit',
      },
    ],
  },
  xfs: {
    name: 'xfs',
    metadata: 'ordered',
    commitMs: 30_000,
    writebackMs: 65_000,
    appends: 'by-page',
    renameCarriesData: false,
    closeAfterTruncate: 'written',
    syncsDirectories: true,
    rules: [
      ordered(
        'Documentation/filesystems/xfs/xfs-delayed-logging-design.rst: checkpoints are written in sequence',
      ),
      {
        name: 'sync-commits-all',
        says: 'A sync of a file whose metadata have changed makes all earlier changes of metadata durable, those of other files too',
        source: 'the same: a log force writes the checkpoint that the inode is in, and those before it',
      },
      {
        name: 'commit-interval',
        says: 'Changes of metadata are durable after 30 s',
        source: 'Documentation/admin-guide/xfs.rst: fs.xfs.xfssyncd_centisecs 3000',
      },
      {
        name: 'size-after-data',
        says: 'A file ends where bytes were written, but pages before that may be holes',
        source: 'commit ba87ea699ebd: the size on disk is updated when the data are written',
      },
      {
        name: 'rename-carries-nothing',
        says: 'A file that was renamed over another without a sync may be found empty',
        source: 'fs/xfs/xfs_inode.c:xfs_rename: it writes no data',
      },
      {
        name: 'replace-by-truncate',
        says: 'The close of a file that had been made empty has its bytes written at once; in what order with the journal is open',
        source: 'fs/xfs/xfs_file.c:xfs_file_release, XFS_ITRUNCATED',
      },
      {
        name: 'background-writeback',
        says: 'What was written is durable after 65 s',
        source: 'Documentation/admin-guide/sysctl/vm.rst, and one commit',
      },
    ],
  },
  apfs: {
    name: 'apfs',
    metadata: 'ordered',
    commitMs: undefined,
    writebackMs: undefined,
    appends: 'apart',
    renameCarriesData: false,
    closeAfterTruncate: 'nothing',
    syncsDirectories: true,
    rules: [
      ordered(
        'Apple File System Reference, Features: copy-on-write metadata keep updates crash protected; in what order is not said',
      ),
      {
        name: 'sync-commits-all',
        says: 'A sync reaches the medium, as Node asks for F_FULLFSYNC; that it carries earlier changes of other metadata is documented nowhere, and follows from their order',
        source:
          'fsync(2) of macOS: F_FULLFSYNC asks the drive to flush all buffered data, fsync alone does not; libuv src/unix/fs.c:uv__fs_fsync',
      },
      {
        name: 'rename-carries-nothing',
        says: 'About data without a sync nothing is documented: as posix',
        source:
          'fsync(2) of macOS: after a loss of power some or none of them may be there, later ones without earlier ones',
      },
    ],
  },
  ntfs: {
    name: 'ntfs',
    metadata: 'ordered',
    commitMs: undefined,
    writebackMs: undefined,
    appends: 'apart',
    renameCarriesData: false,
    closeAfterTruncate: 'nothing',
    syncsDirectories: false,
    rules: [
      ordered(
        'Windows Internals, NTFS Recovery Support: operations are transactions of a log, none is left incomplete, and metadata alone are recovered',
      ),
      {
        name: 'sync-commits-all',
        says: 'A sync of a file whose metadata have changed has the log written up to them, and so all before: documented nowhere, it follows from the order of the log',
        source:
          'learn.microsoft.com, FlushFileBuffers: all that is buffered of the file is written; of other files it says nothing',
      },
      {
        name: 'rename-carries-nothing',
        says: 'About data without a sync nothing is documented; a file that is too long ends in zeros',
        source:
          'learn.microsoft.com, SetFileValidData: the length that was written is kept beside the size; Windows Internals: user data are not recovered',
      },
      {
        name: 'no-directory-sync',
        says: 'A directory that was opened for reading cannot be synced: EPERM',
        source: 'learn.microsoft.com, FlushFileBuffers: the handle must have GENERIC_WRITE',
      },
    ],
  },
};

/** @throws TypeError `ERR_INVALID_ARG_VALUE` for an unknown one. */
export function modelOf(name: unknown): Model {
  if (typeof name !== 'string' || !Object.hasOwn(MODELS, name)) throw invalidArgValue('options.model', name);
  return MODELS[name as ModelName];
}
