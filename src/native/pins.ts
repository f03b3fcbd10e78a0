/** Pins, by the addon: found, tried out and handed out once per thread; or the reason there are none. */
import { bytesIn, isShared } from '../common/intrinsics.ts';
import { isPageAligned } from '../common/memory/page-aligned.ts';
import type { Pins } from '../common/memory/pins.ts';
import { type Addon, loadAddon } from './addon.ts';

/** The pins of this thread, or why there are none. */
export type PinsState =
  | {
      /** Those of this thread. */
      readonly pins: Pins;
    }
  | {
      /** There are none. */
      readonly pins?: never;
      /** Why, for people. */
      readonly reason: string;
    };

/** Memory that is pinned. */
interface Pinned {
  /** How often. */
  count: number;
  /** What the addon needs to undo it; 0 where there was nothing to forbid. */
  readonly before: number;
}

const WASM_PAGE_BYTES = 65536;
const SAMPLE_BYTES = 64;
/** Engines that call themselves Node.js, or have its interfaces, and whose V8 or memory may be another. */
const OTHERS = ['bun', 'deno', 'electron', 'nw'];

/** Taken before a program can replace them. */
const { structuredClone } = globalThis;
const deref = Function.prototype.call.bind(WeakRef.prototype.deref) as <T extends WeakKey>(
  reference: WeakRef<T>,
) => T | undefined;

let state: PinsState | undefined;

/** Tries on the first call whether memory can be pinned here. Never throws. */
export function pinsState(): PinsState {
  state ??= open();
  return state;
}

/** The pins of this thread; `undefined` where there are none: {@link pinsState} says why. */
export function nativePins(): Pins | undefined {
  return pinsState().pins;
}

function open(): PinsState {
  const { addon, ...without } = loadAddon();
  if (addon === undefined) return { reason: `there is no addon: ${(without as { reason: string }).reason}` };
  if (addon.pins !== undefined) return { pins: addon.pins };
  const other = OTHERS.find((name) => process.versions[name] !== undefined);
  if (other !== undefined || process.release.name !== 'node')
    return { reason: `they have not been tried in ${other ?? process.release.name}` };
  try {
    const reason = addon.pinsOpen() ?? faultOf(addon);
    if (reason !== undefined) return { reason };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
  const pins = new AddonPins(addon);
  // Another copy of this module that shares the addon must count with this one.
  addon.pins = pins;
  return { pins };
}

/** Tries everything once, on memory that is nobody's. @returns What is not as it should be. */
function faultOf(addon: Addon): string | undefined {
  const bytes = new Uint8Array(SAMPLE_BYTES).fill(1);
  const { buffer } = bytes;
  if (!addon.isMovable(buffer)) return 'ordinary memory seems to be fixed';
  const before = addon.pin(buffer);
  if (before === 0 || addon.isMovable(buffer)) return 'memory cannot be pinned';
  if (moves(buffer) || bytes[0] !== 1) return 'pinned memory can be moved';
  const alias = addon.hold(buffer);
  if (alias === undefined || addon.isOrphan(alias)) return 'memory cannot be held';
  new Uint8Array(alias)[0] = 2;
  if (bytes.at(0) !== 2 || alias.byteLength !== SAMPLE_BYTES) return 'what is held is other memory';
  if (!addon.unpin(buffer, before) || !moves(buffer)) return 'memory that was pinned stays fixed';
  return undefined;
}

function moves(buffer: ArrayBuffer): boolean {
  try {
    structuredClone(buffer, { transfer: [buffer] });
  } catch {
    // Node.js 20 copies what it cannot move, later versions refuse.
  }
  return bytesIn(buffer) === 0;
}

class AddonPins implements Pins {
  readonly #addon: Addon;
  /** Memory of kaio's own that has been seen to be fixed for good: most of what direct I/O uses. */
  readonly #fixed = withOwnMethods(new WeakSet<ArrayBufferLike>());
  readonly #pinned = withOwnMethods(new Map<ArrayBufferLike, Pinned>());
  /** What each memory that looked like WebAssembly's is held by; `undefined` for one that is ordinary after all. */
  readonly #aliases = withOwnMethods(new WeakMap<ArrayBufferLike, WeakRef<ArrayBuffer> | undefined>());
  readonly #held = withOwnMethods(new WeakSet<ArrayBufferLike>());

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  pin(memory: ArrayBufferLike): void {
    const pinned = this.#pinned.get(memory);
    if (pinned !== undefined) {
      pinned.count++;
      return;
    }
    const aligned = isPageAligned(memory);
    if (aligned && this.#fixed.has(memory)) return;
    const before = this.#addon.pin(memory);
    if (aligned && before === 0) this.#fixed.add(memory);
    else this.#pinned.set(memory, { count: 1, before });
  }

  unpin(memory: ArrayBufferLike): void {
    const pinned = this.#pinned.get(memory);
    if (pinned === undefined || --pinned.count > 0) return;
    this.#pinned.delete(memory);
    if (pinned.before !== 0) this.#addon.unpin(memory, pinned.before);
  }

  hold(memory: ArrayBufferLike): ArrayBufferLike {
    // Asked of each request: a WebAssembly memory is whole pages of its own, which few ordinary buffers are.
    if (bytesIn(memory) % WASM_PAGE_BYTES !== 0 || isPageAligned(memory) || isShared(memory)) return memory;
    return this.#aliasOf(memory) ?? memory;
  }

  isLost(held: ArrayBufferLike): boolean {
    return this.#held.has(held) && this.#addon.isOrphan(held);
  }

  #aliasOf(memory: ArrayBufferLike): ArrayBuffer | undefined {
    if (this.#aliases.has(memory)) {
      const known = this.#aliases.get(memory);
      if (known === undefined) return undefined;
      const alias = deref(known);
      // One that V8 lets grow without detaching it has outgrown its alias.
      if (alias !== undefined && bytesIn(alias) === bytesIn(memory)) return alias;
    } else if (this.#isOrdinary(memory)) {
      this.#aliases.set(memory, undefined);
      return undefined;
    }
    const alias = this.#addon.hold(memory);
    if (alias === undefined) return undefined;
    this.#aliases.set(memory, new WeakRef(alias));
    this.#held.add(alias);
    return alias;
  }

  #isOrdinary(memory: ArrayBufferLike): boolean {
    const pinned = this.#pinned.get(memory);
    return pinned === undefined ? this.#addon.isMovable(memory) : pinned.before !== 0;
  }
}

/** Gives a collection methods of its own, so that what a program does to the prototype does not unpin memory. */
function withOwnMethods<C extends object>(collection: C): C {
  const prototype = Object.getPrototypeOf(collection) as object;
  for (const name of ['get', 'set', 'has', 'add', 'delete']) {
    const method = Object.getOwnPropertyDescriptor(prototype, name);
    if (method !== undefined) Object.defineProperty(collection, name, method);
  }
  return collection;
}
