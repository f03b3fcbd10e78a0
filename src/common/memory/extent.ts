/** Stretches of memory: what is known of a view, read once, and all that is asked of it afterwards. */
import {
  bytesIn,
  bytesNamedBy,
  isArrayBufferView,
  isDetached,
  mayChangeSize,
  type Viewed,
  viewed,
} from '../intrinsics.ts';
import { detachedView, invalidArgType, resizableView } from '../validate.ts';
import { isPageAligned } from './page-aligned.ts';
import type { Pins } from './pins.ts';

/** Bytes of somebody's, for the time of a request. */
export interface Extent extends Viewed {
  /** What the caller has handed over, where `memory` stands for it: a WebAssembly memory, which may grow meanwhile. */
  readonly origin?: ArrayBufferLike;
}

/**
 * What a view is, by the engine's own knowledge: no code of its owner's runs.
 *
 * @param pins - Have a memory that may grow held.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` for what is no view; `ERR_INVALID_ARG_VALUE` for memory that is gone, or that could move or
 * shrink while the kernel writes to it.
 */
export function extentOf(name: string, view: unknown, pins?: Pins): Extent {
  if (!isArrayBufferView(view))
    throw invalidArgType(name, 'an instance of Buffer, TypedArray, or DataView', view);
  const extent = lookAt(name, view);
  const { memory, length } = extent;
  if (length === 0 && isDetached(memory)) throw detachedView(name);
  // Of ours, some may by their kind, and have their greatest size.
  if (mayChangeSize(memory) && !isPageAligned(memory)) throw resizableView(name);
  if (pins !== undefined && length > 0) {
    const held = pins.hold(memory);
    if (held !== memory) return { ...extent, memory: held, origin: memory };
  }
  return extent;
}

/** A view that has another memory by a property of its own lies: no more is moved than fits into both. */
function lookAt(name: string, view: ArrayBufferView): Extent {
  try {
    const seen = viewed(view);
    const named = bytesNamedBy(view);
    return named === undefined || named >= seen.length ? seen : { ...seen, length: named };
  } catch {
    // A DataView says nothing of memory that is gone.
    throw detachedView(name);
  }
}

/** A part of an extent. Preconditions: it has that part. */
export function partOf(extent: Extent, from: number, length = extent.length - from): Extent {
  return { ...extent, start: extent.start + from, length };
}

/** All of a view of our own. */
export function extentOfOwn({ buffer, byteOffset, byteLength }: Uint8Array): Extent {
  return { memory: buffer, start: byteOffset, length: byteLength };
}

/** Whether the memory was given away since it was looked at. */
export function isGone({ memory, start, length }: Extent): boolean {
  // What is detached has no bytes, and nothing else shrinks: memory that can was refused.
  return bytesIn(memory) < start + length;
}

/** Whether bytes that were moved to it went nowhere: what it stood for could not grow in place, and has moved. */
export function isLost({ memory, origin }: Extent, pins: Pins | undefined): boolean {
  return origin !== undefined && isDetached(origin) && pins?.isLost(memory) === true;
}

/** A view of our own, which is what it says. @throws TypeError where the memory is gone. */
export function bytesOf({ memory, start, length }: Extent): Uint8Array {
  return new Uint8Array(memory, start, length);
}
