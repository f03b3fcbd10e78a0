/** Argument shapes only: whether the kernel accepts a value is for the kernel to say. */
import { inspect, types } from 'node:util';
import { isAbortSignal } from './intrinsics.ts';

/** A descriptor number, or what carries one, such as a FileHandle. */
export type Descriptor =
  | number
  | {
      /** The descriptor. Its owner keeps it open until the request is over. */
      readonly fd: number;
    };

const MAX_FD = 0x7fffffff;
/** Characters of a text, as Node cuts it. */
const MOST_SHOWN = 28;

function shapeError(Base: ErrorConstructor, code: string, message: string): Error {
  return Object.assign(new Base(message), { code });
}

/** A TypeError in Node's form. */
export function invalidArgType(name: string, expected: string, actual: unknown): Error {
  return shapeError(
    TypeError,
    'ERR_INVALID_ARG_TYPE',
    `The "${name}" argument must be ${expected}. Received ${received(actual)}`,
  );
}

/** Objects and functions are only told by their kind: to ask for the name of their class would run code of theirs. */
function received(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  // A proxy whose target was revoked cannot even be asked whether it is an array.
  if (!types.isProxy(value) && Array.isArray(value)) return 'an instance of Array';
  if (typeof value === 'object' || typeof value === 'function') return typeof value;
  return `type ${typeof value} (${typeof value === 'string' ? quoted(value) : inspect(value)})`;
}

function quoted(text: string): string {
  const cut = text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN - 3)}...` : text;
  return cut.includes("'") ? JSON.stringify(cut) : `'${cut}'`;
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
export function invalidArgValue(name: string, actual: unknown, why = 'is invalid'): Error {
  return shapeError(
    TypeError,
    'ERR_INVALID_ARG_VALUE',
    `The argument '${name}' ${why}. Received ${inspect(actual)}`,
  );
}

/** @returns The integer, if it is one within the bounds. */
export function validateInteger(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < min || value > max) throw outOfRange(name, `>= ${min} && <= ${max}`, value);
  return value;
}

/**
 * Asks for the descriptor, once. The last question of all: what is answered may be code of the caller's, and a descriptor that
 * was read before could mean another file by then.
 *
 * @returns The descriptor number.
 */
export function validateDescriptor(descriptor: unknown): number {
  const fd =
    typeof descriptor === 'object' && descriptor !== null && 'fd' in descriptor ? descriptor.fd : descriptor;
  return validateInteger('fd', fd, 0, MAX_FD);
}

/** @returns The options, if they are an object. */
export function validateOptions<T extends object>(options: T | undefined, absent: T): T {
  if (options === undefined) return absent;
  if (typeof options !== 'object' || options === null)
    throw invalidArgType('options', 'of type object', options);
  return options;
}

/** @returns The place in the file. */
export function validatePosition(position: unknown): number {
  return validateInteger('position', position, 0, Number.MAX_SAFE_INTEGER);
}

/** @returns The I/O priority, whatever the kernel says to it. 0 is none. */
export function validatePriority(priority: unknown): number {
  return validateInteger('options.priority', priority, 0, 0xffff);
}

/** The TypeError for memory that has been transferred away. */
export function detachedView(name: string): Error {
  return shapeError(TypeError, 'ERR_INVALID_ARG_VALUE', `The memory of the "${name}" argument is detached`);
}

/** The TypeError for memory that could move or shrink while the kernel writes to it. */
export function resizableView(name: string): Error {
  return shapeError(
    TypeError,
    'ERR_INVALID_ARG_VALUE',
    `The memory of the "${name}" argument is resizable: the kernel could be left writing to memory that is gone`,
  );
}

/** @returns The signal, if one was given. */
export function validateSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  if (!isAbortSignal(signal)) throw invalidArgType('options.signal', 'an instance of AbortSignal', signal);
  return signal;
}
