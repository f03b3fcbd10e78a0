/** The content of a file: bytes in pages, with holes. */

const PAGE = 4096;

export class PagedBytes {
  #size = 0;
  readonly #pages = new Map<number, Uint8Array>();

  get size(): number {
    return this.#size;
  }

  /** Bytes of storage in use, in whole pages. */
  get allocated(): number {
    return this.#pages.size * PAGE;
  }

  /** Bytes of storage that a write would add. */
  growth(position: number, length: number): number {
    if (length === 0) return 0;
    let missing = 0;
    const last = Math.floor((position + length - 1) / PAGE);
    for (let page = Math.floor(position / PAGE); page <= last; page++) {
      if (!this.#pages.has(page)) missing++;
    }
    return missing * PAGE;
  }

  /** A copy of the bytes that are there. */
  read(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.#size - position)));
    for (const [page, from, to, at] of pieces(position, bytes.length)) {
      const content = this.#pages.get(page);
      if (content !== undefined) bytes.set(content.subarray(from, to), at);
    }
    return bytes;
  }

  write(position: number, bytes: Uint8Array): void {
    for (const [page, from, to, at] of pieces(position, bytes.length)) {
      let content = this.#pages.get(page);
      if (content === undefined) {
        content = new Uint8Array(PAGE);
        this.#pages.set(page, content);
      }
      content.set(bytes.subarray(at, at + to - from), from);
    }
    if (bytes.length > 0) this.grow(position + bytes.length);
  }

  /** Makes the file at least so long. */
  grow(size: number): void {
    if (size > this.#size) this.#size = size;
  }

  /** Makes the file exactly so long; what comes after it later is zeros again. */
  truncate(size: number): void {
    if (size < this.#size) {
      for (const page of this.#pages.keys()) {
        if (page * PAGE >= size) this.#pages.delete(page);
      }
      this.#pages.get(Math.floor(size / PAGE))?.fill(0, size % PAGE);
    }
    this.#size = size;
  }

  clone(): PagedBytes {
    const copy = new PagedBytes();
    copy.#size = this.#size;
    for (const [page, content] of this.#pages) copy.#pages.set(page, content.slice());
    return copy;
  }
}

/** The parts of a range that lie in one page each. */
function* pieces(
  position: number,
  length: number,
): Generator<[page: number, from: number, to: number, at: number]> {
  for (let at = 0; at < length; ) {
    const from = (position + at) % PAGE;
    const to = Math.min(PAGE, from + length - at);
    yield [Math.floor((position + at) / PAGE), from, to, at];
    at += to - from;
  }
}
