/** Stretches of the emulated address space, and the memory behind them. */
import type { Protection } from '../../common/kernel/aio-kernel.ts';

export const PAGE_SIZE = 4096;

/** What the kernel is about to do with user memory. */
export type Access = 'read' | 'write';

/** Memory that lies at an address, with the views through which the kernel copies. */
export interface Attachment {
  readonly base: number;
  readonly buffer: ArrayBufferLike;
  readonly view: DataView;
  readonly bytes: Uint8Array;
}

/** Makes the views once; over a resizable buffer they follow its length. */
export function attach(base: number, buffer: ArrayBufferLike): Attachment {
  return { base, buffer, view: new DataView(buffer), bytes: new Uint8Array(buffer) };
}

/** A range of addresses that belongs to one buffer. */
export interface Mapping {
  readonly base: number;
  /** First address that never belongs to this mapping. */
  readonly end: number;
  /** Whether the memory is gone for good. */
  readonly isGone: boolean;
  /** The memory, if a whole range can be accessed. Preconditions: `base <= address < end`. */
  reach(address: number, bytes: number, access: Access): Attachment | undefined;
  /** How many of `bytes` bytes from `address` on can be accessed. Preconditions: `base <= address < end`. */
  accessible(address: number, bytes: number, access: Access): number;
}

/**
 * A buffer that JavaScript owns.
 *
 * Only a weak reference is held: a buffer that nobody can reach any more is memory that was freed, and faults.
 * The attachment lives as long as its buffer, because a WeakMap keyed by the buffer holds it.
 */
export class BufferMapping implements Mapping {
  readonly base: number;
  readonly end: number;
  readonly #memory: WeakRef<Attachment>;

  constructor(memory: Attachment, reserved: number) {
    this.base = memory.base;
    this.end = memory.base + reserved;
    this.#memory = new WeakRef(memory);
  }

  get isGone(): boolean {
    return this.#memory.deref() === undefined;
  }

  reach(address: number, bytes: number): Attachment | undefined {
    const memory = this.#memory.deref();
    // A detached buffer has length 0, a resizable one its length of the moment.
    if (memory === undefined || address + bytes > memory.base + memory.buffer.byteLength) return undefined;
    return memory;
  }

  accessible(address: number, bytes: number): number {
    const memory = this.#memory.deref();
    if (memory === undefined) return 0;
    const left = memory.base + memory.buffer.byteLength - address;
    return Math.max(0, Math.min(bytes, left));
  }
}

const UNMAPPED = 0;
const CODES: Readonly<Record<Protection, number>> = { none: 1, read: 2, 'read-write': 3 };

/** Pages that the address space owns, each with a protection of its own. */
export class PageMapping implements Mapping {
  readonly base: number;
  readonly end: number;
  readonly #memory: Attachment;
  readonly #pages: Uint8Array;
  #mapped: number;

  constructor(base: number, buffer: ArrayBuffer, protection: Protection) {
    this.base = base;
    this.end = base + buffer.byteLength;
    this.#memory = attach(base, buffer);
    this.#mapped = buffer.byteLength / PAGE_SIZE;
    this.#pages = new Uint8Array(this.#mapped).fill(CODES[protection]);
  }

  get isGone(): boolean {
    return this.#mapped === 0;
  }

  reach(address: number, bytes: number, access: Access): Attachment | undefined {
    return this.accessible(address, bytes, access) < bytes ? undefined : this.#memory;
  }

  accessible(address: number, bytes: number, access: Access): number {
    const needed = CODES[access === 'write' ? 'read-write' : 'read'];
    const end = Math.min(address + bytes, this.end);
    let page = Math.floor((address - this.base) / PAGE_SIZE);
    while (this.base + page * PAGE_SIZE < end && this.#pages[page]! >= needed) page++;
    return Math.max(0, Math.min(end, this.base + page * PAGE_SIZE) - address);
  }

  /** Whether every page of a range is mapped. */
  isMapped(address: number, bytes: number): boolean {
    if (address + bytes > this.end) return false;
    const first = (address - this.base) / PAGE_SIZE;
    return !this.#pages.subarray(first, first + Math.ceil(bytes / PAGE_SIZE)).includes(UNMAPPED);
  }

  protect(address: number, bytes: number, protection: Protection): void {
    const first = (address - this.base) / PAGE_SIZE;
    this.#pages.fill(CODES[protection], first, first + Math.ceil(bytes / PAGE_SIZE));
  }

  unmap(address: number, bytes: number): void {
    const first = Math.max(0, (address - this.base) / PAGE_SIZE);
    const last = Math.min(this.#pages.length, Math.ceil((address + bytes - this.base) / PAGE_SIZE));
    for (let page = first; page < last; page++) {
      if (this.#pages[page] !== UNMAPPED) this.#mapped--;
      this.#pages[page] = UNMAPPED;
    }
  }
}
