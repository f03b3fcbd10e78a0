/**
 * Runs operations in virtual time: each ends when its time has come, in an order that follows from a seed.
 *
 * On descriptors of the host the operation itself is run then, on this thread. The files of a simulated disk take their time
 * from the same clock by themselves (`simulated/disk.ts`).
 */
import { EIOCBQUEUED } from '../kernel-errno.ts';
import type { Done, Executor } from '../workqueue/executor.ts';
import { inline } from '../workqueue/inline.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** Draws how long an operation takes, in nanoseconds. */
export type DrawNs = (kind: 'read' | 'write' | 'sync') => number;

const nobody: Done = () => {};

export function simulatedExecutor(clock: VirtualClock, drawNs: DrawNs): Executor {
  const later = (kind: 'read' | 'write' | 'sync', operation: () => number, done: Done): number => {
    clock.after(drawNs(kind), () => done(operation()));
    return -EIOCBQUEUED;
  };
  return {
    background: true,
    read: (fd, bytes, at, length, position, done) =>
      later('read', () => inline.read(fd, bytes, at, length, position, nobody), done),
    readv: (fd, views, position, done) =>
      later('read', () => inline.readv(fd, views, position, nobody), done),
    write: (fd, bytes, at, length, position, done) =>
      later('write', () => inline.write(fd, bytes, at, length, position, nobody), done),
    writev: (fd, views, position, done) =>
      later('write', () => inline.writev(fd, views, position, nobody), done),
    fsync: (fd, datasync, done) => later('sync', () => inline.fsync(fd, datasync, nobody), done),
    wait(ns) {
      const until = clock.nowNs() + ns;
      if (clock.nextNs <= until && clock.step()) return true;
      clock.passUntil(until);
      return false;
    },
  };
}
