/** What FileHandle answers: objects without a prototype. */
import type { FileReadResult } from 'node:fs/promises';

/** `write` of FileHandle answers so. */
export interface AioWriteResult<T> {
  /** How many bytes. */
  readonly bytesWritten: number;
  /** What was given. */
  readonly buffer: T;
}

const { create } = Object;

/**
 * Filled by hand: a literal with `__proto__: null`, and one that loses its prototype, take V8 two to three times as long (Node.js 22 to 26). It is a
 * hash table, of 180 bytes.
 */
interface Bare {
  bytesRead?: number;
  bytesWritten?: number;
  buffer?: unknown;
  buffers?: unknown;
}

export function readResult<T extends NodeJS.ArrayBufferView>(
  bytesRead: number,
  buffer: T,
): FileReadResult<T> {
  const result = create(null) as Bare;
  result.bytesRead = bytesRead;
  result.buffer = buffer;
  return result as FileReadResult<T>;
}

export function writeResult<T>(bytesWritten: number, buffer: T): AioWriteResult<T> {
  const result = create(null) as Bare;
  result.bytesWritten = bytesWritten;
  result.buffer = buffer;
  return result as AioWriteResult<T>;
}

export function readvResult<T>(bytesRead: number, buffers: T): { bytesRead: number; buffers: T } {
  const result = create(null) as Bare;
  result.bytesRead = bytesRead;
  result.buffers = buffers;
  return result as { bytesRead: number; buffers: T };
}

export function writevResult<T>(bytesWritten: number, buffers: T): { bytesWritten: number; buffers: T } {
  const result = create(null) as Bare;
  result.bytesWritten = bytesWritten;
  result.buffers = buffers;
  return result as { bytesWritten: number; buffers: T };
}
