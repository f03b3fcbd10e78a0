/**
 * Parquet files for hyparquet, which reads what it needs of them and nothing else: pieces at places that the end of the file tells.
 *
 * @example
 * ```ts
 * import { parquetReadObjects } from 'hyparquet';
 * import { asyncBufferFromFile } from 'kaio/parquet';
 *
 * await using file = await asyncBufferFromFile('events.parquet', { direct: 'prefer' });
 * console.log(await parquetReadObjects({ file, columns: ['id'], rowStart: 0, rowEnd: 10 }));
 * ```
 *
 * @module kaio/parquet
 */
import { AioStateError } from '../common/errors.ts';
import { type AioFile, type OpenOptions, open } from '../index.ts';

/** A file as hyparquet takes it: its `AsyncBuffer`. */
export interface ParquetBuffer {
  /** Of the file. */
  readonly byteLength: number;
  /**
   * Reads a piece, into memory of its own.
   *
   * @param start - Bytes from the start of the file; from its end where it is negative, as of `ArrayBuffer.slice()`.
   * @param end - Default: the end of the file.
   * @throws What a read of kaio's throws; `ERR_AIO_SHORT_FILE` where the file has become shorter than it was.
   */
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

/** One that has opened the file itself. */
export interface OwnParquetBuffer extends ParquetBuffer {
  /** Waits for reads under way. */
  close(): Promise<void>;
  /** {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Which way the file is opened. */
export type ParquetOptions = Pick<OpenOptions, 'backend' | 'context' | 'direct'>;

/**
 * Makes an AsyncBuffer of a file that is open. It stays yours to close.
 *
 * @remarks Pieces of a direct file are cut to its blocks, whatever its option `unaligned` says.
 *
 * @throws What `stat()` throws.
 */
export async function asyncBuffer(file: AioFile): Promise<ParquetBuffer> {
  const byteLength = file.blockDevice?.sizeBytes ?? (await file.stat()).size;
  return { byteLength, slice: (start, end) => slice(file, byteLength, start, end) };
}

/**
 * Opens a file for hyparquet.
 *
 * @throws What `open()` throws: see there.
 */
export async function asyncBufferFromFile(
  path: Parameters<typeof open>[0],
  options: ParquetOptions = {},
): Promise<OwnParquetBuffer> {
  const file = await open(path, 'r', 0, options);
  try {
    const close = (): Promise<void> => file.close();
    return { ...(await asyncBuffer(file)), close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function slice(
  file: AioFile,
  byteLength: number,
  start: number,
  end = byteLength,
): Promise<ArrayBuffer> {
  const from = clamp(start, byteLength);
  const bytes = new ArrayBuffer(Math.max(clamp(end, byteLength) - from, 0));
  if (bytes.byteLength === 0) return bytes;
  const { bytesRead } = await file.readFully(new Uint8Array(bytes), { position: from });
  if (bytesRead === bytes.byteLength) return bytes;
  const message = `the file ends at ${from + bytesRead}, and had ${byteLength} bytes when it was opened`;
  throw new AioStateError('ERR_AIO_SHORT_FILE', message);
}

/** As `ArrayBuffer.slice()` reads its arguments. */
function clamp(place: number, length: number): number {
  const whole = Math.trunc(place) || 0;
  return whole < 0 ? Math.max(length + whole, 0) : Math.min(whole, length);
}
