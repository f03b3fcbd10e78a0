/** Files of the user's own: what `kernel.install()` takes. */

/** What an operation answers: see {@link FileOperations}. */
export type FileAnswer = number | 'retry';

/**
 * One read, write or sync, as its file sees it.
 *
 * @remarks
 * *Ownership*: {@link bytes} is memory of the kernel's. What a file writes there after the request has ended (answered,
 * cancelled, context destroyed) goes nowhere: it reaches no buffer of the submitter's and no other request.
 */
export interface FileRequest {
  /** What is asked for. */
  readonly operation: 'read' | 'write' | 'fsync' | 'fdatasync';
  /** Place in the file, moved on by what {@link advance} has counted. */
  readonly position: number;
  /** Bytes that are still asked for. */
  readonly length: number;
  /**
   * For a read, memory to fill from its start; for a write, the data. `length` bytes, or less where the submitter's memory
   * ends sooner.
   *
   * @throws AioError `ENOMEM` where that much memory is not to be had; a file may let it through.
   */
  readonly bytes: Uint8Array;
  /** RWF_* bits of the request. */
  readonly rw_flags: number;
  /** Nobody waits for an answer any more: it was given, the request was cancelled, or its context is gone. */
  readonly isOver: boolean;
  /**
   * Counts the first `count` bytes as moved (for a read, they are handed to the submitter) and moves on. What comes later,
   * also an error, does not undo them: the event then tells their number; in the profile `linux-2.6.20` it tells the error.
   *
   * @throws RangeError `ERR_OUT_OF_RANGE` for more than {@link bytes} has.
   */
  advance(count: number): void;
  /**
   * Has the operation called once more, soon: what it waits for may have come. For one that answered `'retry'`, or will.
   *
   * @remarks A kick while the operation runs is not lost and causes exactly one more call; more kicks cause no more.
   */
  kick(): void;
  /**
   * The answer of an operation that returned `undefined`.
   *
   * @remarks In the profile `linux-2.6.20` a number ends the request, as `aio_complete` does; it is not called again for the rest.
   */
  complete(answer: FileAnswer): void;
}

/**
 * A file of the user's own: any of these methods (`file_operations`).
 *
 * @remarks
 * `read`, `write`, `fsync` and `fdatasync` answer
 * - a number: bytes moved now (0 for a sync), or a negative Linux errno;
 * - `'retry'`: call me again when I {@link FileRequest.kick | kick}; progress so far is kept by {@link FileRequest.advance};
 * - a promise of one of these;
 * - `undefined`: {@link FileRequest.complete} will be called with one of these.
 *
 * A request runs in one call at a time. It is first run inside `io_submit`.
 *
 * An error that is thrown, or that a promise is rejected with, is the event's: its `code` if that names a Linux errno
 * (`'ENOSPC'`), else EIO. A file that breaks these rules (answers twice, answers more bytes than were asked for, answers
 * nonsense, throws what has no code) harms nobody: the request ends with EIO, or the second answer is dropped, and the process
 * gets a warning with the code `AIO_FAULTY_FILE`.
 *
 * *Blocking*: methods run on the thread of the kernel, so a method that takes long holds it.
 *
 * *Abort*: see `cancel`. The end of a context does not wait for ever: `io_destroy` waits for no file of the user's, and
 * `destroyInBackground` waits a second for what `cancel` did not end. What is answered afterwards is dropped.
 */
export interface FileOperations {
  /** Absent: reads are refused with EINVAL, as Linux has it for a file without that method. Not called for length 0. */
  read?(request: FileRequest): FileAnswer | Promise<FileAnswer> | undefined;
  /** Absent: writes are refused with EINVAL. Not called for length 0. */
  write?(request: FileRequest): FileAnswer | Promise<FileAnswer> | undefined;
  /** Absent: FSYNC is refused with EINVAL. */
  fsync?(request: FileRequest): FileAnswer | Promise<FileAnswer> | undefined;
  /** Absent: FDSYNC does what `fsync` does. */
  fdatasync?(request: FileRequest): FileAnswer | Promise<FileAnswer> | undefined;
  /**
   * POLL bits that hold now. `kernel.wake_up()` tells pollers of a change.
   *
   * Absent: the file counts as always ready to read and write, as a regular file does.
   */
  poll?(): number;
  /**
   * Gives a request up. Only requests of a file that has this can be cancelled by `io_cancel`.
   *
   * If an answer is awaited, it may call {@link FileRequest.complete} to say what the request came to; otherwise that is
   * EINTR, and later answers are dropped.
   *
   * @returns `false` if the request goes on: `io_cancel` answers EAGAIN. In the profile `linux-2.6.20` it has no event then, and is
   * not called again.
   */
  cancel?(request: FileRequest): boolean | undefined;
  /** Called once, when neither a descriptor nor a request uses the file any more. */
  release?(): void;
  /** A stream has no places, and a short read has brought what there is. Default `false`: a file with places. */
  readonly stream?: boolean;
}
