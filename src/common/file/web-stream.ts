/** `readableWebStream()`: a byte stream on every version of Node.js. */
import type { ReadableStream } from 'node:stream/web';
import { streamWeb } from '../lazy-builtins.ts';

/** As of FileHandle's. */
const CHUNK_BYTES = 1 << 14;

/** What a stream needs of the file beneath it. A position of `null`, and none, is the cursor. */
export interface WebStreamedFile {
  /** Keeps it open until {@link letGo}, although its owner may close it meanwhile. */
  hold(): void;
  letGo(): void;
  read(
    buffer: Uint8Array,
    offset?: number,
    length?: number,
    position?: number | null,
  ): Promise<{ readonly bytesRead: number }>;
  close(): Promise<void>;
  once(event: 'close', listener: () => void): unknown;
}

/** A byte stream from the cursor to the end. It ends when the file is closed. */
export function webStream(
  file: WebStreamedFile,
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
