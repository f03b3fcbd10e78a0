/**
 * Pipes (`fs/pipe.c`): 16 pages, each of which is filled once and given back when it has been read to its end.
 *
 * What is in a page moves whole or not at all: a page that runs into missing memory is taken as if it had not been begun (FILE-15).
 */
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../common/abi/constants.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import { copy_from_iter, copy_to_iter, iov_iter_advance } from '../memory/iov-iter.ts';
import { type AddressSpace, PAGE_SIZE } from '../memory/mm.ts';
import type { File } from './file.ts';
import type { Kiocb } from './kiocb.ts';
import { OwnFile } from './own-file.ts';
import { prepare_to_wait_exclusive, WaitQueue } from './wait-queue.ts';

/** `PIPE_DEF_BUFFERS`. */
const BUFFERS = 16;

interface PipeBuffer {
  readonly page: Uint8Array;
  offset: number;
  length: number;
}

/** What both ends share. */
class Pipe {
  readonly rd_wait = new WaitQueue();
  readonly wr_wait = new WaitQueue();
  readonly bufs: PipeBuffer[] = [];
  readers = 1;
  writers = 1;

  get isEmpty(): boolean {
    return this.bufs.length === 0;
  }

  get isFull(): boolean {
    return this.bufs.length === BUFFERS;
  }

  /** Whether a read need not wait. */
  readonly isReadable = (): boolean => !this.isEmpty || this.writers === 0;
  readonly isWritable = (): boolean => !this.isFull || this.readers === 0;

  /** Tells both sides that one has gone. The waker tells no bits: who polls looks again. */
  hangUp(): void {
    this.rd_wait.wakeAll(0);
    this.wr_wait.wakeAll(0);
  }
}

class PipeReader extends OwnFile implements File {
  readonly runsInSubmit = true;
  readonly hasFsync = false;
  readonly mayWait = true;
  readonly isStream = true;
  readonly #mm: AddressSpace;
  readonly #pipe: Pipe;
  readonly #nonblocking: boolean;

  constructor(mm: AddressSpace, pipe: Pipe, nonblocking: boolean) {
    super();
    this.#mm = mm;
    this.#pipe = pipe;
    this.#nonblocking = nonblocking;
  }

  get poll_wait(): WaitQueue {
    return this.#pipe.rd_wait;
  }

  mayRead(): number {
    return 0;
  }

  mayWrite(): number {
    return -ERRNO.EBADF;
  }

  /** `pipe_read`: what is there, or it waits for the first byte. */
  read_iter(req: Kiocb): number {
    if (req.ki_left === 0) return 0;
    const pipe = this.#pipe;
    if (pipe.isEmpty) {
      if (pipe.writers === 0) return 0;
      return this.#nonblocking
        ? -ERRNO.EAGAIN
        : prepare_to_wait_exclusive(req, pipe.rd_wait, pipe.isReadable);
    }
    const bytes = this.#peek(req.ki_left);
    const copied = copy_to_iter(this.#mm, req, bytes);
    // What arrived of a page that did not arrive whole lies in the user's memory all the same.
    const taken = copied === bytes.length ? copied : this.#wholePages(copied, bytes.length);
    if (taken === 0) return -ERRNO.EFAULT;
    const wasFull = pipe.isFull;
    this.#consume(taken);
    // A page has to be free before anybody can write: a byte less is no news.
    if (wasFull && !pipe.isFull) pipe.wr_wait.wake(POLLOUT | POLLWRNORM);
    return taken;
  }

  write_iter(): number {
    return -ERRNO.EBADF;
  }

  fsync(): number {
    return -ERRNO.EINVAL;
  }

  poll(): number {
    const pipe = this.#pipe;
    return (pipe.isEmpty ? 0 : POLLIN | POLLRDNORM) | (pipe.writers === 0 ? POLLHUP : 0);
  }

  protected override release(): void {
    this.#pipe.readers--;
    this.#pipe.hangUp();
  }

  #peek(most: number): Uint8Array {
    const parts: Uint8Array[] = [];
    let left = most;
    for (const { page, offset, length } of this.#pipe.bufs) {
      if (left === 0) break;
      const part = page.subarray(offset, offset + Math.min(length, left));
      parts.push(part);
      left -= part.length;
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** Of `wanted` bytes, of which `copied` arrived, those in pages that arrived as far as they were wanted. */
  #wholePages(copied: number, wanted: number): number {
    let taken = 0;
    for (const { length } of this.#pipe.bufs) {
      const part = Math.min(length, wanted - taken);
      if (taken + part > copied) break;
      taken += part;
    }
    return taken;
  }

  #consume(bytes: number): void {
    const { bufs } = this.#pipe;
    for (let left = bytes; left > 0; ) {
      const first = bufs[0]!;
      const taken = Math.min(first.length, left);
      first.offset += taken;
      first.length -= taken;
      left -= taken;
      if (first.length === 0) bufs.shift();
    }
  }
}

class PipeWriter extends OwnFile implements File {
  readonly runsInSubmit = true;
  readonly hasFsync = false;
  readonly mayWait = true;
  readonly isStream = true;
  readonly #mm: AddressSpace;
  readonly #pipe: Pipe;
  readonly #nonblocking: boolean;
  /** Writes that have waited: they go on with pages of their own. */
  readonly #waited = new WeakSet<Kiocb>();

  constructor(mm: AddressSpace, pipe: Pipe, nonblocking: boolean) {
    super();
    this.#mm = mm;
    this.#pipe = pipe;
    this.#nonblocking = nonblocking;
  }

  get poll_wait(): WaitQueue {
    return this.#pipe.wr_wait;
  }

  mayRead(): number {
    return -ERRNO.EBADF;
  }

  mayWrite(): number {
    return 0;
  }

  read_iter(): number {
    return -ERRNO.EBADF;
  }

  /** `pipe_write`: everything, waiting for room; or what fits, if it must not wait; or the pages before missing memory. */
  write_iter(req: Kiocb): number {
    if (req.ki_left === 0) return 0;
    const pipe = this.#pipe;
    if (pipe.readers === 0) return -ERRNO.EPIPE;
    const merged = this.#waited.has(req) ? 0 : this.#mergeable(req.ki_left);
    const room = Math.min(req.ki_left, merged + (BUFFERS - pipe.bufs.length) * PAGE_SIZE);
    const written = room === 0 ? 0 : this.#fill(req, room, merged);
    // Who waits is told also of a write that could fetch nothing, as if it had brought something (POLL-14).
    if (room > 0) pipe.rd_wait.wake(POLLIN | POLLRDNORM);
    if (written === req.ki_left || (room > 0 && written < room))
      return written === 0 ? -ERRNO.EFAULT : written;
    if (this.#nonblocking) return written === 0 ? -ERRNO.EAGAIN : written;
    iov_iter_advance(req, written);
    this.#waited.add(req);
    return prepare_to_wait_exclusive(req, pipe.wr_wait, pipe.isWritable);
  }

  fsync(): number {
    return -ERRNO.EINVAL;
  }

  poll(): number {
    const pipe = this.#pipe;
    return (pipe.isFull ? 0 : POLLOUT | POLLWRNORM) | (pipe.readers === 0 ? POLLERR : 0);
  }

  protected override release(): void {
    this.#pipe.writers--;
    this.#pipe.hangUp();
  }

  /**
   * Puts into the pipe what there is room for: first `merged` bytes into the last page, then page after page.
   *
   * @returns How much that was: less than `room` where memory is missing.
   */
  #fill(req: Kiocb, room: number, merged: number): number {
    const { bufs } = this.#pipe;
    const bytes = new Uint8Array(room);
    const fetched = copy_from_iter(this.#mm, req, bytes);
    if (fetched < merged) return 0;
    if (merged > 0) {
      const last = bufs.at(-1)!;
      last.page.set(bytes.subarray(0, merged), last.offset + last.length);
      last.length += merged;
    }
    let at = merged;
    while (at < room) {
      const length = Math.min(PAGE_SIZE, room - at);
      if (at + length > fetched) break;
      const page = new Uint8Array(PAGE_SIZE);
      page.set(bytes.subarray(at, at + length));
      bufs.push({ page, offset: 0, length });
      at += length;
    }
    return at;
  }

  /** Bytes of a write that go into the last page, when it begins: what exceeds whole pages, if it fits there. */
  #mergeable(wanted: number): number {
    const last = this.#pipe.bufs.at(-1);
    const odd = wanted % PAGE_SIZE;
    return last !== undefined && odd > 0 && last.offset + last.length + odd <= PAGE_SIZE ? odd : 0;
  }
}

/** A pipe. @returns Its reading and its writing end. */
export function pipe(mm: AddressSpace, nonblocking: boolean): readonly [File, File] {
  const shared = new Pipe();
  return [new PipeReader(mm, shared, nonblocking), new PipeWriter(mm, shared, nonblocking)];
}
