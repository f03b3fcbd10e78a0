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
  readonly data: Uint8Array | null;
  callback(error: Error | null, value?: T): void;
}

/** Bytes at any place, by callbacks. */
export interface RandomAccessStorage extends EventEmitter {
  readonly opened: boolean;
  readonly closed: boolean;
  readonly suspended: boolean;
  readonly unlinked: boolean;
  readonly writing: boolean;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly deletable: boolean;
  readonly truncatable: boolean;
  readonly statable: boolean;
  /** All of the bytes, or an error. */
  read(offset: number, size: number, callback: Callback<Uint8Array>): void;
  write(offset: number, data: Uint8Array, callback?: Callback): void;
  /** Makes zeros, and gives room back where the file system can. */
  del(offset: number, size: number, callback?: Callback): void;
  truncate(offset: number, callback?: Callback): void;
  stat(callback: Callback<Stats>): void;
  open(callback?: Callback): void;
  /** Closes it until it is used again. */
  suspend(callback?: Callback): void;
  close(callback?: Callback): void;
  /** Closes and removes it. */
  unlink(callback?: Callback): void;
  _open(request: StorageRequest): void;
  _read(request: StorageRequest<Uint8Array>): void;
  _write(request: StorageRequest): void;
  _del(request: StorageRequest): void;
  _truncate(request: StorageRequest): void;
  _stat(request: StorageRequest<Stats>): void;
  _close(request: StorageRequest): void;
  _unlink(request: StorageRequest): void;
}

export type StorageClass = new () => RandomAccessStorage;
