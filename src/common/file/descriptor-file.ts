/** A file over a descriptor that is no FileHandle's of Node: somebody else's, or one of a kernel that brings its own files. */
import { EventEmitter } from 'node:events';
import type { ReadStream, WriteStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { Interface } from 'node:readline';
import type { ReadableStream } from 'node:stream/web';
import type { AioContext } from '../context/aio-context.ts';
import { inheritedInternals } from '../host-internals.ts';
import { readline } from '../lazy-builtins.ts';
import type { Alignment } from '../memory/aligned.ts';
import type { AioFileExtras, AioTransferOptions, Routes } from './aio-file-type.ts';
import type { AllocateOptions } from './allocation.ts';
import type { BlockDevice } from './block-device.ts';
import type { HostHandle } from './descriptor-handle.ts';
import { DroppedFiles, type Enrollment } from './dropped-files.ts';
import { type FileHost, FileOperations } from './file-operations.ts';
import type { FileParts } from './file-parts.ts';
import { readStream, type StreamedFile, writeStream } from './file-streams.ts';
import { endWithTheirInput } from './host-streams.ts';
import { References } from './references.ts';
import { webStream } from './web-stream.ts';

type View = NodeJS.ArrayBufferView;
type Method = (...args: unknown[]) => Promise<unknown>;

/** What a file that was dropped leaves behind. It keeps the handle alive, so that the descriptor outlives its requests. */
interface Remains {
  readonly handle: HostHandle;
  readonly borrowed: boolean;
  readonly release: () => void;
}

// Nothing of the file is under way any more: whatever is holds the file.
const dropped = new DroppedFiles<DescriptorFile, Remains>(({ handle, borrowed, release }) => {
  if (handle.fd < 0) {
    // Gone with the machine that it was open on: there is nothing to close.
    release();
    return;
  }
  process.emitWarning(`An AioFile (descriptor ${handle.fd}) was dropped without close(); it is closed now`);
  release();
  if (borrowed) return;
  handle
    .close()
    .catch((error: unknown) => process.emitWarning(error instanceof Error ? error : String(error)));
});

/** The methods of an AioFile, with streams and a count of its own. */
export class DescriptorFile extends EventEmitter {
  readonly #enrollment: Enrollment<DescriptorFile, Remains>;
  readonly #parts: FileParts;
  readonly #operations: FileOperations;
  /** Its owner, who lets go by {@link close}, streams, and what is under way. */
  readonly #references = new References();
  #closed: Promise<void> | undefined;
  /** Nobody has it open any more. */
  #isShut = false;
  #streamLocked = false;

  /** @internal Use `open()` or `fromDescriptor()`. */
  constructor(parts: FileParts) {
    super();
    this.#parts = parts;
    this.#operations = new FileOperations(this, this.#host(), parts);
    const { handle, borrowed, release } = parts;
    this.#enrollment = dropped.enroll(this, { handle, borrowed, release });
  }

  /** The descriptor; -1 after close. */
  get fd(): number {
    return this.#isShut ? -1 : this.#parts.handle.fd;
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

  readFile(options?: unknown): Promise<Buffer | string> {
    return this.#operations.readFile(options);
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

  allocate(position: number, length: number, options?: AllocateOptions): Promise<void> {
    return this.#operations.allocate(position, length, options);
  }

  punchHole(position: number, length: number): Promise<void> {
    return this.#operations.punchHole(position, length);
  }

  stat(...args: Parameters<FileHandle['stat']>): Promise<unknown> {
    return this.#operations.during('fstat', () => this.#parts.handle.stat(...args));
  }

  truncate(length?: number): Promise<void> {
    return this.#operations.truncate(length, () => this.#parts.handle.truncate(length));
  }

  utimes(...args: Parameters<FileHandle['utimes']>): Promise<void> {
    return this.#operations.during('futimes', () => this.#parts.handle.utimes(...args));
  }

  chmod(...args: Parameters<FileHandle['chmod']>): Promise<void> {
    return this.#operations.during('fchmod', () => this.#parts.handle.chmod(...args));
  }

  chown(...args: Parameters<FileHandle['chown']>): Promise<void> {
    return this.#operations.during('fchown', () => this.#parts.handle.chown(...args));
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
    return endWithTheirInput(readline().createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }));
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
    dropped.leave(this.#enrollment);
    const { handle, release, borrowed } = this.#parts;
    // Before the close: the number may mean another file the moment after it.
    release();
    await this.#parts.cached?.close();
    if (!borrowed) await handle.close();
  }

  /** What streams need of it. */
  get #streamed(): StreamedFile {
    const references = this.#references;
    return {
      fd: this.fd,
      hold: () => references.hold(),
      letGo: () => references.letGo(),
      read: (...args) => this.#operations.read(args, true),
      write: (...args) => this.#operations.write(args, true),
      writev: (buffers, position) => this.#operations.writev(buffers, position, undefined, true),
      sync: () => this.sync(),
      close: () => this.close(),
      once: (event, listener) => this.once(event, listener),
    };
  }

  #host(): FileHost {
    const { handle, borrowed } = this.#parts;
    const { fd } = handle;
    const owner = holderOf(handle, fd);
    return {
      isClosed: () => this.#isShut,
      hold: () => {
        this.#references.hold();
        owner.hold();
      },
      letGo: () => {
        owner.letGo();
        this.#references.letGo();
      },
      isOpen: borrowed ? () => handle.fd === fd : undefined,
      call: (method, args) => (handle[method] as Method).apply(handle, args as unknown[]),
      size: async () => {
        const stat = await handle.stat();
        return stat.isFile() ? stat.size : (this.#parts.blockDevice?.sizeBytes ?? 0);
      },
    };
  }
}

/** Keeps a FileHandle of Node's open while something is under way: its owner's `close()` waits for that. */
function holderOf(handle: HostHandle, fd: number): { hold(): void; letGo(): void } {
  const internals = inheritedInternals(handle);
  if (internals === undefined) return { hold: () => {}, letGo: () => {} };
  const keyed = handle as unknown as Record<symbol, () => void>;
  let isHeld = false;
  return {
    hold: () => {
      isHeld = handle.fd === fd;
      if (isHeld) keyed[internals.ref]!();
    },
    letGo: () => {
      if (isHeld) keyed[internals.unref]!();
    },
  };
}

function invalidState(message: string): Error {
  return Object.assign(new Error(`Invalid state: ${message}`), { code: 'ERR_INVALID_STATE' });
}
