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
  /** The class of what has the descriptor in C++. */
  readonly natives: (new (fd: number) => NativeHandle) | undefined;
}

type Keyed = Record<PropertyKey, unknown>;

/** What has the descriptor in C++. */
interface NativeHandle {
  close(): Promise<void>;
  /** Gives the descriptor up: it is closed, as far as Node.js knows. */
  releaseFD?(): void;
}

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
    natives: nativesOf(handle[descriptor]),
  };
}

function nativesOf(native: unknown): HostInternals['natives'] {
  const { constructor: natives, releaseFD } = native as { constructor?: unknown; releaseFD?: unknown };
  const isUsual = typeof natives === 'function' && typeof releaseFD === 'function';
  return isUsual ? (natives as NonNullable<HostInternals['natives']>) : undefined;
}

function symbolOf(object: object, description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(object).find((symbol) => symbol.description === description);
}

/**
 * A FileHandle of Node's for a descriptor that Node.js has not opened.
 *
 * @param close - Closes it, having called `release`; or has Node.js do it, by `later`.
 * @returns `undefined` before Node.js has opened one, and where its classes are not as they were in Node.js 20 to 26: the descriptor is
 * the caller's still.
 */
export function handleOf(
  fd: number,
  close: (release: () => void, later: () => Promise<void>) => Promise<void>,
): FileHandle | undefined {
  if (known === undefined) return undefined;
  const { prototype, refs, descriptor, natives } = known;
  if (natives === undefined) return undefined;
  const native = new natives(fd);
  const { releaseFD, close: closeLater } = native;
  const Host = prototype.constructor as new (native: NativeHandle) => FileHandle;
  let handle: FileHandle;
  try {
    handle = new Host(native);
  } catch (error) {
    // The descriptor stays the caller's: two would close it else, the second one somebody else's.
    releaseFD?.call(native);
    throw error;
  }
  const keyed = handle as unknown as Keyed;
  if (handle.fd !== fd || keyed[refs] !== 1 || keyed[descriptor] !== native || releaseFD === undefined) {
    // Whatever it is, it has the descriptor.
    known = { ...known, natives: undefined };
    return handle;
  }
  const release = (): void => releaseFD.call(native);
  const later = (): Promise<void> => closeLater.call(native);
  const closeAtOnce = (): Promise<void> => close(release, later);
  native.close = closeAtOnce;
  return handle;
}
