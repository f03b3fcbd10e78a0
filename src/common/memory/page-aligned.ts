/**
 * Page-aligned memory in plain JavaScript.
 *
 * The memory behind a `WebAssembly.Memory` starts at a page boundary on every platform, and its buffer can't be
 * transferred away. Both hold for a shared buffer that may grow, too, which V8 gives pages of its own (observed on Node.js 20, 22, 24 and
 * 26); it stands in where there is no WebAssembly, under `node --jitless`. JavaScript cannot see an address, so what is known to be aligned is
 * remembered here.
 */

interface WasmMemory {
  readonly buffer: ArrayBufferLike;
}
interface WasmHost {
  readonly WebAssembly?: {
    readonly Memory: new (limits: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
  };
}

const WASM_PAGE_BYTES = 65536;
const known = new WeakSet<ArrayBufferLike>();
// Taken before a program can replace them: who is told that memory is aligned, and cannot be given away, relies on it.
const has = WeakSet.prototype.has.bind(known);
const add = WeakSet.prototype.add.bind(known);
const { WebAssembly } = globalThis as WasmHost;
/** The library of ES2024 that is compiled against does not know that it may grow. */
const GrowableSharedArrayBuffer = SharedArrayBuffer as unknown as new (
  byteLength: number,
  options: { maxByteLength: number },
) => SharedArrayBuffer;
let living = 0;
const gone = new FinalizationRegistry<undefined>(() => living--);

/** Remembers that the first byte of `buffer` lies at the start of a page. */
export function markPageAligned(buffer: ArrayBufferLike): void {
  add(buffer);
}

/** Whether the first byte of `buffer` is known to lie at the start of a page. */
export function isPageAligned(buffer: ArrayBufferLike): boolean {
  return has(buffer);
}

/** Buffers made here that have not been collected yet: each reserves gigabytes of addresses. */
export function pageAlignedBuffers(): number {
  return living;
}

/**
 * Makes zeroed memory that starts at a page boundary.
 *
 * @remarks Each buffer reserves gigabytes of address space on 64-bit hosts, though not memory: make few and large ones.
 *
 * @param bytes - Rounded up to 64 KiB.
 * @throws RangeError if there is no memory.
 * @returns Where WebAssembly is switched off, a SharedArrayBuffer.
 */
export function pageAlignedBuffer(bytes: number): ArrayBuffer {
  return rememberedPages(bytes, false) as ArrayBuffer;
}

/** {@link pageAlignedBuffer}, of memory that worker threads can share. */
export function sharedPageAlignedBuffer(bytes: number): SharedArrayBuffer {
  return rememberedPages(bytes, true) as SharedArrayBuffer;
}

function pagesOf(bytes: number, shared: boolean): ArrayBufferLike {
  const pages = Math.max(1, Math.ceil(bytes / WASM_PAGE_BYTES));
  if (WebAssembly !== undefined)
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared }).buffer;
  const maxByteLength = pages * WASM_PAGE_BYTES;
  return new GrowableSharedArrayBuffer(maxByteLength, { maxByteLength });
}

function rememberedPages(bytes: number, shared: boolean): ArrayBufferLike {
  const buffer = pagesOf(bytes, shared);
  markPageAligned(buffer);
  living++;
  gone.register(buffer, undefined);
  return buffer;
}
