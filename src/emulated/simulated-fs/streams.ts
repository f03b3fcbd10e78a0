/** Node's own streams, over the files of a simulated disk. */
import type { ReadStream, WriteStream } from 'node:fs';
import { realFs } from './admission.ts';
import { optionsOf } from './options.ts';

type StreamClass<T> = new (path: unknown, options: object) => T;

export interface Streams {
  readonly ReadStream: StreamClass<ReadStream>;
  readonly WriteStream: StreamClass<WriteStream>;
  readonly createReadStream: (path: unknown, options?: unknown) => ReadStream;
  readonly createWriteStream: (path: unknown, options?: unknown) => WriteStream;
}

/** What has streams of its own: a file that `promises.open` has opened. */
interface StreamedFile {
  createReadStream(options: object): ReadStream;
  createWriteStream(options: object): WriteStream;
}

/** @param fs - What they are to take for `node:fs`; asked for when the first is made. */
export function streamsOver(fs: () => object): Streams {
  const Read = realFs.ReadStream as unknown as StreamClass<ReadStream>;
  const Write = realFs.WriteStream as unknown as StreamClass<WriteStream>;
  const withFs = (options: unknown): object | unknown =>
    options === undefined || options === null || typeof options === 'string' || typeof options === 'object'
      ? { fs: fs(), ...optionsOf(options) }
      : options;

  class SimulatedReadStream extends Read {
    constructor(path: unknown, options?: unknown) {
      super(path, withFs(options) as object);
    }
  }
  class SimulatedWriteStream extends Write {
    constructor(path: unknown, options?: unknown) {
      super(path, withFs(options) as object);
    }
  }
  for (const [Class, name] of [
    [SimulatedReadStream, 'ReadStream'],
    [SimulatedWriteStream, 'WriteStream'],
  ] as const) {
    Object.defineProperty(Class, 'name', { value: name });
  }
  return {
    ReadStream: SimulatedReadStream,
    WriteStream: SimulatedWriteStream,
    createReadStream: (path, options) =>
      fileIn(options)?.createReadStream(withoutFd(options)) ?? new SimulatedReadStream(path, options),
    createWriteStream: (path, options) =>
      fileIn(options)?.createWriteStream(withoutFd(options)) ?? new SimulatedWriteStream(path, options),
  };
}

function fileIn(options: unknown): StreamedFile | undefined {
  const { fd } = optionsOf(options);
  return typeof fd === 'object' && fd !== null && 'createReadStream' in fd ? (fd as StreamedFile) : undefined;
}

function withoutFd(options: unknown): object {
  const { fd: _, ...rest } = optionsOf(options);
  return rest;
}
