/** AioFile: a file shaped like `fs.promises.FileHandle`, its transfers through kernel AIO where that pays. */
import { EventEmitter } from 'node:events';
import type { ReadStream, WriteStream } from 'node:fs';
import type { FileHandle, FileReadOptions, FileReadResult } from 'node:fs/promises';
import type { Interface } from 'node:readline';
import type { ReadableStream } from 'node:stream/web';
import type { AioContext } from '../context/aio-context.ts';
import { AioError } from '../errors.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import { readline } from '../lazy-builtins.ts';
import { type Alignment, alignedBuffer, UNALIGNED } from '../memory/aligned.ts';
import { type Extent, extentOf, extentOfOwn } from '../memory/extent.ts';
import type { Pins } from '../memory/pins.ts';
import { outOfRange } from '../validate.ts';
import { Activity } from './activity.ts';
import { Cursor } from './cursor.ts';
import type { HostHandle } from './descriptor-handle.ts';
import type { Unaligned } from './direct-transfers.ts';
import {
  fileArguments,
  type RefusedArguments,
  readArguments,
  refuseLengthThatKills,
  vectorArguments,
  writeArguments,
} from './file-arguments.ts';
import { FileIo } from './file-io.ts';
import { throwIfAborted } from './file-requests.ts';
import { type AioWriteResult, readResult, readvResult, writeResult, writevResult } from './file-results.ts';
import { readStream, type StreamedFile, webStream, writeStream } from './file-streams.ts';
import { type HostMethod, hostArguments } from './host-memory.ts';
import { References } from './references.ts';
import type { Route, Routing } from './routing.ts';
import { CHUNK_BYTES, chunksOf, fully, inLanes } from './whole-transfers.ts';

const MAX_READ_FILE_BYTES = 2 ** 31 - 1;

/** What an {@link AioFile} is made of. Made by `open()` and `fromDescriptor()`. */
export interface AioFileParts {
  readonly handle: HostHandle;
  readonly context: AioContext;
  readonly backend: AioKernel['name'];
  readonly backendReason: string;
  readonly direct: boolean;
  readonly directReason: string;
  readonly alignment: Alignment;
  readonly unaligned: Unaligned;
  readonly routing: Routing;
  /** Whether transfers without a position go on from the descriptor's own: append files, pipes, borrowed descriptors. */
  readonly hostCursor: boolean;
  /** Whether the descriptor is somebody else's, who may close it. */
  readonly borrowed: boolean;
  /** Gives back what was taken for the file, whether it could be closed or not. */
  readonly release: () => void;
}

/** Options of a single transfer. */
export interface AioTransferOptions {
  /** Where in the buffer. Default 0. */
  readonly offset?: number | null;
  /** Bytes. Default: to the end of the buffer. */
  readonly length?: number | null;
  /** Where in the file. Default, and with `null`: the cursor. */
  readonly position?: number | bigint | null;
  /** See {@link AioFile}. */
  readonly signal?: AbortSignal | undefined;
}

/** What a file that was dropped leaves behind. It keeps the handle alive, so that the descriptor outlives its requests. */
interface Remains {
  readonly handle: HostHandle;
  readonly release: () => void;
}

// Nothing of the file is under way any more: whatever is holds the file.
const dropped = new FinalizationRegistry<Remains>(({ handle, release }) => {
  if (handle.fd < 0) {
    // Gone with the machine that it was open on: there is nothing to close.
    release();
    return;
  }
  process.emitWarning(`An AioFile (descriptor ${handle.fd}) was dropped without close(); it is closed now`);
  release();
  handle
    .close()
    .catch((error: unknown) => process.emitWarning(error instanceof Error ? error : String(error)));
});

type Refusal = (...args: never[]) => Promise<unknown>;

/**
 * An open file.
 *
 * @remarks
 * Shaped like FileHandle: the methods of that name take the same arguments, answer the same and throw the same codes.
 * The table in docs/filehandle.md has every difference.
 *
 * *Blocking*: never the event loop. Direct transfers go to the kernel; buffered reads go there with RWF_NOWAIT and, when the
 * page cache has not got them or they are more than a mebibyte at once, to the thread pool; buffered writes go to the thread
 * pool. {@link routes} tells.
 *
 * *Ownership*: a buffer belongs to the file until the promise settles, also after an abort. Giving its memory away meanwhile is refused, or
 * fails the request with `ERR_INVALID_ARG_VALUE`. A read into a WebAssembly memory, which may grow meanwhile, is made at the call where
 * nothing can hold it: without the addon (docs/memory.md).
 *
 * *Abort*: `signal` gives up an operation that has not begun at once, with an AbortError. One that has begun settles with its
 * real outcome: Linux gives up neither reads nor writes, and what the thread pool has been given has begun.
 */
export class AioFile extends EventEmitter {
  /** Which kernel serves it. */
  readonly backend: AioKernel['name'];
  /** Why that one. */
  readonly backendReason: string;
  /** Whether it bypasses the page cache. */
  readonly direct: boolean;
  /** Why, or why not. */
  readonly directReason: string;
  /** What direct transfers need; all 1 for a buffered file. A page where direct I/O was preferred on a host without O_DIRECT. */
  readonly alignment: Alignment;
  readonly #handle: HostHandle;
  readonly #context: AioContext;
  readonly #io: FileIo;
  readonly #routing: Routing;
  readonly #cursor: Cursor | undefined;
  readonly #release: () => void;
  readonly #activity = new Activity();
  /** Its owner, who lets go by {@link close}, and streams. */
  readonly #references = new References();
  #closed: Promise<void> | undefined;
  /** Nobody has it open any more. */
  #isShut = false;
  #streamLocked = false;

  /** @internal Use `open()`. */
  constructor(parts: AioFileParts) {
    super();
    const { handle, context, direct, alignment, unaligned, routing } = parts;
    const { fd } = handle;
    this.backend = parts.backend;
    this.backendReason = parts.backendReason;
    this.direct = direct;
    this.directReason = parts.directReason;
    this.alignment = alignment;
    this.#handle = handle;
    this.#context = context;
    this.#routing = routing;
    this.#release = parts.release;
    this.#cursor = parts.hostCursor ? undefined : new Cursor();
    this.#io = new FileIo({
      context,
      fd,
      isOpen: parts.borrowed ? () => handle.fd === fd : undefined,
      activity: this.#activity,
      owner: this,
      // Aligned like direct ones, where a host without O_DIRECT shall show mistakes.
      direct: direct || alignment !== UNALIGNED,
      alignment,
      unaligned,
      routing,
    });
    dropped.register(this, { handle, release: parts.release }, this);
  }

  /** The descriptor; -1 after close. */
  get fd(): number {
    return this.#isShut ? -1 : this.#handle.fd;
  }

  /** Which way reads, writes and syncs go at the moment. */
  get routes(): { readonly read: Route; readonly write: Route; readonly sync: Route } {
    const { read, write, sync } = this.#routing;
    return { read, write, sync };
  }

  /**
   * The context that serves it. Its `stats` count what went to the thread pool, and why. One that files share stays open for the others:
   * its `close()` waits for what is under way, and no more.
   */
  get context(): AioContext {
    return this.#context;
  }

  // Transfers

  /**
   * Reads some bytes.
   *
   * @returns How many, which may be less than asked for; 0 at the end of the file.
   * @throws What FileHandle throws; a RangeError `ERR_OUT_OF_RANGE` for a direct transfer out of {@link alignment}.
   */
  read<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<FileReadResult<T>>;
  read<T extends NodeJS.ArrayBufferView>(buffer: T, options?: AioTransferOptions): Promise<FileReadResult<T>>;
  read<T extends NodeJS.ArrayBufferView = Buffer>(
    options?: FileReadOptions<T> & { signal?: AbortSignal },
  ): Promise<FileReadResult<T>>;
  read(...args: unknown[]): Promise<FileReadResult<NodeJS.ArrayBufferView>> {
    try {
      this.#refuseClosed('read');
      const wanted = readArguments(args, this.#pins);
      if ('refused' in wanted) {
        const { refused, buffer } = wanted;
        refuseLengthThatKills(refused);
        return this.#during('read', async () => {
          if (buffer === undefined)
            return this.#refused<FileReadResult<NodeJS.ArrayBufferView>>('read', refused);
          const { bytesRead } = await this.#refused<{ bytesRead: number }>('read', refused);
          return readResult(bytesRead, buffer as never);
        });
      }
      // Reading them may have closed it.
      this.#refuseClosed('read');
      const { buffer, extent, position, signal } = wanted;
      if (extent.length === 0) return Promise.resolve(readResult(0, buffer));
      if (position !== null) return this.#io.readFor(readResult, buffer, extent, position, signal);
      return this.#during('read', async () =>
        readResult(await this.#at(null, (place) => this.#io.read(extent, place, signal)), buffer),
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Writes some bytes, or a string.
   *
   * @returns How many, which may be less than asked for. {@link writeFully} goes on.
   */
  write<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: number | null,
  ): Promise<AioWriteResult<T>>;
  write<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    options?: AioTransferOptions,
  ): Promise<AioWriteResult<T>>;
  write(
    data: string,
    position?: number | null,
    encoding?: BufferEncoding | null,
  ): Promise<AioWriteResult<string>>;
  write(...args: unknown[]): Promise<AioWriteResult<never>> {
    try {
      this.#refuseClosed('write');
      const buffer = args[0] as never;
      const wanted = writeArguments(args, this.#pins);
      if ('refused' in wanted) {
        const { refused } = wanted;
        if (typeof buffer !== 'string') refuseLengthThatKills(refused);
        return this.#during('write', async () => {
          const { bytesWritten } = await this.#refused<{ bytesWritten: number }>('write', refused);
          return writeResult(bytesWritten, buffer);
        });
      }
      // Reading them may have closed it.
      this.#refuseClosed('write');
      const { extent, position, signal } = wanted;
      if (extent.length === 0) return Promise.resolve(writeResult(0, buffer));
      if (position !== null) return this.#io.writeFor(writeResult, buffer, extent, position, signal);
      return this.#during('write', async () =>
        writeResult(await this.#at(null, (place) => this.#io.write(extent, place, signal)), buffer),
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Reads into several buffers, one after the other. */
  readv<T extends readonly NodeJS.ArrayBufferView[]>(
    buffers: T,
    position?: number | null,
  ): Promise<{ bytesRead: number; buffers: T }> {
    return this.#during('readv', async () => {
      const wanted = vectorArguments([buffers, position], this.#pins);
      // For no buffers at all the host has an answer of its own.
      const refused =
        'refused' in wanted ? wanted.refused : wanted.extents.length === 0 ? [[], position] : undefined;
      if (refused !== undefined) {
        const { bytesRead } = await this.#refused<{ bytesRead: number }>('readv', refused);
        return readvResult(bytesRead, buffers);
      }
      const { extents, position: place } = wanted as Exclude<typeof wanted, RefusedArguments>;
      const bytesRead = await this.#at(place, (at) => this.#io.readv(extents, at));
      return readvResult(bytesRead, buffers);
    });
  }

  /** Writes several buffers, one after the other. */
  writev<T extends readonly NodeJS.ArrayBufferView[]>(
    buffers: T,
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffers: T }> {
    return this.#during('writev', async () => {
      const wanted = vectorArguments([buffers, position], this.#pins);
      if ('refused' in wanted) {
        const { bytesWritten } = await this.#refused<{ bytesWritten: number }>('writev', wanted.refused);
        return writevResult(bytesWritten, buffers);
      }
      const { extents } = wanted;
      if (extents.length === 0) return writevResult(0, buffers);
      const bytesWritten = await this.#at(wanted.position, (place) => this.#io.writev(extents, place));
      return writevResult(bytesWritten, buffers);
    });
  }

  /**
   * Reads until the buffer is full or the file ends: a short transfer is not the end.
   *
   * @returns Less than the length at the end of the file only.
   * @throws The error of the transfer that failed, with `bytesDone`.
   */
  readFully<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    { position = null, signal }: Pick<AioTransferOptions, 'signal'> & { position?: number | null } = {},
  ): Promise<FileReadResult<T>> {
    return this.#during('read', async () => {
      const extent = extentOf('buffer', buffer, this.#pins);
      const bytesRead = await this.#at(position, (place) =>
        fully(extent, place, (rest, at) => this.#io.read(rest, at, signal)),
      );
      return readResult(bytesRead, buffer);
    });
  }

  /**
   * Writes all of the buffer: a short transfer is not the end.
   *
   * @throws The error of the transfer that failed, with `bytesDone`: how many bytes are in the file all the same.
   */
  writeFully<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    { position = null, signal }: Pick<AioTransferOptions, 'signal'> & { position?: number | null } = {},
  ): Promise<AioWriteResult<T>> {
    return this.#during('write', async () => {
      const extent = extentOf('buffer', buffer, this.#pins);
      const bytesWritten = await this.#at(position, (place) => this.#writeAll(extent, place, signal));
      return writeResult(bytesWritten, buffer);
    });
  }

  // Whole files

  /** Reads from the cursor to the end. */
  readFile(
    options?: { encoding?: null | undefined; flag?: string; signal?: AbortSignal } | null,
  ): Promise<Buffer>;
  readFile(
    options: { encoding: BufferEncoding; flag?: string; signal?: AbortSignal } | BufferEncoding,
  ): Promise<string>;
  readFile(options?: unknown): Promise<Buffer | string> {
    return this.#during('readFile', async () => {
      const wanted = fileArguments(options);
      if (wanted === undefined) return this.#refused<Buffer | string>('readFile', [options]);
      const { encoding, signal } = wanted;
      throwIfAborted(signal);
      const stat = await this.#handle.stat();
      const size = stat.isFile() ? stat.size : 0;
      if (size > MAX_READ_FILE_BYTES) return this.#refused<Buffer | string>('readFile', [options]);
      const chunks: Buffer[] = [];
      await this.#at(null, (place) => this.#readToEnd(place, size, chunks, signal));
      const content = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      return encoding === undefined ? content : content.toString(encoding);
    });
  }

  /**
   * Writes all of `data` from the cursor on; what is there before and behind stays.
   *
   * @param data - A string, a view, or an iterable, asynchronous iterable or stream of either.
   */
  writeFile(data: unknown, options?: unknown): Promise<void> {
    return this.#during('writeFile', async () => {
      const wanted = fileArguments(options);
      const chunks = wanted === undefined ? undefined : chunksOf(data, wanted.encoding, this.#pins);
      if (wanted === undefined || chunks === undefined) {
        await this.#refused('writeFile', [data, options]);
        return;
      }
      const { signal } = wanted;
      throwIfAborted(signal);
      for await (const extent of chunks) {
        throwIfAborted(signal);
        // What can be given up is written in pieces, as FileHandle does, and the signal is looked at before each.
        const most = signal === undefined ? undefined : CHUNK_BYTES;
        if (extent.length > 0) await this.#at(null, (place) => this.#writeAll(extent, place, signal, most));
      }
    });
  }

  /** As {@link writeFile}. Where it goes is decided by how the file was opened. */
  appendFile(data: unknown, options?: unknown): Promise<void> {
    return this.writeFile(data, options);
  }

  // What is not AIO's business

  /** Makes the content durable, with all metadata. */
  sync(): Promise<void> {
    return this.#during('fsync', () => this.#io.sync('fsync'));
  }

  /** Makes the content durable, with the metadata needed to read it back. */
  datasync(): Promise<void> {
    return this.#during('fdatasync', () => this.#io.sync('fdatasync'));
  }

  stat: FileHandle['stat'] = ((...args: Parameters<FileHandle['stat']>) =>
    this.#during('fstat', () => this.#handle.stat(...args))) as FileHandle['stat'];

  truncate(length?: number): Promise<void> {
    return this.#during('ftruncate', () => this.#handle.truncate(length));
  }

  utimes(...args: Parameters<FileHandle['utimes']>): Promise<void> {
    return this.#during('futimes', () => this.#handle.utimes(...args));
  }

  chmod(...args: Parameters<FileHandle['chmod']>): Promise<void> {
    return this.#during('fchmod', () => this.#handle.chmod(...args));
  }

  chown(...args: Parameters<FileHandle['chown']>): Promise<void> {
    return this.#during('fchown', () => this.#handle.chown(...args));
  }

  // Streams

  /** Node's ReadStream over this file. It closes the file at its end unless `autoClose` is false. */
  createReadStream(options?: Parameters<FileHandle['createReadStream']>[0]): ReadStream {
    return readStream(this.#streamed, options);
  }

  /** Node's WriteStream over this file. It closes the file at its end unless `autoClose` is false. */
  createWriteStream(options?: Parameters<FileHandle['createWriteStream']>[0]): WriteStream {
    return writeStream(this.#streamed, options);
  }

  /**
   * A byte stream from the cursor to the end.
   *
   * @throws Error `ERR_INVALID_STATE` when the file is closed or has such a stream already.
   */
  readableWebStream(options?: { autoClose?: boolean }): ReadableStream {
    if (this.#isShut) throw invalidState('The FileHandle is closed');
    if (this.#streamLocked) throw invalidState('The FileHandle is locked');
    this.#streamLocked = true;
    return webStream(this.#streamed, options);
  }

  /** Lines of a {@link createReadStream}. They end when the file is closed. */
  readLines(options?: Parameters<FileHandle['readLines']>[0]): Interface {
    const input = this.createReadStream(options);
    const lines = readline().createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
    // It hears of the end of its input only: who waits for a line of FileHandle waits for ever when that is closed (Node.js 20 to 26).
    input.once('close', () => lines.close());
    return lines;
  }

  /**
   * Emits `'close'`, upon which streams over the file end; waits for them and for what is under way, and closes the descriptor. Calling it
   * again waits for the same end.
   */
  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = new Promise((resolve) => {
        this.#references.whenLast(() => {
          this.#isShut = true;
          resolve(this.#shut());
        });
      });
      this.#references.letGo();
      this.emit('close');
    }
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shut(): Promise<void> {
    await this.#activity.idle();
    dropped.unregister(this);
    // Before the close: the number may mean another file the moment after it.
    this.#release();
    await this.#handle.close();
  }

  /** What streams need of it. */
  get #streamed(): StreamedFile {
    const references = this.#references;
    return {
      fd: this.fd,
      hold: () => references.hold(),
      letGo: () => references.letGo(),
      read: (...args) => this.read(...args),
      write: (...args) => this.write(...args),
      writev: (...args) => this.writev(...args),
      sync: () => this.sync(),
      close: () => this.close(),
      once: (event, listener) => this.once(event, listener),
    };
  }

  get #pins(): Pins | undefined {
    return this.#context.kernel.memory.pins;
  }

  /** Runs an operation that `close()` waits for. */
  async #during<T>(syscall: string, body: () => Promise<T>): Promise<T> {
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
    if (this.#isShut) throw Object.assign(new Error('file closed'), { code: 'EBADF', syscall });
  }

  /** Lets the host say what is wrong with arguments; what it accepts, it does, with memory of ours. */
  async #refused<T>(method: HostMethod, args: readonly unknown[]): Promise<T> {
    const { memory } = this.#context.kernel;
    const given = hostArguments(method, args, (one) => memory.addressOf(one));
    try {
      const answer = await (this.#handle[method] as Refusal).apply(this.#handle, given.args as never[]);
      given.deliver((answer as { bytesRead?: number } | undefined)?.bytesRead ?? 0);
      return answer as T;
    } finally {
      given.release();
    }
  }

  /** At a place, or at the cursor: ours, or else the descriptor's own. */
  #at(place: number | null, transfer: (position: number | null) => Promise<number>): Promise<number> {
    if (place !== null || this.#cursor === undefined) return transfer(place);
    return this.#cursor.advance(transfer);
  }

  #writeAll(
    extent: Extent,
    place: number | null,
    signal: AbortSignal | undefined,
    most?: number,
  ): Promise<number> {
    const write = async (rest: Extent, at: number | null): Promise<number> => {
      const count = await this.#io.write(rest, at, signal);
      if (count === 0)
        throw new AioError('EIO', 5, 'write', { help: 'the kernel wrote nothing and gave no reason' });
      return count;
    };
    return fully(extent, place, write, most);
  }

  /** Several chunks at once as far as the size is known, then one after the other until nothing comes. */
  async #readToEnd(
    place: number | null,
    size: number,
    chunks: Buffer[],
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const read = (extent: Extent, at: number | null): Promise<number> => {
      throwIfAborted(signal);
      return fully(extent, at, (rest, from) => this.#io.read(rest, from));
    };
    let done = 0;
    if (place !== null && size > place) {
      const known = this.#allocate(size - place);
      done = await inLanes(known, (chunk, from) => read(chunk, place + from));
      chunks.push(known.subarray(0, done));
      // Short of what was asked for: the end of the file.
      if (done < known.byteLength) return done;
    }
    for (;;) {
      const chunk = this.#allocate(CHUNK_BYTES);
      const count = await read(extentOfOwn(chunk), place === null ? null : place + done);
      if (count === 0) return done;
      chunks.push(chunk.subarray(0, count));
      done += count;
      if (done > MAX_READ_FILE_BYTES) throw outOfRange('size', `<= ${MAX_READ_FILE_BYTES}`, done);
    }
  }

  /** Memory for whole blocks, so that direct reads need no detour. */
  #allocate(bytes: number): Buffer {
    if (this.alignment === UNALIGNED) return Buffer.allocUnsafeSlow(bytes);
    const { length } = this.alignment;
    return alignedBuffer(Math.ceil(bytes / length) * length);
  }
}

function invalidState(message: string): Error {
  return Object.assign(new Error(`Invalid state: ${message}`), { code: 'ERR_INVALID_STATE' });
}
