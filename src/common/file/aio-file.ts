/** AioFile: the host's own FileHandle, its transfers through kernel AIO where that pays. */
import {
  type BigIntStats,
  fstatSync,
  type ReadStream,
  type StatOptions,
  type Stats,
  type WriteStream,
} from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { Interface } from 'node:readline';
import type { ReadableStream } from 'node:stream/web';
import type { AioContext } from '../context/aio-context.ts';
import { type HostInternals, hostInternals } from '../host-internals.ts';
import type { Alignment } from '../memory/aligned.ts';
import type { AioFileExtras, AioTransferOptions, Routes } from './aio-file-type.ts';
import type { AllocateOptions } from './allocation.ts';
import type { BlockDevice } from './block-device.ts';
import { DescriptorFile } from './descriptor-file.ts';
import { readingDirectly, wantsOf } from './direct-streams.ts';
import { DroppedFiles, type Enrollment } from './dropped-files.ts';
import { type FileHost, FileOperations } from './file-operations.ts';
import type { FileParts } from './file-parts.ts';
import { endsWithItsFile, endWithTheirInput, type StreamTransfers, withTransfers } from './host-streams.ts';
import type { Wants } from './read-ahead.ts';
import { webStream } from './web-stream.ts';

type View = NodeJS.ArrayBufferView;
/** What is used here of FileHandle's methods. */
interface Hosts {
  readonly fd: number;
  stat(options?: StatOptions): Promise<Stats | BigIntStats>;
  truncate(length?: number): Promise<void>;
  readFile(options?: unknown): Promise<Buffer | string>;
  createReadStream(options?: ReadStreamOptions): ReadStream;
  createWriteStream(options?: WriteStreamOptions): WriteStream;
  readLines(options?: ReadStreamOptions): Interface;
  close(): Promise<void>;
  listeners(event: string): (() => void)[];
  off(event: string, listener: () => void): unknown;
  once(event: string, listener: () => void): unknown;
}

type ReadStreamOptions = Parameters<FileHandle['readLines']>[0];
type WriteStreamOptions = Parameters<FileHandle['createWriteStream']>[0];
type Keyed = Record<PropertyKey, unknown>;
type Method = (...args: unknown[]) => unknown;

/** Of a stream that reads nothing. */
const NOTHING: Wants = { end: -1, isFromCursor: false };

/** Whether Node's own would read there; none is the cursor. */
function isPlace(position: unknown): position is number | null | undefined {
  return (position ?? null) === null || (Number.isSafeInteger(position) && (position as number) >= 0);
}

/**
 * What a file that was dropped leaves behind. As long as this is here, Node.js has the descriptor open; when it has gone, it closes it with
 * a word of its own: a warning, from Node.js 25 on an error that nobody catches.
 */
interface Remains {
  readonly descriptor: object;
  readonly release: () => void;
}

// Nothing of the file is under way any more: whatever is holds the file.
const dropped = new DroppedFiles<AioFile, Remains>(({ release }) => release());

/** As a constructor, it gives back what it is given: so an object that somebody else has made gets private fields. */
function given(handle: object): object {
  return handle;
}

const Given = given as unknown as new (handle: object) => Hosts;

/** The class of files that `open()` makes of the host's: below it stands `FileHandle.prototype`, when the first of them is made. */
export class AioFile extends Given {
  readonly #parts: FileParts;
  readonly #operations: FileOperations;
  readonly #internals: HostInternals;
  readonly #enrollment: Enrollment<AioFile, Remains>;
  #isClosing = false;
  #isReleased = false;
  #isStreamed = false;

  /** Files over a descriptor have the same methods. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (typeof value !== 'object' || value === null) return false;
    return #operations in value || value instanceof DescriptorFile;
  }

  /** Makes an AioFile of a FileHandle, which stays the same object. @returns `undefined` for what is no FileHandle of Node's. */
  static of(parts: FileParts): AioFile | undefined {
    const internals = hostInternals(parts.handle);
    if (internals === undefined) return undefined;
    if (Object.getPrototypeOf(AioFile.prototype) !== internals.prototype) inherit(internals);
    return new AioFile(parts, internals);
  }

  /** @internal Use `open()`. */
  private constructor(parts: FileParts, internals: HostInternals) {
    super(parts.handle);
    const { handle } = parts;
    this.#parts = parts;
    this.#internals = internals;
    Object.setPrototypeOf(this, AioFile.prototype);
    this.#operations = new FileOperations(this, this.#host(), parts);
    const hostClose = handle.close as Method;
    const close = (): Promise<void> => {
      this.#beforeClose();
      const { cached } = parts;
      const closed = hostClose() as Promise<void>;
      return cached === undefined ? closed : closed.then(() => cached.close());
    };
    // Node.js, too, has it on each handle. Not written here: V8 makes such functions old at once, and all that they refer to with them.
    this.#keyed.close = close;
    const descriptor = this.#keyed[internals.descriptor] as object;
    this.#enrollment = dropped.enroll(this, { descriptor, release: parts.release });
  }

  get backend(): AioFileExtras['backend'] {
    return this.#parts.backend;
  }

  get backendReason(): string {
    return this.#parts.backendReason;
  }

  get direct(): boolean {
    return this.#parts.direct;
  }

  get directReason(): string {
    return this.#parts.directReason;
  }

  get alignment(): Alignment {
    return this.#parts.alignment;
  }

  get routes(): Routes {
    return this.#parts.routing.routes;
  }

  get blockDevice(): BlockDevice | undefined {
    return this.#parts.blockDevice;
  }

  get context(): AioContext {
    return this.#parts.context;
  }

  read(...args: unknown[]): Promise<unknown> {
    return this.#operations.read(args);
  }

  write(...args: unknown[]): Promise<unknown> {
    return this.#operations.write(args);
  }

  readv(buffers: readonly View[], position?: number | null, options?: unknown): Promise<unknown> {
    return this.#operations.readv(buffers, position, options);
  }

  writev(buffers: readonly View[], position?: number | null, options?: unknown): Promise<unknown> {
    return this.#operations.writev(buffers, position, options);
  }

  readFully(buffer: View, options?: AioTransferOptions): Promise<unknown> {
    return this.#operations.readFully(buffer, options as { position?: number | null });
  }

  writeFully(buffer: View, options?: AioTransferOptions): Promise<unknown> {
    return this.#operations.writeFully(buffer, options as { position?: number | null });
  }

  override readFile(options?: unknown): Promise<Buffer | string> {
    return this.#operations.isAtHostCursor ? super.readFile(options) : this.#operations.readFile(options);
  }

  writeFile(data: unknown, options?: unknown): Promise<void> {
    return this.#operations.writeFile(data, options);
  }

  appendFile(data: unknown, options?: unknown): Promise<void> {
    return this.#operations.writeFile(data, options);
  }

  sync(): Promise<void> {
    return this.#operations.sync('fsync');
  }

  datasync(): Promise<void> {
    return this.#operations.sync('fdatasync');
  }

  override stat(options?: StatOptions): Promise<Stats | BigIntStats> {
    // FileHandle has its own words for a file that is closed, and for options.
    if (!this.#parts.isInMemory || this.fd === -1 || options !== undefined) return super.stat(options);
    try {
      return Promise.resolve(fstatSync(this.fd));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  override truncate(length?: number): Promise<void> {
    return this.#operations.truncate(length, () => super.truncate(length));
  }

  allocate(position: number, length: number, options?: AllocateOptions): Promise<void> {
    return this.#operations.allocate(position, length, options);
  }

  punchHole(position: number, length: number): Promise<void> {
    return this.#operations.punchHole(position, length);
  }

  override createReadStream(options?: ReadStreamOptions): ReadStream {
    const { direct, cached } = this.#parts;
    const isAligned = cached !== undefined;
    const given = direct || isAligned ? readingDirectly(options) : options;
    const stream = this.#lent(() => super.createReadStream(given));
    return isAligned ? this.#cutting(stream, wantsOf(given)) : stream;
  }

  override createWriteStream(options?: WriteStreamOptions): WriteStream {
    const stream = this.#lent(() => super.createWriteStream(options));
    return endsWithItsFile(this, this.#parts.cached === undefined ? stream : this.#cutting(stream));
  }

  /** Node's streams choose their memory and their pieces: those of a direct file are cut to fit. */
  #cutting<S extends object>(stream: S, wants: Wants = NOTHING): S {
    const operations = this.#operations;
    const ahead = operations.readAhead(wants);
    const transfers: StreamTransfers = {
      // Into memory that suits the place, which Node's own does not: it takes what it is handed.
      read: (memory, offset, length, position) =>
        isPlace(position)
          ? operations.readPiece(ahead, length as number, position ?? null)
          : operations.read([memory, offset, length, position], true),
      write: (...args) => operations.write(args, true),
      writev: (buffers, position) => operations.writev(buffers as readonly View[], position, undefined, true),
    };
    return withTransfers(stream, transfers);
  }

  /** A stream whose options Node.js refuses has the file already, and would keep it open for ever (Node.js 20 to 26): it gives it back. */
  #lent<S>(make: () => S): S {
    if (this.fd === -1) return make();
    const { refs, unref } = this.#internals;
    const before = this.#keyed[refs] as number;
    const listeners = this.listeners('close');
    try {
      return make();
    } catch (error) {
      while ((this.#keyed[refs] as number) > before) (this.#keyed[unref] as Method).call(this);
      for (const listener of this.listeners('close'))
        if (!listeners.includes(listener)) this.off('close', listener);
      throw error;
    }
  }

  override readLines(options?: ReadStreamOptions): Interface {
    return endWithTheirInput(super.readLines(options));
  }

  /** Node.js 20 ends the process when a stream of another type reads while its file is closed. */
  readableWebStream(options?: { autoClose?: boolean }): ReadableStream {
    if (this.fd === -1) throw invalidState('The FileHandle is closed');
    if (this.#isStreamed) throw invalidState('The FileHandle is locked');
    this.#isStreamed = true;
    const { hold, letGo } = this.#host();
    const read = (...args: unknown[]) => this.#operations.read(args, true);
    return webStream(
      { hold, letGo, read, close: () => this.close(), once: (...args) => this.once(...args) },
      options,
    );
  }

  /** Before the descriptor is given up: its number may mean another file the moment after it. */
  static letGoOf(file: AioFile): void {
    if (file.#isReleased) return;
    file.#isReleased = true;
    dropped.leave(file.#enrollment);
    file.#parts.release();
  }

  /** @throws Error `ERR_INVALID_STATE` where the number would go to another file while requests of this one are under way. */
  static beforeCloseSync(file: AioFile): void {
    if (file.fd === -1 || file.#isClosing) return;
    if (file.#operations.isUnderWay) throw invalidState('The FileHandle is in use');
    file.#isClosing = true;
    AioFile.letGoOf(file);
  }

  get #keyed(): Keyed {
    return this as unknown as Keyed;
  }

  #beforeClose(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    // Else the last one who has it open lets go later.
    if (this.#keyed[this.#internals.refs] === 1) AioFile.letGoOf(this);
  }

  #host(): FileHost {
    const { prototype, ref, unref } = this.#internals;
    const methods = prototype as unknown as Record<PropertyKey, Method>;
    const hold = methods[ref]!;
    const letGo = (AioFile.prototype as unknown as Record<PropertyKey, Method>)[unref]!;
    return {
      hold: () => hold.call(this),
      letGo: () => letGo.call(this),
      isClosed: () => this.fd === -1,
      isOpen: undefined,
      call: async (method, args) => methods[method]!.apply(this, args as unknown[]),
      size: async () => {
        const stat = await this.stat();
        return stat.isFile() ? Number(stat.size) : (this.#parts.blockDevice?.sizeBytes ?? 0);
      },
    };
  }
}

/** Puts the class above the host's, and hears where the host gives up a descriptor. */
function inherit({ prototype, refs, unref, transfer, closeSync }: HostInternals): void {
  Object.setPrototypeOf(AioFile.prototype, prototype);
  const hosts = prototype as unknown as Record<PropertyKey, Method>;
  const override = (key: symbol, method: (this: AioFile) => unknown): void => {
    Object.defineProperty(AioFile.prototype, key, { configurable: true, writable: true, value: method });
  };
  const hostUnref = hosts[unref]!;
  override(unref, function () {
    if ((this as unknown as Keyed)[refs] === 1) AioFile.letGoOf(this);
    return hostUnref.call(this);
  });
  const hostTransfer = hosts[transfer]!;
  override(transfer, function () {
    const answer = hostTransfer.call(this);
    AioFile.letGoOf(this);
    // The file is another thread's, as a FileHandle. What is left here is one that says so.
    Object.setPrototypeOf(this, prototype);
    return answer;
  });
  if (closeSync === undefined) return;
  const hostCloseSync = hosts[closeSync]!;
  override(closeSync, function () {
    AioFile.beforeCloseSync(this);
    return hostCloseSync.call(this);
  });
}

function invalidState(message: string): Error {
  return Object.assign(new Error(`Invalid state: ${message}`), { code: 'ERR_INVALID_STATE' });
}
