/** What an AioFile needs of the host's file: a FileHandle has it, and so does a bare descriptor through `node:fs`. */
import * as fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { DescriptorCalls } from './kernel-files.ts';

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
  read: promisify(fs.read),
  write: promisify(fs.write),
  readv: promisify(fs.readv),
  writev: promisify(fs.writev),
  fsync: promisify(fs.fsync),
  fdatasync: promisify(fs.fdatasync),
  fstat: promisify(fs.fstat),
  ftruncate: promisify(fs.ftruncate),
  futimes: promisify(fs.futimes),
  fchmod: promisify(fs.fchmod),
  fchown: promisify(fs.fchown),
  readFile: promisify(fs.readFile) as DescriptorCalls['readFile'],
  writeFile: promisify(fs.writeFile) as DescriptorCalls['writeFile'],
  close: promisify(fs.close),
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
