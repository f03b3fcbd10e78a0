/** Locks on the files of a simulation, for one process. */
import { ERRNO } from '../../common/abi/errno.ts';
import { errnoException } from '../../common/errors.ts';
import { invalidArgType, invalidArgValue, validateInteger } from '../../common/validate.ts';
import type { FileTable } from '../files/file-table.ts';
import type { Disk } from '../simulated/disk.ts';
import type { LockKind, RangeLock } from '../simulated/lock-table.ts';
import { asked } from '../simulated/operation.ts';
import { SimulatedFile } from '../simulated/simulated-file.ts';

/** A descriptor of the simulation's, or a file that has one. */
export type Lockable =
  | number
  | {
      /** Its descriptor. */
      readonly fd: number;
    };

/** Whether a lock is waited for. */
export interface WaitOptions {
  /** Whether to wait until nobody is in the way; otherwise that is EAGAIN. Default false. */
  readonly wait?: boolean;
}

/** A range of a file. */
export interface LockRange {
  /** Where it begins. Default 0. */
  readonly position?: number;
  /** Bytes; 0 is all from there on, however long the file becomes. Default 0. */
  readonly length?: number;
  /**
   * Whose it is. `'process'` (F_SETLK): it does not stand in the way of the same process, and goes when the process closes any
   * descriptor of the file. `'file'` (F_OFD_SETLK): of this open file alone. Default `'file'`.
   */
  readonly owner?: 'process' | 'file';
}

/** A lock that stands in the way. */
export interface LockFound {
  /** Whether others may have it at the same time. */
  readonly kind: 'shared' | 'exclusive';
  /** Where it begins, in bytes. */
  readonly position: number;
  /** 0: to the end, wherever it is. */
  readonly length: number;
}

const KINDS: readonly LockKind[] = ['shared', 'exclusive', 'unlock'];

/**
 * flock(2) and the locks of fcntl(2), in virtual time. The two do not know of each other, as on Linux.
 *
 * @remarks Locks are advisory: reads and writes do not look at them. They go when their file is closed, when the process is killed, and
 * with the power.
 */
export class FileLocks {
  readonly #disk: Disk;
  readonly #files: FileTable;

  /** @internal Use `simulation.locks`. */
  constructor(disk: Disk, files: FileTable) {
    this.#disk = disk;
    this.#files = files;
  }

  /**
   * Locks a whole file, changes the kind of the lock, or gives it up.
   *
   * @throws AioError `EAGAIN` (EWOULDBLOCK) when another open file is in the way, and a lock of another kind that this one had is gone then;
   * `EBADF`; `ENODEV` when the process is killed.
   */
  async flock(file: Lockable, kind: LockKind, { wait = false }: WaitOptions = {}): Promise<void> {
    const opened = this.#opened(file, 'flock');
    validateKind(kind);
    const { inode } = opened;
    await this.#locked('flock', opened, `${kind}`, opened, wait, () =>
      this.#disk.locks.flock(inode, opened, kind),
    );
  }

  /**
   * Locks a range, changes the kind of lock that it has, or gives it up: exactly these bytes, whatever ranges were locked before.
   *
   * @throws AioError `EAGAIN` when another owner is in the way; `EDEADLK` when a process would wait for itself (not for locks of a file, as on Linux); `EBADF`, also for a shared lock on a file
   * that cannot be read, and an exclusive one on a file that cannot be written; `ENODEV` when the process is killed.
   */
  async lock(file: Lockable, kind: LockKind, range: LockRange & WaitOptions = {}): Promise<void> {
    const opened = this.#opened(file, 'fcntl');
    validateKind(kind);
    const { from, to } = rangeOf(range);
    const { readable, writable } = opened.mode;
    if ((kind === 'shared' && !readable) || (kind === 'exclusive' && !writable))
      throw errnoException(-ERRNO.EBADF, 'fcntl', { path: opened.path });
    const owner = this.#owner(opened, range);
    const what = `${kind} ${from} to ${to}`;
    await this.#locked('fcntl', opened, what, owner, range.wait ?? false, () =>
      this.#disk.locks.lock(opened.inode, owner, kind, from, to),
    );
  }

  /**
   * Tells what stands in the way of a lock.
   *
   * @returns The first such lock of the file, or `undefined`: it could be had now.
   * @throws AioError `EBADF`, `ENODEV`.
   */
  async test(
    file: Lockable,
    kind: 'shared' | 'exclusive',
    range: LockRange = {},
  ): Promise<LockFound | undefined> {
    const opened = this.#opened(file, 'fcntl');
    validateKind(kind);
    const { from, to } = rangeOf(range);
    const owner = this.#owner(opened, range);
    let found: RangeLock | undefined;
    await this.#locked('fcntl', opened, `test ${kind} ${from} to ${to}`, owner, false, () => {
      found = this.#disk.locks.test(opened.inode, owner, kind, from, to);
      return [];
    });
    return found === undefined
      ? undefined
      : {
          kind: found.kind,
          position: found.from,
          length: found.to === Number.POSITIVE_INFINITY ? 0 : found.to - found.from,
        };
  }

  #owner(file: SimulatedFile, { owner = 'file' }: LockRange): object {
    if (owner !== 'file' && owner !== 'process') throw invalidArgValue('range.owner', owner);
    return owner === 'file' ? file : this.#disk;
  }

  #opened(file: Lockable, syscall: string): SimulatedFile {
    const fd = typeof file === 'number' ? file : file?.fd;
    if (typeof fd !== 'number') throw invalidArgType('file', 'a descriptor or a file', file);
    const opened = this.#files.fget(fd);
    if (!(opened instanceof SimulatedFile)) throw errnoException(-ERRNO.EBADF, syscall);
    return opened;
  }

  #locked(
    syscall: string,
    file: SimulatedFile,
    what: string,
    owner: object,
    wait: boolean,
    attempt: () => readonly object[],
  ): Promise<void> {
    const disk = this.#disk;
    // The file stays while it is waited for, as with the kernel: what is locked after a close is given up at once.
    file.get();
    return new Promise((resolve, reject) => {
      const done = (result: number): void => {
        file.put();
        if (result < 0) reject(errnoException(result, syscall, { path: file.path }));
        else resolve();
      };
      let isWaiting = false;
      const perform = (): number => {
        if (attempt().length === 0) return 0;
        isWaiting = wait;
        return wait ? 0 : -ERRNO.EAGAIN;
      };
      const detail = wait ? `${what}, waiting` : what;
      disk.metadata(asked(syscall, file.path, { detail }), perform, (result) => {
        if (result < 0 || !isWaiting) done(result);
        else disk.locks.wait({ owner, process: disk, attempt, done });
      });
    });
  }
}

function validateKind(kind: unknown): void {
  if (!KINDS.includes(kind as LockKind)) throw invalidArgValue('kind', kind);
}

function rangeOf({ position = 0, length = 0 }: LockRange): { readonly from: number; readonly to: number } {
  validateInteger('range.position', position, 0, Number.MAX_SAFE_INTEGER);
  validateInteger('range.length', length, 0, Number.MAX_SAFE_INTEGER - position);
  return { from: position, to: length === 0 ? Number.POSITIVE_INFINITY : position + length };
}
