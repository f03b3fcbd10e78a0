/** Reads and writes of one buffer for a caller in the kernel's own process: what they need no iocb and no ring for. */
import type { Extent } from '../memory/extent.ts';

/** A PREAD or PWRITE with neither flags nor a priority. */
export interface PlainTransfer {
  readonly opcode: number;
  readonly fd: number;
  /** Whose descriptor it is, where he may close it meanwhile, as a FileHandle. */
  readonly carrier: { readonly fd: number } | undefined;
  /** What `fd` meant when it was named, where that may change: what means something else by now ends with -EBADF, or is not begun. */
  readonly meaning: object | undefined;
  /** Address of the buffer. */
  readonly buf: number;
  readonly nbytes: number;
  /** Place in the file. */
  readonly position: number;
  /** The buffer. */
  readonly extent: Extent | undefined;
}

/** Who is told what became of transfers. */
export interface TransferSink<T extends PlainTransfer> {
  /**
   * One has ended: nobody touches its memory any more. Must run no code of anybody else's.
   *
   * @param res - Bytes, or a negative Linux errno.
   */
  ended(transfer: T, res: number): void;
  /** All have been told of that have ended by now: code of others may run. */
  told(): void;
}

/**
 * A second way into a kernel, beside `io_submit`, of which results come on the event loop and not through a ring.
 *
 * @remarks What is begun here counts in no context. Its caller keeps it in mind, and ends no context of his meanwhile.
 */
export interface PlainTransfers {
  /**
   * A stretch of work begins: what is known of descriptors may have changed since the last one. Between this and the last
   * {@link start} of the stretch runs no code of anybody else's.
   */
  beginStretch(): void;
  /**
   * Begins a transfer. It never ends inside the call.
   *
   * @remarks *Ownership*: the buffer is the kernel's until {@link TransferSink.ended}.
   *
   * @param stays - Its memory can neither be given away nor move until then. Else it is copied, and a read whose memory has gone
   * ends with -EFAULT.
   * @returns Whether it has begun: what cannot go this way goes by `io_submit`.
   */
  start<T extends PlainTransfer>(transfer: T, stays: boolean, sink: TransferSink<T>): boolean;
}
