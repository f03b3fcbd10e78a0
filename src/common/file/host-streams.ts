/** What Node's own streams over a FileHandle leave undone when the file is closed under them. */
import { errorMonitor } from 'node:events';
import type { ReadStream, WriteStream } from 'node:fs';
import type { Interface } from 'node:readline';

/** Transfers that a stream makes in place of the public ones of its file. */
export interface StreamTransfers {
  read(...args: unknown[]): Promise<{ readonly bytesRead: number; readonly buffer: unknown }>;
  write(...args: unknown[]): Promise<{ readonly bytesWritten: number; readonly buffer: unknown }>;
  writev(...args: unknown[]): Promise<{ readonly bytesWritten: number; readonly buffers: unknown }>;
}

type Settled = (error: unknown, count: number, data: unknown) => void;
type HostTransfer = (fd: number, data: unknown, ...rest: unknown[]) => void;

/**
 * Has a stream of Node's over a FileHandle make its transfers otherwise. Where it keeps what it calls in another place than Node.js 20 to
 * 26 do, it goes on with the public ones.
 */
export function withTransfers<S extends object>(stream: S, transfers: StreamTransfers): S {
  const keyed = stream as Record<symbol, unknown>;
  const key = Object.getOwnPropertySymbols(stream).find(({ description }) => description === 'kFs');
  if (key === undefined || typeof keyed[key] !== 'object') return stream;
  const by =
    (transfer: (...args: unknown[]) => Promise<object>, counted: string, handed: string): HostTransfer =>
    (_fd, data, ...rest) => {
      const done = rest.pop() as Settled;
      transfer(data, ...rest).then(
        (result) => {
          const answer = result as Record<string, unknown>;
          done(null, answer[counted] as number, answer[handed]);
        },
        (error: unknown) => done(error, 0, data),
      );
    };
  keyed[key] = {
    ...(keyed[key] as object),
    read: by(transfers.read, 'bytesRead', 'buffer'),
    write: by(transfers.write, 'bytesWritten', 'buffer'),
    writev: by(transfers.writev, 'bytesWritten', 'buffers'),
  };
  return stream;
}

/** Something that emits `'close'`. */
interface Closing {
  once(event: 'close', listener: () => void): unknown;
}

/**
 * Lets a stream that closes nothing by itself end with its file. Node's own waits for 'finish' then, which one that has ended or failed
 * does not have any more: it holds the file for ever (Node.js 20 to 26).
 */
export function endsWithItsFile(file: Closing, stream: WriteStream): WriteStream {
  file.once('close', () => {
    if (stream.writableFinished || stream.errored !== null) stream.destroy();
    else stream.once(errorMonitor, () => destroyWhenWritten(stream));
  });
  return stream;
}

/** What it has been given before it failed is written all the same. */
function destroyWhenWritten(stream: WriteStream): void {
  if (stream.writableLength > 0 && !stream.destroyed) setImmediate(() => destroyWhenWritten(stream));
  else stream.destroy();
}

/** Lets lines end with their input: who waits for a line of a FileHandle that is closed waits for ever (Node.js 20 to 26). */
export function endWithTheirInput(lines: Interface): Interface {
  const { input } = lines as Interface & { readonly input: ReadStream };
  input.once('close', () => lines.close());
  return lines;
}
