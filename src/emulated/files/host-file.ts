/** A real descriptor of the host, through `node:fs`. */
import * as fs from 'node:fs';
import { RWF_APPEND, RWF_DSYNC, RWF_SYNC } from '../../common/abi/constants.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import type { DirectAlignment } from '../../common/kernel/aio-kernel.ts';
import { linuxErrno } from '../errno-translation.ts';
import { EIOCBQUEUED } from '../kernel-errno.ts';
import { accessibleBytes, Transfer } from '../memory/iov-iter.ts';
import { PAGE_SIZE } from '../memory/mm.ts';
import type { Executor, Position } from '../workqueue/executor.ts';
import { inline } from '../workqueue/inline.ts';
import { DEFAULT_POLLMASK, type File, type FileSupport } from './file.ts';
import { type Identity, stillMeans } from './identity.ts';
import type { Kiocb } from './kiocb.ts';
import { type PseudoFile, pseudoFile } from './procfs.ts';
import { SKB_BYTES } from './socket-pair.ts';
import type { PendingSync, SyncBarrier } from './sync-barrier.ts';

/** Two of them: libuv makes a plain call of one, which reaches the file's method. */
const NOTHING = [new Uint8Array(0), new Uint8Array(0)];
/** Reads longer than this are first compared with the size of the file, so that a huge length costs no huge memory. */
const ASK_SIZE_ABOVE = 1 << 18;
const SIZE_STEP = 4096;
/** Longer ones take as long as handing them over. */
const MOST_SHORT = 4 * PAGE_SIZE;

export class HostFile implements File {
  /** Whether the owner of the descriptor promised that it stays what it is. */
  held = false;
  /** Alignment that is asked for on a host without O_DIRECT, so that mistakes show there too. */
  direct: DirectAlignment | undefined;
  /** It was seen to refuse memory for the place that it lies at, as with O_DIRECT. */
  judgesMemory = false;
  readonly poll_wait = undefined;
  readonly fd: number;
  readonly identity: Identity;
  /** Shared by all files under way that are the same one. */
  barrier: SyncBarrier;
  readonly #host: FileSupport;
  #readable: number | undefined;
  #writable: number | undefined;
  #pseudo: PseudoFile | null | undefined;

  constructor(fd: number, identity: Identity, host: FileSupport, barrier: SyncBarrier) {
    this.fd = fd;
    this.identity = identity;
    this.#host = host;
    this.barrier = barrier;
  }

  mayRead(synchronous = false): number {
    this.#readable ??= this.#probeRead();
    if (this.#readable !== 0 || synchronous) return this.#readable;
    return this.#pseudoFile?.readable === false ? -ERRNO.EINVAL : 0;
  }

  mayWrite(synchronous = false): number {
    this.#writable ??= this.#probeWrite();
    if (this.#writable !== 0 || synchronous) return this.#writable;
    return this.#pseudoFile?.writable === false ? -ERRNO.EINVAL : 0;
  }

  /** Whether a transfer can do without a look at what this file is. */
  get isPlain(): boolean {
    return this.#isPositional && this.direct === undefined;
  }

  /** Whether a transfer of so many bytes is likely to be over at once, if they are in memory. */
  isShort(bytes: number): boolean {
    return bytes <= MOST_SHORT && this.identity.kind === 'regular' && !this.judgesMemory;
  }

  get hasFsync(): boolean {
    return this.#hasPlaces && (this.#pseudoFile?.hasFsync ?? true);
  }

  get isStream(): boolean {
    const { kind } = this.identity;
    return kind === 'fifo' || kind === 'socket';
  }

  get mayWait(): boolean {
    return !this.#isPositional && !this.#isMemoryDevice;
  }

  poll(): number {
    return this.#hasPlaces || this.#isMemoryDevice ? DEFAULT_POLLMASK : 0;
  }

  // A host descriptor can't be kept open from here; the checks before each use stand in for a reference.
  get(): void {}
  put(): void {}

  read_iter(req: Kiocb, executor: Executor): number {
    if (req.ki_left === 0) return this.#refusesPosition(req) ? -ERRNO.ESPIPE : 0;
    const position = this.#begin(req);
    if (position !== null && position < 0) return position;
    if (this.identity.kind === 'null' || (position !== null && !Number.isSafeInteger(position))) return 0;
    const { mm } = this.#host;
    // As with O_DIRECT: nothing is judged at the end of the file or behind it.
    if (this.#isMisaligned(req)) return req.ki_pos >= this.#size() ? 0 : -ERRNO.EINVAL;
    let length = accessibleBytes(mm, req, 'write');
    if (length === 0) return position !== null && position >= this.#size() ? 0 : -ERRNO.EFAULT;
    if (length > ASK_SIZE_ABOVE && position !== null) length = this.#clamp(length, position);
    const transfer = transferOf(req, length, executor);
    if (typeof transfer === 'number') return transfer;
    const finish = (count: number): number => {
      const result = count > 0 ? this.#deliver(transfer, count, executor.background) : count;
      transfer.release();
      return result;
    };
    const done = (count: number): void => {
      if (req.ki_cut) {
        transfer.release();
        req.complete(-ERRNO.EINTR);
      } else req.answer(finish(count), executor);
      this.#host.work.ended(req);
    };
    const answer =
      transfer.views === undefined
        ? executor.read(this.fd, transfer.bytes, transfer.at, length, position, done)
        : executor.readv(this.fd, transfer.views, position, done);
    if (answer !== -EIOCBQUEUED) return finish(answer);
    this.#host.work.began(req);
    return answer;
  }

  write_iter(req: Kiocb, offered: Executor): number {
    if (req.ki_left === 0) return this.#refusesPosition(req) ? -ERRNO.ESPIPE : 0;
    let position = this.#begin(req);
    if (position !== null && position < 0) return position;
    const { kind } = this.identity;
    if (this.#isSink) return req.ki_left;
    if (this.#isMisaligned(req)) return -ERRNO.EINVAL;
    const { mm } = this.#host;
    const length = this.#wholeParts(accessibleBytes(mm, req, 'read'), req.ki_left);
    if (length === 0) return -ERRNO.EFAULT;
    const appends = (req.ki_rw_flags & RWF_APPEND) !== 0 && kind === 'regular';
    if (appends) position = this.#size();
    if (position !== null && !Number.isSafeInteger(position)) {
      return kind === 'block' ? -ERRNO.ENOSPC : -ERRNO.EFBIG;
    }
    // A write may only wait for a pool thread where its descriptor cannot come to mean another file meanwhile; and two
    // appends at once would find the same end.
    const executor = this.held && !appends ? offered : inline;
    const transfer = transferOf(req, length, executor);
    if (typeof transfer === 'number') return transfer;
    transfer.copyFromUser(mm, length);
    const done = (count: number): void => {
      transfer.release();
      this.#sync(req, count, executor, (result) => this.#ended(req, result, executor));
    };
    const answer =
      transfer.views === undefined
        ? executor.write(this.fd, transfer.bytes, transfer.at, length, position, done)
        : executor.writev(this.fd, transfer.views, position, done);
    if (answer === -EIOCBQUEUED) {
      this.barrier.writeBegan(req);
      this.#host.work.began(req);
      return answer;
    }
    transfer.release();
    let result = answer;
    this.#sync(req, answer, executor, (synced) => {
      result = synced;
    });
    return result;
  }

  fsync(req: Kiocb, datasync: boolean, offered: Executor): number {
    if (!this.held && !stillMeans(this.fd, this.identity)) return -ERRNO.EBADF;
    const start = (executor: Executor): number =>
      executor.fsync(this.fd, datasync, (result) => this.#ended(req, result, executor));
    if (this.barrier.isOpen) {
      const answer = start(offered);
      if (answer === -EIOCBQUEUED) this.#host.work.began(req);
      return answer;
    }
    // On Linux a buffered write has run before a later fsync is even looked at, so programs rely on being covered.
    const { work } = this.#host;
    work.heldBack(req);
    this.barrier.wait(() =>
      work.isReady(req, () => {
        const answer = start(work.executor);
        if (answer !== -EIOCBQUEUED) this.#ended(req, answer, work.executor);
      }),
    );
    return -EIOCBQUEUED;
  }

  /** A background write or sync of `req` has ended. */
  #ended(req: Kiocb, result: number, executor: Executor): void {
    const ready: PendingSync[] = this.barrier.writeEnded(req);
    req.answer(result, executor);
    this.#host.work.ended(req);
    for (const start of ready) start();
  }

  /** What must come after a write with RWF_DSYNC or RWF_SYNC, before its event. */
  #sync(req: Kiocb, written: number, executor: Executor, then: (result: number) => void): void {
    const wanted = req.ki_rw_flags & (RWF_DSYNC | RWF_SYNC);
    if (wanted === 0 || written <= 0 || !this.hasFsync) {
      then(written);
      return;
    }
    const synced = (error: number): void => then(error < 0 ? error : written);
    const answer = executor.fsync(this.fd, (wanted & RWF_SYNC) === 0, synced);
    if (answer !== -EIOCBQUEUED) synced(answer);
  }

  /** Checks that hold for reads and writes alike. @returns The position for the host, or a negative errno. */
  #begin(req: Kiocb): Position {
    if (!this.held && !stillMeans(this.fd, this.identity)) return -ERRNO.EBADF;
    if (req.ki_pos < 0) return -ERRNO.EINVAL;
    if (this.#isPositional) return req.ki_pos;
    return this.#refusesPosition(req) ? -ERRNO.ESPIPE : null;
  }

  /** Sockets do, before they look at the length (OFF-08). */
  #refusesPosition({ ki_pos }: Kiocb): boolean {
    return this.identity.kind === 'socket' && ki_pos !== 0;
  }

  /**
   * Of a write that runs into missing memory, what goes through: of a pipe whole pages (FILE-15), of a socket whole buffers (FILE-16).
   *
   * What lies in a pipe of the host cannot be asked: it is taken for one that has no page to add to.
   */
  #wholeParts(accessible: number, wanted: number): number {
    const { kind } = this.identity;
    if (accessible === wanted || (kind !== 'fifo' && kind !== 'socket')) return accessible;
    return accessible - (accessible % (kind === 'fifo' ? PAGE_SIZE : SKB_BYTES));
  }

  #isMisaligned(req: Kiocb): boolean {
    if (this.direct === undefined || !this.#isPositional) return false;
    const { memory, offset } = this.direct;
    const { base, length } = req.ki_segments ?? { base: [req.ki_buf], length: [req.ki_left] };
    return (
      req.ki_pos % offset !== 0 ||
      base.some((address, i) => length[i]! > 0 && (address % memory !== 0 || length[i]! % offset !== 0))
    );
  }

  #deliver(transfer: Transfer, count: number, late: boolean): number {
    // The pool thread may have read after the descriptor was closed and opened anew: then this is not the user's data.
    if (late && !this.held && !stillMeans(this.fd, this.identity)) return -ERRNO.EBADF;
    const copied = transfer.copyToUser(this.#host.mm, count);
    return copied === 0 ? -ERRNO.EFAULT : copied;
  }

  get #hasPlaces(): boolean {
    return this.#isPositional || this.identity.kind === 'directory';
  }

  /** What is known of a file that the host's kernel makes up. */
  get #pseudoFile(): PseudoFile | undefined {
    if (this.#pseudo === undefined) this.#pseudo = pseudoFile(this.fd, this.identity) ?? null;
    return this.#pseudo ?? undefined;
  }

  get #isMemoryDevice(): boolean {
    return this.#isSink || this.identity.kind === 'full';
  }

  /** It takes any write without a look at the memory it comes from. */
  get #isSink(): boolean {
    const { kind } = this.identity;
    return kind === 'null' || kind === 'zero';
  }

  get #isPositional(): boolean {
    const { kind } = this.identity;
    return kind === 'regular' || kind === 'block';
  }

  /** Size now; without end for what has none. */
  #size(): number {
    if (this.identity.kind !== 'regular') return Number.POSITIVE_INFINITY;
    try {
      return fs.fstatSync(this.fd).size;
    } catch {
      return 0;
    }
  }

  #clamp(length: number, position: number): number {
    const size = this.#size();
    // Files that the host's kernel makes up say that they are empty.
    if (size === 0) return length;
    // Whole blocks, so that a direct read stays aligned.
    const left = Math.ceil(Math.max(1, size - position) / SIZE_STEP) * SIZE_STEP;
    return Math.min(length, left);
  }

  #probeRead(): number {
    if (this.identity.kind === 'directory') return -ERRNO.EINVAL;
    return this.#probe(() => fs.readvSync(this.fd, NOTHING));
  }

  #probeWrite(): number {
    const { kind } = this.identity;
    if (kind === 'directory') return -ERRNO.EBADF;
    // Its driver has no `write_iter`, and refuses here what write(2) would refuse with ENOSPC.
    if (kind === 'full') return -ERRNO.EINVAL;
    return this.#probe(() => fs.writevSync(this.fd, NOTHING));
  }

  /**
   * Learns the open mode from a transfer of nothing.
   *
   * Only the vectored calls reach the host with a length of 0. Sockets go both ways and are left alone: nothing, sent to
   * one, can be a datagram.
   */
  #probe(transferNothing: () => number): number {
    if (this.identity.kind === 'socket') return 0;
    try {
      transferNothing();
      return 0;
    } catch (error) {
      const errno = linuxErrno(error);
      return errno === -ERRNO.EBADF || errno === -ERRNO.EINVAL ? errno : 0;
    }
  }
}

function transferOf(req: Kiocb, bytes: number, { bounce }: Executor): Transfer | number {
  try {
    return new Transfer(req, bytes, bounce);
  } catch {
    return -ERRNO.ENOMEM;
  }
}
