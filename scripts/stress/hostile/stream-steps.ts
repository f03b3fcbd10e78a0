/** Streams over the files of a program. */
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Course } from './course.ts';
import { type FileSteps, moveCursor } from './file-steps.ts';
import { tolerated } from './outcomes.ts';
import type { Stream } from './program.ts';

const PAGE_BYTES = 4096;
const READ_AHEAD_MS = 2000;

export class StreamSteps {
  readonly #course: Course;
  readonly #files: FileSteps;
  /** Beneath lines that nobody reads any more. */
  readonly #left: Readable[] = [];

  constructor(course: Course, files: FileSteps) {
    this.#course = course;
    this.#files = files;
  }

  begin(index: number, stream: Stream): void {
    const own = this.#files.at(index);
    if (own === undefined || own.isClosed) return;
    moveCursor(own);
    const isRead = !this.#files.isWritten(own);
    const { content } = this.#course.world.files.read;
    // Who destroys a stream closes its file, as with FileHandle.
    if (stream !== 'read' && stream !== 'write') own.isClosed = true;
    switch (stream) {
      case 'read': {
        const readable = own.file.createReadStream({ start: 0, end: 99_999, autoClose: false });
        const chunks: Buffer[] = [];
        readable.on('error', ignored);
        readable.on('data', (chunk) => chunks.push(chunk as Buffer));
        this.#course.track(
          tolerated(
            finished(readable).then(() => {
              const bytes = Buffer.concat(chunks);
              if (isRead && own.adopted === undefined && !bytes.equals(content.subarray(0, bytes.length)))
                this.#course.complain('a stream brought wrong bytes');
            }),
          ),
        );
        return;
      }
      case 'read, destroyed': {
        const readable = own.file.createReadStream({ start: 0, autoClose: false });
        readable.on('error', ignored);
        readable.once('data', () => readable.destroy());
        this.#course.track(tolerated(finished(readable)));
        return;
      }
      case 'write': {
        const writable = own.file.createWriteStream({ start: 0, autoClose: false });
        writable.on('error', ignored);
        const { written } = this.#course.world.files;
        const watch = this.#files.isWritten(own) ? written.beginWrite(0, 2 * PAGE_BYTES) : undefined;
        writable.write(Buffer.alloc(PAGE_BYTES, 1));
        writable.end(Buffer.alloc(PAGE_BYTES, 2));
        const end = (): void => {
          if (watch !== undefined) written.endWrite(watch, 0, undefined);
        };
        this.#course.track(tolerated(finished(writable).finally(end)));
        return;
      }
      case 'web':
      case 'web, cancelled': {
        if (own.file.fd < 0) return;
        this.#course.track(
          tolerated(
            (async () => {
              let chunks = 0;
              for await (const _ of own.file.readableWebStream())
                if (stream === 'web, cancelled' && ++chunks > 1) break;
            })(),
          ),
        );
        return;
      }
      case 'lines, left':
        this.#course.track(
          tolerated(
            (async () => {
              const lines = own.file.readLines({ start: 0, autoClose: false });
              // It hands on the error of its input, which who has left its lines hears nowhere else; as with FileHandle.
              const { input } = lines as unknown as { input: Readable };
              this.#left.push(input);
              input.on('error', ignored);
              lines.on('error', ignored);
              for await (const _ of lines) break;
            })(),
          ),
        );
    }
  }

  /** Streams of lines that were left fill their buffers although nobody waits for that; of a dropped file, nobody waits at all. */
  async end(): Promise<void> {
    for (const until = Date.now() + READ_AHEAD_MS; this.#left.some(isReadingAhead) && Date.now() < until; )
      await new Promise((resolve) => setImmediate(resolve));
    this.#left.length = 0;
  }
}

function isReadingAhead(stream: Readable): boolean {
  const { destroyed, errored, readableEnded, readableLength, readableHighWaterMark } = stream;
  return !destroyed && errored === null && !readableEnded && readableLength < readableHighWaterMark;
}

/** What a stream that nobody waits for any more says of its end. */
function ignored(): void {}
