/** What Node's own streams over a FileHandle leave undone when the file is closed under them. */
import { errorMonitor } from 'node:events';
import type { ReadStream, WriteStream } from 'node:fs';
import type { Interface } from 'node:readline';

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
