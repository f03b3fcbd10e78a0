/** Connected pairs of stream sockets, as `socketpair(AF_UNIX, SOCK_STREAM)` makes them (`net/unix/af_unix.c`). */
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
} from '../../common/abi/constants.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import { copy_from_iter, copy_to_iter, iov_iter_advance } from '../memory/iov-iter.ts';
import type { AddressSpace } from '../memory/mm.ts';
import type { File } from './file.ts';
import type { Kiocb } from './kiocb.ts';
import { OwnFile } from './own-file.ts';
import { prepare_to_wait, WaitQueue } from './wait-queue.ts';

/** `net.core.wmem_default`. Linux also charges its own bookkeeping to it; here only bytes count. */
const SNDBUF_BYTES = 212_992;
/** What arriving data wakes with, whatever it is (POLL-04). */
const DATA_READY = POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND;
const WRITE_SPACE = POLLOUT | POLLWRNORM | POLLWRBAND;

/** Which direction `shutdown()` ends. */
export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;

export class SocketEnd extends OwnFile implements File {
  readonly runsInSubmit = true;
  readonly hasFsync = false;
  readonly mayWait = true;
  readonly isStream = true;
  readonly poll_wait = new WaitQueue();
  readonly #mm: AddressSpace;
  readonly #nonblocking: boolean;
  readonly #received: Uint8Array[] = [];
  #unread = 0;
  #peer: SocketEnd | undefined;
  #receiveEnded = false;
  #sendEnded = false;
  /** Told once: the peer closed with bytes unread. */
  #error = 0;

  constructor(mm: AddressSpace, nonblocking: boolean) {
    super();
    this.#mm = mm;
    this.#nonblocking = nonblocking;
  }

  connect(peer: SocketEnd): void {
    this.#peer = peer;
  }

  mayRead(): number {
    return 0;
  }

  mayWrite(): number {
    return 0;
  }

  read_iter(req: Kiocb): number {
    // The place is judged before the length (OFF-08).
    if (req.ki_pos !== 0) return -ERRNO.ESPIPE;
    if (req.ki_left === 0) return 0;
    if (this.#unread === 0) {
      if (this.#error !== 0) return this.#takeError();
      if (this.#receiveEnded) return 0;
      return this.#nonblocking ? -ERRNO.EAGAIN : prepare_to_wait(req, this.poll_wait);
    }
    const bytes = Buffer.concat(this.#received, Math.min(req.ki_left, this.#unread));
    const copied = copy_to_iter(this.#mm, req, bytes);
    if (copied === 0) return -ERRNO.EFAULT;
    this.#consume(copied);
    const peer = this.#peer;
    if (peer?.isWritable === true) peer.poll_wait.wake(WRITE_SPACE);
    return copied;
  }

  write_iter(req: Kiocb): number {
    if (req.ki_pos !== 0) return -ERRNO.ESPIPE;
    // Its own end is judged before the length and before an error, the other end's only where there is something to send.
    if (this.#sendEnded) return -ERRNO.EPIPE;
    if (req.ki_left === 0) return 0;
    const peer = this.#peer;
    if (this.#error !== 0) return this.#takeError();
    if (peer === undefined || peer.#receiveEnded) return -ERRNO.EPIPE;
    const bytes = new Uint8Array(Math.min(req.ki_left, SNDBUF_BYTES - peer.#unread));
    const fetched = copy_from_iter(this.#mm, req, bytes);
    if (fetched === 0 && bytes.length > 0) return -ERRNO.EFAULT;
    if (fetched > 0) peer.#receive(bytes.subarray(0, fetched));
    if (fetched === req.ki_left) return fetched;
    if (this.#nonblocking) return fetched === 0 ? -ERRNO.EAGAIN : fetched;
    iov_iter_advance(req, fetched);
    return prepare_to_wait(req, this.poll_wait);
  }

  fsync(): number {
    return -ERRNO.EINVAL;
  }

  /** `unix_poll`. */
  poll(): number {
    let mask = this.#error === 0 ? 0 : POLLERR;
    if (this.#receiveEnded && this.#sendEnded) mask |= POLLHUP;
    if (this.#receiveEnded) mask |= POLLRDHUP | POLLIN | POLLRDNORM;
    if (this.#unread > 0) mask |= POLLIN | POLLRDNORM;
    if (this.isWritable) mask |= WRITE_SPACE;
    return mask;
  }

  /** `unix_writable`: a quarter of the room is in use at most. */
  get isWritable(): boolean {
    return this.#peer === undefined || this.#peer.#unread * 4 <= SNDBUF_BYTES;
  }

  /** shutdown(2). */
  shutdown(how: number): number {
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return -ERRNO.EINVAL;
    const peer = this.#peer;
    if (how !== SHUT_WR) {
      this.#receiveEnded = true;
      if (peer !== undefined) peer.#sendEnded = true;
    }
    if (how !== SHUT_RD) {
      this.#sendEnded = true;
      if (peer !== undefined) peer.#receiveEnded = true;
    }
    // The state has changed: no bits are told, and who polls looks again.
    this.poll_wait.wake(0);
    peer?.poll_wait.wake(0);
    return 0;
  }

  protected override release(): void {
    const peer = this.#peer;
    this.#peer = undefined;
    if (peer === undefined) return;
    peer.#peer = undefined;
    peer.#receiveEnded = true;
    peer.#sendEnded = true;
    if (this.#unread > 0) peer.#error = -ERRNO.ECONNRESET;
    peer.poll_wait.wake(0);
  }

  #receive(bytes: Uint8Array): void {
    this.#received.push(bytes);
    this.#unread += bytes.length;
    this.poll_wait.wake(DATA_READY);
  }

  #consume(bytes: number): void {
    this.#unread -= bytes;
    for (let left = bytes; left > 0; ) {
      const first = this.#received[0]!;
      if (first.length > left) {
        this.#received[0] = first.subarray(left);
        return;
      }
      left -= first.length;
      this.#received.shift();
    }
  }

  #takeError(): number {
    const error = this.#error;
    this.#error = 0;
    return error;
  }
}

/** Two connected stream sockets. */
export function socketpair(mm: AddressSpace, nonblocking: boolean): readonly [SocketEnd, SocketEnd] {
  const one = new SocketEnd(mm, nonblocking);
  const other = new SocketEnd(mm, nonblocking);
  one.connect(other);
  other.connect(one);
  return [one, other];
}
