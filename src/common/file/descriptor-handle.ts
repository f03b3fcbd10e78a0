/** What an AioFile needs of the host's file: a FileHandle has it, and so does a bare descriptor through `node:fs`. */
import {
  close,
  constants,
  fchmod,
  fchown,
  fdatasync,
  fstat,
  fsync,
  ftruncate,
  futimes,
  read,
  readFile,
  readv,
  write,
  writeFile,
  writev,
} from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { DescriptorCalls } from '../kernel/kernel-files.ts';
import { openCached } from './open-cached.ts';

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

/** `node:fs`: on the thread pool. */
export const hostCalls = {
  read: promisify(read),
  write: promisify(write),
  readv: promisify(readv),
  writev: promisify(writev),
  fsync: promisify(fsync),
  fdatasync: promisify(fdatasync),
  fstat: promisify(fstat),
  ftruncate: promisify(ftruncate),
  futimes: promisify(futimes),
  fchmod: promisify(fchmod),
  fchown: promisify(fchown),
  readFile: promisify(readFile) as DescriptorCalls['readFile'],
  writeFile: promisify(writeFile) as DescriptorCalls['writeFile'],
  close: promisify(close),
  // Where there is no O_DIRECT, a descriptor takes any write itself.
  ...(constants.O_DIRECT === undefined ? {} : { openCached }),
} as DescriptorCalls;

type Loose = (fd: number, ...args: unknown[]) => Promise<never>;

/** A {@link HostHandle} over a descriptor that somebody else has opened. */
export function descriptorHandle(fd: number, calls: DescriptorCalls = hostCalls): HostHandle {
  const on =
    (call: unknown) =>
    (...args: unknown[]): Promise<never> =>
      (call as Loose)(fd, ...args);
  return {
    get fd() {
      return calls.isOpen?.(fd) === false ? -1 : fd;
    },
    stat: on(calls.fstat),
    truncate: on(calls.ftruncate),
    utimes: on(calls.futimes),
    chmod: on(calls.fchmod),
    chown: on(calls.fchown),
    sync: on(calls.fsync),
    datasync: on(calls.fdatasync),
    read: on(calls.read),
    write: on(calls.write),
    readv: on(calls.readv),
    writev: on(calls.writev),
    readFile: on(calls.readFile),
    writeFile: on(calls.writeFile),
    close: on(calls.close),
  };
}
