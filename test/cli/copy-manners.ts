/**
 * Arrangements that `kaio cp` and cp(1) are both run in, as data, and every difference with its reason.
 *
 * Each is a few lines for sh(1), run in an empty folder as root unless `as` says otherwise; `copy` is the program under test.
 */

/** What of an outcome may differ. A difference that is named here and is not there is a failure, too. */
export type Aspect =
  | 'status'
  | 'kind'
  | 'files'
  | 'type'
  | 'content'
  | 'mode'
  | 'owner'
  | 'links'
  | 'inode kept'
  | 'blocks'
  | 'modified'
  | 'nanoseconds'
  | 'attributes';

export interface Manner {
  readonly title: string;
  readonly arrange: string;
  /** Default: `copy source destination`. */
  readonly command?: string;
  /** Who runs the command: somebody without rights, who owns the folder, but nothing that is made in it. */
  readonly as?: 'nobody';
  /** What must be there to arrange it: programs, or a right to mount. */
  readonly needs?: readonly ('mount' | 'chattr' | 'python3' | 'proc' | 'config.gz')[];
  /** Done after looking. */
  readonly clean?: string;
  /** Aspects in which kaio is otherwise, and why. */
  readonly differs?: Readonly<Partial<Record<Aspect, string>>>;
}

const REPLACED =
  'a destination is replaced by a rename wherever nothing but its inode number changes, so that it is the old or the new content at any moment';
const REMOVED = 'a file that is not whole is removed';
const ONE_FILE = 'the destination is the name of one file; nothing is guessed from what is there';
const REGULAR = 'only regular files: size, overlapping reads and durability mean nothing for others';
const MICROSECONDS = 'node:fs sets times as doubles, good for a microsecond';

const THEN = 'touch -d @1000000000.5 source';
const SOURCE = 'seq 1000 > source';
const OLD = `${SOURCE}; echo old > destination`;
/** 1 MiB of which two pieces hold something. */
const HOLES =
  'truncate -s 1M source; echo head | dd of=source conv=notrunc status=none; echo tail | dd of=source bs=4k seek=100 conv=notrunc status=none';
const ACL =
  '02000000 01000600 ffffffff 02000600 01000000 04000400 ffffffff 10000600 ffffffff 20000000 ffffffff';

function withAttribute(file: string, name: string, hex: string): string {
  const bytes = `bytes.fromhex("${hex}")`;
  return `python3 -c 'import os; os.setxattr("${file}", "${name}", ${bytes})'`;
}

/** Where cp(1) leaves a file and kaio none. */
function absent(why: string): Partial<Record<Aspect, string>> {
  return {
    files: why,
    type: why,
    content: why,
    mode: why,
    owner: why,
    links: why,
    blocks: why,
    attributes: why,
  };
}

export const MANNERS: readonly Manner[] = [
  // Mode of a new file.
  {
    title: 'a new file under umask 077',
    arrange: `${SOURCE}; chmod 666 source`,
    command: 'umask 077; copy source destination',
  },
  {
    title: 'a new file under umask 0',
    arrange: `${SOURCE}; chmod 777 source`,
    command: 'umask 0; copy source destination',
  },
  {
    title: 'a new file under umask 777',
    arrange: `${SOURCE}; chmod 777 source`,
    command: 'umask 777; copy source destination',
  },
  { title: 'a source that nobody may write', arrange: `${SOURCE}; chmod 444 source` },
  { title: 'a set-user-ID source', arrange: `${SOURCE}; chown 65534 source; chmod 4755 source` },
  { title: 'a set-group-ID and sticky source', arrange: `${SOURCE}; chmod 3755 source` },
  {
    title: 'a folder that gives its group on',
    arrange: `${SOURCE}; mkdir d; chgrp 65534 d; chmod 2755 d`,
    command: 'copy source d/destination',
  },
  {
    title: 'a folder with a default access control list',
    arrange: `${SOURCE}; chmod 664 source; mkdir d; ${withAttribute('d', 'system.posix_acl_default', ACL.replaceAll(' ', ''))}`,
    command: 'umask 077; copy source d/destination',
    needs: ['python3'],
  },

  // --preserve.
  {
    title: '--preserve, set-user-ID of another owner',
    arrange: `${SOURCE}; ${THEN}; chown 65534:65534 source; chmod 6755 source`,
    command: 'umask 077; copy --preserve source destination',
  },
  {
    title: '-p, times',
    arrange: `${SOURCE}; touch -d @1000000000.123456 source`,
    command: 'copy -p source destination',
  },
  {
    title: '-p, times to the nanosecond',
    arrange: `${SOURCE}; touch -d @1000000000.123456789 source`,
    command: 'copy -p source destination',
    differs: { nanoseconds: MICROSECONDS },
  },
  {
    title: '-p, times before 1970',
    arrange: `${SOURCE}; touch -d @-1000.25 source`,
    command: 'copy -p source destination',
  },
  {
    title: '-p over an older file',
    arrange: `${OLD}; ${THEN}; chmod 751 source; chown 65534 source; chmod 600 destination`,
    command: 'copy -p source destination',
    differs: { 'inode kept': REPLACED },
  },
  {
    title: '-p over a file with two links',
    arrange: `${OLD}; ${THEN}; chmod 751 source; chown 65534 source; ln destination other`,
    command: 'copy -p source destination',
  },
  {
    title: '-p of somebody else, whose owner cannot be given',
    arrange: `${SOURCE}; ${THEN}; chmod 4755 source`,
    command: 'copy -p source d/destination',
    as: 'nobody',
  },
  {
    title: '-p, access control list of the source',
    arrange: `${SOURCE}; ${THEN}; ${withAttribute('source', 'system.posix_acl_access', ACL.replaceAll(' ', ''))}`,
    command: 'copy -p source destination',
    needs: ['python3'],
    differs: {
      attributes:
        'node:fs does not know access control lists; the mode is what remains of them, group rights as the mask has them',
    },
  },

  // A destination that is there.
  { title: 'an older file', arrange: OLD, differs: { 'inode kept': REPLACED } },
  {
    title: 'an older file that is longer',
    arrange: `echo new > source; seq 9999 > destination`,
    differs: { 'inode kept': REPLACED },
  },
  {
    title: 'an older file of another owner, closed to others',
    arrange: `${OLD}; chmod 600 destination; chown 65534:65533 destination`,
    differs: { 'inode kept': REPLACED },
  },
  {
    title: 'an older file of another owner alone',
    arrange: `${OLD}; chmod 640 destination; chown 65534 destination`,
    differs: { 'inode kept': REPLACED },
  },
  {
    title: 'an older file, wider open than the umask',
    arrange: `${OLD}; chmod 666 destination`,
    command: 'umask 077; copy source destination',
    differs: { 'inode kept': REPLACED },
  },
  {
    title: 'an older file with two links',
    arrange: `${OLD}; chmod 600 destination; chown 65534 destination; ln destination other`,
  },
  {
    title: 'an older file with set-id bits',
    arrange: `${OLD}; chown 65534 destination; chmod 4711 destination`,
  },
  {
    title: 'an older file that its owner may not write, as root',
    arrange: `${OLD}; chmod 400 destination`,
    differs: { 'inode kept': REPLACED },
  },
  {
    title: 'an older file without write permission',
    arrange: `${OLD}; mv destination d; chmod 444 d/destination`,
    command: 'copy source d/destination',
    as: 'nobody',
  },
  {
    title: "an older file of somebody else's, writable, in one's own folder",
    arrange: `${OLD}; mv destination d; chmod 666 d/destination`,
    command: 'copy source d/destination',
    as: 'nobody',
  },
  {
    title: 'an older file, writable, in a folder that is not',
    arrange: `${OLD}; chmod 666 destination; mkdir e; mv destination e`,
    command: 'copy source e/destination',
    as: 'nobody',
  },
  {
    title: 'an older file with an extended attribute',
    arrange: `${OLD}; ${withAttribute('destination', 'user.colour', 'aabb')}`,
    needs: ['python3'],
  },
  {
    title: 'an older file with an access control list',
    arrange: `${OLD}; ${withAttribute('destination', 'system.posix_acl_access', ACL.replaceAll(' ', ''))}`,
    needs: ['python3'],
  },
  {
    title: 'an older file without an access control list, in a folder that gives one',
    arrange: `${OLD}; mkdir d; mv destination d; ${withAttribute('d', 'system.posix_acl_default', ACL.replaceAll(' ', ''))}`,
    command: 'copy source d/destination',
    needs: ['python3'],
  },
  {
    title: 'an older file that is immutable',
    arrange: `${OLD}; chattr +i destination`,
    clean: 'chattr -i destination',
    needs: ['chattr'],
  },
  {
    title: 'an older file that takes additions only',
    arrange: `${OLD}; chattr +a destination`,
    clean: 'chattr -a destination',
    needs: ['chattr'],
  },
  {
    title: 'a program that runs',
    arrange: `${SOURCE}; cp /bin/sleep destination; ./destination 30 > /dev/null 2>&1 & echo $! > pid; sleep 0.2`,
    clean: 'kill $(cat pid)',
    command: 'copy source destination',
  },
  {
    title: 'a file that something is mounted on',
    arrange: `${OLD}; echo mounted > other; mount --bind other destination`,
    clean: 'umount destination',
    needs: ['mount'],
  },
  {
    title: 'a file that something is mounted on, from proc(5)',
    arrange: 'echo old > destination; echo mounted > other; mount --bind other destination',
    command: 'copy /proc/version destination',
    clean: 'umount destination',
    needs: ['mount', 'proc'],
  },
  {
    title: 'a file on a file system for reading only',
    arrange: `${SOURCE}; mkdir m; mount -t tmpfs none m; echo old > m/destination; mount -o remount,ro m`,
    command: 'copy source m/destination',
    clean: 'umount m',
    needs: ['mount'],
  },
  {
    title: 'a new file on a file system for reading only',
    arrange: `${SOURCE}; mkdir m; mount -t tmpfs -o ro none m`,
    command: 'copy source m/destination',
    clean: 'umount m',
    needs: ['mount'],
  },
  {
    title: 'a new file on a full file system',
    arrange: `seq 100000 > source; mkdir m; mount -t tmpfs -o size=64k none m`,
    command: 'copy source m/destination',
    clean: 'umount m',
    needs: ['mount'],
    differs: absent(REMOVED),
  },
  {
    title: 'an older file on a full file system',
    arrange: `seq 100000 > source; mkdir m; mount -t tmpfs -o size=64k none m; echo old > m/destination`,
    command: 'copy source m/destination',
    clean: 'umount m',
    needs: ['mount'],
    differs: { content: 'the old content stays when the new one finds no room' },
  },
  {
    title: 'another file system',
    arrange: `${SOURCE}; mkdir m; mount -t tmpfs none m`,
    command: 'copy source m/destination',
    clean: 'umount m',
    needs: ['mount'],
  },
  {
    title: 'leftovers of a killed run',
    arrange: `${SOURCE}; for i in $(seq 2000); do echo $i; done | while read p; do : > .destination.kaio-$p; done`,
  },

  // Names.
  { title: 'the same file', arrange: SOURCE, command: 'copy source source' },
  { title: 'the same file by another name', arrange: `${SOURCE}; ln source destination` },
  { title: 'the same file by a link', arrange: `${SOURCE}; ln -s source destination` },
  { title: 'the same file, the source a link', arrange: `echo data > destination; ln -s destination source` },
  {
    title: 'a link to a file',
    arrange: `${SOURCE}; echo old > target; ln -s target destination`,
    differs: { 'inode kept': REPLACED },
  },
  {
    title: 'a link to a link to a file in another folder',
    arrange: `${SOURCE}; mkdir -p a/b; echo old > a/target; ln -s ../target a/b/l; ln -s a/b/l destination`,
    differs: { 'inode kept': REPLACED },
  },
  {
    title: 'a link behind a link to a folder, with ..',
    arrange: `${SOURCE}; mkdir -p a/b; ln -s a/b l; echo old > a/target`,
    command: 'copy source l/../target; ln a/target destination',
  },
  {
    title: 'a new name behind a link to a folder, with ..',
    arrange: `${SOURCE}; mkdir -p a/b; ln -s a/b l`,
    command: 'copy source l/../target; ln a/target destination',
  },
  { title: 'a link to nothing', arrange: `${SOURCE}; ln -s nowhere destination` },
  { title: 'a link to a link to nothing', arrange: `${SOURCE}; ln -s nowhere l; ln -s l destination` },
  { title: 'a link to itself', arrange: `${SOURCE}; ln -s destination destination` },
  { title: 'a source that is a link', arrange: `${SOURCE}; ln -s source l`, command: 'copy l destination' },
  { title: 'a source that is a link to nothing', arrange: 'ln -s nowhere source' },
  { title: 'a source that is missing', arrange: ':' },
  { title: 'a source that is a folder', arrange: 'mkdir source' },
  { title: 'a source with a slash behind it', arrange: SOURCE, command: 'copy source/ destination' },
  {
    title: 'a source that may not be read',
    arrange: `${SOURCE}; chmod 0 source`,
    command: 'copy source d/destination',
    as: 'nobody',
  },
  {
    title: 'a folder',
    arrange: `${SOURCE}; mkdir destination`,
    differs: { status: ONE_FILE, kind: ONE_FILE, files: ONE_FILE },
  },
  {
    title: 'a folder, with -T',
    arrange: `${SOURCE}; mkdir destination`,
    command: 'copyNoGuess source destination',
  },
  {
    title: 'a link to a folder, with -T',
    arrange: `${SOURCE}; mkdir d; ln -s d destination`,
    command: 'copyNoGuess source destination',
  },
  { title: 'a new name with a slash behind it', arrange: SOURCE, command: 'copy source destination/' },
  { title: 'an older file with a slash behind it', arrange: OLD, command: 'copy source destination/' },
  { title: 'a folder that is missing', arrange: SOURCE, command: 'copy source no/destination' },
  { title: 'a file as folder', arrange: OLD, command: 'copy source destination/new' },
  {
    title: 'a folder that may not be written',
    arrange: `${SOURCE}; mkdir e`,
    command: 'copy source e/destination',
    as: 'nobody',
  },
  { title: 'an empty name for the destination', arrange: SOURCE, command: "copy source ''" },
  { title: 'an empty name for the source', arrange: SOURCE, command: "copy '' destination" },
  {
    title: 'names of 255 bytes',
    arrange: SOURCE,
    command: 'n=$(printf "n%.0s" $(seq 255)); copy source $n; ln $n destination; rm $n',
  },
  {
    title: 'names of 255 bytes over an older file',
    arrange: OLD,
    command: 'n=$(printf "é%.0s" $(seq 127)); mv destination $n; copy source $n; mv $n destination',
    differs: { 'inode kept': REPLACED },
  },
  { title: 'a name of 256 bytes', arrange: SOURCE, command: 'copy source $(printf "n%.0s" $(seq 256))' },
  {
    title: 'a folder so deep that its path takes all that a path may',
    arrange: SOURCE,
    command:
      'p=.; for i in $(seq 38); do p=$p/$(printf "d%.0s" $(seq 100)); done; mkdir -p $p; p=$p/$(printf "e%.0s" $(seq $((4092 - 3839)))); mkdir $p; copy source $p/d; mv $p/d destination; rm -r ./ddd*',
  },
  {
    title: 'the names - and --',
    arrange: `${SOURCE}; mv source -`,
    command: 'copy -- - --; ln -- -- destination',
  },
  {
    title: 'a name with an option in it',
    arrange: `${SOURCE}; mv source ./-p`,
    command: 'copy -- -p -destination; ln -- -destination destination',
  },
  {
    title: 'names that are no UTF-8',
    arrange: `${SOURCE}; mv source "$(printf 's\\377')"`,
    command: `copy "$(printf 's\\377')" "$(printf 'd\\376\\n\\033x')"; ln d* destination`,
  },
  {
    title: 'two names that look the same when they are decoded',
    arrange: `${SOURCE}; mv source "$(printf 'n\\377')"`,
    command: `copy "$(printf 'n\\377')" "$(printf 'n\\376')"; ln "$(printf 'n\\376')" destination`,
  },
  {
    title: 'names with ends of lines and escapes',
    arrange: `${SOURCE}; mv source "$(printf 's\\n\\033[2Jx')"`,
    command: `copy "$(printf 's\\n\\033[2Jx')" "$(printf 'd\\n\\033]0;o\\007x')"; ln d* destination`,
  },

  // What is no regular file.
  {
    title: 'a FIFO as destination',
    arrange: `${SOURCE}; mkfifo destination; timeout 20 cat destination > /dev/null 2>&1 & echo $! > pid`,
    differs: { status: REGULAR, kind: REGULAR },
    clean: 'kill $(cat pid) || true',
  },
  {
    title: 'a socket as destination',
    arrange: `${SOURCE}; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("destination")'`,
    needs: ['python3'],
    differs: { kind: REGULAR },
  },
  {
    title: 'a device as destination',
    arrange: `${SOURCE}; mknod destination c 1 3`,
    needs: ['mount'],
    differs: { status: REGULAR, kind: REGULAR },
  },
  {
    title: 'a device as source',
    arrange: 'mknod source c 1 3',
    needs: ['mount'],
    differs: { status: REGULAR, kind: REGULAR, ...absent(REGULAR) },
  },

  // Content.
  { title: 'an empty file', arrange: ': > source' },
  {
    title: 'a file of proc(5), which says that it is empty',
    arrange: ':',
    command: 'copy /proc/cpuinfo destination; sed -i "/MHz/d" destination',
    needs: ['proc'],
  },
  {
    title: 'a file of proc(5) of a process',
    arrange: ':',
    command: 'copy /proc/1/environ destination',
    needs: ['proc'],
  },
  {
    title: 'a file of proc(5) that has a size, but that AIO cannot read',
    arrange: ':',
    command: 'copy /proc/config.gz destination',
    needs: ['config.gz'],
  },
  {
    title: 'a file of proc(5) that has a size, but that AIO cannot read, over an older one with two links',
    arrange: 'echo old > destination; ln destination other',
    command: 'copy /proc/config.gz destination',
    needs: ['config.gz'],
  },
  {
    title: 'a file of sysfs(5), which says that it has 4096 bytes',
    arrange: ':',
    command: 'copy /sys/kernel/mm/transparent_hugepage/enabled destination',
    needs: ['proc'],
  },
  {
    title: 'a file of proc(5) over an older one with two links',
    arrange: 'echo old > destination; ln destination other',
    command: 'copy /proc/version destination',
    needs: ['proc'],
  },
  { title: 'a file with holes', arrange: HOLES },
  { title: 'a file that is one hole', arrange: 'truncate -s 64M source' },
  { title: 'a file that is one hole, and no whole number of blocks', arrange: 'truncate -s 5000001 source' },
  {
    title: 'a file with holes over an older one with two links',
    arrange: `${HOLES}; seq 300000 > destination; ln destination other`,
  },
  { title: 'zeros that are no hole', arrange: 'head -c 1048576 /dev/zero > source' },
  {
    title: 'zeros that are no hole, in a file with holes',
    arrange: `${HOLES}; head -c 65536 /dev/zero | dd of=source bs=64k seek=12 conv=notrunc status=none; sync source`,
  },
];
