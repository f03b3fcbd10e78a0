/** A transfer of a file that is one request of the kernel's: its promise is the caller's, with nothing in between. */
import {
  IOCB_CMD_PREAD,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITEV,
  RWF_DSYNC,
} from '../abi/constants.ts';
import { ERRNO } from '../abi/errno.ts';
import { Operation } from '../context/operation.ts';
import { AioError, codeOf } from '../errors.ts';
import type { Extent } from '../memory/extent.ts';
import type { WordArray } from '../memory/word-array.ts';
import type { Activity } from './activity.ts';
import { FileError } from './file-error.ts';
import type { Manner } from './manner.ts';
import type { Answer, TransferCall } from './transfer-call.ts';

/** The file of a transfer. */
export interface TransferFile {
  readonly fd: number;
  readonly activity: Pick<Activity, 'begin' | 'end' | 'isUnderWay'>;
  /** What must live while requests of the file are under way. */
  readonly owner: object;
  /** Whether the descriptor still is this file's: somebody else may close it, and its number come to mean another file. Absent: it is. */
  readonly isOpen: (() => boolean) | undefined;
}

/** @throws AioError `EBADF` where somebody else has closed the file. */
export function refuseStale({ isOpen }: Pick<TransferFile, 'isOpen'>, syscall: string): void {
  if (isOpen?.() === false) throw new FileError('EBADF', ERRNO.EBADF, syscall);
}

/** What a request that must not wait says of the file, and who goes on where it would have had to. */
export interface NowaitRequest {
  readonly rw_flags: number;
  /** See {@link Operation.endsInside}. */
  readonly endsInside: boolean;
  /** It moved so many bytes. Either this or {@link missed} is called, once. */
  hit(count: number): void;
  missed(): void;
  /** The file system knows no NOWAIT. */
  refuseNowait(): void;
  /** See {@link Operation.heldUp}. */
  held?(atMs: number): void;
  /** @param done - Bytes that were moved. */
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
  readonly #nowait: NowaitRequest | undefined;
  readonly #otherMeans: OtherMeans;
  readonly #manner: Manner | undefined;

  /**
   * @param address - Of the extent; 0 for an empty one.
   * @param nowait - For a request that must not wait.
   */
  constructor(
    { name, extent, position, answer, buffer, manner }: TransferCall<T>,
    file: TransferFile,
    address: number,
    nowait: NowaitRequest | undefined,
    otherMeans: OtherMeans,
  ) {
    super(
      name,
      name === 'read' ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE,
      file.fd,
      address,
      extent.length,
      position,
      (nowait === undefined ? 0 : nowait.rw_flags) | (manner === undefined ? 0 : manner.rw_flags),
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
    this.#manner = manner;
    if (manner !== undefined) this.priority = manner.priority;
  }

  /** From the page cache or not at all; of a descriptor that somebody else has opened, nobody knows whether it is a direct one. */
  override get endsInside(): boolean {
    return this.#nowait?.endsInside === true && this.#file.isOpen === undefined;
  }

  override get isStale(): boolean {
    return this.#file.isOpen?.() === false;
  }

  override get isBorrowed(): boolean {
    return this.#file.isOpen !== undefined;
  }

  override heldUp(atMs: number): void {
    this.#nowait?.held?.(atMs);
  }

  override complete(res: number): void {
    const nowait = this.#nowait;
    if (nowait !== undefined && (res === -ERRNO.EAGAIN || res === -ERRNO.EOPNOTSUPP)) {
      if (res === -ERRNO.EOPNOTSUPP) nowait.refuseNowait();
      this.#missed(nowait);
    } else super.complete(res);
  }

  protected override succeed(count: number): void {
    if ((this.rw_flags & RWF_DSYNC) !== 0) this.#manner!.durableBytes += count;
    const nowait = this.#nowait;
    nowait?.hit(count);
    // Short: the end of the file, or of what needed no waiting for. FileHandle would have gone on.
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
    // By other means it would have no priority: what the kernel says may be about that, unless it is about NOWAIT.
    const isOfNowait = nowait !== undefined && codeOf(error) === 'EOPNOTSUPP';
    const mayGoOn = this.priority === 0 || hadNoRoom(error) || isOfNowait;
    if (isDoubtful(error) && this.extent !== undefined && mayGoOn) {
      this.#goOn(this.#otherMeans(this.#name, this.extent, this.position, error));
      return;
    }
    try {
      super.fail(renamed(this.#name, error));
    } finally {
      this.#file.activity.end();
    }
  }

  #missed(nowait: NowaitRequest): void {
    nowait.missed();
    this.#readOn(nowait, 0);
  }

  #readOn(nowait: NowaitRequest, done: number): void {
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
    iovecs: WordArray,
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
