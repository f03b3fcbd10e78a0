/** A transfer of a file that is one request of the kernel's: its promise is the caller's, with nothing in between. */
import { IOCB_CMD_PREAD, IOCB_CMD_PREADV, IOCB_CMD_PWRITE, IOCB_CMD_PWRITEV } from '../abi/constants.ts';
import { ERRNO } from '../abi/errno.ts';
import { Operation } from '../context/operation.ts';
import { AioError, codeOf } from '../errors.ts';
import type { Extent } from '../memory/extent.ts';
import type { Activity } from './activity.ts';
import { FileError } from './file-error.ts';

/** What the caller gets for a count and the buffer that came with the call. */
export type Answer<T> = (count: number, buffer: never) => T;

/** The file of a transfer. */
export interface TransferFile {
  readonly fd: number;
  readonly activity: Pick<Activity, 'begin' | 'end'>;
  /** What must live while requests of the file are under way. */
  readonly owner: object;
  /** Whether the descriptor still is this file's: somebody else may close it, and its number come to mean another file. Absent: it is. */
  readonly isOpen: (() => boolean) | undefined;
}

/** @throws AioError `EBADF` where somebody else has closed the file. */
export function refuseStale({ isOpen }: Pick<TransferFile, 'isOpen'>, syscall: string): void {
  if (isOpen?.() === false) throw new FileError('EBADF', ERRNO.EBADF, syscall);
}

/** What a read with RWF_NOWAIT says of the file, and who goes on where the page cache ends. */
export interface NowaitReads {
  hit(): void;
  missed(): void;
  /** The file system knows no NOWAIT. */
  refuseNowait(): void;
  /** @param done - Bytes that were cached. */
  readOn(extent: Extent, position: number, done: number, signal: AbortSignal | undefined): Promise<number>;
}

/** Carries out what the kernel's AIO does not. */
export type OtherMeans = (
  name: 'read' | 'write',
  extent: Extent,
  position: number,
  error: Error,
) => Promise<number>;

/** Whether `io_submit` itself has refused a request, for lack of memory or of room in the ring. */
export function hadNoRoom(error: unknown): boolean {
  return error instanceof AioError && error.code === 'EAGAIN' && error.syscall === 'io_submit';
}

/** Answers of AIO to what it does not do at all, or looks at in another order: files of /proc that have no `read_iter`, say. */
const DOUBTFUL: readonly unknown[] = ['EINVAL', 'EBADF', 'ESPIPE', 'EOPNOTSUPP'];

/** Whether the host has to be asked before a request is said to have failed. Nothing has been moved. */
export function isDoubtful(error: unknown): boolean {
  return error instanceof AioError && (hadNoRoom(error) || DOUBTFUL.includes(error.code));
}

export class FileTransfer<T> extends Operation {
  declare readonly promise: Promise<T>;
  readonly #name: 'read' | 'write';
  readonly #file: TransferFile;
  readonly #answer: Answer<T>;
  readonly #buffer: unknown;
  readonly #nowait: NowaitReads | undefined;
  readonly #otherMeans: OtherMeans;

  /**
   * @param address - Of the extent; 0 for an empty one.
   * @param nowait - For a read with `rw_flags` RWF_NOWAIT.
   */
  constructor(
    name: 'read' | 'write',
    file: TransferFile,
    extent: Extent,
    address: number,
    position: number,
    rw_flags: number,
    answer: Answer<T>,
    buffer: unknown,
    nowait: NowaitReads | undefined,
    otherMeans: OtherMeans,
  ) {
    super(
      name,
      name === 'read' ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE,
      file.fd,
      address,
      extent.length,
      position,
      rw_flags,
      extent.length === 0 ? undefined : extent,
      undefined,
      file.owner,
    );
    this.#name = name;
    this.#file = file;
    this.#answer = answer;
    this.#buffer = buffer;
    this.#nowait = nowait;
    this.#otherMeans = otherMeans;
  }

  /** From the page cache or not at all; of a descriptor that somebody else has opened, nobody knows whether it is a direct one. */
  override get endsInside(): boolean {
    return this.#nowait !== undefined && this.#file.isOpen === undefined;
  }

  override get isStale(): boolean {
    return this.#file.isOpen?.() === false;
  }

  override get isBorrowed(): boolean {
    return this.#file.isOpen !== undefined;
  }

  override complete(res: number): void {
    const nowait = this.#nowait;
    if (nowait !== undefined && (res === -ERRNO.EAGAIN || res === -ERRNO.EOPNOTSUPP)) {
      if (res === -ERRNO.EOPNOTSUPP) nowait.refuseNowait();
      this.#missed(nowait);
    } else super.complete(res);
  }

  protected override succeed(count: number): void {
    const nowait = this.#nowait;
    nowait?.hit();
    // Short: the end of the file, or the end of what was cached. FileHandle would have gone on.
    if (nowait !== undefined && count !== this.nbytes && count !== 0) this.#readOn(nowait, count);
    else {
      try {
        this.settle(this.#answer(count, this.#buffer as never));
      } finally {
        this.#file.activity.end();
      }
    }
  }

  override fail(error: Error): void {
    const nowait = this.#nowait;
    if (nowait !== undefined && codeOf(error) === 'EOPNOTSUPP') nowait.refuseNowait();
    nowait?.missed();
    if (isDoubtful(error) && this.extent !== undefined) {
      this.#goOn(this.#otherMeans(this.#name, this.extent, this.position, error));
      return;
    }
    try {
      super.fail(renamed(this.#name, error));
    } finally {
      this.#file.activity.end();
    }
  }

  #missed(nowait: NowaitReads): void {
    nowait.missed();
    this.#readOn(nowait, 0);
  }

  #readOn(nowait: NowaitReads, done: number): void {
    this.#goOn(nowait.readOn(this.extent!, this.position, done, this.signal));
  }

  #goOn(rest: Promise<number>): void {
    const { activity } = this.#file;
    this.settle(
      rest.then((count) => this.#answer(count, this.#buffer as never)).finally(() => activity.end()),
    );
  }
}

/** A vectored transfer of a file: as AioContext makes them, but for the look at whose its descriptor is. */
export class FileVector extends Operation {
  declare readonly promise: Promise<number>;
  readonly #file: TransferFile;

  /**
   * @param extents - None is empty.
   * @param iovecs - Of them, at `address`.
   */
  constructor(
    name: 'read' | 'write',
    file: TransferFile,
    extents: readonly Extent[],
    iovecs: BigUint64Array,
    address: number,
    position: number,
    rw_flags: number,
  ) {
    super(
      name === 'read' ? 'preadv' : 'pwritev',
      name === 'read' ? IOCB_CMD_PREADV : IOCB_CMD_PWRITEV,
      file.fd,
      address,
      extents.length,
      position,
      rw_flags,
      undefined,
      extents,
      [file.owner, iovecs],
    );
    this.#file = file;
  }

  override get isStale(): boolean {
    return this.#file.isOpen?.() === false;
  }

  override get isBorrowed(): boolean {
    return this.#file.isOpen !== undefined;
  }
}

/** The error under the name that FileHandle gives the operation. */
export function renamed<E>(syscall: string, error: E): E | AioError {
  return error instanceof AioError && error.syscall !== 'io_setup'
    ? new FileError(error.code, error.errno, syscall, { cause: error })
    : error;
}
