/**
 * Reading the arguments of FileHandle's overloads.
 *
 * Only what is plainly right is read here. For anything else the answer is `undefined`, and the host's own FileHandle is
 * asked, which throws what this version of Node.js throws for it.
 */

import { invalidArgType, outOfRange } from '../validate.ts';

/** Node's limit for one transfer. */
const MAX_BYTES = 2 ** 31 - 1;
const DEFAULT_READ_BYTES = 16384;

/** A place in the file; `null` is the cursor. */
export type Place = number | null;

export interface TransferArguments {
  readonly buffer: NodeJS.ArrayBufferView;
  readonly offset: number;
  readonly length: number;
  readonly position: Place;
  readonly signal: AbortSignal | undefined;
}

/** A view, as the types of Node.js name one. */
function isView(value: unknown): value is NodeJS.ArrayBufferView {
  return ArrayBuffer.isView(value);
}

type Loose = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null;
}

function isLength(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_BYTES;
}

/** @returns `undefined` for what is no place. */
function placeOf(position: unknown): Place | undefined {
  if (position === null || position === undefined || position === -1 || position === -1n) return null;
  const place = typeof position === 'bigint' ? Number(position) : position;
  return typeof place === 'number' && Number.isSafeInteger(place) && place >= 0 ? place : undefined;
}

function transfer(
  buffer: NodeJS.ArrayBufferView,
  offset: unknown,
  length: unknown,
  position: unknown,
  signal: unknown,
): TransferArguments | undefined {
  const from = offset ?? 0;
  const place = placeOf(position);
  if (!isLength(from) || place === undefined) return undefined;
  const { byteLength } = buffer;
  const bytes = length ?? byteLength - from;
  if (!isLength(bytes) || from + bytes > byteLength) return undefined;
  if (signal !== undefined && !(signal instanceof AbortSignal)) return undefined;
  return { buffer, offset: from, length: bytes, position: place, signal };
}

/** `read()`, `read(options)`, `read(buffer, options)`, `read(buffer, offset, length, position)`. */
export function readArguments(args: readonly unknown[]): TransferArguments | undefined {
  const first = args[0];
  const second = args[1];
  if (!isView(first)) {
    if (first !== undefined && !isObject(first) && first !== null) return undefined;
    const options: Loose = first ?? {};
    const { buffer = Buffer.alloc(DEFAULT_READ_BYTES) } = options;
    if (!isView(buffer)) return undefined;
    return transfer(buffer, options.offset, options.length, options.position, options.signal);
  }
  if (isObject(second)) return transfer(first, second.offset, second.length, second.position, second.signal);
  return transfer(first, second, args[2], args[3], undefined);
}

/** `write(buffer, options)`, `write(buffer, offset, length, position)`, `write(string, position, encoding)`. */
export function writeArguments([first, second, third, fourth]: readonly unknown[]):
  | TransferArguments
  | undefined {
  if (typeof first === 'string') {
    if (third !== undefined && third !== null && !isEncoding(third)) return undefined;
    const place = typeof second === 'number' ? placeOf(second) : null;
    if (place === undefined) return undefined;
    const bytes = Buffer.from(first, (third as BufferEncoding | null | undefined) ?? 'utf8');
    return transfer(bytes, 0, bytes.byteLength, place, undefined);
  }
  if (!isView(first)) return undefined;
  if (isObject(second)) return transfer(first, second.offset, second.length, second.position, second.signal);
  // Node takes anything but a number as absent here.
  const length = typeof third === 'number' ? third : undefined;
  const position = typeof fourth === 'number' ? fourth : null;
  return transfer(first, second, length, position, undefined);
}

/** `readv(buffers, position)` and `writev(buffers, position)`. */
export function vectorArguments([buffers, position]: readonly unknown[]):
  | { readonly buffers: readonly NodeJS.ArrayBufferView[]; readonly position: Place }
  | undefined {
  if (!Array.isArray(buffers) || !buffers.every(isView)) return undefined;
  const place = typeof position === 'number' ? placeOf(position) : null;
  return place === undefined ? undefined : { buffers, position: place };
}

export function isEncoding(value: unknown): value is BufferEncoding {
  return typeof value === 'string' && Buffer.isEncoding(value);
}

export interface FileArguments {
  readonly encoding: BufferEncoding | undefined;
  readonly signal: AbortSignal | undefined;
}

/** The options of `readFile`, `writeFile` and `appendFile`: an encoding, or an object that has one. */
export function fileArguments(options: unknown): FileArguments | undefined {
  if (options === undefined || options === null) return { encoding: undefined, signal: undefined };
  const { encoding, signal } = isObject(options) ? options : { encoding: options, signal: undefined };
  if (encoding !== undefined && encoding !== null && !isEncoding(encoding)) return undefined;
  if (signal !== undefined && !(signal instanceof AbortSignal)) return undefined;
  return { encoding: encoding ?? undefined, signal };
}

/** Bytes of a view, or of a part of it. */
export function bytesOf(view: ArrayBufferView, offset = 0, length = view.byteLength - offset): Uint8Array {
  if (length === view.byteLength && view instanceof Uint8Array) return view;
  return new Uint8Array(view.buffer, view.byteOffset + offset, length);
}

/**
 * Some versions of Node.js end the process for a length that is no integer (20.20: an assertion in `node::fs::Read`).
 *
 * @throws TypeError or RangeError for such a length, so that those versions never see it.
 */
export function refuseLengthThatKills([first, second, third]: readonly unknown[]): void {
  const options = isView(first) ? second : first;
  const length = isObject(options) && !isView(options) ? options.length : third;
  if (length === undefined || length === null) return;
  if (typeof length !== 'number') throw invalidArgType('length', 'of type number', length);
  if (!Number.isInteger(length)) throw outOfRange('length', 'an integer', length);
}
