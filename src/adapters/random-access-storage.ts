/** What the package random-access-storage has, which declares nothing. */
import type { EventEmitter } from 'node:events';
import type { Stats } from 'node:fs';
import type { Callback } from './callbacks.ts';

/** An operation that waits for its turn, or has it. */
export interface StorageRequest<T = void> {
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** To be written; memory for what is read. */
  readonly data: Uint8Array | null;
  /** Ends it. */
  callback(error: Error | null, value?: T): void;
}

/** Bytes at any place, by callbacks. */
export interface RandomAccessStorage extends EventEmitter {
  /** Whether it has been open. */
  readonly opened: boolean;
  /** Whether it has been closed. */
  readonly closed: boolean;
  /** Whether it is closed until it is used again. */
  readonly suspended: boolean;
  /** Whether it has been removed. */
  readonly unlinked: boolean;
  /** Whether anything has been written, or is to be. */
  readonly writing: boolean;
  /** Whether it has reads: true. */
  readonly readable: boolean;
  /** Whether it has writes: true. */
  readonly writable: boolean;
  /** Whether it has `del()`: true. */
  readonly deletable: boolean;
  /** Whether it has `truncate()`: true. */
  readonly truncatable: boolean;
  /** Whether it has `stat()`: true. */
  readonly statable: boolean;
  /** All of the bytes, or an error. */
  read(offset: number, size: number, callback: Callback<Uint8Array>): void;
  /** Writes all of the bytes. */
  write(offset: number, data: Uint8Array, callback?: Callback): void;
  /** Makes zeros, and gives room back where the file system can. */
  del(offset: number, size: number, callback?: Callback): void;
  /** Makes it end there. */
  truncate(offset: number, callback?: Callback): void;
  /** What `fs.fstat()` gives. */
  stat(callback: Callback<Stats>): void;
  /** Opens it, which the first operation does too. */
  open(callback?: Callback): void;
  /** Closes it until it is used again. */
  suspend(callback?: Callback): void;
  /** Closes it for good, when what was asked for has ended. */
  close(callback?: Callback): void;
  /** Closes and removes it. */
  unlink(callback?: Callback): void;
  /** @internal */
  _open(request: StorageRequest): void;
  /** @internal */
  _read(request: StorageRequest<Uint8Array>): void;
  /** @internal */
  _write(request: StorageRequest): void;
  /** @internal */
  _del(request: StorageRequest): void;
  /** @internal */
  _truncate(request: StorageRequest): void;
  /** @internal */
  _stat(request: StorageRequest<Stats>): void;
  /** @internal */
  _close(request: StorageRequest): void;
  /** @internal */
  _unlink(request: StorageRequest): void;
}

/** The class that others are built upon. */
export type StorageClass = new () => RandomAccessStorage;
