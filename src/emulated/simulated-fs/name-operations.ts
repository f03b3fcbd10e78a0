/** What `node:fs` does with names by one system call each, over a simulated disk. */
import { type BigIntStats, constants, type Stats, type StatsFs } from 'node:fs';
import { posix } from 'node:path';
import { ERRNO } from '../../common/abi/errno.ts';
import { codeOf, systemError } from '../../common/errors.ts';
import type { FileCalls } from '../simulated/file-calls.ts';
import type { Inode } from '../simulated/inode.ts';
import { PATH_MAX } from '../simulated/namespace.ts';
import type { PathCalls } from '../simulated/path-calls.ts';
import type { Random } from '../simulated/random.ts';
import { PERMISSIONS, statsOf } from '../simulated/stats.ts';
import type { Steps, Subject } from '../simulated/steps.ts';
import { admit, ask, NOWHERE, realFs } from './admission.ts';
import type { Face } from './faces.ts';
import { encoded, flagsOf, modeOf, nsOf, optionsOf } from './options.ts';
import { told } from './told.ts';

const FILE_MODE = 0o666;
const DIRECTORY_MODE = 0o777;
const ROOT = '/';
const PRIVATE_MODE = 0o700;
const BLOCK_BYTES = 4096;
/** Blocks of a disk without a limit, as far as anybody asks. */
const MANY_BLOCKS = 2 ** 32;
const EXT4_MAGIC = 0xef53;
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const SUFFIX = 6;

/** What the operations are made over. */
export interface Ground {
  readonly paths: PathCalls;
  readonly files: FileCalls;
  readonly names: Random;
  readonly usedBytes: () => number;
}

export class NameOperations {
  readonly #paths: PathCalls;
  readonly #files: FileCalls;
  readonly #ground: Ground;

  constructor(ground: Ground) {
    this.#paths = ground.paths;
    this.#files = ground.files;
    this.#ground = ground;
  }

  *access(path: unknown, mode?: unknown): Steps<void> {
    const [at] = admit('accessSync', [path, mode]);
    yield* this.#paths.access(at!, (mode as number | undefined) ?? constants.F_OK);
  }

  *exists(path: unknown): Steps<boolean> {
    try {
      yield* this.access(path);
      return true;
    } catch {
      return false;
    }
  }

  *open(path: unknown, flags?: unknown, mode?: unknown): Steps<number> {
    const [at] = admit('openSync', [path, flags, mode]);
    const number = flagsOf(flags);
    const direct = constants.O_DIRECT !== undefined && (number & constants.O_DIRECT) !== 0;
    return this.#files.install(yield* this.#files.open(at!, number, modeOf(mode, FILE_MODE), direct));
  }

  *mkdir(face: Face, path: unknown, options?: unknown): Steps<string | undefined> {
    const [at] = admit('mkdirSync', [path, options]);
    const { recursive = false, mode } =
      typeof options === 'object' && options !== null
        ? (options as Record<string, unknown>)
        : { mode: typeof options === 'string' || typeof options === 'number' ? options : undefined };
    const bits = modeOf(mode, DIRECTORY_MODE);
    if (recursive === true) return yield* this.mkdirs(face, at!, bits);
    yield* this.#paths.mkdir(at!, bits);
    return undefined;
  }

  /** As `MKDirp` of Node's `node_file.cc`. @returns The first directory that was made. */
  *mkdirs(face: Face, path: string, mode: number): Steps<string | undefined> {
    const subject = { syscall: 'mkdir', path };
    const ahead = [path];
    let first: string | undefined;
    for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
      try {
        // Where it is waited for, what is told of is the directory that was asked for last.
        yield* told(this.#paths.mkdir(next, mode), face === 'sync' ? subject : { ...subject, path: next });
        first ??= next;
      } catch (error) {
        const code = codeOf(error);
        if (code === 'ENOENT') {
          const above = next.slice(0, Math.max(0, next.lastIndexOf('/')));
          if (above === next || above === '') throw error;
          ahead.push(next, above);
        } else if (code === 'EEXIST') {
          const isDirectory = yield* this.#isDirectory(face, next, ahead.length, subject);
          if (!isDirectory) {
            if (ahead.length === 0) throw error;
            // As Node says it: what should be a directory on the way is none.
            yield* told(this.#paths.scandir(next), subject);
          }
        } else throw error;
      }
    }
    return first;
  }

  /** Whether what is in the way is none. A link that leads nowhere is another fault for each face. */
  *#isDirectory(face: Face, path: string, ahead: number, subject: Subject): Steps<boolean> {
    try {
      return (yield* told(this.#paths.stat(path, true), subject)).kind === 'directory';
    } catch (error) {
      if (face === 'sync' || ahead === 0) throw error;
      yield* told(this.#files.refused('ENOTDIR'), { ...subject, path });
      return false;
    }
  }

  *mkdtemp(prefix: unknown, options?: unknown): Steps<string | Buffer> {
    const [at] = admit('mkdtempSync', [prefix, options]);
    const subject = { syscall: 'mkdtemp', path: `${at}XXXXXX` };
    // libuv has nothing to make a name of.
    if (at === '') yield* told(this.#files.refused('EINVAL'), subject);
    for (;;) {
      let name = at!;
      for (let count = 0; count < SUFFIX; count++) name += LETTERS[this.#ground.names.below(LETTERS.length)]!;
      try {
        yield* told(this.#paths.mkdir(name, PRIVATE_MODE), subject);
        return encoded(name, options);
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error;
      }
    }
  }

  *rename(oldPath: unknown, newPath: unknown): Steps<void> {
    const [from, to] = admit('renameSync', [oldPath, newPath], [0, 1]);
    yield* this.#paths.rename(from!, to!);
  }

  *link(existing: unknown, path: unknown): Steps<void> {
    const [from, to] = admit('linkSync', [existing, path], [0, 1]);
    yield* this.#paths.link(from!, to!);
  }

  *symlink(target: unknown, path: unknown, type?: unknown): Steps<void> {
    const [to, at] = admit('symlinkSync', [target, path, type], [0, 1]);
    yield* this.#paths.symlink(to!, at!);
  }

  *readlink(path: unknown, options?: unknown): Steps<string | Buffer> {
    const [at] = admit('readlinkSync', [path, options]);
    return encoded(yield* this.#paths.readlink(at!), options);
  }

  /** realpath(3), which Node calls native, and its promises use. */
  *realpath(path: unknown, options?: unknown): Steps<string | Buffer> {
    const at = this.#admitted(path, options);
    return encoded(yield* this.#paths.realpath(at), options);
  }

  /**
   * The other one, which Node has written itself: it asks lstat(2) of every name on the way.
   *
   * Node never ends where a link that it has read leads to itself by another name. Here that is a circle like others.
   */
  *realpathByNode(path: unknown, options?: unknown): Steps<string | Buffer> {
    const at = this.#admitted(path, options);
    let ahead = posix.resolve(ROOT, at).split('/').filter(Boolean);
    let base = '/';
    // It looks at each name once, and follows a link that it has read without a look at where it leads: one with two names, from another place.
    const noLinks = new Set<string>();
    const targets = new Map<Inode, string>();
    const waysOn = new Set<string>();
    for (let part = ahead.shift(); part !== undefined; part = ahead.shift()) {
      const next = posix.join(base, part);
      const there = noLinks.has(next) ? undefined : yield* this.#paths.stat(next, false);
      if (there?.kind !== 'link') {
        noLinks.add(next);
        base = next;
        continue;
      }
      if (!targets.has(there)) {
        yield* this.#paths.stat(next, true);
        targets.set(there, yield* this.#paths.readlink(next));
      }
      const target = targets.get(there)!;
      const wayOn = posix.join(next, ...ahead);
      if (waysOn.has(wayOn) || wayOn.length > PATH_MAX)
        throw systemError(ERRNO.ELOOP, 'stat', { path: next });
      waysOn.add(wayOn);
      ahead = posix.resolve(base, target, ahead.join('/')).split('/').filter(Boolean);
      base = '/';
    }
    return encoded(base, options);
  }

  /** By calls that look at nothing else: realpath itself would look at each name on the way. */
  #admitted(path: unknown, options: unknown): string {
    const [at] = admit('accessSync', [path]);
    admit('readlinkSync', [NOWHERE, options]);
    return at!;
  }

  *unlink(path: unknown): Steps<void> {
    const [at] = admit('unlinkSync', [path]);
    yield* this.#paths.unlink(at!);
  }

  *stat(path: unknown, options?: unknown): Steps<Stats | BigIntStats> {
    const [at] = admit('statSync', [path, options]);
    return statsOf(yield* this.#paths.stat(at!, true), optionsOf(options).bigint === true);
  }

  *lstat(path: unknown, options?: unknown): Steps<Stats | BigIntStats> {
    const [at] = admit('lstatSync', [path, options]);
    return statsOf(yield* this.#paths.stat(at!, false), optionsOf(options).bigint === true);
  }

  /** Synchronous calls, and those of some versions of Node that are waited for, have a way to say that nothing is there. */
  statIfThere(path: unknown, options?: unknown): Steps<Stats | BigIntStats | undefined> {
    return ifThere('statSync', this.stat(path, options), options);
  }

  lstatIfThere(path: unknown, options?: unknown): Steps<Stats | BigIntStats | undefined> {
    return ifThere('lstatSync', this.lstat(path, options), options);
  }

  *statfs(path: unknown, options?: unknown): Steps<StatsFs> {
    const [at] = admit('statfsSync', [path, options]);
    yield* this.#paths.stat(at!, true, 'statfs');
    const { capacityBytes } = this.#paths.disk.drive;
    const isLimited = Number.isFinite(capacityBytes);
    const blocks = isLimited ? Math.floor(capacityBytes / BLOCK_BYTES) : MANY_BLOCKS;
    const free = Math.max(0, blocks - this.#ground.usedBytes() / BLOCK_BYTES);
    const numbers = {
      type: EXT4_MAGIC,
      bsize: BLOCK_BYTES,
      blocks,
      bfree: free,
      bavail: free,
      files: MANY_BLOCKS,
      ffree: MANY_BLOCKS,
    };
    const bigint = optionsOf(options).bigint === true;
    // A class that Node does not export can be had of an object of it only. It may have fields that are not known here.
    const model = realFs.statfsSync(process.execPath);
    const found = Object.create(Object.getPrototypeOf(model) as object) as Record<string, unknown>;
    for (const name of Object.keys(model)) {
      const value = (numbers as Readonly<Record<string, number>>)[name] ?? BLOCK_BYTES;
      found[name] = bigint ? BigInt(value) : value;
    }
    return found as unknown as StatsFs;
  }

  *chmod(path: unknown, mode: unknown): Steps<void> {
    const [at] = admit('chmodSync', [path, mode]);
    yield* this.#paths.setAttributes('chmod', at!, true, { mode: modeOf(mode, 0) & PERMISSIONS });
  }

  *lchmod(path: unknown, mode: unknown): Steps<void> {
    const [at] = admit('chmodSync', [path, mode]);
    yield* this.#paths.setAttributes('lchmod', at!, false, { mode: modeOf(mode, 0) & PERMISSIONS });
  }

  *chown(path: unknown, uid: unknown, gid: unknown): Steps<void> {
    const [at] = admit('chownSync', [path, uid, gid]);
    yield* this.#paths.setAttributes('chown', at!, true, owners(uid, gid));
  }

  *lchown(path: unknown, uid: unknown, gid: unknown): Steps<void> {
    const [at] = admit('lchownSync', [path, uid, gid]);
    yield* this.#paths.setAttributes('lchown', at!, false, owners(uid, gid));
  }

  *utimes(path: unknown, atime: unknown, mtime: unknown): Steps<void> {
    const [at] = admit('utimesSync', [path, atime, mtime]);
    yield* this.#paths.setAttributes('utime', at!, true, timesOf(atime, mtime));
  }

  *lutimes(path: unknown, atime: unknown, mtime: unknown): Steps<void> {
    const [at] = admit('lutimesSync', [path, atime, mtime]);
    yield* this.#paths.setAttributes('lutime', at!, false, timesOf(atime, mtime));
  }
}

/** Whether calls of `stat` that are waited for have `throwIfNoEntry` too: versions of Node differ. */
export const STAT_SAYS_NOTHING_THERE = {
  callback: realFs.stat.toString().includes('throwIfNoEntry'),
  promise: realFs.promises.stat.toString().includes('throwIfNoEntry'),
};

function* ifThere<T>(name: string, operation: Steps<T>, options: unknown): Steps<T | undefined> {
  try {
    return yield* operation;
  } catch (error) {
    const code = codeOf(error);
    if (optionsOf(options).throwIfNoEntry !== false) throw error;
    // Below a file there is nothing either, for some versions of Node.
    const isAbsent = code === 'ENOTDIR' && ask(name, [NOWHERE, { throwIfNoEntry: false }]) === undefined;
    if (code === 'ENOENT' || isAbsent) return undefined;
    throw error;
  }
}

const KEEPS = -1;

/** An owner of -1 is left as it is. */
export function owners(uid: unknown, gid: unknown): { uid?: number; gid?: number } {
  return { ...(uid === KEEPS ? {} : { uid: Number(uid) }), ...(gid === KEEPS ? {} : { gid: Number(gid) }) };
}

export function timesOf(atime: unknown, mtime: unknown): { atimeNs: number; mtimeNs: number } {
  return { atimeNs: nsOf(atime), mtimeNs: nsOf(mtime) };
}

/** What Node calls the system call that fails when there is nothing to remove: its versions differ. */
export const RM_SYSCALL = syscallOf(() => realFs.rmSync(NOWHERE));

function syscallOf(call: () => void): string {
  try {
    call();
  } catch (error) {
    return (error as NodeJS.ErrnoException).syscall ?? 'lstat';
  }
  return 'lstat';
}
