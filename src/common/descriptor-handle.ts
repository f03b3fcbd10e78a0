/** What an AioFile needs of the host's file: a FileHandle has it, and so does a bare descriptor through `node:fs`. */
import * as fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';

/** The part of FileHandle that is not AIO's business. */
export type HostHandle = Pick<
  FileHandle,
  | 'fd'
  | 'stat'
  | 'truncate'
  | 'utimes'
  | 'chmod'
  | 'chown'
  | 'sync'
  | 'datasync'
  | 'read'
  | 'write'
  | 'readv'
  | 'writev'
  | 'readFile'
  | 'writeFile'
  | 'close'
>;

const fstat = promisify(fs.fstat);
const ftruncate = promisify(fs.ftruncate);
const futimes = promisify(fs.futimes);
const fchmod = promisify(fs.fchmod);
const fchown = promisify(fs.fchown);
const fsync = promisify(fs.fsync);
const fdatasync = promisify(fs.fdatasync);
const read = promisify(fs.read) as (fd: number, ...args: unknown[]) => Promise<never>;
const write = promisify(fs.write) as (fd: number, ...args: unknown[]) => Promise<never>;
const readv = promisify(fs.readv) as (fd: number, ...args: unknown[]) => Promise<never>;
const writev = promisify(fs.writev) as (fd: number, ...args: unknown[]) => Promise<never>;
const readFile = promisify(fs.readFile) as (fd: number, ...args: unknown[]) => Promise<never>;
const writeFile = promisify(fs.writeFile) as (fd: number, ...args: unknown[]) => Promise<never>;
const close = promisify(fs.close);

/** A {@link HostHandle} over a descriptor that somebody else has opened. */
export function descriptorHandle(fd: number): HostHandle {
  return {
    fd,
    stat: (options?: fs.StatOptions) => fstat(fd, options) as Promise<never>,
    truncate: (length?: number) => ftruncate(fd, length),
    utimes: (atime: fs.TimeLike, mtime: fs.TimeLike) => futimes(fd, atime, mtime),
    chmod: (mode: fs.Mode) => fchmod(fd, mode),
    chown: (uid: number, gid: number) => fchown(fd, uid, gid),
    sync: () => fsync(fd),
    datasync: () => fdatasync(fd),
    read: (...args: unknown[]) => read(fd, ...args),
    write: (...args: unknown[]) => write(fd, ...args),
    readv: (...args: unknown[]) => readv(fd, ...args),
    writev: (...args: unknown[]) => writev(fd, ...args),
    readFile: (...args: unknown[]) => readFile(fd, ...args),
    writeFile: (...args: unknown[]) => writeFile(fd, ...args),
    close: () => close(fd),
  };
}
