/**
 * Runs operations on worker threads, whose results this thread can take at any moment: also while it waits inside
 * `io_getevents` and its event loop stands still.
 */
import { ERRNO } from '../../common/abi/errno.ts';
import { NSEC_PER_MSEC } from '../../common/time-units.ts';
import { EIOCBQUEUED } from '../kernel-errno.ts';
import { type Crew, crewOf } from './crew.ts';
import type { Done, Executor, Position } from './executor.ts';
import { inline } from './inline.ts';
import { OPERATION } from './mail.ts';

const NOTHING: readonly Uint8Array[] = [];

export class Workers implements Executor {
  readonly background = true;
  readonly waitsApart = true;
  readonly #crew: Crew;
  #underWay = 0;
  #ended = 0;

  /** @param size - Threads, at most. */
  constructor(size: number) {
    this.#crew = crewOf(size);
  }

  get bounce(): Crew['bounce'] {
    return this.#crew.bounce;
  }

  read(fd: number, bytes: Uint8Array, at: number, length: number, position: Position, done: Done): number {
    return this.readv(fd, [bytes.subarray(at, at + length)], position, done);
  }

  readv(fd: number, views: Uint8Array[], position: Position, done: Done): number {
    return this.#begin(OPERATION.READ, fd, views, position, done);
  }

  write(fd: number, bytes: Uint8Array, at: number, length: number, position: Position, done: Done): number {
    // As on Linux, where a write to a full pipe holds io_submit.
    if (position === null) return inline.write(fd, bytes, at, length, position, done);
    return this.#begin(OPERATION.WRITE, fd, [bytes.subarray(at, at + length)], position, done);
  }

  writev(fd: number, views: Uint8Array[], position: Position, done: Done): number {
    if (position === null) return inline.writev(fd, views, position, done);
    return this.#begin(OPERATION.WRITE, fd, views, position, done);
  }

  fsync(fd: number, datasync: boolean, done: Done): number {
    return this.#begin(datasync ? OPERATION.FDATASYNC : OPERATION.FSYNC, fd, NOTHING, 0, done);
  }

  wait(ns: number): boolean {
    const until = performance.now() + ns / NSEC_PER_MSEC;
    const before = this.#ended;
    while (this.#underWay > 0) {
      const left = until - performance.now();
      this.#crew.wait(left);
      if (this.#ended > before) return true;
      if (left <= 0) break;
    }
    return false;
  }

  #begin(
    operation: number,
    fd: number,
    views: readonly Uint8Array[],
    position: Position,
    done: Done,
  ): number {
    const job = {
      operation,
      fd,
      views,
      position: position ?? 0,
      done: (result: number): void => {
        this.#underWay--;
        this.#ended++;
        done(result);
      },
    };
    const begun = position === null ? this.#crew.beginWait(job) : this.#crew.begin(job);
    // As when a system has no more threads to give.
    if (!begun) return -ERRNO.EAGAIN;
    this.#underWay++;
    return -EIOCBQUEUED;
  }
}
