/** Node's own streams over a file: only the transfers beneath them are ours. */
import { errorMonitor } from 'node:events';
import { ReadStream, WriteStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { WebStreamedFile } from './web-stream.ts';

type ReadStreamOptions = Parameters<FileHandle['createReadStream']>[0];
type WriteStreamOptions = Parameters<FileHandle['createWriteStream']>[0];
type Settled = (error: unknown, count?: number, data?: unknown) => void;

/** What a stream needs of the file beneath it. A position of `null` is the cursor. */
export interface StreamedFile extends WebStreamedFile {
  readonly fd: number;
  write(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
  ): Promise<{ readonly bytesWritten: number }>;
  writev(buffers: readonly Uint8Array[], position: number | null): Promise<{ readonly bytesWritten: number }>;
  sync(): Promise<void>;
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
