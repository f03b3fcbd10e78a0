/** What FileHandle answers: objects without a prototype. */
import type { FileReadResult } from 'node:fs/promises';

/** `write` of FileHandle answers so. */
export interface AioWriteResult<T> {
  /** How many bytes. */
  readonly bytesWritten: number;
  /** What was given. */
  readonly buffer: T;
}

// A literal with `__proto__: null` is a hash table to V8, which costs twice as much to make and to read.
function bare<T extends object>(result: T): T {
  return Object.setPrototypeOf(result, null) as T;
}

export function readResult<T extends NodeJS.ArrayBufferView>(
  bytesRead: number,
  buffer: T,
): FileReadResult<T> {
  return bare({ bytesRead, buffer });
}

export function writeResult<T>(bytesWritten: number, buffer: T): AioWriteResult<T> {
  return bare({ bytesWritten, buffer });
}

export function readvResult<T>(bytesRead: number, buffers: T): { bytesRead: number; buffers: T } {
  return bare({ bytesRead, buffers });
}

export function writevResult<T>(bytesWritten: number, buffers: T): { bytesWritten: number; buffers: T } {
  return bare({ bytesWritten, buffers });
}
