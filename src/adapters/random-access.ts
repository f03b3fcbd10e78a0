/**
 * Files for random-access-storage: what random-access-file is, over kaio's files.
 *
 * @example
 * ```ts
 * import { RandomAccessFile } from 'kaio/random-access';
 *
 * const file = new RandomAccessFile('pages.bin', { direct: 'prefer' });
 * file.write(4096, Buffer.from('hello'), (error) => {
 *   if (error) throw error;
 *   file.read(4096, 5, (failure, bytes) => console.log(failure ?? String(bytes)));
 * });
 * ```
 *
 * @module kaio/random-access
 */
import { constants, type Stats } from 'node:fs';
import * as host from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { AioError, type AioFile, abi, type OpenOptions, open } from '../index.ts';
import { callBack } from './callbacks.ts';
import type { Names } from './names.ts';
import { loadPeer } from './peer.ts';
import { type FilePool, Pool } from './random-access-pool.ts';
import type { StorageClass, StorageRequest } from './random-access-storage.ts';

export type { Callback } from './callbacks.ts';
export type { Names } from './names.ts';
export type { FilePool } from './random-access-pool.ts';
export type { RandomAccessStorage } from './random-access-storage.ts';

const ADAPTER = 'kaio/random-access';
const Storage: StorageClass = loadPeer(
  { adapter: ADAPTER, name: 'random-access-storage', range: '^3' },
  (near) => near('random-access-storage') as StorageClass,
);

const MODE = 0o666;
const ZEROS_BYTES = 1024 * 1024;

/** Those of random-access-file, and which way the file is opened. */
export interface RandomAccessOptions extends Pick<OpenOptions, 'backend' | 'context' | 'direct'> {
  /** Empties the file when it is opened first, and not when it is opened again after `suspend()` or by a pool. Default false. */
  readonly truncate?: boolean;
  /** Bytes: the file is made as long as that when it is opened first. Default: it stays as it is. */
  readonly size?: number;
  /** Default true. */
  readonly readable?: boolean;
  /** Default true. */
  readonly writable?: boolean;
  /**
   * Takes a lock on the file, shared if it is not writable: opening what another one has ends with `ELOCKED`. It needs the package
   * fs-native-extensions. Default false.
   */
  readonly lock?: boolean;
  /** Taken for the sake of random-access-file: kaio's files are sparse wherever the file system is. */
  readonly sparse?: boolean;
  /** A folder that the file is in; its name cannot lead out of it. Default: none. */
  readonly directory?: string;
  /** Whether `unlink()` removes the folders that are empty then, up to `directory`. Default false. */
  readonly rmdir?: boolean;
  /** Memory for what is read. Default `Buffer.allocUnsafe`. Direct reads are quickest into memory of `alignedBuffer()`. */
  readonly alloc?: (bytes: number) => Uint8Array;
  /** See {@link RandomAccessFile.createPool}. */
  readonly pool?: FilePool;
  /** Where the names are. Default `fs.promises`; for a simulated disk `simulation.fs.promises`. */
  readonly names?: Names;
}

interface Locks {
  tryLock(fd: number, options: { shared: boolean }): boolean;
}

/**
 * A file as a random-access-storage: `read(offset, size, callback)`, `write(offset, data, callback)`, `del`, `truncate`, `stat`,
 * `open`, `close`, `suspend` and `unlink`.
 *
 * @remarks It opens itself with the first operation, and makes the file, and its folders, with the first that writes.
 *
 * *Blocking*: never; as {@link open | open()}. *Ownership*: data that are written belong to the file until the callback.
 *
 * *Errors*, to the callbacks: `EPARTIALREAD` (with `path`, `offset`, `size`) for a read beyond the end, `ELOCKED`, `ERR_AIO_PEER_MISSING`
 * where `lock` is asked for and fs-native-extensions is not there, and what `open()`, reads and writes of kaio's give.
 */
export class RandomAccessFile extends Storage {
  /** Null where there is none. */
  readonly directory: string | null;
  /** With the folder, where there is one. */
  readonly filename: string;
  readonly #options: RandomAccessOptions;
  readonly #names: Names;
  #file: AioFile | undefined;

  /**
   * Opens nothing yet.
   *
   * @param filename - The path of the file; with `directory`, below that.
   */
  constructor(filename: string, options: RandomAccessOptions = {}) {
    super();
    const { directory, names = host } = options;
    this.directory = directory ?? null;
    // Seen from a root of its own, whatever is in it, and so below the folder.
    const inside = directory === undefined ? filename : resolve(sep, filename).replace(/^\w+:\\/, '');
    this.filename = directory === undefined ? filename : join(directory, inside);
    this.#options = options;
    this.#names = names;
  }

  /** Of whoever shares it, no more than `size` files are open; others are suspended, and open again when they are used. */
  static createPool(size: number): FilePool {
    return new Pool(size);
  }

  /** The file, while it is open. */
  get file(): AioFile | undefined {
    return this.#file;
  }

  /** @internal */
  override _open(request: StorageRequest): void {
    callBack(this.#opened(), request.callback.bind(request));
  }

  /** @internal */
  override _read(request: StorageRequest<Uint8Array>): void {
    callBack(this.#bytes(request), request.callback.bind(request));
  }

  /** @internal */
  override _write(request: StorageRequest): void {
    const { offset: position, data } = request;
    // Nothing, written directly, never comes to the kernel, which would refuse it.
    const isRefused = data!.length === 0 && this.#access === constants.O_RDONLY;
    const written = isRefused
      ? Promise.reject(new AioError('EBADF', -abi.ERRNO.EBADF, 'write'))
      : this.#file!.writeFully(data!, { position }).then(() => {});
    callBack(written, request.callback.bind(request));
  }

  /** @internal */
  override _del(request: StorageRequest): void {
    // What older callers say for a truncation.
    if (request.size === Number.POSITIVE_INFINITY) this._truncate(request);
    else callBack(this.#deleted(request), request.callback.bind(request));
  }

  /** @internal */
  override _truncate(request: StorageRequest): void {
    callBack(this.#file!.truncate(request.offset), request.callback.bind(request));
  }

  /** @internal */
  override _stat(request: StorageRequest<Stats>): void {
    callBack(this.#file!.stat(), request.callback.bind(request));
  }

  /** @internal */
  override _close(request: StorageRequest): void {
    callBack(this.#closed(), request.callback.bind(request));
  }

  /** @internal */
  override _unlink(request: StorageRequest): void {
    callBack(this.#unlinked(), request.callback.bind(request));
  }

  get #access(): number {
    const { readable = true, writable = true } = this.#options;
    return readable && writable ? constants.O_RDWR : readable ? constants.O_RDONLY : constants.O_WRONLY;
  }

  /** To the length that the options want. */
  #isCut = false;

  async #opened(): Promise<void> {
    const { truncate = false, lock = false, pool } = this.#options;
    const { backend, context, direct = false } = this.#options;
    const size = this.#options.size || (truncate ? 0 : undefined);
    const creates = size !== undefined || this.writing;
    if (creates) await this.#names.mkdir(dirname(this.filename), { recursive: true });
    const access = this.#access;
    const file = await open(this.filename, access | (creates ? constants.O_CREAT : 0), MODE, {
      direct,
      unaligned: access === constants.O_RDONLY ? 'copy' : 'read-modify-write',
      ...(backend === undefined ? {} : { backend }),
      ...(context === undefined ? {} : { context }),
    });
    try {
      if (lock && !locks().tryLock(file.fd, { shared: access === constants.O_RDONLY }))
        throw failure('ELOCKED', 'File is locked', { path: this.filename });
      // Once: when it is opened again after a rest, what was written since is in it.
      if (size !== undefined && !this.#isCut) await file.truncate(size);
      this.#isCut = true;
    } catch (error) {
      await file.close();
      throw error;
    }
    this.#file = file;
    pool?.add(this);
  }

  async #bytes({ offset, size, data }: StorageRequest<Uint8Array>): Promise<Uint8Array> {
    if (size === 0) return Buffer.alloc(0);
    const buffer = data ?? (this.#options.alloc ?? Buffer.allocUnsafe)(size);
    const bytes = buffer.byteLength === size ? buffer : buffer.subarray(0, size);
    const { bytesRead } = await this.#file!.readFully(bytes, { position: offset });
    if (bytesRead === size) return buffer;
    const rest = { path: this.filename, offset: offset + bytesRead, size: size - bytesRead };
    throw failure('EPARTIALREAD', 'Could not satisfy length', rest);
  }

  /** Where no holes can be punched zeros are written: what was there is gone in any case. */
  async #deleted({ offset, size }: StorageRequest): Promise<void> {
    const file = this.#file!;
    try {
      return await file.punchHole(offset, size);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ERR_AIO_UNSUPPORTED' && code !== 'EOPNOTSUPP' && code !== 'ENOTSUP') throw error;
    }
    const end = Math.min(offset + size, (await file.stat()).size);
    const zeros = Buffer.alloc(Math.min(ZEROS_BYTES, Math.max(end - offset, 0)));
    for (let position = offset; position < end; position += zeros.length)
      await file.writeFully(zeros.subarray(0, end - position), { position });
  }

  async #closed(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    try {
      await file?.close();
    } finally {
      this.#options.pool?.remove(this);
    }
  }

  async #unlinked(): Promise<void> {
    try {
      await this.#names.unlink(this.filename);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    if (this.#options.rmdir !== true || this.directory === null) return;
    const root = resolve(this.directory);
    for (let folder = resolve(dirname(this.filename)); folder !== root; folder = dirname(folder))
      // The first that is not empty ends it.
      try {
        await this.#names.rmdir(folder);
      } catch {
        return;
      }
  }
}

function locks(): Locks {
  return loadPeer(
    { adapter: `${ADAPTER} with \`lock\``, name: 'fs-native-extensions', range: '^1' },
    (near) => near('fs-native-extensions') as Locks,
  );
}

function failure(code: string, what: string, facts: object): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code, ...facts });
}
