/** Memory with canaries around everything that a read may fill, and memory that has another owner. */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { type AlignedBufferPool, alignedBuffer } from '../../../src/index.ts';
import type { Handover, MemoryKind } from './program.ts';

export const SECTOR_BYTES = 512;
const PAGE_BYTES = 4096;
/** On either side of what views are made of. */
const CANARY_BYTES = 4096;
const WASM_PAGE_BYTES = 65_536;
const MORE_WASM_PAGES = 8;
const MOST_BYTES = 1 << 20;

interface WasmMemory {
  readonly buffer: ArrayBufferLike;
  grow(pages: number): number;
}
interface Wasm {
  readonly WebAssembly: {
    readonly Memory: new (limits: { initial: number; maximum: number; shared?: boolean }) => WasmMemory;
  };
}
/** Methods that some of the supported versions of Node.js lack. */
interface Sizable {
  resize?(bytes: number): void;
  grow?(bytes: number): void;
  transfer?(): ArrayBuffer;
  transferToFixedLength?(): ArrayBuffer;
}
type SizableConstructor = new (bytes: number, options?: { maxByteLength: number }) => ArrayBuffer & Sizable;
type GrowableConstructor = new (
  bytes: number,
  options?: { maxByteLength: number },
) => SharedArrayBuffer & Sizable;

const { WebAssembly } = globalThis as unknown as Wasm;

function noise(bytes: number, seed: number): Buffer<ArrayBuffer> {
  const words = new Uint32Array(bytes / 4);
  let state = seed;
  for (let index = 0; index < words.length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words[index] = state;
  }
  return Buffer.from(words.buffer);
}

/** What untouched memory looks like, and what new owners fill theirs with. */
const CANARY = noise(MOST_BYTES + 4 * CANARY_BYTES, 1);
const OWNED = noise(MOST_BYTES + 4 * CANARY_BYTES, 2);

function differsAt(bytes: Uint8Array, expected: Uint8Array): number {
  if (Buffer.compare(bytes, expected) === 0) return -1;
  return bytes.findIndex((byte, index) => byte !== expected[index]);
}

/** Memory that was handed on: its new owner's, and nobody else writes to it. */
export class OwnedMemory {
  readonly bytes: Uint8Array;
  readonly #how: string;

  constructor(buffer: ArrayBuffer, how: string) {
    this.#how = how;
    this.bytes = new Uint8Array(buffer);
    this.bytes.set(OWNED.subarray(0, this.bytes.length));
  }

  /** @returns What is wrong. */
  check(): string | undefined {
    const at = differsAt(this.bytes, OWNED.subarray(0, this.bytes.length));
    if (at < 0) return undefined;
    return `memory was written to after ${this.#how} had given it to another owner (at ${at} of ${this.bytes.length})`;
  }
}

let channel: { port1: MessagePort; port2: MessagePort } | undefined;

function posted(buffer: ArrayBuffer): ArrayBuffer {
  if (channel === undefined) {
    channel = new MessageChannel();
    channel.port1.unref();
    channel.port2.unref();
  }
  channel.port1.postMessage(buffer, [buffer]);
  return (receiveMessageOnPort(channel.port2) as { message: ArrayBuffer }).message;
}

/** Bytes of a memory. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** A memory of a program. */
export class CanaryMemory {
  readonly kind: MemoryKind;
  /** Where the first page begins of what views are made of, and how many bytes that are. */
  readonly from: number;
  readonly bytes: number;
  /** Has another owner. */
  isGone = false;
  /** Has been given back to its pool: what is in it is anybody's. */
  isGivenBack = false;
  /** The least that there ever was of it: bytes beyond were lost and are new. */
  #lowest: number;
  readonly #pages: number;
  readonly #wasm: WasmMemory | undefined;
  readonly #buffer: ArrayBufferLike;
  readonly #pooled: Buffer<ArrayBuffer> | undefined;
  /** What reads may be filling. */
  #given: Range[] = [];

  /** @param misalignment - How far a buffer is from the start of a page, so that direct transfers are possible. */
  constructor(
    kind: MemoryKind,
    sectors: number,
    pool: AlignedBufferPool,
    misalignment: (buffer: ArrayBufferLike) => number,
  ) {
    this.kind = kind;
    this.bytes = sectors * SECTOR_BYTES;
    const whole = this.bytes + 2 * CANARY_BYTES + PAGE_BYTES;
    this.#pages = Math.ceil(whole / WASM_PAGE_BYTES);
    const limits = { initial: this.#pages, maximum: this.#pages + MORE_WASM_PAGES };
    switch (kind) {
      case 'plain':
        this.#buffer = new ArrayBuffer(whole);
        break;
      case 'shared':
        this.#buffer = new SharedArrayBuffer(whole);
        break;
      case 'resizable':
        this.#buffer = new (ArrayBuffer as unknown as SizableConstructor)(whole, {
          maxByteLength: 2 * whole,
        });
        break;
      case 'growable':
        this.#buffer = new (SharedArrayBuffer as unknown as GrowableConstructor)(whole, {
          maxByteLength: 2 * whole,
        });
        break;
      case 'wasm':
        this.#wasm = new WebAssembly.Memory(limits);
        this.#buffer = this.#wasm.buffer;
        break;
      case 'wasm-shared':
        this.#wasm = new WebAssembly.Memory({ ...limits, shared: true });
        this.#buffer = this.#wasm.buffer;
        break;
      case 'aligned':
      case 'pooled': {
        const buffer = kind === 'pooled' ? pool.take() : alignedBuffer(whole);
        if (kind === 'pooled') this.#pooled = buffer;
        this.#buffer = buffer.buffer;
        this.from = buffer.byteOffset + CANARY_BYTES;
        this.bytes = Math.min(this.bytes, buffer.byteLength - 2 * CANARY_BYTES);
        this.#lowest = Number.MAX_SAFE_INTEGER;
        this.#slice(this.from - CANARY_BYTES, this.from + this.bytes + CANARY_BYTES).set(
          CANARY.subarray(0, this.bytes + 2 * CANARY_BYTES),
        );
        return;
      }
    }
    this.from = CANARY_BYTES + ((PAGE_BYTES - misalignment(this.#buffer)) % PAGE_BYTES);
    this.#lowest = this.#buffer.byteLength;
    this.#slice(this.from - CANARY_BYTES, this.from + this.bytes + CANARY_BYTES).set(
      CANARY.subarray(0, this.bytes + 2 * CANARY_BYTES),
    );
  }

  /** The buffer as it is now: a WebAssembly memory that grew has another. */
  get buffer(): ArrayBufferLike {
    return this.#wasm?.buffer ?? this.#buffer;
  }

  /** How far a WebAssembly memory may grow. */
  get mostBytes(): number {
    return (this.#pages + MORE_WASM_PAGES) * WASM_PAGE_BYTES;
  }

  /** Whether direct transfers can use it. */
  get isUsable(): boolean {
    return !this.isGone && !this.isGivenBack && this.buffer.byteLength >= this.from + this.bytes;
  }

  /** Whether its bytes from `from` to `to` can be looked at and were never lost. */
  isWhole(to: number): boolean {
    return !this.isGone && !this.isGivenBack && to <= this.#lowest;
  }

  #slice(from: number, to: number): Uint8Array {
    return new Uint8Array(this.buffer, from, to - from);
  }

  /** @returns A copy, or `undefined` where it has no bytes there any more. */
  bytesAt(from: number, to: number): Uint8Array | undefined {
    return this.isGone || this.buffer.byteLength < to ? undefined : this.#slice(from, to);
  }

  /** A read may fill these from now on. */
  give(range: Range): void {
    this.#given.push(range);
  }

  /** Nobody may fill these any more: what is there becomes a canary again, as far as no other read may fill it. */
  take(range: Range): void {
    this.#given = this.#given.filter((one) => one !== range);
    const { from, to } = range;
    if (this.#given.some((one) => one.from < to && from < one.to)) this.#given.push({ from, to });
    else if (this.isWhole(to) && to > from) {
      const start = this.from - CANARY_BYTES;
      this.#slice(from, to).set(CANARY.subarray(from - start, to - start));
    }
  }

  /**
   * Hands it on.
   *
   * @returns The new owner's, or `undefined` where there is no such way here.
   * @throws What the engine throws when it refuses.
   */
  handOver(how: Handover): OwnedMemory | undefined {
    const buffer = this.buffer as ArrayBuffer & Sizable;
    let owned: ArrayBuffer;
    switch (how) {
      case 'structuredClone':
        owned = structuredClone(buffer, { transfer: [buffer] });
        break;
      case 'postMessage':
        owned = posted(buffer);
        break;
      default: {
        owned = buffer[how]?.() ?? structuredClone(buffer, { transfer: [buffer] });
      }
    }
    if (buffer.byteLength > 0) return undefined;
    this.isGone = true;
    return new OwnedMemory(owned, how);
  }

  /** Whether {@link handOver} can be refused for nothing but a request in flight. */
  get isTransferable(): boolean {
    return (this.kind === 'plain' || this.kind === 'resizable') && !this.isGone;
  }

  /** Whether {@link resize} does anything. */
  get isSizable(): boolean {
    const sizable: readonly MemoryKind[] = ['wasm', 'wasm-shared', 'resizable', 'growable'];
    return sizable.includes(this.kind) && !this.isGone;
  }

  /** Grows by a page, or becomes as long as `sectors` say. @throws What the engine throws when it refuses. */
  resize(sectors: number): void {
    if (this.#wasm !== undefined) {
      this.#wasm.grow(1);
      return;
    }
    const buffer = this.#buffer as (ArrayBuffer | SharedArrayBuffer) & Sizable;
    if (this.kind === 'growable') buffer.grow?.(Math.max(buffer.byteLength, sectors * SECTOR_BYTES));
    else buffer.resize?.(sectors * SECTOR_BYTES);
    this.#lowest = Math.min(this.#lowest, buffer.byteLength);
  }

  /** Gives it back to its pool. */
  giveBack(pool: AlignedBufferPool): void {
    if (this.#pooled === undefined) return;
    this.isGivenBack = true;
    pool.give(this.#pooled);
  }

  /** Looks at everything that no read may have filled. @returns What is wrong. */
  check(): string | undefined {
    if (this.isGone || this.isGivenBack) return undefined;
    const start = this.from - CANARY_BYTES;
    const end = Math.min(this.from + this.bytes + CANARY_BYTES, this.#lowest);
    let at = start;
    const compare = (to: number): string | undefined => {
      if (to <= at) return undefined;
      const wrong = differsAt(this.#slice(at, to), CANARY.subarray(at - start, to - start));
      return wrong < 0
        ? undefined
        : `a ${this.kind} memory was written to outside every view that was read into (at ${at + wrong - this.from} of ${this.bytes})`;
    };
    for (const { from, to } of this.#given.sort((one, other) => one.from - other.from)) {
      const wrong = compare(Math.min(from, end));
      if (wrong !== undefined) return wrong;
      at = Math.max(at, to);
    }
    return compare(end);
  }
}
