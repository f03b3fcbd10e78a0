/**
 * Chunks of one length in files, as abstract-chunk-store has them: what torrents are kept in.
 *
 * @example
 * ```ts
 * import { ChunkStore } from 'kaio/chunk-store';
 *
 * const store = new ChunkStore(16384, { path: 'download.bin' });
 * store.put(7, Buffer.alloc(16384, 'x'), (error) => {
 *   if (error) throw error;
 *   store.get(7, { offset: 0, length: 5 }, (failure, bytes) => console.log(failure ?? String(bytes)));
 * });
 * ```
 *
 * @module kaio/chunk-store
 */
import { constants } from 'node:fs';
import * as host from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { AioStateError } from '../common/errors.ts';
import { invalidArgType, invalidArgValue, validateInteger } from '../common/validate.ts';
import { type AioFile, type OpenOptions, open } from '../index.ts';
import { type Callback, callBack, nothing } from './callbacks.ts';
import type { Names } from './names.ts';

export type { Callback } from './callbacks.ts';
export type { Names } from './names.ts';

const MODE = 0o666;

/** One of several files that follow each other. */
export interface ChunkFile {
  /** In {@link ChunkStoreOptions.path}, where that is given, and not out of it. */
  readonly path: string;
  /** Bytes. */
  readonly length: number;
}

/** Where the chunks are. */
export interface ChunkStoreOptions extends Pick<OpenOptions, 'backend' | 'context' | 'direct'> {
  /** The file; the folder of the files, where there are several. One of the two must be there. */
  readonly path?: string;
  /** Several files, the bytes of which follow each other. */
  readonly files?: readonly ChunkFile[];
  /** Bytes of all chunks together: the last one may be shorter. Default: those of `files`; without either there is no end. */
  readonly length?: number;
  /** Where the names are. Default `fs.promises`; for a simulated disk `simulation.fs.promises`. */
  readonly names?: Names;
}

/** A part of a chunk. */
export interface ChunkRange {
  /** Bytes from the start of the chunk. Default 0. */
  readonly offset?: number | undefined;
  /** Bytes. Default: to the end of the chunk. */
  readonly length?: number | undefined;
}

/** A file with the place of its first byte among all, and the next file's. */
interface Part {
  readonly path: string;
  readonly start: number;
  readonly end: number;
  opened?: Promise<AioFile>;
}

/**
 * A chunk store over kaio's files.
 *
 * @remarks Files and their folders are made by the first `put()`. *Blocking*: never. *Ownership*: a chunk belongs to the store until
 * the callback.
 *
 * *Errors*, to the callbacks: `ERR_OUT_OF_RANGE` and `ERR_INVALID_ARG_VALUE` for an index, a range or a length that is none,
 * `ERR_AIO_SHORT_FILE` where a file ends before the chunk does, `ERR_AIO_CLOSED`, `ENOENT` before anything was put, and what `open()`,
 * reads and writes of kaio's give.
 */
export class ChunkStore {
  /** Bytes. */
  readonly chunkLength: number;
  /** Bytes of all chunks; infinite where it was not said. */
  readonly length: number;
  readonly #parts: readonly Part[];
  readonly #options: ChunkStoreOptions;
  readonly #names: Names;
  readonly #underWay = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  /** @throws TypeError, RangeError `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_VALUE`. */
  constructor(chunkLength: number, options: ChunkStoreOptions) {
    this.chunkLength = validateInteger('chunkLength', chunkLength, 1, Number.MAX_SAFE_INTEGER);
    if (typeof options !== 'object' || options === null)
      throw invalidArgType('options', 'an object', options);
    this.#parts = partsOf(options);
    const { length = this.#parts.at(-1)!.end, names = host } = options;
    this.length = length;
    if (length !== Number.POSITIVE_INFINITY)
      validateInteger('options.length', length, 0, Number.MAX_SAFE_INTEGER);
    if (length > this.#parts.at(-1)!.end)
      throw invalidArgValue('options.length', length, 'is more than the files have');
    this.#options = options;
    this.#names = names;
  }

  /** Writes a chunk, all of it. */
  put(index: number, chunk: Uint8Array, callback: Callback = nothing): void {
    callBack(
      this.#run(() => this.#put(index, chunk)),
      callback,
    );
  }

  /** Reads a chunk, or a part of it. */
  get(index: number, callback: Callback<Buffer>): void;
  get(index: number, range: ChunkRange | null | undefined, callback: Callback<Buffer>): void;
  get(
    index: number,
    range: ChunkRange | Callback<Buffer> | null | undefined,
    callback: Callback<Buffer> = nothing,
  ): void {
    if (typeof range === 'function') this.get(index, null, range);
    else
      callBack(
        this.#run(() => this.#get(index, range ?? {})),
        callback,
      );
  }

  /** Closes the files, when what was asked for has ended. */
  close(callback: Callback = nothing): void {
    this.#closing ??= this.#close();
    callBack(this.#closing, callback);
  }

  /** Closes the files and removes them. Folders stay. */
  destroy(callback: Callback = nothing): void {
    this.#closing ??= this.#close();
    callBack(
      this.#closing.then(() => this.#remove()),
      callback,
    );
  }

  /** Waited for by close(). */
  #run<T>(act: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined)
      return Promise.reject(new AioStateError('ERR_AIO_CLOSED', 'the chunk store is closed'));
    const running = act();
    this.#underWay.add(running);
    const ended = (): void => {
      this.#underWay.delete(running);
    };
    running.then(ended, ended);
    return running;
  }

  async #put(index: number, chunk: Uint8Array): Promise<void> {
    const { start, length } = this.#place(index);
    if (!(chunk instanceof Uint8Array)) throw invalidArgType('chunk', 'a Uint8Array', chunk);
    if (chunk.length !== length) throw invalidArgValue('chunk', chunk, `must have ${length} bytes`);
    await this.#each(start, chunk, async (part, piece, position) => {
      const file = await this.#open(part, true);
      await file.writeFully(piece, { position });
    });
  }

  async #get(index: number, range: ChunkRange): Promise<Buffer> {
    const place = this.#place(index);
    const offset = validateInteger('range.offset', range.offset ?? 0, 0, place.length);
    const rest = place.length - offset;
    const length = validateInteger('range.length', range.length ?? rest, 0, rest);
    const chunk = Buffer.allocUnsafe(length);
    await this.#each(place.start + offset, chunk, async (part, piece, position) => {
      const file = await this.#open(part, false);
      const { bytesRead } = await file.readFully(piece, { position });
      if (bytesRead === piece.length) return;
      const message = `the chunk ${index} is not in '${part.path}', which ends before it`;
      throw new AioStateError('ERR_AIO_SHORT_FILE', message);
    });
    return chunk;
  }

  #place(index: number): { readonly start: number; readonly length: number } {
    const limit = this.length === Number.POSITIVE_INFINITY ? Number.MAX_SAFE_INTEGER : this.length;
    const last = Math.max(Math.ceil(limit / this.chunkLength) - 1, 0);
    const start = validateInteger('index', index, 0, last) * this.chunkLength;
    return { start, length: Math.min(this.chunkLength, limit - start) };
  }

  /** The pieces of a range, each in a file. */
  async #each(
    start: number,
    bytes: Uint8Array,
    act: (part: Part, piece: Uint8Array, position: number) => Promise<void>,
  ): Promise<void> {
    const end = start + bytes.length;
    const touched = this.#parts.filter((part) => part.start < end && part.end > start);
    const settled = await Promise.allSettled(
      touched.map((part) => {
        const from = Math.max(start, part.start);
        const piece = bytes.subarray(from - start, Math.min(end, part.end) - start);
        return act(part, piece, from - part.start);
      }),
    );
    // The memory is nobody's before all have ended.
    for (const one of settled) if (one.status === 'rejected') throw one.reason;
  }

  #open(part: Part, creates: boolean): Promise<AioFile> {
    if (part.opened !== undefined)
      return creates ? part.opened.catch(() => this.#open(part, true)) : part.opened;
    const opening = this.#openHost(part.path, creates);
    part.opened = opening;
    opening.catch(() => {
      if (part.opened === opening) delete part.opened;
    });
    return opening;
  }

  async #openHost(path: string, creates: boolean): Promise<AioFile> {
    const { backend, context, direct = false } = this.#options;
    if (creates) await this.#names.mkdir(dirname(path), { recursive: true });
    return open(path, constants.O_RDWR | (creates ? constants.O_CREAT : 0), MODE, {
      direct,
      unaligned: 'read-modify-write',
      ...(backend === undefined ? {} : { backend }),
      ...(context === undefined ? {} : { context }),
    });
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    const opened = await Promise.allSettled(this.#parts.map((part) => part.opened));
    const files = opened.flatMap((one) => (one.status === 'fulfilled' ? (one.value ?? []) : []));
    const closed = await Promise.allSettled(files.map((file) => file.close()));
    for (const one of closed) if (one.status === 'rejected') throw one.reason;
  }

  async #remove(): Promise<void> {
    for (const { path } of this.#parts)
      try {
        await this.#names.unlink(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
  }
}

function partsOf({ path, files }: ChunkStoreOptions): Part[] {
  if (path !== undefined && typeof path !== 'string')
    throw invalidArgType('options.path', 'of type string', path);
  if (files === undefined) {
    if (path === undefined) throw invalidArgType('options.path', 'of type string', path);
    return [{ path, start: 0, end: Number.POSITIVE_INFINITY }];
  }
  if (files.length === 0) throw invalidArgValue('options.files', files, 'must not be empty');
  const root = path === undefined ? undefined : resolve(path);
  let end = 0;
  return files.map((file, at) => {
    const start = end;
    end += validateInteger(`options.files[${at}].length`, file.length, 0, Number.MAX_SAFE_INTEGER - end);
    const place = root === undefined ? file.path : join(root, file.path);
    // Names come with torrents, from strangers.
    if (root !== undefined && !place.startsWith(root.endsWith(sep) ? root : root + sep))
      throw invalidArgValue(`options.files[${at}].path`, file.path, 'leads out of the folder');
    return { path: place, start, end };
  });
}
