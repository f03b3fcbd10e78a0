/** The files of a simulated disk by name: shaped like `fs.promises`, in virtual time. */
import { type BigIntStats, constants, type PathLike, type StatOptions, type Stats } from 'node:fs';
import { ERRNO } from '../../common/abi/errno.ts';
import { errnoException } from '../../common/errors.ts';
import type { Disk } from './disk.ts';
import type { Attributes, Inode } from './inode.ts';
import type { Place } from './namespace.ts';
import { pathOf } from './paths.ts';
import type { OpenMode } from './simulated-file.ts';
import { PERMISSIONS, statsOf } from './stats.ts';
import { readWhole, writeWhole } from './whole-file.ts';

const { O_APPEND, O_CREAT, O_EXCL, O_RDWR, O_TRUNC, O_WRONLY, O_DIRECTORY, O_DSYNC, O_SYNC } =
  constants as Readonly<Record<string, number | undefined>>;
const MODE = 0o666;
const DIRECTORY_MODE = 0o777;
const UMASK = 0o022;

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
export class SimulatedEntry {
  readonly name: string;
  readonly #isDirectory: boolean;

  constructor(name: string, isDirectory: boolean) {
    this.name = name;
    this.#isDirectory = isDirectory;
  }

  isFile(): boolean {
    return !this.#isDirectory;
  }

  isDirectory(): boolean {
    return this.#isDirectory;
  }
}

/**
 * Names on a simulated disk.
 *
 * @remarks Paths begin at the root, with or without a slash, on every host. Errors are AioErrors with the codes of Linux. There is one
 * user, who may do everything; there are no links.
 */
export class SimulatedFileSystem {
  readonly #disk: Disk;

  /** @internal Use `simulation.fs`. */
  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /**
   * Makes a directory.
   *
   * @throws AioError `EEXIST`, `ENOENT`, `ENOTDIR`.
   */
  async mkdir(
    path: PathLike,
    options: { readonly recursive?: boolean; readonly mode?: number } = {},
  ): Promise<void> {
    const name = pathOf(path);
    const { recursive = false, mode = DIRECTORY_MODE } = options;
    if (recursive) {
      const names = name.split('/').filter((part) => part !== '');
      for (let depth = 1; depth < names.length; depth++) {
        const above = names.slice(0, depth).join('/');
        if (this.#find(above)?.inode === undefined) await this.#mkdir(above, mode, true);
      }
    }
    await this.#mkdir(name, mode, recursive);
  }

  #mkdir(path: string, mode: number, exists: boolean): Promise<number> {
    return this.#change('mkdir', path, (id) => {
      const place = this.#disk.names.find(path);
      if (typeof place === 'number') return place;
      if (place.inode !== undefined) return exists && place.inode.kind === 'directory' ? 0 : -ERRNO.EEXIST;
      this.#disk.names.create(id, place, 'directory', this.#attributes(mode));
      return 0;
    });
  }

  /** Names in a directory, sorted. @throws AioError `ENOENT`, `ENOTDIR`. */
  async readdir(path: PathLike, options?: { readonly withFileTypes?: false }): Promise<string[]>;
  async readdir(path: PathLike, options: { readonly withFileTypes: true }): Promise<SimulatedEntry[]>;
  async readdir(
    path: PathLike,
    { withFileTypes = false }: { readonly withFileTypes?: boolean } = {},
  ): Promise<string[] | SimulatedEntry[]> {
    let entries: SimulatedEntry[] = [];
    const name = pathOf(path);
    await this.#change('scandir', name, () => {
      const place = this.#disk.names.find(name);
      if (typeof place === 'number') return place;
      if (place.inode === undefined) return -ERRNO.ENOENT;
      if (place.inode.kind !== 'directory') return -ERRNO.ENOTDIR;
      entries = [...place.inode.entries]
        .map(([entry, { kind }]) => new SimulatedEntry(entry, kind === 'directory'))
        .sort((one, other) => (one.name < other.name ? -1 : 1));
      return 0;
    });
    return withFileTypes ? entries : entries.map((entry) => entry.name);
  }

  /** Reads a whole file, past the kernel and its faults of submission. @throws AioError `ENOENT`, `EISDIR`, `EIO`. */
  async readFile(path: PathLike): Promise<Buffer>;
  async readFile(path: PathLike, encoding: BufferEncoding): Promise<string>;
  async readFile(path: PathLike, encoding?: BufferEncoding): Promise<Buffer | string> {
    const { inode, path: name } = await this.open(path, 0, undefined, false);
    if (inode.kind === 'directory') throw errnoException(-ERRNO.EISDIR, 'read', { path: name });
    const content = await readWhole(this.#disk, { inode, path: name, direct: false, append: false });
    return encoding === undefined ? content : content.toString(encoding);
  }

  /** Makes `data` all that is in a file. Nothing of it is durable. @throws AioError `ENOENT`, `EISDIR`, `EIO`, `ENOSPC`. */
  async writeFile(path: PathLike, data: string | Uint8Array): Promise<void> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
    const { inode, path: name } = await this.open(path, flags, undefined, false);
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    await writeWhole(this.#disk, { inode, path: name, direct: false, append: false }, bytes);
  }

  /** Removes a file, or with `recursive` a directory and all that is in it. @throws AioError `ENOENT`, `EISDIR`. */
  async rm(
    path: PathLike,
    { recursive = false, force = false }: { readonly recursive?: boolean; readonly force?: boolean } = {},
  ): Promise<void> {
    const name = pathOf(path);
    const inode = this.#find(name)?.inode;
    if (inode === undefined && force) return;
    if (inode?.kind !== 'directory' || !recursive) return this.unlink(name);
    for (const entry of await this.readdir(name)) await this.rm(`${name}/${entry}`, { recursive, force });
    return this.rmdir(name);
  }

  /** Whether there is such a file. @throws AioError `ENOENT`, `ENOTDIR`. */
  async access(path: PathLike): Promise<void> {
    const name = pathOf(path);
    await this.#change('access', name, () => {
      const place = this.#disk.names.find(name);
      if (typeof place === 'number') return place;
      return place.inode === undefined ? -ERRNO.ENOENT : 0;
    });
  }

  /**
   * Gives a file another name, replacing what has that name.
   *
   * After a crash it has happened or not, as a whole; it has for certain once the directory was synced.
   *
   * @throws AioError `ENOENT`, `ENOTDIR`, `EISDIR`, `ENOTEMPTY`, `EINVAL`.
   */
  async rename(oldPath: PathLike, newPath: PathLike): Promise<void> {
    const [old, fresh] = [pathOf(oldPath), pathOf(newPath)];
    await this.#change('rename', old, (id) => {
      const { names } = this.#disk;
      const from = names.find(old);
      const to = names.find(fresh);
      if (typeof from === 'number') return from;
      if (typeof to === 'number') return to;
      if (from.inode === undefined) return -ERRNO.ENOENT;
      if (!isName(from) || !isName(to)) return -ERRNO.EBUSY;
      if (from.inode === to.inode) return 0;
      if (from.inode.kind === 'directory') {
        if (to.inode !== undefined && to.inode.kind !== 'directory') return -ERRNO.ENOTDIR;
        if (contains(from.inode, to.directory)) return -ERRNO.EINVAL;
      } else if (to.inode?.kind === 'directory') return -ERRNO.EISDIR;
      if (to.inode !== undefined && to.inode.entries.size > 0) return -ERRNO.ENOTEMPTY;
      names.rename(id, from, to, this.#disk.clock.nowNs());
      return 0;
    });
  }

  /** Removes a name. Descriptors of the file stay good. @throws AioError `ENOENT`, `EISDIR`. */
  async unlink(path: PathLike): Promise<void> {
    await this.#remove('unlink', pathOf(path), ({ kind }) => (kind === 'directory' ? -ERRNO.EISDIR : 0));
  }

  /** Removes an empty directory. @throws AioError `ENOENT`, `ENOTDIR`, `ENOTEMPTY`. */
  async rmdir(path: PathLike): Promise<void> {
    await this.#remove('rmdir', pathOf(path), ({ kind, entries }) => {
      if (kind !== 'directory') return -ERRNO.ENOTDIR;
      return entries.size > 0 ? -ERRNO.ENOTEMPTY : 0;
    });
  }

  /** @throws AioError `ENOENT`. */
  async stat(path: PathLike, options?: StatOptions & { readonly bigint?: false }): Promise<Stats>;
  async stat(path: PathLike, options: StatOptions): Promise<Stats | BigIntStats>;
  async stat(path: PathLike, options?: StatOptions): Promise<Stats | BigIntStats> {
    let found: Inode | undefined;
    const name = pathOf(path);
    await this.#change('stat', name, () => {
      const place = this.#disk.names.find(name);
      if (typeof place === 'number') return place;
      found = place.inode;
      return found === undefined ? -ERRNO.ENOENT : 0;
    });
    return this.statsOf(found!, options);
  }

  /** @internal */
  statsOf(inode: Inode, options?: StatOptions): Stats | BigIntStats {
    return statsOf(inode, linksOf(this.#disk.names.root, inode), options?.bigint === true);
  }

  /**
   * Finds or makes what open(2) opens.
   *
   * @internal
   */
  async open(path: PathLike, flags: number, mode: number | undefined, direct: boolean): Promise<Found> {
    const name = pathOf(path);
    const writable = has(flags, O_WRONLY) || has(flags, O_RDWR);
    let inode: Inode | undefined;
    await this.#change('open', name, (id) => {
      const { names } = this.#disk;
      const place = names.find(name);
      if (typeof place === 'number') return place;
      inode = place.inode;
      if (inode === undefined) {
        if (!has(flags, O_CREAT)) return -ERRNO.ENOENT;
        if (name.endsWith('/')) return -ERRNO.EISDIR;
        inode = names.create(id, place, 'file', this.#attributes(mode ?? MODE));
        return 0;
      }
      if (has(flags, O_CREAT) && has(flags, O_EXCL)) return -ERRNO.EEXIST;
      if (inode.kind === 'directory' && (writable || has(flags, O_CREAT))) return -ERRNO.EISDIR;
      if (inode.kind === 'directory' && direct) return -ERRNO.EINVAL;
      if (inode.kind === 'file' && has(flags, O_DIRECTORY)) return -ERRNO.ENOTDIR;
      const { size, allocated } = inode.content;
      if (has(flags, O_TRUNC) && writable && size + allocated > 0) {
        inode.truncate(id, 0, this.#disk.clock.nowNs());
      }
      return 0;
    });
    return {
      inode: inode!,
      path: name,
      mode: {
        readable: !has(flags, O_WRONLY),
        writable,
        append: has(flags, O_APPEND),
        direct,
        sync: has(flags, O_SYNC) ? 'all' : has(flags, O_DSYNC) ? 'data' : 'none',
      },
    };
  }

  async #remove(syscall: string, path: string, judge: (inode: Inode) => number): Promise<void> {
    await this.#change(syscall, path, (id) => {
      const place = this.#disk.names.find(path);
      if (typeof place === 'number') return place;
      if (place.inode === undefined) return -ERRNO.ENOENT;
      const error = judge(place.inode);
      if (error !== 0) return error;
      if (!isName(place)) return -ERRNO.EBUSY;
      this.#disk.names.remove(id, place, this.#disk.clock.nowNs());
      return 0;
    });
  }

  /** Runs `perform` when its time has come. @throws AioError for a negative answer. */
  #change(syscall: string, path: string, perform: (id: number) => number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#disk.metadata(`${syscall} ${path}`, perform, (result) => {
        if (result < 0) reject(errnoException(result, syscall, { path }));
        else resolve(result);
      });
    });
  }

  #find(path: string): Place | undefined {
    const place = this.#disk.names.find(path);
    return typeof place === 'number' ? undefined : place;
  }

  #attributes(mode: number): Attributes {
    const now = this.#disk.clock.nowNs();
    return {
      mode: mode & PERMISSIONS & ~UMASK,
      uid: 0,
      gid: 0,
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

function linksOf(directory: Inode, inode: Inode): number {
  if (directory === inode) return 1;
  let links = 0;
  for (const entry of directory.entries.values()) {
    if (entry === inode) links++;
    else if (entry.kind === 'directory') links += linksOf(entry, inode);
  }
  return links;
}
