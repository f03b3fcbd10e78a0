/** The system calls on names of a simulated disk, as operations. */
import { constants } from 'node:fs';
import { ERRNO } from '../../common/abi/errno.ts';
import type { Disk } from './disk.ts';
import type { Attributes, Inode } from './inode.ts';
import { PATH_MAX, type Place } from './namespace.ts';
import { asked } from './operation.ts';
import type { OpenMode } from './simulated-file.ts';
import { PERMISSIONS } from './stats.ts';
import type { Steps, Subject } from './steps.ts';

const {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_DSYNC,
  O_EXCL,
  O_NOFOLLOW,
  O_RDWR,
  O_SYNC,
  O_TRUNC,
  O_WRONLY,
  X_OK,
} = constants as Readonly<Record<string, number | undefined>>;
const LINK_MODE = 0o777;
const UMASK = 0o022;
const ANY_EXECUTE = 0o111;
const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_IXGRP = 0o010;
const DIRECTORY_BITS = 0o1777;

/** Whether all bits of a flag are set. What this host has no number for is never set. */
const has = (flags: number, flag: number | undefined): boolean =>
  flag !== undefined && flag !== 0 && (flags & flag) === flag;

/** What an open file is made of. */
export interface Found {
  readonly inode: Inode;
  readonly path: string;
  readonly mode: OpenMode;
}

/** One name in a directory. */
export interface Entry {
  readonly name: string;
  readonly kind: Inode['kind'];
}

/** A place where there is something. */
type Taken = Place & { readonly inode: Inode };

/** There is one user, who may do everything that root may. */
export class PathCalls {
  readonly disk: Disk;

  constructor(disk: Disk) {
    this.disk = disk;
  }

  /** Finds or makes what open(2) opens. */
  *open(path: string, flags: number, mode: number, direct: boolean): Steps<Found> {
    const writable = has(flags, O_WRONLY) || has(flags, O_RDWR);
    const creates = has(flags, O_CREAT);
    const follows = !(creates && has(flags, O_EXCL)) && !has(flags, O_NOFOLLOW);
    let inode: Inode | undefined;
    yield* this.#step({ syscall: 'open', path }, (id) => {
      if (creates && has(flags, O_DIRECTORY)) return -ERRNO.EINVAL;
      const makes = creates && (follows || path.endsWith('/'));
      const place = this.disk.names.find(path, makes ? 'make' : follows ? 'follow' : 'stay');
      if (typeof place === 'number') return place;
      inode = place.inode;
      if (inode === undefined) {
        if (!creates) return -ERRNO.ENOENT;
        inode = this.disk.names.create(id, place, 'file', this.#attributes(place, mode));
        return 0;
      }
      if (creates && has(flags, O_EXCL)) return -ERRNO.EEXIST;
      if (inode.kind === 'directory' && (writable || creates || has(flags, O_TRUNC))) return -ERRNO.EISDIR;
      if (inode.kind === 'directory' && direct) return -ERRNO.EINVAL;
      if (inode.kind !== 'directory' && has(flags, O_DIRECTORY)) return -ERRNO.ENOTDIR;
      if (inode.kind === 'link') return -ERRNO.ELOOP;
      const { size, allocated } = inode.content;
      // Linux empties what is open for reading too, and of what is empty it sets the times.
      if (has(flags, O_TRUNC) && inode.kind === 'file') {
        if (size + allocated > 0) inode.truncate(id, 0, this.disk.clock.nowNs());
        else inode.modified(this.disk.clock.nowNs());
        this.disk.names.watches.changed(inode, 'modified');
      }
      return 0;
    });
    return {
      inode: inode!,
      path,
      mode: {
        readable: !has(flags, O_WRONLY),
        writable,
        append: has(flags, O_APPEND),
        direct,
        sync: has(flags, O_SYNC) ? 'all' : has(flags, O_DSYNC) ? 'data' : 'none',
      },
    };
  }

  *mkdir(path: string, mode: number): Steps<void> {
    yield* this.#made({ syscall: 'mkdir', path }, path, true, (id, place) => {
      // As `fs/namei.c:vfs_mkdir`: neither setuid nor setgid.
      const inherited = place.directory.attributes.mode & S_ISGID;
      const attributes = this.#attributes(place, (mode & DIRECTORY_BITS) | inherited);
      this.disk.names.create(id, place, 'directory', attributes);
      return 0;
    });
  }

  /** @param target - Where it leads; looked at when it is followed only. */
  *symlink(target: string, path: string): Steps<void> {
    yield* this.#made(
      { syscall: 'symlink', path: target, dest: path },
      path,
      false,
      (id, place) => {
        this.disk.names.create(id, place, 'link', this.#attributes(place, LINK_MODE, 0), target);
        return 0;
      },
      target === '' ? -ERRNO.ENOENT : Buffer.byteLength(target) >= PATH_MAX ? -ERRNO.ENAMETOOLONG : 0,
    );
  }

  *link(existing: string, path: string): Steps<void> {
    yield* this.#step({ syscall: 'link', path: existing, dest: path }, (id) => {
      const { names } = this.disk;
      const from = this.#taken(existing, 'stay');
      if (typeof from === 'number') return from;
      const place = names.find(path, 'name');
      if (typeof place === 'number') return place;
      if (place.isTooLong) return -ERRNO.ENAMETOOLONG;
      if (place.inode !== undefined) return -ERRNO.EEXIST;
      if (place.slash) return -ERRNO.ENOENT;
      if (from.inode.kind === 'directory') return -ERRNO.EPERM;
      names.link(id, from.inode, place, this.disk.clock.nowNs());
      return 0;
    });
  }

  *readlink(path: string): Steps<string> {
    let target = '';
    yield* this.#step({ syscall: 'readlink', path }, () => {
      const place = this.#taken(path, 'stay');
      if (typeof place === 'number') return place;
      if (place.inode.kind !== 'link') return -ERRNO.EINVAL;
      target = place.inode.target;
      return 0;
    });
    return target;
  }

  /** @returns The path without symbolic links. */
  *realpath(path: string): Steps<string> {
    let found = '';
    yield* this.#step({ syscall: 'realpath', path }, () => {
      const place = this.#taken(path, 'follow');
      if (typeof place === 'number') return place;
      const { names } = this.disk;
      if (place.inode.kind === 'directory') found = names.pathOf(place.inode)!;
      else found = `${names.pathOf(place.directory)!}/${place.name}`.replace('//', '/');
      return 0;
    });
    return found;
  }

  /** Names in a directory, sorted. */
  *scandir(path: string, syscall = 'scandir'): Steps<readonly Entry[]> {
    let entries: Entry[] = [];
    yield* this.#step({ syscall, path }, () => {
      const place = this.#taken(path, 'follow');
      if (typeof place === 'number') return place;
      if (place.inode.kind !== 'directory') return -ERRNO.ENOTDIR;
      entries = [...place.inode.entries]
        .map(([name, { kind }]) => ({ name, kind }))
        .sort((one, other) => (one.name < other.name ? -1 : 1));
      return 0;
    });
    return entries;
  }

  /** @param follow - Whether a symbolic link at the end is what it leads to. */
  *stat(path: string, follow: boolean, syscall = follow ? 'stat' : 'lstat'): Steps<Inode> {
    let found: Inode | undefined;
    yield* this.#step({ syscall, path }, () => {
      const place = this.#taken(path, follow ? 'follow' : 'stay');
      if (typeof place === 'number') return place;
      found = place.inode;
      return 0;
    });
    return found!;
  }

  *access(path: string, mode: number): Steps<void> {
    yield* this.#step({ syscall: 'access', path }, () => {
      const place = this.#taken(path, 'follow');
      if (typeof place === 'number') return place;
      const { kind, attributes } = place.inode;
      // Even root executes only what somebody may execute.
      const refused = has(mode, X_OK) && kind === 'file' && (attributes.mode & ANY_EXECUTE) === 0;
      return refused ? -ERRNO.EACCES : 0;
    });
  }

  /**
   * Gives a file another name, replacing what has that name.
   *
   * After a crash it has happened or not, as a whole; it has for certain once the directory was synced.
   */
  *rename(oldPath: string, newPath: string): Steps<void> {
    yield* this.#step({ syscall: 'rename', path: oldPath, dest: newPath }, (id) => {
      const { names } = this.disk;
      const from = names.find(oldPath, 'name');
      const to = names.find(newPath, 'name');
      if (typeof from === 'number') return from;
      if (typeof to === 'number') return to;
      if (!isName(from) || !isName(to)) return -ERRNO.EBUSY;
      if (from.isTooLong) return -ERRNO.ENAMETOOLONG;
      if (from.inode === undefined) return -ERRNO.ENOENT;
      if (to.isTooLong) return -ERRNO.ENAMETOOLONG;
      if (from.inode.kind !== 'directory' && (from.slash || to.slash)) return -ERRNO.ENOTDIR;
      if (from.inode.kind === 'directory' && contains(from.inode, to.directory)) return -ERRNO.EINVAL;
      if (to.inode?.kind === 'directory' && contains(to.inode, from.directory)) return -ERRNO.ENOTEMPTY;
      if (from.inode === to.inode) return 0;
      if (from.inode.kind === 'directory') {
        if (to.inode !== undefined && to.inode.kind !== 'directory') return -ERRNO.ENOTDIR;
      } else if (to.inode?.kind === 'directory') return -ERRNO.EISDIR;
      if (to.inode !== undefined && to.inode.entries.size > 0) return -ERRNO.ENOTEMPTY;
      names.rename(id, from, to, this.disk.clock.nowNs());
      return 0;
    });
  }

  /** Removes a name. Descriptors of the file stay good. */
  *unlink(path: string): Steps<void> {
    yield* this.#removed('unlink', path, (place) => {
      if (place.inode.kind === 'directory' || !isName(place)) return -ERRNO.EISDIR;
      return place.slash ? -ERRNO.ENOTDIR : 0;
    });
  }

  /** Removes an empty directory. */
  *rmdir(path: string): Steps<void> {
    yield* this.#removed('rmdir', path, ({ name, inode }) => {
      if (name === '/') return -ERRNO.EBUSY;
      if (name === '.') return /\.\.\/*$/.test(path) ? -ERRNO.ENOTEMPTY : -ERRNO.EINVAL;
      if (inode.kind !== 'directory') return -ERRNO.ENOTDIR;
      return inode.entries.size > 0 ? -ERRNO.ENOTEMPTY : 0;
    });
  }

  /** chmod, chown and utimes, as one: what is not given stays. */
  *setAttributes(
    syscall: string,
    path: string,
    follow: boolean,
    attributes: Partial<Attributes>,
  ): Steps<void> {
    yield* this.#step({ syscall, path }, () => {
      const place = this.#taken(path, follow ? 'follow' : 'stay');
      if (typeof place === 'number') return place;
      this.changeAttributes(syscall, place.inode, attributes);
      return 0;
    });
  }

  changeAttributes(syscall: string, inode: Inode, attributes: Partial<Attributes>): void {
    const before = inode.attributes;
    const mode =
      /chown$/.test(syscall) && inode.kind === 'file' ? withoutPrivilege(before.mode) : before.mode;
    inode.attributes = { ...before, mode, ...attributes, ctimeNs: this.disk.clock.nowNs() };
    this.disk.names.watches.changed(inode, 'attributes');
  }

  *#made(
    subject: Subject,
    path: string,
    directory: boolean,
    make: (id: number, place: Place) => number,
    refused = 0,
  ): Steps<void> {
    yield* this.#step(subject, (id) => {
      if (refused !== 0) return refused;
      const place = this.disk.names.find(path, 'name');
      if (typeof place === 'number') return place;
      if (place.isTooLong) return -ERRNO.ENAMETOOLONG;
      if (place.inode !== undefined) return -ERRNO.EEXIST;
      if (place.slash && !directory) return -ERRNO.ENOENT;
      return make(id, place);
    });
  }

  *#removed(syscall: string, path: string, judge: (place: Taken) => number): Steps<void> {
    yield* this.#step({ syscall, path }, (id) => {
      const place = this.#taken(path, 'name');
      if (typeof place === 'number') return place;
      const error = judge(place);
      if (error !== 0) return error;
      this.disk.names.remove(id, place, this.disk.clock.nowNs());
      return 0;
    });
  }

  #taken(path: string, end: 'follow' | 'stay' | 'name'): Taken | number {
    const place = this.disk.names.find(path, end);
    if (typeof place === 'number') return place;
    if (place.isTooLong) return -ERRNO.ENAMETOOLONG;
    return place.inode === undefined ? -ERRNO.ENOENT : (place as Taken);
  }

  *#step(subject: Subject, perform: (id: number) => number): Steps<number> {
    const { syscall, path, dest } = subject;
    const what = asked(syscall, path ?? '', { dest });
    return yield { ...subject, begin: (done) => this.disk.metadata(what, perform, done) };
  }

  /** As `fs/inode.c:inode_init_owner`: what is made in a directory with setgid has its group. */
  #attributes({ directory }: Place, mode: number, umask = UMASK): Attributes {
    const now = this.disk.clock.nowNs();
    const { mode: above, gid } = directory.attributes;
    return {
      mode: mode & PERMISSIONS & ~umask,
      uid: 0,
      gid: (above & S_ISGID) === 0 ? 0 : gid,
      atimeNs: now,
      mtimeNs: now,
      ctimeNs: now,
    };
  }
}

/** Whether a place is a name that can be given and taken away: not the root, nor a way up. */
function isName({ name }: Place): boolean {
  return name !== '/' && name !== '.';
}

function contains(directory: Inode, other: Inode): boolean {
  if (directory === other) return true;
  for (const entry of directory.entries.values()) {
    if (entry.kind === 'directory' && contains(entry, other)) return true;
  }
  return false;
}

/** As `fs/open.c:chown_common`: what has another owner runs as nobody else any more. */
function withoutPrivilege(mode: number): number {
  const runsAsGroup = (mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP);
  return mode & ~S_ISUID & (runsAsGroup ? ~S_ISGID : -1);
}
