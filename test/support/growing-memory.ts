/** Memory of WebAssembly, of which the libraries that the sources are compiled with know nothing. */

interface GrowingMemory {
  readonly buffer: ArrayBuffer;
  /** By pages of 64 KiB. */
  grow(pages: number): number;
}

interface Host {
  readonly WebAssembly: {
    readonly Memory: new (limits: { initial: number; maximum: number }) => GrowingMemory;
  };
}

/** A memory of `initial` pages that may grow. */
export function growingMemory(initial: number, maximum: number): GrowingMemory {
  return new (globalThis as unknown as Host).WebAssembly.Memory({ initial, maximum });
}
