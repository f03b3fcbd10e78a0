/** A file, directory or symbolic link: as programs see it, and as it would be found after a crash. */
import { PagedBytes } from './paged-bytes.ts';

/** A change of a file's content that has happened and is not on the disk for certain. */
export type Change =
  | { readonly kind: 'write'; readonly id: number; readonly position: number; readonly bytes: Uint8Array }
  | {
      readonly kind: 'truncate';
      readonly id: number;
      readonly size: number;
      /** The size before. */
      readonly from: number;
    }
  | {
      readonly kind: 'allocate';
      readonly id: number;
      readonly position: number;
      readonly length: number;
      readonly keepSize: boolean;
    }
  | { readonly kind: 'punch'; readonly id: number; readonly position: number; readonly length: number };

/** What a file has beside content. */
export interface Attributes {
  /** Permissions, without the kind of file. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly atimeNs: number;
  readonly mtimeNs: number;
  readonly ctimeNs: number;
}

export class Inode {
  readonly ino: number;
  readonly kind: 'file' | 'directory' | 'link';
  /** Where a symbolic link leads. */
  readonly target: string;
  readonly birthNs: number;
  /** The volatile image of a file. */
  readonly content: PagedBytes;
  /** The durable image. */
  readonly durable: PagedBytes;
  attributes: Attributes;
  durableAttributes: Attributes;
  /** The volatile image of a directory. */
  readonly entries: Map<string, Inode>;
  readonly durableEntries: Map<string, Inode>;
  /** Names that it has. The root has none. */
  links = 0;
  /** What the volatile image has and the durable one may lack, oldest first. */
  readonly #unsynced = new Set<Change>();

  constructor(
    ino: number,
    kind: Inode['kind'],
    attributes: Attributes,
    content = new PagedBytes(),
    entries = new Map<string, Inode>(),
    target = '',
  ) {
    this.ino = ino;
    this.kind = kind;
    this.birthNs = attributes.ctimeNs;
    this.content = content;
    this.durable = content.clone();
    this.attributes = attributes;
    this.durableAttributes = attributes;
    this.entries = entries;
    this.durableEntries = new Map(entries);
    this.target = target;
    for (const entry of entries.values()) entry.links++;
  }

  get unsynced(): Iterable<Change> {
    return this.#unsynced;
  }

  /** A write has completed. */
  write(id: number, position: number, bytes: Uint8Array, now: number): Change {
    const change: Change = { kind: 'write', id, position, bytes };
    this.content.write(position, bytes);
    this.#unsynced.add(change);
    this.modified(now);
    return change;
  }

  truncate(id: number, size: number, now: number): void {
    this.#unsynced.add({ kind: 'truncate', id, size, from: this.content.size });
    this.content.truncate(size);
    this.modified(now);
  }

  /** Room was made, or given back. */
  allocated(change: Change & { readonly kind: 'allocate' | 'punch' }, now: number): void {
    this.#unsynced.add(change);
    applyTo(this.content, change);
    this.modified(now);
  }

  /** Puts changes on the disk, in the order in which they happened. Those that are there already are left alone. */
  harden(changes: Iterable<Change>): void {
    for (const change of changes) {
      if (this.#unsynced.delete(change)) applyTo(this.durable, change);
    }
  }

  /** Gives changes up: they stay in the volatile image only. */
  abandon(changes: Iterable<Change>): void {
    for (const change of changes) this.#unsynced.delete(change);
  }

  /**
   * A change with those before it that it lies upon, oldest first.
   *
   * A write with O_DSYNC is made durable without the others, and one of those must not be put on top of it later.
   */
  beneath(change: Change): Change[] {
    const found: Change[] = [];
    const ranges: [from: number, to: number][] = [];
    for (const one of [...this.#unsynced].reverse()) {
      const [from, to] = rangeOf(one);
      if (one !== change && (ranges.length === 0 || !ranges.some(([start, end]) => from < end && start < to)))
        continue;
      ranges.push([from, to]);
      found.push(one);
    }
    return found.reverse();
  }

  /** Its content, or its entries, have changed. */
  modified(now: number): void {
    this.attributes = { ...this.attributes, mtimeNs: now, ctimeNs: now };
  }

  /** Its names have changed. */
  renamed(now: number): void {
    this.attributes = { ...this.attributes, ctimeNs: now };
  }

  /** What stat(2) counts: a directory is named in itself, and in those below it. */
  get nlink(): number {
    if (this.kind !== 'directory') return this.links;
    let count = 2;
    for (const entry of this.entries.values()) if (entry.kind === 'directory') count++;
    return count;
  }
}

function rangeOf(change: Change): [from: number, to: number] {
  switch (change.kind) {
    case 'write':
      return [change.position, change.position + change.bytes.length];
    case 'truncate':
      return [Math.min(change.size, change.from), Number.POSITIVE_INFINITY];
    case 'allocate':
    case 'punch':
      return [change.position, change.position + change.length];
  }
}

export function applyTo(image: PagedBytes, change: Change): void {
  switch (change.kind) {
    case 'write':
      image.write(change.position, change.bytes);
      return;
    case 'truncate':
      image.truncate(change.size);
      return;
    case 'allocate':
      image.allocate(change.position, change.length);
      if (!change.keepSize) image.grow(change.position + change.length);
      return;
    case 'punch':
      image.punch(change.position, change.length);
  }
}

/** For the trace. */
export function describeChange(change: Change): string {
  switch (change.kind) {
    case 'write':
      return `write at ${change.position}, ${change.bytes.length} bytes`;
    case 'truncate':
      return `truncate to ${change.size}`;
    case 'allocate':
      return `allocate at ${change.position}, ${change.length} bytes${change.keepSize ? ', size kept' : ''}`;
    case 'punch':
      return `punch a hole at ${change.position}, ${change.length} bytes`;
  }
}
