/** The methods of a file that move bytes: what they are called with, which way each call goes, and what comes back. */
import type { FileReadResult } from 'node:fs/promises';
import type { AioContext } from '../context/aio-context.ts';
import { UNALIGNED } from '../memory/aligned.ts';
import { extentOf, extentOfOwn } from '../memory/extent.ts';
import type { Pins } from '../memory/pins.ts';
import { Activity } from './activity.ts';
import type { AioWriteOptions } from './aio-file-type.ts';
import { type AllocateOptions, type Room, roomToAllocate, roomToPunch } from './allocation.ts';
import { Cursor, placedCursor } from './cursor.ts';
import { chunkFor } from './direct-streams.ts';
import { DurableWrites } from './durable-writes.ts';
import {
  type Extras,
  extrasIn,
  fileArguments,
  type RefusedArguments,
  readArguments,
  vectorArguments,
  writeArguments,
} from './file-arguments.ts';
import { FileIo } from './file-io.ts';
import type { FileParts } from './file-parts.ts';
import { throwIfAborted } from './file-requests.ts';
import { type AioWriteResult, readResult, readvResult, writeResult, writevResult } from './file-results.ts';
import { refuseStale } from './file-transfer.ts';
import { type HostMethod, hostArguments } from './host-memory.ts';
import { Manner } from './manner.ts';
import { type PieceSource, ReadAhead, type Wants } from './read-ahead.ts';
import { MAX_READ_FILE_BYTES, WholeFiles } from './whole-files.ts';
import { pieceOf, piecesOf, wholeOf } from './whole-transfers.ts';

type View = NodeJS.ArrayBufferView;
type WholeOptions = Pick<AioWriteOptions, 'signal' | 'priority' | 'dsync'> & {
  readonly position?: number | null;
};

/** What keeps that file open, and what its host does in our stead. */
export interface FileHost {
  /** Nobody has it open any more. */
  isClosed(): boolean;
  /** Keeps it open until {@link letGo}. */
  hold(): void;
  letGo(): void;
  /** Whether the descriptor still is this file's, where somebody else may close it. Absent: it is while the file is held. */
  readonly isOpen: (() => boolean) | undefined;
  /** Calls a method of the host's own file. */
  call(method: HostMethod, args: readonly unknown[]): Promise<unknown>;
  /** Bytes of the file, 0 for what has no size. */
  size(): Promise<number>;
}

export class FileOperations {
  readonly #host: FileHost;
  readonly #context: AioContext;
  readonly #appends: boolean;
  readonly #io: FileIo;
  // What few files need is made when it is needed: there may be ten thousand of them.
  #wholeFiles: WholeFiles | undefined;
  #durableWrites: DurableWrites | undefined;
  readonly #cursor: Cursor;
  /** Whether transfers without a position are the host's, and whole files with them. */
  readonly isAtHostCursor: boolean;
  readonly #activity: Activity;
  readonly #parts: FileParts;

  /** @param owner - The file: it lives as long as something of it is under way. */
  constructor(owner: object, host: FileHost, parts: FileParts) {
    const { context, direct, alignment, unaligned, appends, writers, cached, routing } = parts;
    const { fd } = parts.handle;
    this.#host = host;
    this.#parts = parts;
    this.#context = context;
    this.#appends = appends;
    this.#activity = new Activity(
      () => host.hold(),
      () => host.letGo(),
    );
    this.isAtHostCursor = parts.hostCursor;
    this.#cursor = parts.hostCursor
      ? new Cursor(undefined, routing.seekable)
      : placedCursor(context.kernel, fd);
    this.#io = new FileIo({
      context,
      fd,
      isOpen: host.isOpen,
      activity: this.#activity,
      owner,
      // Aligned like direct ones, where a host without O_DIRECT shall show mistakes.
      direct: direct || alignment !== UNALIGNED,
      alignment,
      unaligned,
      appends,
      writers,
      cached,
      routing,
    });
  }

  get #whole(): WholeFiles {
    if (this.#wholeFiles === undefined) {
      const { alignment, routing } = this.#parts;
      const places = { at: this.#at.bind(this), to: this.#to.bind(this) };
      this.#wholeFiles = new WholeFiles(this.#io, places, alignment, routing.seekable);
    }
    return this.#wholeFiles;
  }

  get #durable(): DurableWrites {
    if (this.#durableWrites === undefined) {
      const { context, routing, direct } = this.#parts;
      const sync = (): Promise<void> => this.#io.sync('fdatasync');
      this.#durableWrites = new DurableWrites(context.kernel, routing, direct, sync);
    }
    return this.#durableWrites;
  }

  get isUnderWay(): boolean {
    return this.#activity.isUnderWay;
  }

  /** @param cut - Whether it may be of any length and anywhere, however the file was opened: for streams, whose pieces nobody chooses. */
  read(args: readonly unknown[], cut = false): Promise<FileReadResult<View>> {
    try {
      this.#refuseClosed('read');
      const wanted = readArguments(args, this.#pins);
      if ('refused' in wanted) return this.#readRefused(wanted);
      // Reading them may have closed it.
      this.#refuseClosed('read');
      const { buffer, extent, position, signal, extras } = wanted;
      // Under way for a moment, as with FileHandle: a close() beside it waits.
      if (extent.length === 0) return this.during('read', async () => readResult(0, buffer));
      const call = { signal, cut, manner: mannerOf(extras) };
      if (position !== null) return this.#io.readFor(readResult, buffer, extent, position, call);
      return this.during('read', async () =>
        readResult(await this.#at(null, (place) => this.#io.read(extent, place, call)), buffer),
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** A reader of pieces for a stream, whose place and length nobody chooses. */
  readAhead(wants: Wants): ReadAhead {
    const { context, alignment, writers } = this.#parts;
    const source: PieceSource = {
      memoryFor: (place, bytes) => chunkFor(context.kernel.memory, alignment, place, bytes),
      read: (chunk, place) => this.#io.read(extentOfOwn(chunk), place, { cut: true }),
      changes: () => writers?.order.changes,
    };
    return new ReadAhead(source, wants);
  }

  /** Reads a piece. @param position - `null` is the cursor. */
  readPiece(ahead: ReadAhead, bytes: number, position: number | null): Promise<FileReadResult<Buffer>> {
    return this.during('read', async () => {
      let chunk: Buffer | undefined;
      const count = await this.#at(position, async (place) => {
        const piece = await ahead.piece(place, bytes);
        chunk = piece.chunk;
        return piece.count;
      });
      return readResult(count, chunk!);
    });
  }

  #readRefused({ refused, buffer }: RefusedArguments): Promise<FileReadResult<View>> {
    return this.during('read', async () => {
      const answer = await this.#hostsInTurn<FileReadResult<View>>('read', refused);
      return buffer === undefined ? answer : readResult(answer.bytesRead, buffer as View);
    });
  }

  /** @param cut - As for {@link read}. */
  write(args: readonly unknown[], cut = false): Promise<AioWriteResult<never>> {
    try {
      this.#refuseClosed('write');
      const buffer = args[0] as never;
      const wanted = writeArguments(args, this.#pins);
      if ('refused' in wanted) {
        const { refused, extras } = wanted;
        return this.during('write', async () => {
          const write = async (): Promise<number> => {
            const answer = await this.#hostsInTurn<{ bytesWritten: number }>('write', refused);
            return answer.bytesWritten;
          };
          return writeResult(await this.#written(extras, null, 0, write), buffer);
        });
      }
      // Reading them may have closed it.
      this.#refuseClosed('write');
      const { extent, position, signal, extras } = wanted;
      if (extent.length === 0) return this.during('write', async () => writeResult(0, buffer));
      if (position !== null && !extras.dsync)
        return this.#io.writeFor(writeResult, buffer, extent, position, {
          signal,
          cut,
          manner: mannerOf(extras),
        });
      return this.during('write', async () => {
        const write = (manner: Manner | undefined): Promise<number> =>
          this.#to(position, (place) => this.#io.write(extent, place, { signal, cut, manner }));
        return writeResult(await this.#written(extras, position, extent.length, write), buffer);
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  readv<T extends readonly View[]>(
    buffers: T,
    position: unknown,
    options?: unknown,
  ): Promise<{ bytesRead: number; buffers: T }> {
    return this.during('readv', async () => {
      const manner = mannerOf(extrasIn(options));
      const wanted = vectorArguments([buffers, position], this.#pins);
      const refused = refusedOf(wanted, position);
      if (refused !== undefined) {
        const { bytesRead } = await this.#hostsInTurn<{ bytesRead: number }>('readv', refused);
        return readvResult(bytesRead, buffers);
      }
      const { extents, position: place } = wanted as Exclude<typeof wanted, RefusedArguments>;
      const bytesRead = await this.#at(place, (at) => this.#io.readv(extents, at, manner));
      return readvResult(bytesRead, buffers);
    });
  }

  writev<T extends readonly View[]>(
    buffers: T,
    position: unknown,
    options?: unknown,
    cut = false,
  ): Promise<{ bytesWritten: number; buffers: T }> {
    return this.during('writev', async () => {
      const extras = extrasIn(options);
      const wanted = vectorArguments([buffers, position], this.#pins);
      const refused = refusedOf(wanted, position);
      if (refused !== undefined) {
        const write = async (): Promise<number> => {
          const answer = await this.#hostsInTurn<{ bytesWritten: number }>('writev', refused);
          return answer.bytesWritten;
        };
        return writevResult(await this.#written(extras, null, 0, write), buffers);
      }
      const { extents, position: place } = wanted as Exclude<typeof wanted, RefusedArguments>;
      const length = extents.reduce((sum, extent) => sum + extent.length, 0);
      const write = (manner: Manner | undefined): Promise<number> =>
        this.#to(place, (at) => this.#io.writev(extents, at, { cut, manner }));
      return writevResult(await this.#written(extras, place, length, write), buffers);
    });
  }

  readFully<T extends View>(
    buffer: T,
    { position = null, signal, priority }: WholeOptions = {},
  ): Promise<FileReadResult<T>> {
    return this.during('read', async () => {
      const extent = extentOf('buffer', buffer, this.#pins);
      const manner = mannerOf(extrasIn({ priority }));
      const bytesRead = await this.#whole.read(extent, position, signal, manner);
      return readResult(bytesRead, buffer);
    });
  }

  writeFully<T extends View>(
    buffer: T,
    { position = null, signal, priority, dsync }: WholeOptions = {},
  ): Promise<AioWriteResult<T>> {
    return this.during('write', async () => {
      const extent = extentOf('buffer', buffer, this.#pins);
      const extras = extrasIn({ priority, dsync });
      const write = (manner: Manner | undefined): Promise<number> =>
        this.#whole.write(extent, position, signal, manner);
      return writeResult(await this.#written(extras, position, extent.length, write), buffer);
    });
  }

  /** Writes, and settles when that is durable if that is wanted. */
  #written(
    extras: Extras | undefined,
    position: number | null,
    length: number,
    write: (manner: Manner | undefined) => Promise<number>,
  ): Promise<number> {
    return extras?.dsync === true
      ? this.#durable.write(position, length, extras.priority, write)
      : write(mannerOf(extras));
  }

  readFile(options: unknown): Promise<Buffer | string> {
    return this.during('readFile', async () => {
      const wanted = fileArguments(options);
      if ('refused' in wanted) return this.#hosts<Buffer | string>('readFile', [wanted.refused]);
      const { encoding, signal } = wanted;
      throwIfAborted(signal);
      const size = await this.#host.size();
      if (size > MAX_READ_FILE_BYTES && this.#parts.blockDevice !== undefined) throw tooLarge(size);
      if (size > MAX_READ_FILE_BYTES) return this.#hosts<Buffer | string>('readFile', [wanted]);
      const content = await this.#whole.readToEnd(size, signal);
      return encoding === undefined ? content : content.toString(encoding);
    });
  }

  writeFile(data: unknown, options: unknown): Promise<void> {
    return this.during('writeFile', async () => {
      const wanted = fileArguments(options);
      if ('refused' in wanted) {
        await this.#hosts('writeFile', [data, wanted.refused]);
        return;
      }
      const { encoding, signal } = wanted;
      const whole = wholeOf(data, encoding, this.#pins);
      const pieces = whole === undefined ? piecesOf(data) : undefined;
      if (whole === undefined && pieces === undefined) {
        await this.#hosts('writeFile', [data, wanted]);
        return;
      }
      throwIfAborted(signal);
      if (whole !== undefined) await this.#whole.writeChunk(whole, signal);
      else {
        for await (const piece of pieces!) {
          throwIfAborted(signal);
          const chunk = pieceOf(piece, encoding, this.#pins);
          await this.#whole.writeChunk(chunk, signal);
          if (chunk.length > 0) throwIfAborted(signal);
        }
      }
    });
  }

  /**
   * Changes the length of the file.
   *
   * @param body - Does it.
   */
  truncate(length: unknown, body: () => Promise<void>): Promise<void> {
    const size = typeof length === 'number' && length > 0 ? length : 0;
    return this.during('ftruncate', () => this.#io.change(size, Number.MAX_SAFE_INTEGER, body));
  }

  sync(operation: 'fsync' | 'fdatasync'): Promise<void> {
    return this.during(operation, () => this.#io.sync(operation));
  }

  allocate(position: number, length: number, options: AllocateOptions | undefined): Promise<void> {
    return this.#fallocate(() => roomToAllocate(position, length, options));
  }

  punchHole(position: number, length: number): Promise<void> {
    return this.#fallocate(() => roomToPunch(position, length));
  }

  #fallocate(wanted: () => Room): Promise<void> {
    return this.during('fallocate', async () => {
      const { mode, position, length } = wanted();
      const { handle, fallocate } = this.#parts;
      await this.#io.change(position, position + length, () => {
        // Reading what is wanted, and waiting, may have closed the descriptor, where that is somebody else's.
        refuseStale(this.#host, 'fallocate');
        return fallocate(handle.fd, mode, position, length);
      });
    });
  }

  /** Runs an operation that keeps the file open. @throws Error `EBADF` when it is closed. */
  async during<T>(syscall: string, body: () => Promise<T>): Promise<T> {
    this.#refuseClosed(syscall);
    this.#activity.begin();
    try {
      return await body();
    } finally {
      this.#activity.end();
    }
  }

  /** @throws Error `EBADF` when the file is closed. */
  #refuseClosed(syscall: string): void {
    if (this.#host.isClosed()) throw Object.assign(new Error('file closed'), { code: 'EBADF', syscall });
  }

  get #pins(): Pins | undefined {
    return this.#context.kernel.memory.pins;
  }

  /** Runs what moves the cursor by itself, after what was asked for before. */
  inTurn<T>(body: () => Promise<T>): Promise<T> {
    return this.#cursor.inTurn(body);
  }

  #hostsInTurn<T>(method: HostMethod, args: readonly unknown[]): Promise<T> {
    return this.#cursor.inTurn(() => this.#hosts<T>(method, args));
  }

  /** Lets the host say what is wrong with arguments; what it accepts, it does, with memory of ours. */
  async #hosts<T>(method: HostMethod, args: readonly unknown[]): Promise<T> {
    const { memory } = this.#context.kernel;
    const given = hostArguments(method, args, memory);
    try {
      const answer = await this.#host.call(method, given.args);
      given.deliver((answer as { bytesRead?: number } | undefined)?.bytesRead ?? 0);
      return answer as T;
    } finally {
      given.release();
    }
  }

  /** At a place, or at the cursor: ours, or else the descriptor's own. */
  #at(
    place: number | null,
    transfer: (position: number | null) => Promise<number>,
    syscall: 'read' | 'write' = 'read',
  ): Promise<number> {
    return place === null ? this.#cursor.advance(transfer, syscall) : transfer(place);
  }

  /** The same for what writes: a file that appends has its end for a cursor then. */
  #to(place: number | null, transfer: (position: number | null) => Promise<number>): Promise<number> {
    if (place !== null || this.isAtHostCursor || !this.#appends) return this.#at(place, transfer, 'write');
    return this.#cursor.append(
      () => transfer(0),
      () => this.#host.size(),
    );
  }
}

/** As FileHandle says it of files. Of a device it does not know the size, and would read until its memory is full. */
function tooLarge(size: number): Error {
  return Object.assign(new RangeError(`File size (${size}) is greater than 2 GiB`), {
    code: 'ERR_FS_FILE_TOO_LARGE',
  });
}

/** What the host is asked for in place of a vector: odd ones, and those of no bytes, for which it has answers of its own. */
function refusedOf(
  wanted: ReturnType<typeof vectorArguments>,
  position: unknown,
): readonly unknown[] | undefined {
  if ('refused' in wanted) return wanted.refused;
  if (wanted.extents.some(({ length }) => length > 0)) return undefined;
  return [wanted.extents.map(() => new Uint8Array(0)), position];
}

function mannerOf(extras: Extras | undefined): Manner | undefined {
  return extras === undefined || extras.priority === 0 ? undefined : new Manner(0, extras.priority);
}
