/** Runs operations on this thread, to their end: how `io_getevents` and `io_destroy` drain a run list. */
import * as fs from 'node:fs';
import { linuxErrno } from '../errno-translation.ts';
import type { Executor, Position } from './executor.ts';

function attempt(operation: () => number): number {
  try {
    return operation();
  } catch (error) {
    return linuxErrno(error);
  }
}

export const inline: Executor = {
  background: false,
  read: (fd, bytes, at, length, position: Position) =>
    attempt(() => fs.readSync(fd, bytes, at, length, position)),
  readv: (fd, views, position: Position) => attempt(() => fs.readvSync(fd, views, position ?? undefined)),
  write: (fd, bytes, at, length, position: Position) =>
    attempt(() => fs.writeSync(fd, bytes, at, length, position)),
  writev: (fd, views, position: Position) => attempt(() => fs.writevSync(fd, views, position ?? undefined)),
  fsync: (fd, datasync) =>
    attempt(() => {
      if (datasync) fs.fdatasyncSync(fd);
      else fs.fsyncSync(fd);
      return 0;
    }),
  // Nothing is ever under way.
  wait: () => false,
};

/** The same inside `io_submit`, before the next iocb is looked at. */
export const inSubmit: Executor = { ...inline, runsInSubmit: true };
