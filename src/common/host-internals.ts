/**
 * How Node.js counts who has a FileHandle open: by methods under symbols, the same since Node.js 16.
 *
 * Its own calls and streams go through them, so that a file that is closed stays open until the last of them has ended. What
 * kaio has under way counts in the same way, and hears there when the descriptor is given up.
 */
import type { FileHandle } from 'node:fs/promises';

export interface HostInternals {
  /** `FileHandle.prototype`. */
  readonly prototype: FileHandle;
  /** Method: one more has it open. Preconditions: it is open. */
  readonly ref: symbol;
  /** Method: one has let go; the last one closes it. */
  readonly unref: symbol;
  /** Property: how many have it open. */
  readonly refs: symbol;
  /** Property: what has the descriptor in C++, and closes it when it is collected. */
  readonly descriptor: symbol;
  /** Method: it goes to another thread. */
  readonly transfer: symbol;
  /** Method: closes it here and now. Not on each version. */
  readonly closeSync: symbol | undefined;
}

type Keyed = Record<PropertyKey, unknown>;

let known: HostInternals | undefined;

/** @returns `undefined` for what is no FileHandle of Node.js, or one that counts otherwise. */
export function hostInternals(handle: object): HostInternals | undefined {
  const prototype = Object.getPrototypeOf(handle) as object | null;
  if (prototype === null) return undefined;
  if (known?.prototype !== prototype) {
    if (known !== undefined) return undefined;
    known = internalsOf(handle, prototype);
  }
  return known;
}

/** As {@link hostInternals}, also of what has been made of a FileHandle: an AioFile. */
export function inheritedInternals(handle: object): HostInternals | undefined {
  const isKnown = known !== undefined && Object.prototype.isPrototypeOf.call(known.prototype, handle);
  return isKnown ? known : hostInternals(handle);
}

/** What a FileHandle of Node.js shows of its class. @returns `undefined` for what counts otherwise. */
export function internalsOf(
  handle: object,
  prototype = Object.getPrototypeOf(handle) as object,
): HostInternals | undefined {
  return readInternals(handle as Keyed, prototype as Keyed);
}

function readInternals(handle: Keyed, prototype: Keyed): HostInternals | undefined {
  const method = (name: string): symbol | undefined => {
    const found = symbolOf(prototype, name);
    return found !== undefined && typeof prototype[found] === 'function' ? found : undefined;
  };
  const ref = method('kRef');
  const unref = method('kUnref');
  const transfer = method('messaging_transfer_symbol');
  const refs = symbolOf(handle, 'kRefs');
  const descriptor = symbolOf(handle, 'kHandle');
  if (ref === undefined || unref === undefined || transfer === undefined) return undefined;
  if (refs === undefined || descriptor === undefined) return undefined;
  if (handle[refs] !== 1 || typeof handle[descriptor] !== 'object') return undefined;
  return {
    prototype: prototype as unknown as FileHandle,
    ref,
    unref,
    refs,
    descriptor,
    transfer,
    closeSync: method('kCloseSync'),
  };
}

function symbolOf(object: object, description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(object).find((symbol) => symbol.description === description);
}
