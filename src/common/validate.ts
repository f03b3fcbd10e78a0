/** Argument shapes only: whether the kernel accepts a value is for the kernel to say. */
import { inspect } from 'node:util';

/** A descriptor number, or what carries one, such as a FileHandle. */
export type Descriptor = number | { readonly fd: number };

const MAX_FD = 0x7fffffff;

function shapeError(Base: ErrorConstructor, code: string, message: string): Error {
  return Object.assign(new Base(message), { code });
}

/** A TypeError in Node's form. */
export function invalidArgType(name: string, expected: string, actual: unknown): Error {
  const got = actual === null ? 'null' : typeof actual;
  return shapeError(
    TypeError,
    'ERR_INVALID_ARG_TYPE',
    `The "${name}" argument must be ${expected}. Received ${got}`,
  );
}

/** A RangeError in Node's form. */
export function outOfRange(name: string, expected: string, actual: unknown): Error {
  return shapeError(
    RangeError,
    'ERR_OUT_OF_RANGE',
    `The value of "${name}" is out of range. It must be ${expected}. Received ${String(actual)}`,
  );
}

/** The TypeError of Node.js for a value of the right type that means nothing. */
export function invalidArgValue(name: string, actual: unknown): Error {
  return shapeError(
    TypeError,
    'ERR_INVALID_ARG_VALUE',
    `The argument '${name}' is invalid. Received ${inspect(actual)}`,
  );
}

/** @returns The integer, if it is one within the bounds. */
export function validateInteger(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < min || value > max) throw outOfRange(name, `>= ${min} && <= ${max}`, value);
  return value;
}

/** @returns The descriptor number. */
export function validateDescriptor(descriptor: unknown): number {
  const fd =
    typeof descriptor === 'object' && descriptor !== null && 'fd' in descriptor ? descriptor.fd : descriptor;
  return validateInteger('fd', fd, 0, MAX_FD);
}

/** @returns The place in the file. */
export function validatePosition(position: unknown): number {
  return validateInteger('position', position, 0, Number.MAX_SAFE_INTEGER);
}

/** The TypeError for memory that has been transferred away. */
export function detachedView(name: string): Error {
  return shapeError(TypeError, 'ERR_INVALID_ARG_VALUE', `The memory of the "${name}" argument is detached`);
}

/**
 * Refuses memory that could move or shrink while the kernel writes to it.
 *
 * @returns The view.
 */
export function validateView(name: string, view: unknown): ArrayBufferView {
  assertView(name, view);
  refuseUnstable(name, view.buffer, view.byteLength);
  return view;
}

/** The first half of {@link validateView}. */
export function assertView(name: string, view: unknown): asserts view is ArrayBufferView {
  if (!ArrayBuffer.isView(view))
    throw invalidArgType(name, 'an instance of Buffer, TypedArray, or DataView', view);
}

/**
 * The second half of {@link validateView}, for those who have asked the view already: each question to a Buffer is a call into the
 * engine, which a transfer feels.
 */
export function refuseUnstable(name: string, buffer: ArrayBufferLike, byteLength: number): void {
  if (byteLength === 0 && isDetached(buffer)) throw detachedView(name);
  if (mayChangeSize(buffer)) {
    throw shapeError(
      TypeError,
      'ERR_INVALID_ARG_VALUE',
      `The memory of the "${name}" argument is resizable: the kernel could be left writing to memory that is gone`,
    );
  }
}

/** Properties that some buffers have on some of the supported versions of Node.js only. */
interface Sizable {
  readonly resizable?: boolean;
  readonly growable?: boolean;
}

function mayChangeSize(buffer: ArrayBufferLike & Sizable): boolean {
  return buffer.resizable === true || buffer.growable === true;
}

/** Also on Node.js 20, whose buffers do not say so: a detached one looks empty. */
function isDetached(buffer: ArrayBufferLike): boolean {
  if (buffer.byteLength > 0) return false;
  try {
    buffer.slice(0, 0);
    return false;
  } catch {
    return true;
  }
}

/** @returns The signal, if one was given. */
export function validateSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  if (!(signal instanceof AbortSignal))
    throw invalidArgType('options.signal', 'an instance of AbortSignal', signal);
  return signal;
}
