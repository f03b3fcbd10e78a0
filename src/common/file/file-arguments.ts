/**
 * Reading the arguments of FileHandle's overloads.
 *
 * Only what is plainly right is read here. For anything else the host's own FileHandle is asked, which throws what this version of
 * Node.js throws for it. Either way each property is read once, and a view says what the engine knows of it.
 */

import { byteLengthOf, isAbortSignal, isArrayBufferView } from '../intrinsics.ts';
import { type Extent, extentOf, extentOfOwn, partOf } from '../memory/extent.ts';
import type { Pins } from '../memory/pins.ts';
import { invalidArgType, outOfRange, validatePriority } from '../validate.ts';

/** Node's limit for one transfer. */
const MAX_BYTES = 2 ** 31 - 1;
const DEFAULT_READ_BYTES = 16384;

/** A place in the file; `null` is the cursor. */
export type Place = number | null;

export interface TransferArguments {
  /** What comes back with the count. */
  readonly buffer: NodeJS.ArrayBufferView;
  readonly extent: Extent;
  readonly position: Place;
  readonly signal: AbortSignal | undefined;
  readonly extras: Extras;
}

/** What a transfer may be asked for that FileHandle has not. */
export interface Extras {
  /** `aio_reqprio`; 0 is none. */
  readonly priority: number;
  /** Whether a write settles when its bytes are durable. */
  readonly dsync: boolean;
}

const NO_EXTRAS: Extras = { priority: 0, dsync: false };

/** @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`: nobody is to believe that he was given what was passed over. */
function extrasOf(priority: unknown, dsync: unknown): Extras {
  if (priority === undefined && dsync === undefined) return NO_EXTRAS;
  if (dsync !== undefined && typeof dsync !== 'boolean')
    throw invalidArgType('options.dsync', 'of type boolean', dsync);
  return { priority: priority === undefined ? 0 : validatePriority(priority), dsync: dsync === true };
}

/** The extras of a vector, and of what goes on until all is done: each property read once. */
export function extrasIn(options: unknown): Extras {
  if (options === undefined || options === null) return NO_EXTRAS;
  if (!isObject(options)) throw invalidArgType('options', 'of type object', options);
  const { priority, dsync } = options;
  return extrasOf(priority, dsync);
}

/** Arguments that the host's FileHandle is to judge: those of the caller, each read once. Views of his stand first, alone or in an array. */
export interface RefusedArguments {
  readonly refused: readonly unknown[];
  /** What the view stands for. */
  readonly buffer?: unknown;
  readonly extras?: Extras;
}

/** A view, as the types of Node.js name one. */
function isView(value: unknown): value is NodeJS.ArrayBufferView {
  return isArrayBufferView(value);
}

type Loose = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null;
}

function isLength(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_BYTES;
}

const NODE_MAJOR = Number.parseInt(process.versions.node, 10);
/** Node.js 20 takes a bigint for the current position. */
const TAKES_BIGINTS = NODE_MAJOR > 20;
/** Versions before end the process for a length of a read that is no integer: an assertion in `node::fs::Read`. */
const JUDGES_LENGTHS = NODE_MAJOR >= 26;

/** @returns `undefined` for what is no place. */
function placeOf(position: unknown): Place | undefined {
  if (position === null || position === undefined || position === -1 || position === -1n) return null;
  if (typeof position === 'bigint' && !TAKES_BIGINTS) return null;
  const place = typeof position === 'bigint' ? Number(position) : position;
  return typeof place === 'number' && Number.isSafeInteger(place) && place >= 0 ? place : undefined;
}

/** A length that is no integer: what Node.js 26 makes of it, where the host must not see it. */
function lengthOf(length: unknown): unknown {
  const isJudged = JUDGES_LENGTHS || length === undefined || length === null || Number.isInteger(length);
  return isJudged ? length : (length as number) | 0;
}

/** The four arguments of a transfer, and its signal: what they mean, if they are plainly right. */
function transfer(
  buffer: NodeJS.ArrayBufferView,
  offset: unknown,
  length: unknown,
  position: unknown,
  signal: unknown,
  extras: Extras,
  pins: Pins | undefined,
): TransferArguments | undefined {
  const from = offset ?? 0;
  const place = placeOf(position);
  if (!isLength(from) || place === undefined) return undefined;
  if (signal !== undefined && !isAbortSignal(signal)) return undefined;
  const whole = extentOf('buffer', buffer, pins);
  const bytes = length ?? whole.length - from;
  // As the host says it, who would be given a copy first.
  if (Number.isInteger(bytes) && (bytes as number) > MAX_BYTES && from + (bytes as number) <= whole.length)
    throw outOfRange('length', `>= 0 && <= ${MAX_BYTES}`, bytes);
  if (!isLength(bytes) || from + bytes > whole.length) return undefined;
  const extent = from === 0 && bytes === whole.length ? whole : partOf(whole, from, bytes);
  return { buffer, extent, position: place, signal, extras };
}

function withOptions(
  buffer: NodeJS.ArrayBufferView,
  { offset, length, position, signal, priority }: Loose,
  pins: Pins | undefined,
): TransferArguments | RefusedArguments {
  const extras = extrasOf(priority, undefined);
  return (
    transfer(buffer, offset, length, position, signal, extras, pins) ?? {
      refused: [buffer, { offset, length, position }],
      buffer,
    }
  );
}

function readOptions({ offset, length, position, signal, priority }: Loose): Loose {
  return { offset, length: lengthOf(length), position, signal, priority };
}

/** Node takes anything but a number as absent here. */
function writeOptions({ offset, length, position, signal, priority, dsync }: Loose): Loose {
  // What is absent is computed from the offset, whatever that is.
  const absent = length === undefined ? undefined : null;
  return {
    offset,
    length: numberOf(length) ?? absent,
    position: numberOf(position) ?? null,
    signal,
    priority,
    dsync,
  };
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

/** `read()`, `read(options)`, `read(buffer, options)`, `read(buffer, offset, length, position)`. */
export function readArguments(
  args: readonly unknown[],
  pins: Pins | undefined,
): TransferArguments | RefusedArguments {
  const [first, second, third, fourth] = args;
  if (isView(first)) {
    if (isObject(second)) return withOptions(first, readOptions(second), pins);
    const length = lengthOf(third);
    return (
      transfer(first, second, length, fourth, undefined, NO_EXTRAS, pins) ?? {
        refused: [first, second, length, fourth],
        buffer: first,
      }
    );
  }
  if (first !== undefined && first !== null && (!isObject(first) || Array.isArray(first)))
    return { refused: args };
  const options: Loose = first ?? {};
  const { buffer = Buffer.alloc(DEFAULT_READ_BYTES) } = options;
  if (isView(buffer)) {
    const given = readOptions(options);
    // Node.js looks for options there once more.
    return withOptions(buffer, isObject(given.offset) ? readOptions(given.offset) : given, pins);
  }
  const { offset, length, position } = options;
  return { refused: [{ buffer, offset, length: lengthOf(length), position }] };
}

/** `write(buffer, options)`, `write(buffer, offset, length, position)`, `write(string, position, encoding)`. */
export function writeArguments(
  args: readonly unknown[],
  pins: Pins | undefined,
): TransferArguments | RefusedArguments {
  const [first, second, third, fourth] = args;
  if (typeof first === 'string') {
    if (third !== undefined && third !== null && !isEncoding(third)) return { refused: args };
    const place = typeof second === 'number' ? placeOf(second) : null;
    if (place === undefined || (isHex(third) && first.length % 2 !== 0)) return { refused: args };
    const bytes = Buffer.from(first, (third as BufferEncoding | null | undefined) ?? 'utf8');
    // Of no bytes, the host asks the kernel all the same, which may refuse.
    if (bytes.length === 0) return { refused: args };
    return {
      buffer: bytes,
      extent: extentOfOwn(bytes),
      position: place,
      signal: undefined,
      extras: NO_EXTRAS,
    };
  }
  if (!isView(first)) return { refused: args };
  // For options, `null` stands too.
  const isOptions = typeof second === 'object';
  const options = isOptions ? (second ?? {}) : { offset: second, length: third, position: fourth };
  const { offset, length, position, signal, priority, dsync } = writeOptions(options as Loose);
  const extras = extrasOf(priority, dsync);
  const wanted = transfer(first, offset, length, position, signal, extras, pins);
  if (wanted === undefined) {
    const refused = isOptions ? [first, { offset, length, position }] : [first, offset, length, position];
    return { refused, buffer: first, extras };
  }
  // Of no bytes of some, the host asks the kernel all the same, which may refuse.
  if (wanted.extent.length > 0 || byteLengthOf(first) === 0) return wanted;
  return { refused: [first, byteLengthOf(first), 0, wanted.position], buffer: first };
}

/** `readv(buffers, position)` and `writev(buffers, position)`. */
export function vectorArguments(
  [buffers, position]: readonly unknown[],
  pins: Pins | undefined,
): { readonly extents: readonly Extent[]; readonly position: Place } | RefusedArguments {
  if (!Array.isArray(buffers)) return { refused: [buffers, position] };
  // Each element once, holes too: an array may have methods of its owner's.
  const views = Array.from({ length: buffers.length }, (_, index) => buffers[index] as unknown);
  const place = typeof position === 'number' ? placeOf(position) : null;
  if (place === undefined || !views.every(isView)) return { refused: [views, position] };
  return { extents: views.map((view) => extentOf('buffers', view, pins)), position: place };
}

export function isEncoding(value: unknown): value is BufferEncoding {
  return typeof value === 'string' && Buffer.isEncoding(value);
}

function isHex(encoding: unknown): boolean {
  return typeof encoding === 'string' && encoding.toLowerCase() === 'hex';
}

export interface FileArguments {
  readonly encoding: BufferEncoding | undefined;
  readonly signal: AbortSignal | undefined;
}

function isMode(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff_ffff;
}

/** What `readFile`, `writeFile` and `appendFile` look at. */
const FILE_OPTIONS = ['encoding', 'flag', 'flush', 'mode', 'signal'] as const;

/**
 * The options of `readFile`, `writeFile` and `appendFile`: an encoding, or an object that has one.
 *
 * @returns What the host is to judge, each property read once, where they are not plainly right or ask for more than bytes.
 */
export function fileArguments(options: unknown): FileArguments | { readonly refused: unknown } {
  if (options === undefined || options === null) return { encoding: undefined, signal: undefined };
  if (!isObject(options))
    return isEncoding(options) ? { encoding: options, signal: undefined } : { refused: options };
  const given: Record<string, unknown> = {};
  for (const name of FILE_OPTIONS) if (name in options) given[name] = options[name];
  const { encoding, signal, flush = false } = given;
  const isRight =
    (encoding === undefined || encoding === null || isEncoding(encoding)) &&
    (signal === undefined || isAbortSignal(signal)) &&
    // These two mean nothing to a file that is open, but have to be what they are called (`mode` from Node.js 26 on).
    typeof flush === 'boolean' &&
    !('flush' in given && given.flush === undefined) &&
    (!('mode' in given) || isMode(given.mode));
  return isRight
    ? { encoding: (encoding ?? undefined) as BufferEncoding | undefined, signal }
    : { refused: given };
}
