/** Node's own streams over a file: only the transfers beneath them are ours. */
import { errorMonitor } from 'node:events';
import { ReadStream, WriteStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { ReadableStream } from 'node:stream/web';
import { streamWeb } from '../lazy-builtins.ts';

type ReadStreamOptions = Parameters<FileHandle['createReadStream']>[0];
type WriteStreamOptions = Parameters<FileHandle['createWriteStream']>[0];
type Settled = (error: unknown, count?: number, data?: unknown) => void;

const CHUNK_BYTES = 1 << 16;

/** What a stream needs of the file beneath it. A position of `null` is the cursor. */
export interface StreamedFile {
  readonly fd: number;
  /** Keeps it open until {@link letGo}, although its owner may close it meanwhile. */
  hold(): void;
  letGo(): void;
  read(
    buffer: Uint8Array,
    offset?: number,
    length?: number,
    position?: number | null,
  ): Promise<{ readonly bytesRead: number }>;
  write(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
  ): Promise<{ readonly bytesWritten: number }>;
  writev(buffers: readonly Uint8Array[], position: number | null): Promise<{ readonly bytesWritten: number }>;
  sync(): Promise<void>;
  close(): Promise<void>;
  once(event: 'close', listener: () => void): unknown;
}

function settle(outcome: Promise<number>, data: unknown, done: Settled): void {
  outcome.then(
    (count) => done(null, count, data),
    (error: unknown) => done(error),
  );
}

/**
 * After a short write Node's stream adds its count to a position that it does not have: the NaN means what the absent position
 * did, and the cursor has moved by that count.
 */
function placeOf(position: unknown): number | null {
  return typeof position === 'number' && Number.isInteger(position) ? position : null;
}

/** What the streams of `node:fs` call instead of `node:fs`. */
function streamFs(file: StreamedFile): object {
  return {
    open: () => {
      throw new Error('the file is open already');
    },
    read: (
      _fd: number,
      buffer: Uint8Array,
      offset: number,
      length: number,
      position: unknown,
      done: Settled,
    ) =>
      settle(
        file
          .read(buffer, offset, length, (position ?? null) as number | null)
          .then(({ bytesRead }) => bytesRead),
        buffer,
        done,
      ),
    write: (
      _fd: number,
      buffer: Uint8Array,
      offset: number,
      length: number,
      position: unknown,
      done: Settled,
    ) =>
      settle(
        file.write(buffer, offset, length, placeOf(position)).then(({ bytesWritten }) => bytesWritten),
        buffer,
        done,
      ),
    writev: (_fd: number, buffers: Uint8Array[], position: unknown, done: Settled) =>
      settle(
        file.writev(buffers, placeOf(position)).then(({ bytesWritten }) => bytesWritten),
        buffers,
        done,
      ),
    fsync: (_fd: number, done: Settled) =>
      settle(
        file.sync().then(() => 0),
        undefined,
        done,
      ),
    close: (_fd: number, done: Settled) => {
      file.letGo();
      settle(
        file.close().then(() => 0),
        undefined,
        done,
      );
    },
  };
}

export function readStream(file: StreamedFile, options: ReadStreamOptions): ReadStream {
  const stream = Reflect.construct(ReadStream, [
    undefined,
    { ...options, fd: file.fd, fs: streamFs(file) },
  ]) as ReadStream;
  file.hold();
  file.once('close', () => stream.close());
  return stream;
}

export function writeStream(file: StreamedFile, options: WriteStreamOptions): WriteStream {
  const stream = Reflect.construct(WriteStream, [
    undefined,
    { ...options, fd: file.fd, fs: streamFs(file) },
  ]) as WriteStream;
  file.hold();
  file.once('close', () => {
    // One that closes nothing by itself waits for 'finish' only, which one that has ended or failed does not have any more: FileHandle
    // waits for it for ever (Node.js 20 to 26).
    if (stream.writableFinished || stream.errored !== null) {
      stream.destroy();
      return;
    }
    stream.once(errorMonitor, () => stream.destroy());
    stream.close();
  });
  return stream;
}

/** A byte stream from the cursor to the end. It ends when the file is closed. */
export function webStream(
  file: StreamedFile,
  options: { readonly autoClose?: boolean } = {},
): ReadableStream {
  const { autoClose } = options;
  let state: 'open' | 'reading' | 'closing' | 'ended' = 'open';
  const end = async (): Promise<void> => {
    if (state === 'ended') return;
    state = 'ended';
    file.letGo();
    if (autoClose === true) await file.close();
  };
  file.hold();
  const { ReadableStream: Stream } = streamWeb();
  return new Stream({
    type: 'bytes',
    autoAllocateChunkSize: CHUNK_BYTES,
    start(controller) {
      file.once('close', () => {
        // A read that is under way has the memory of the stream; it ends the stream when it has ended.
        if (state === 'reading') state = 'closing';
        if (state !== 'open') return;
        controller.close();
        void end();
      });
    },
    async pull(controller) {
      const request = controller.byobRequest!;
      state = 'reading';
      let bytesRead = 0;
      try {
        ({ bytesRead } = await file.read(request.view as Uint8Array));
      } catch (error) {
        await end();
        throw error;
      }
      // Cancelled meanwhile.
      if (isEnded()) return;
      if (bytesRead === 0 || isClosing()) {
        controller.close();
        request.respond(0);
        await end();
        return;
      }
      state = 'open';
      request.respond(bytesRead);
    },
    cancel: end,
  });

  // What has happened while somebody waited is more than the compiler sees.
  function isEnded(): boolean {
    return state === 'ended';
  }

  function isClosing(): boolean {
    return state === 'closing';
  }
}
