/** An open file of a simulated disk, as the emulated kernel sees it. */
import { RWF_APPEND, RWF_DSYNC, RWF_SYNC } from '../../common/abi/constants.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import { DEFAULT_POLLMASK, type File, type FileSupport } from '../files/file.ts';
import type { Kiocb } from '../files/kiocb.ts';
import { OwnFile } from '../files/own-file.ts';
import { EIOCBQUEUED } from '../kernel-errno.ts';
import { accessibleBytes, Transfer } from '../memory/iov-iter.ts';
import type { Executor } from '../workqueue/executor.ts';
import type { Disk } from './disk.ts';
import type { Opened, WriteSync } from './disk-request.ts';
import type { Inode } from './inode.ts';

/** How a file was opened. */
export interface OpenMode {
  readonly readable: boolean;
  readonly writable: boolean;
  readonly append: boolean;
  readonly direct: boolean;
  readonly sync: WriteSync;
}

export class SimulatedFile extends OwnFile implements File, Opened {
  readonly hasFsync = true;
  readonly mayWait = false;
  readonly runsInSubmit = true;
  readonly ownFsync = true;
  readonly poll_wait = undefined;
  readonly inode: Inode;
  readonly path: string;
  readonly mode: OpenMode;
  /** Where transfers without a position go on. */
  position = 0;
  readonly #disk: Disk;
  readonly #kernel: FileSupport;

  constructor(kernel: FileSupport, disk: Disk, inode: Inode, path: string, mode: OpenMode) {
    super();
    this.#kernel = kernel;
    this.#disk = disk;
    this.inode = inode;
    this.path = path;
    this.mode = mode;
  }

  protected override release(): void {
    // A process that is gone has closed it when it went.
    if (!this.#disk.isDead) this.#disk.closed(this.inode, this);
  }

  get direct(): boolean {
    return this.mode.direct;
  }

  get append(): boolean {
    return this.mode.append;
  }

  mayRead(): number {
    if (!this.mode.readable) return -ERRNO.EBADF;
    return this.inode.kind === 'directory' ? -ERRNO.EINVAL : 0;
  }

  mayWrite(): number {
    return this.mode.writable ? 0 : -ERRNO.EBADF;
  }

  poll(): number {
    return DEFAULT_POLLMASK;
  }

  read_iter(req: Kiocb, executor: Executor): number {
    const { ki_left, ki_pos: position } = req;
    if (ki_left === 0) return 0;
    if (position < 0) return -ERRNO.EINVAL;
    // The end of the file comes before alignment (DIO-03), and before the memory.
    const isBeyond = position >= this.inode.content.size;
    if (!isBeyond && this.isMisaligned(position, segmentsOf(req))) return -ERRNO.EINVAL;
    const length = accessibleBytes(this.#kernel.mm, req, 'write');
    if (!isBeyond && length === 0) return -ERRNO.EFAULT;
    this.#kernel.work.began(req);
    this.#disk.read(
      this,
      () => position,
      length,
      (result, bytes) => this.#end(req, executor, () => (result > 0 ? this.#deliver(req, bytes) : result)),
    );
    return -EIOCBQUEUED;
  }

  write_iter(req: Kiocb, executor: Executor): number {
    const { ki_left, ki_pos: position, ki_rw_flags: flags } = req;
    if (ki_left === 0) return 0;
    if (position < 0) return -ERRNO.EINVAL;
    if (this.isMisaligned(position, segmentsOf(req))) return -ERRNO.EINVAL;
    if (!Number.isSafeInteger(position + ki_left)) return -ERRNO.EFBIG;
    const { mm } = this.#kernel;
    const length = accessibleBytes(mm, req, 'read');
    if (length === 0) return -ERRNO.EFAULT;
    const bytes = gather(mm, req, length);
    if (bytes === undefined) return -ERRNO.ENOMEM;
    const asked: WriteSync = (flags & RWF_SYNC) !== 0 ? 'all' : (flags & RWF_DSYNC) !== 0 ? 'data' : 'none';
    const sync = this.mode.sync === 'all' || asked === 'none' ? this.mode.sync : asked;
    const opened: Opened = (flags & RWF_APPEND) === 0 ? this : { ...this.opened, append: true };
    this.#kernel.work.began(req);
    this.#disk.write(
      opened,
      () => position,
      bytes,
      sync,
      (result) => this.#end(req, executor, () => result),
    );
    return -EIOCBQUEUED;
  }

  fsync(req: Kiocb, datasync: boolean, executor: Executor): number {
    this.#kernel.work.began(req);
    this.#disk.sync(this, datasync, (result) => this.#end(req, executor, () => result));
    return -EIOCBQUEUED;
  }

  /** What is known of the descriptor, as data. */
  get opened(): Opened {
    const { inode, path, direct, append } = this;
    return { inode, path, direct, append };
  }

  /** Whether O_DIRECT refuses a transfer (DIO-01): places and lengths by sectors, and memory too. */
  isMisaligned(position: number, segments: readonly (readonly [address: number, length: number])[]): boolean {
    if (!this.mode.direct) return false;
    const { sectorBytes } = this.#disk.options;
    return (
      position % sectorBytes !== 0 ||
      segments.some(([address, length]) => address % sectorBytes !== 0 || length % sectorBytes !== 0)
    );
  }

  #end(req: Kiocb, executor: Executor, result: () => number): void {
    // Nobody may touch the memory of a request that was cut off.
    if (req.ki_cut) req.complete(-ERRNO.EINTR);
    else req.answer(result(), executor);
    this.#kernel.work.ended(req);
  }

  #deliver(req: Kiocb, bytes: Uint8Array): number {
    const transfer = new Transfer(req, bytes.length);
    const views = transfer.views ?? [transfer.bytes.subarray(transfer.at, transfer.at + bytes.length)];
    let from = 0;
    for (const view of views) {
      view.set(bytes.subarray(from, from + view.length));
      from += view.length;
    }
    const copied = transfer.copyToUser(this.#kernel.mm, bytes.length);
    transfer.release();
    return copied === 0 ? -ERRNO.EFAULT : copied;
  }
}

/** What is still to be moved. */
function segmentsOf({
  ki_segments,
  ki_buf,
  ki_left,
  ki_cur_seg,
}: Kiocb): (readonly [address: number, length: number])[] {
  if (ki_segments === undefined) return [[ki_buf, ki_left]];
  return ki_segments.base.map((base, index) => [base, ki_segments.length[index]!] as const).slice(ki_cur_seg);
}

/** A copy of the bytes that a request writes. @returns `undefined` where there is no memory for it. */
function gather(mm: FileSupport['mm'], req: Kiocb, length: number): Uint8Array | undefined {
  try {
    const transfer = new Transfer(req, length);
    transfer.copyFromUser(mm, length);
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const view of transfer.views ?? [transfer.bytes.subarray(transfer.at, transfer.at + length)]) {
      bytes.set(view, at);
      at += view.length;
    }
    transfer.release();
    return bytes;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
