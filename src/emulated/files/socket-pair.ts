/**
 * Connected pairs of stream sockets, as `socketpair(AF_UNIX, SOCK_STREAM)` makes them (`net/unix/af_unix.c`).
 *
 * Data goes through in socket buffers: a write makes one for each {@link SKB_BYTES}, a read takes from as many as it needs, and what
 * of one buffer is moved moves whole or not at all (FILE-16). The room of a socket is counted in the memory that buffers take.
 */
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
import { type AddressSpace, PAGE_SIZE } from '../memory/mm.ts';
import type { File } from './file.ts';
import type { Kiocb } from './kiocb.ts';
import { OwnFile } from './own-file.ts';
import { prepare_to_wait, WaitQueue } from './wait-queue.ts';

/** `net.core.wmem_default`: a write gets a socket buffer as long as those unread take less. */
const SNDBUF_BYTES = 212_992;
// What follows is as on x86-64 with pages of 4 KiB (observed on 6.18: SIOCOUTQ).
/** What one socket buffer has room for beside `struct skb_shared_info` in its first page (`SKB_MAX_HEAD`). */
const SKB_HEAD_BYTES = 3776;
const SKB_SHARED_INFO_BYTES = 320;
/** `struct sk_buff` in its slab. */
const SK_BUFF_BYTES = 256;
/** The least that the memory behind `skb->head` takes. */
const SKB_HEAD_LEAST_BYTES = 512;
const CACHE_LINE_BYTES = 64;
/** The most that goes into one socket buffer: its head, and pages (`UNIX_SKB_FRAGS_SZ`). */
export const SKB_BYTES = SKB_HEAD_BYTES + 32_768;
/** What arriving data wakes with, whatever it is (POLL-04). */
const DATA_READY = POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND;
const WRITE_SPACE = POLLOUT | POLLWRNORM | POLLWRBAND;

/** Which direction `shutdown()` ends. */
export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;

interface SocketBuffer {
  /** What is unread. */
  bytes: Uint8Array;
  /** Memory that it takes as long as any of it is unread. */
  readonly truesize: number;
}

const roundUp = (bytes: number, step: number): number => Math.ceil(bytes / step) * step;

/** `skb->truesize` of a socket buffer with so many bytes (`sock_alloc_send_pskb`). */
function truesizeOf(bytes: number): number {
  const inPages = Math.min(bytes, roundUp(Math.max(0, bytes - SKB_HEAD_BYTES), PAGE_SIZE));
  const head = roundUp(bytes - inPages, CACHE_LINE_BYTES) + SKB_SHARED_INFO_BYTES;
  let slab = SKB_HEAD_LEAST_BYTES;
  while (slab < head) slab *= 2;
  return SK_BUFF_BYTES + slab + roundUp(inPages, PAGE_SIZE);
}

export class SocketEnd extends OwnFile implements File {
  readonly runsInSubmit = true;
  readonly hasFsync = false;
  readonly mayWait = true;
  readonly isStream = true;
  readonly poll_wait = new WaitQueue();
  readonly #mm: AddressSpace;
  readonly #nonblocking: boolean;
  readonly #received: SocketBuffer[] = [];
  /** Memory of what was sent and not read yet (`sk_wmem_alloc`). */
  #charged = 0;
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
    if (this.#received.length === 0) {
      if (this.#error !== 0) return this.#takeError();
      if (this.#receiveEnded) return 0;
      return this.#nonblocking ? -ERRNO.EAGAIN : prepare_to_wait(req, this.poll_wait);
    }
    const bytes = this.#peek(req.ki_left);
    const copied = copy_to_iter(this.#mm, req, bytes);
    // What arrived of a buffer that did not arrive whole lies in the user's memory all the same.
    const taken = copied === bytes.length ? copied : this.#wholeBuffers(copied, bytes.length);
    if (taken === 0) return -ERRNO.EFAULT;
    this.#consume(taken);
    return taken;
  }

  write_iter(req: Kiocb): number {
    if (req.ki_pos !== 0) return -ERRNO.ESPIPE;
    // Its own end is judged before the length and before an error, the other end's only where there is something to send.
    if (this.#sendEnded) return -ERRNO.EPIPE;
    if (req.ki_left === 0) return 0;
    const peer = this.#peer;
    if (this.#error !== 0) return this.#takeError();
    if (peer === undefined || peer.#receiveEnded) return -ERRNO.EPIPE;
    const sizes = this.#buffersFor(req.ki_left);
    const room = sizes.reduce((sum, size) => sum + size, 0);
    const bytes = new Uint8Array(room);
    const fetched = copy_from_iter(this.#mm, req, bytes);
    let sent = 0;
    for (const size of sizes) {
      if (sent + size > fetched) break;
      const truesize = truesizeOf(size);
      this.#charged += truesize;
      peer.#received.push({ bytes: bytes.subarray(sent, sent + size), truesize });
      sent += size;
    }
    if (sent > 0) peer.poll_wait.wake(DATA_READY);
    if (sent < room) return sent === 0 ? -ERRNO.EFAULT : sent;
    if (sent === req.ki_left) return sent;
    if (this.#nonblocking) return sent === 0 ? -ERRNO.EAGAIN : sent;
    iov_iter_advance(req, sent);
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
    if (this.#received.length > 0) mask |= POLLIN | POLLRDNORM;
    if (this.isWritable) mask |= WRITE_SPACE;
    return mask;
  }

  /** `unix_writable`: a quarter of the room is in use at most. */
  get isWritable(): boolean {
    // Linux counts one byte more, which tells that the socket is in use.
    return this.#peer === undefined || (this.#charged + 1) * 4 <= SNDBUF_BYTES;
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
    if (this.#received.length > 0) peer.#error = -ERRNO.ECONNRESET;
    peer.poll_wait.wake(0);
  }

  /** Sizes of the socket buffers that there is room for, as far as `bytes` go. */
  #buffersFor(bytes: number): number[] {
    const sizes: number[] = [];
    let left = bytes;
    for (let charged = this.#charged; left > 0 && charged < SNDBUF_BYTES; ) {
      const size = Math.min(left, SKB_BYTES);
      sizes.push(size);
      charged += truesizeOf(size);
      left -= size;
    }
    return sizes;
  }

  #peek(most: number): Uint8Array {
    const parts: Uint8Array[] = [];
    let left = most;
    for (const { bytes } of this.#received) {
      if (left === 0) break;
      const part = bytes.subarray(0, left);
      parts.push(part);
      left -= part.length;
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** Of `wanted` bytes, of which `copied` arrived, those in buffers that arrived as far as they were wanted. */
  #wholeBuffers(copied: number, wanted: number): number {
    let taken = 0;
    for (const { bytes } of this.#received) {
      const part = Math.min(bytes.length, wanted - taken);
      if (taken + part > copied) break;
      taken += part;
    }
    return taken;
  }

  /** Takes bytes out. Buffers that are read to their end give their memory back. */
  #consume(bytes: number): void {
    const peer = this.#peer;
    let freed = 0;
    for (let left = bytes; left > 0; ) {
      const first = this.#received[0]!;
      if (first.bytes.length > left) {
        first.bytes = first.bytes.subarray(left);
        break;
      }
      left -= first.bytes.length;
      freed += first.truesize;
      this.#received.shift();
    }
    if (freed === 0 || peer === undefined) return;
    peer.#charged -= freed;
    if (peer.isWritable) peer.poll_wait.wake(WRITE_SPACE);
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
