/** The content of a file: bytes in pages, with holes. */
import { PageRanges } from './page-ranges.ts';

const PAGE = 4096;
const SECTOR = 512;

export class PagedBytes {
  #size = 0;
  readonly #pages = new Map<number, Uint8Array>();
  /** Those of {@link #pages} that no clone shares: the others are copied before they are changed. */
  readonly #unshared = new Set<number>();
  /** Pages that have storage whether anything was written there or not. What lies beyond the end is zeros. */
  #reserved = new PageRanges();
  /** Those of {@link #pages} that are not reserved. */
  #unreserved = 0;

  /** Sectors that cannot be read, each until it is written as a whole or goes. */
  #spoiled = new Set<number>();

  get size(): number {
    return this.#size;
  }

  /** Bytes of storage in use, in whole pages. */
  get allocated(): number {
    return (this.#unreserved + this.#reserved.size) * PAGE;
  }

  /** Bytes of storage that a write, or {@link allocate}, would add. */
  growth(position: number, length: number): number {
    if (length === 0) return 0;
    const from = Math.floor(position / PAGE);
    const to = Math.ceil((position + length) / PAGE);
    return (to - from - this.#reserved.overlap(from, to) - this.#unreservedIn(from, to)) * PAGE;
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
      let content = this.#own(page);
      if (content === undefined) {
        content = new Uint8Array(PAGE);
        this.#pages.set(page, content);
        this.#unshared.add(page);
        if (!this.#reserved.has(page)) this.#unreserved++;
      }
      content.set(bytes.subarray(at, at + to - from), from);
    }
    if (bytes.length > 0) this.grow(position + bytes.length);
    this.#heal(position, bytes.length);
  }

  /** Makes the sectors of a range unreadable. */
  spoil(position: number, length: number): void {
    for (let sector = Math.floor(position / SECTOR); sector * SECTOR < position + length; sector++)
      this.#spoiled.add(sector);
  }

  /** Whether there is a sector that cannot be read in a range, or `'at the edges'`: among those that lie in it in part only. */
  isSpoiled(position: number, length: number, which: 'anywhere' | 'at the edges' = 'anywhere'): boolean {
    const end = position + length;
    for (const sector of this.#spoiled) {
      const start = sector * SECTOR;
      const isHit = start < end && position < start + SECTOR;
      const isWhole = position <= start && Math.min(start + SECTOR, this.#size) <= end;
      if (isHit && (which === 'anywhere' || !isWhole)) return true;
    }
    return false;
  }

  #heal(position: number, length: number): void {
    const end = position + length;
    for (const sector of this.#spoiled) {
      const start = sector * SECTOR;
      if (position <= start && Math.min(start + SECTOR, this.#size) <= end) this.#spoiled.delete(sector);
    }
  }

  /** Makes the file at least so long. */
  grow(size: number): void {
    if (size > this.#size) this.#size = size;
  }

  /** Gives a range storage, which is zeros where nothing was written. */
  allocate(position: number, length: number): void {
    if (length === 0) return;
    this.#reserved.add(Math.floor(position / PAGE), Math.ceil((position + length) / PAGE));
    this.#unreserved = this.#unreservedIn(0, Number.POSITIVE_INFINITY);
  }

  /** Makes a range zeros and gives back the storage of the pages that lie in it as a whole. The size stays. */
  punch(position: number, length: number): void {
    const end = position + length;
    const from = Math.ceil(position / PAGE);
    const to = Math.floor(end / PAGE);
    for (const page of [Math.floor(position / PAGE), to]) {
      const start = page * PAGE;
      this.#own(page)?.fill(0, Math.max(0, position - start), Math.max(0, Math.min(PAGE, end - start)));
    }
    if (from < to) this.#release(from, to);
  }

  /**
   * Makes the file exactly so long; what comes after it later is zeros again. As on Linux, one that does not become longer gives
   * back what was allocated beyond its end.
   */
  truncate(size: number): void {
    if (size <= this.#size) {
      this.#release(Math.ceil(size / PAGE), Number.POSITIVE_INFINITY);
      this.#own(Math.floor(size / PAGE))?.fill(0, size % PAGE);
    }
    this.#size = size;
  }

  #release(from: number, to: number): void {
    for (const sector of this.#spoiled) {
      if (from * PAGE <= sector * SECTOR && sector * SECTOR < to * PAGE) this.#spoiled.delete(sector);
    }
    for (const page of this.#pages.keys()) {
      if (from <= page && page < to) {
        this.#pages.delete(page);
        this.#unshared.delete(page);
      }
    }
    this.#reserved.delete(from, to);
    this.#unreserved = this.#unreservedIn(0, Number.POSITIVE_INFINITY);
  }

  /** Pages of a range that were written and are not reserved. Only those of the range are looked at, where they are fewer. */
  #unreservedIn(from: number, to: number): number {
    let count = 0;
    if (to - from > this.#pages.size) {
      for (const page of this.#pages.keys()) {
        if (from <= page && page < to && !this.#reserved.has(page)) count++;
      }
    } else {
      for (let page = from; page < to; page++) {
        if (this.#pages.has(page) && !this.#reserved.has(page)) count++;
      }
    }
    return count;
  }

  /** The pages that hold anything but zeros, in order, each with its place and cut at the end. Their bytes are not copies. */
  *written(): Generator<readonly [position: number, bytes: Uint8Array]> {
    for (const page of [...this.#pages.keys()].sort((one, other) => one - other)) {
      const bytes = this.#pages.get(page)!.subarray(0, Math.max(0, this.#size - page * PAGE));
      if (bytes.some((byte) => byte !== 0)) yield [page * PAGE, bytes];
    }
  }

  /** Where the sectors are that cannot be read. */
  get unreadable(): number[] {
    return [...this.#spoiled].sort((one, other) => one - other).map((sector) => sector * SECTOR);
  }

  /** A page that is there, to be changed. */
  #own(page: number): Uint8Array | undefined {
    const content = this.#pages.get(page);
    if (content === undefined || this.#unshared.has(page)) return content;
    const copy = content.slice();
    this.#pages.set(page, copy);
    this.#unshared.add(page);
    return copy;
  }

  /** A copy. Pages are shared until either side changes them, so it costs no more than their numbers. */
  clone(): PagedBytes {
    const copy = new PagedBytes();
    copy.#size = this.#size;
    copy.#spoiled = new Set(this.#spoiled);
    for (const [page, content] of this.#pages) copy.#pages.set(page, content);
    this.#unshared.clear();
    copy.#reserved = this.#reserved.clone();
    copy.#unreserved = this.#unreserved;
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
