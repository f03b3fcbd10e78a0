/** A transfer under way between here and the host. */
import { copyBytes } from '../../common/intrinsics.ts';
import type { PlainTransfer, TransferSink } from '../../common/kernel/plain-transfers.ts';
import { type Bounce, bouncePool } from '../../common/memory/bounce-pool.ts';
import { bytesOf } from '../../common/memory/extent.ts';
import { isPageAligned } from '../../common/memory/page-aligned.ts';
import { linuxErrno } from '../errno-translation.ts';
import { PAGE_SIZE } from '../memory/mm.ts';
import { BERTH_BYTES, type TransferThread } from '../workqueue/transfer-thread.ts';
import type { HostFile } from './host-file.ts';
import type { Lent } from './host-handles.ts';

/** They are used again, and their callbacks with them. */
export class Flight {
  transfer: PlainTransfer = NO_TRANSFER;
  sink: TransferSink<PlainTransfer> = NO_SINK;
  file!: HostFile;
  lent: Lent | undefined;
  /** What the host uses: the caller's memory, or a copy. */
  bytes: Uint8Array = NOTHING;
  at = 0;
  /** Memory of ours that the copy is in; of the thread's, if it is there. */
  chunk: Bounce | undefined;
  thread: TransferThread | undefined;
  berth = -1;
  writes = false;
  result = 0;
  /** Next in the queue. */
  ki_next: Flight | undefined;
  readonly callback: (error: NodeJS.ErrnoException | null, count: number) => void;

  constructor(ended: (flight: Flight) => void) {
    const callback: Flight['callback'] = (error, count) => {
      this.result = error === null || error === undefined ? count : linuxErrno(error);
      ended(this);
    };
    this.callback = callback;
  }

  /** Whether the host uses the caller's memory. */
  get isAsIs(): boolean {
    return this.chunk === undefined && this.thread === undefined;
  }

  /**
   * Whether the host may have refused the place of the caller's memory. With O_DIRECT it does; the addresses that the caller has aligned it
   * by are made up, and true only of memory that begins with a page.
   */
  get mayMindMemory(): boolean {
    return this.isAsIs && !isPageAligned(this.transfer.extent!.memory);
  }

  /** Uses the caller's memory. */
  useAsIs(): void {
    this.bytes = bytesOf(this.transfer.extent!);
    this.at = 0;
  }

  /** Uses memory of ours. It lies in its page as the caller's does by its address. @returns Whether there is any. */
  copy(): boolean {
    const { buf, nbytes } = this.transfer;
    const inPage = buf % PAGE_SIZE;
    try {
      this.chunk = bouncePool.take(inPage + nbytes);
    } catch {
      return false;
    }
    this.at = inPage;
    this.bytes = this.chunk.bytes;
    this.#fill();
    return true;
  }

  /** Uses memory of a thread, which is to have the transfer, one of few at once perhaps. @returns Whether it has room. */
  board(thread: TransferThread, isOfFew: boolean): boolean {
    const { buf, nbytes } = this.transfer;
    const inPage = buf % PAGE_SIZE;
    if (inPage + nbytes > BERTH_BYTES) return false;
    const berth = thread.take(this.writes, isOfFew);
    if (berth < 0) return false;
    this.thread = thread;
    this.berth = berth;
    this.at = berth * BERTH_BYTES + inPage;
    this.bytes = thread.bytes;
    this.#fill();
    return true;
  }

  /** Nothing of anybody's is held by one that waits for its next use. */
  clear(): void {
    if (this.chunk !== undefined) bouncePool.give(this.chunk);
    this.thread?.free(this.berth);
    this.chunk = undefined;
    this.thread = undefined;
    this.lent = undefined;
    this.bytes = NOTHING;
    this.transfer = NO_TRANSFER;
    this.sink = NO_SINK;
  }

  #fill(): void {
    const { extent } = this.transfer;
    if (this.writes) copyBytes(bytesOf(extent!), 0, extent!.length, this.bytes, this.at);
  }
}

const NOTHING = new Uint8Array(0);
const NO_TRANSFER: PlainTransfer = {
  opcode: -1,
  fd: -1,
  carrier: undefined,
  meaning: undefined,
  buf: 0,
  nbytes: 0,
  position: 0,
  extent: undefined,
};

const NO_SINK: TransferSink<PlainTransfer> = { ended() {}, told() {} };
