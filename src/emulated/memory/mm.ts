/**
 * The address space: which memory lies at an address, and EFAULT where there is none.
 *
 * Every buffer gets its addresses once and no address is ever given out twice, so a stale address faults instead of
 * reaching somebody else's memory.
 */
import { ERRNO } from '../../common/abi/errno.ts';
import type { Address, Memory, Protection } from '../../common/kernel/aio-kernel.ts';
import { isPageAligned } from '../../common/memory/page-aligned.ts';
import { type Pins, pinsOfThread } from '../../common/memory/pins.ts';
import {
  type Access,
  type Attachment,
  attach,
  BufferMapping,
  type Mapping,
  PAGE_SIZE,
  PageMapping,
} from './mapping.ts';

export { type Access, type Attachment, PAGE_SIZE } from './mapping.ts';

/** First address above user space: x86-64 with 4 levels of page tables. */
export const TASK_SIZE = 0x7ffffffff000;
/** Where the first mapping goes; far from 0, so that small numbers are never addresses. */
const MMAP_BASE = 0x100_0000_0000;
/** Where malloc puts a large block in its page. Alignment mistakes would stay hidden if it were 0. */
const MALLOC_OFFSET = 16;
/** Registrations between two looks for buffers that are gone, at least. */
const SWEEP_AFTER = 1024;

const pageUp = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;

/** Whether a range lies in user space; says nothing about memory being there (`asm/uaccess.h:access_ok`). */
export function access_ok(address: number, bytes: number): boolean {
  return address + bytes <= TASK_SIZE;
}

export class AddressSpace implements Memory {
  readonly pageBytes = PAGE_SIZE;
  readonly wordBytes = 8;
  readonly hasHostAddresses = false;
  readonly #attachments = new WeakMap<ArrayBufferLike, Attachment>();
  /** Sorted by address, because addresses only grow. */
  #mappings: Mapping[] = [];
  #next = MMAP_BASE;
  #sweepAt = SWEEP_AFTER;

  addressOf(view: ArrayBufferView | ArrayBufferLike): Address {
    if (view.byteLength === 0) return 0;
    if (!ArrayBuffer.isView(view)) return this.#baseOf(view);
    return this.#baseOf(view.buffer) + view.byteOffset;
  }

  /** Bytes are moved by JavaScript, at the end of a request; only memory that can grow needs a hold until then. */
  get pins(): Pins | undefined {
    return pinsOfThread();
  }

  mmap(bytes: number, protection: Protection): Address {
    if (!(bytes > 0)) return -ERRNO.EINVAL;
    const length = pageUp(bytes);
    let buffer: ArrayBuffer;
    try {
      buffer = new ArrayBuffer(length);
    } catch {
      return -ERRNO.ENOMEM;
    }
    return this.mapPages(buffer, protection);
  }

  /** Maps memory that the caller keeps too. Preconditions: its length is a multiple of the page size, and not 0. */
  mapPages(buffer: ArrayBuffer, protection: Protection): Address {
    const base = this.#reserve(buffer.byteLength, 0);
    this.#mappings.push(new PageMapping(base, buffer, protection));
    return base;
  }

  mprotect(address: Address, bytes: number, protection: Protection): number {
    if (address % PAGE_SIZE !== 0) return -ERRNO.EINVAL;
    if (bytes === 0) return 0;
    const mapping = this.#find(address);
    if (!(mapping instanceof PageMapping) || !mapping.isMapped(address, pageUp(bytes))) return -ERRNO.ENOMEM;
    mapping.protect(address, bytes, protection);
    return 0;
  }

  munmap(address: Address, bytes: number): number {
    if (address % PAGE_SIZE !== 0 || !(bytes > 0)) return -ERRNO.EINVAL;
    const end = address + pageUp(bytes);
    for (const mapping of this.#mappings) {
      if (mapping instanceof PageMapping && mapping.base < end && mapping.end > address) {
        mapping.unmap(address, end - address);
      }
    }
    this.#sweep();
    return 0;
  }

  read(address: Address, bytes: number): Uint8Array | undefined {
    const memory = this.reach(address, bytes, 'read');
    if (memory === undefined) return undefined;
    const at = address - memory.base;
    return memory.bytes.slice(at, at + bytes);
  }

  write(address: Address, bytes: Uint8Array): boolean {
    const memory = this.reach(address, bytes.length, 'write');
    if (memory === undefined) return false;
    memory.bytes.set(bytes, address - memory.base);
    return true;
  }

  /**
   * The memory behind a whole range, or `undefined`: EFAULT.
   *
   * The first byte is at `address - base` of the answer, which must not be kept beyond the present job of the event
   * loop: it holds the buffer.
   */
  reach(address: number, bytes: number, access: Access): Attachment | undefined {
    return this.#find(address)?.reach(address, bytes, access);
  }

  /** How many bytes from `address` on can be accessed before the first that cannot. */
  accessible(address: number, bytes: number, access: Access): number {
    if (bytes === 0) return 0;
    return this.#find(address)?.accessible(address, bytes, access) ?? 0;
  }

  /** Mappings known at present, live or not yet found to be gone. */
  get mappings(): number {
    return this.#mappings.length;
  }

  #baseOf(buffer: ArrayBufferLike): number {
    let memory = this.#attachments.get(buffer);
    if (memory === undefined) {
      if (this.#mappings.length >= this.#sweepAt) this.#sweep();
      const reserved = reservedBytes(buffer);
      memory = attach(this.#reserve(reserved, isPageAligned(buffer) ? 0 : MALLOC_OFFSET), buffer);
      this.#attachments.set(buffer, memory);
      this.#mappings.push(new BufferMapping(memory, reserved));
    }
    return memory.base;
  }

  /** Takes addresses, with at least one page after them that never belongs to anything. */
  #reserve(bytes: number, offsetInPage: number): number {
    const base = this.#next + offsetInPage;
    this.#next = pageUp(base + bytes) + PAGE_SIZE;
    return base;
  }

  #find(address: number): Mapping | undefined {
    const mappings = this.#mappings;
    let low = 0;
    let high = mappings.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (mappings[middle]!.base <= address) low = middle + 1;
      else high = middle;
    }
    const mapping = low === 0 ? undefined : mappings[low - 1]!;
    return mapping !== undefined && address < mapping.end ? mapping : undefined;
  }

  #sweep(): void {
    this.#mappings = this.#mappings.filter((mapping) => !mapping.isGone);
    this.#sweepAt = Math.max(SWEEP_AFTER, this.#mappings.length * 2);
  }
}

/** Bytes that a buffer may grow to. */
function reservedBytes(buffer: ArrayBufferLike): number {
  const { maxByteLength } = buffer as { readonly maxByteLength?: number };
  return Math.max(buffer.byteLength, maxByteLength ?? 0);
}
