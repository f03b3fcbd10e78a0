/** Runs operations on libuv's thread pool, through the callback functions of `node:fs`. */
import * as fs from 'node:fs';
import { environmentVariable } from '../../common/runtime.ts';
import { linuxErrno } from '../errno-translation.ts';
import { EIOCBQUEUED } from '../kernel-errno.ts';
import type { Done, Executor } from './executor.ts';

type Callback = (error: NodeJS.ErrnoException | null, count?: number) => void;

const settle =
  (done: Done): Callback =>
  (error, count) =>
    done(error === null || error === undefined ? (count ?? 0) : linuxErrno(error));

export const threadpool: Executor = {
  background: true,
  read(fd, bytes, at, length, position, done) {
    fs.read(fd, bytes, at, length, position, settle(done));
    return -EIOCBQUEUED;
  },
  readv(fd, views, position, done) {
    if (position === null) fs.readv(fd, views, settle(done));
    else fs.readv(fd, views, position, settle(done));
    return -EIOCBQUEUED;
  },
  write(fd, bytes, at, length, position, done) {
    fs.write(fd, bytes, at, length, position, settle(done));
    return -EIOCBQUEUED;
  },
  writev(fd, views, position, done) {
    if (position === null) fs.writev(fd, views, settle(done));
    else fs.writev(fd, views, position, settle(done));
    return -EIOCBQUEUED;
  },
  fsync(fd, datasync, done) {
    if (datasync) fs.fdatasync(fd, settle(done));
    else fs.fsync(fd, settle(done));
    return -EIOCBQUEUED;
  },
};

const DEFAULT_POOL_THREADS = 4;

/** Operations at a time that leave a thread of the pool to dns, crypto and the rest of the program. */
export function defaultConcurrency(): number {
  const configured = Number.parseInt(environmentVariable('UV_THREADPOOL_SIZE') ?? '', 10);
  const threads = Number.isInteger(configured) && configured > 0 ? configured : DEFAULT_POOL_THREADS;
  return Math.max(1, threads - 1);
}
