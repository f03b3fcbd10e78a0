/**
 * What the engine itself knows of memory and signals, asked by functions taken when this module was loaded.
 *
 * Objects that others hand over may lie: through own properties, subclasses, getters, replaced prototypes. What is asked here runs
 * none of their code and gives the answer that the engine goes by.
 */
import { addAbortListener } from 'node:events';

const uncurryThis = Function.prototype.bind.bind(Function.prototype.call) as <T, A extends unknown[], R>(
  method: (this: T, ...args: A) => R,
) => (self: T, ...args: A) => R;

/** @returns `undefined` for a property that this version of Node.js does not have. */
function getterOf<T, R>(prototype: object, name: PropertyKey): ((self: T) => R) | undefined {
  const getter = Object.getOwnPropertyDescriptor(prototype, name)?.get as ((this: T) => R) | undefined;
  return getter === undefined ? undefined : uncurryThis(getter);
}

const TypedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object;

const typedArrayTag = getterOf<unknown, string | undefined>(TypedArrayPrototype, Symbol.toStringTag)!;
const typedArrayBuffer = getterOf<ArrayBufferView, ArrayBufferLike>(TypedArrayPrototype, 'buffer')!;
const typedArrayByteOffset = getterOf<ArrayBufferView, number>(TypedArrayPrototype, 'byteOffset')!;
const typedArrayByteLength = getterOf<ArrayBufferView, number>(TypedArrayPrototype, 'byteLength')!;
const dataViewBuffer = getterOf<ArrayBufferView, ArrayBufferLike>(DataView.prototype, 'buffer')!;
const dataViewByteOffset = getterOf<ArrayBufferView, number>(DataView.prototype, 'byteOffset')!;
const dataViewByteLength = getterOf<ArrayBufferView, number>(DataView.prototype, 'byteLength')!;
const arrayBufferByteLength = getterOf<ArrayBufferLike, number>(ArrayBuffer.prototype, 'byteLength')!;
const arrayBufferResizable = getterOf<ArrayBufferLike, boolean>(ArrayBuffer.prototype, 'resizable');
const arrayBufferSlice = uncurryThis(ArrayBuffer.prototype.slice);
const sharedByteLength = getterOf<ArrayBufferLike, number>(SharedArrayBuffer.prototype, 'byteLength')!;
const sharedGrowable = getterOf<ArrayBufferLike, boolean>(SharedArrayBuffer.prototype, 'growable');
const signalAborted = getterOf<AbortSignal, boolean>(AbortSignal.prototype, 'aborted')!;
const signalReason = getterOf<AbortSignal, unknown>(AbortSignal.prototype, 'reason')!;

const typedArraySet = uncurryThis(Uint8Array.prototype.set);

const addListener = uncurryThis(EventTarget.prototype.addEventListener);
const removeListener = uncurryThis(EventTarget.prototype.removeEventListener);

const { isView } = ArrayBuffer;
const { getOwnPropertyDescriptor, hasOwn } = Object;

/** Whether `value` is a typed array (a Buffer, say) or a DataView. */
export function isArrayBufferView(value: unknown): value is ArrayBufferView {
  return isView(value);
}

function isTypedArray(view: ArrayBufferView): boolean {
  return typedArrayTag(view) !== undefined;
}

/** A view, as the engine knows it. */
export interface Viewed {
  readonly memory: ArrayBufferLike;
  /** Where it begins in the memory. */
  readonly start: number;
  /** Bytes; 0 for a typed array whose memory is gone. */
  readonly length: number;
}

/** All of it at once. @throws TypeError for a DataView whose memory is gone. */
export function viewed(view: ArrayBufferView): Viewed {
  if (isTypedArray(view)) {
    return {
      memory: typedArrayBuffer(view),
      start: typedArrayByteOffset(view),
      length: typedArrayByteLength(view),
    };
  }
  return { memory: dataViewBuffer(view), start: dataViewByteOffset(view), length: dataViewByteLength(view) };
}

/**
 * Bytes of the memory that a view has by a property of its own, which hides what the engine knows. No code runs.
 *
 * @returns `undefined` where it has none, as every honest view.
 */
export function bytesNamedBy(view: ArrayBufferView): number | undefined {
  if (!hasOwn(view, 'buffer')) return undefined;
  const value: unknown = getOwnPropertyDescriptor(view, 'buffer')?.value;
  try {
    return bytesIn(value as ArrayBufferLike);
  } catch {
    // Neither an ArrayBuffer nor a SharedArrayBuffer.
    return undefined;
  }
}

/** The memory behind a view. */
export function bufferOf(view: ArrayBufferView): ArrayBufferLike {
  return isTypedArray(view) ? typedArrayBuffer(view) : dataViewBuffer(view);
}

/** Where a view begins in its memory. @throws TypeError for a DataView whose memory is gone. */
export function byteOffsetOf(view: ArrayBufferView): number {
  return isTypedArray(view) ? typedArrayByteOffset(view) : dataViewByteOffset(view);
}

/** Bytes of a view; 0 for a typed array whose memory is gone. @throws TypeError for a DataView whose memory is gone. */
export function byteLengthOf(view: ArrayBufferView): number {
  return isTypedArray(view) ? typedArrayByteLength(view) : dataViewByteLength(view);
}

/** Bytes of memory; 0 for what is detached. */
export function bytesIn(memory: ArrayBufferLike): number {
  try {
    return arrayBufferByteLength(memory);
  } catch {
    // An ArrayBuffer has the property, so this is the other kind.
    return sharedByteLength(memory);
  }
}

/** Copies bytes between views of our own. @throws TypeError where memory is gone, RangeError where they do not fit: nothing is copied then. */
export function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  const { memory, start: first } = viewed(from);
  typedArraySet(to, new Uint8Array(memory, first + start, end - start), at);
}

/** Whether memory has been given away. Also on Node.js 20, whose buffers do not say so: such memory looks empty. */
export function isDetached(memory: ArrayBufferLike): boolean {
  if (bytesIn(memory) > 0 || isShared(memory)) return false;
  try {
    arrayBufferSlice(memory as ArrayBuffer, 0, 0);
    return false;
  } catch {
    return true;
  }
}

/** Whether memory can be resized or grown by JavaScript: it could shrink, or move, under a transfer. */
export function mayChangeSize(memory: ArrayBufferLike): boolean {
  try {
    return arrayBufferResizable?.(memory) === true;
  } catch {
    // The other kind.
    return sharedGrowable?.(memory) === true;
  }
}

/** Whether memory is shared between threads; it can't be given away then. */
export function isShared(memory: ArrayBufferLike): boolean {
  try {
    arrayBufferByteLength(memory);
    return false;
  } catch {
    return true;
  }
}

/** Whether `value` is an AbortSignal of Node.js, whatever it says of itself. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  try {
    signalAborted(value as AbortSignal);
    return true;
  } catch {
    return false;
  }
}

/** Whether a signal has fired. */
export function isAborted(signal: AbortSignal): boolean {
  return signalAborted(signal);
}

/** Why a signal has fired. */
export function abortReason(signal: AbortSignal): unknown {
  return signalReason(signal);
}

type ListenerOptions = Parameters<EventTarget['addEventListener']>[2] & object;

/**
 * What Node.js gives its own listeners, so that nobody who hears of an event first can keep it from them
 * (`stopImmediatePropagation`): it is no secret of the engine's, and taken from how `events.addAbortListener` calls a signal.
 */
function optionsOfNode(): ListenerOptions {
  let options: ListenerOptions = { once: true };
  const signal = {
    aborted: false,
    addEventListener: (_type: string, _listener: unknown, given: ListenerOptions): void => {
      options = given;
    },
    removeEventListener: (): void => {},
  };
  addAbortListener(signal as unknown as AbortSignal, () => {});
  return options;
}

const ONCE_WHATEVER_OTHERS_DO = optionsOfNode();

/** Calls `listener` once when a signal fires. */
export function onAbort(signal: AbortSignal, listener: () => void): void {
  addListener(signal, 'abort', listener, ONCE_WHATEVER_OTHERS_DO);
}

/** Undoes {@link onAbort}. */
export function ignoreAbort(signal: AbortSignal, listener: () => void): void {
  removeListener(signal, 'abort', listener);
}
