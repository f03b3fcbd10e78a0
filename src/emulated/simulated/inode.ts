/** A file, directory or symbolic link: as programs see it, and as it would be found after a crash. */
import { nextOrder } from './order.ts';
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

/** When a change has happened. */
export interface Stamp {
  /** Its place among all changes of the disk. */
  readonly order: number;
  readonly atNs: number;
}

/** Attributes that were in force since then. */
interface Attributed extends Stamp {
  readonly attributes: Attributes;
}

/** Changes that are to be on the disk together with what comes later. */
interface Flush extends Stamp {
  readonly changes: readonly Change[];
  /** Whether no later change of metadata is durable without them; otherwise they are only written soon. */
  readonly isOrdered: boolean;
}

/** Of attributes that nobody syncs so many are remembered. */
const MOST_ATTRIBUTES = 1000;

export class Inode {
  readonly ino: number;
  readonly kind: 'file' | 'directory' | 'link';
  /** Where a symbolic link leads. */
  readonly target: string;
  /** The volatile image of a file. */
  readonly content: PagedBytes;
  /** The volatile image of a directory. */
  readonly entries: Map<string, Inode>;
  readonly durableEntries: Map<string, Inode>;
  /** Names that it has. The root, which has none, is there all the same. */
  links = 0;
  #birthNs: number;
  #durable: PagedBytes;
  #attributes: Attributes;
  #durableAttributes: Attributes;
  /** Those that came after the durable ones, oldest first. */
  #attributed: Attributed[] = [];
  /** What the volatile image has and the durable one may lack, oldest first. */
  #unsynced = new Map<Change, Stamp>();
  #flushes: Flush[] = [];
  /** Whether it had bytes and was made empty, since the last {@link flush}. */
  isEmptied = false;

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
    this.#birthNs = attributes.ctimeNs;
    this.content = content;
    this.#durable = content.clone();
    this.#attributes = attributes;
    this.#durableAttributes = attributes;
    this.entries = entries;
    this.durableEntries = new Map(entries);
    this.target = target;
    for (const entry of entries.values()) entry.links++;
  }

  get birthNs(): number {
    return this.#birthNs;
  }

  /** The durable image. */
  get durable(): PagedBytes {
    return this.#durable;
  }

  get attributes(): Attributes {
    return this.#attributes;
  }

  set attributes(attributes: Attributes) {
    this.#attributes = attributes;
    this.#attributed.push({ order: nextOrder(), atNs: attributes.ctimeNs, attributes });
    if (this.#attributed.length > MOST_ATTRIBUTES) this.#attributed.shift();
  }

  get durableAttributes(): Attributes {
    return this.#durableAttributes;
  }

  set durableAttributes(attributes: Attributes) {
    this.#durableAttributes = attributes;
    const known = this.#attributed.findIndex((since) => since.attributes === attributes);
    this.#attributed.splice(0, known + 1);
  }

  /** Attributes that are not durable, oldest first. */
  get attributed(): readonly Attributed[] {
    return this.#attributed;
  }

  get unsynced(): Iterable<Change> {
    return this.#unsynced.keys();
  }

  /** Changes that are not durable, oldest first, each with when it happened. */
  get stamped(): Iterable<readonly [change: Change, stamp: Stamp]> {
    return this.#unsynced;
  }

  /** A copy of it that goes its own way, with all that is not durable, and of what is in it. */
  fork(copies: Map<Inode, Inode>): Inode {
    const known = copies.get(this);
    if (known !== undefined) return known;
    const content = this.content.clone();
    const copy = new Inode(this.ino, this.kind, this.#attributes, content, undefined, this.target);
    copies.set(this, copy);
    copy.links = this.links;
    copy.#birthNs = this.#birthNs;
    copy.#durable = this.#durable.clone();
    copy.#durableAttributes = this.#durableAttributes;
    copy.#attributed = [...this.#attributed];
    copy.#unsynced = new Map(this.#unsynced);
    copy.#flushes = [...this.#flushes];
    copy.isEmptied = this.isEmptied;
    for (const [name, entry] of this.entries) copy.entries.set(name, entry.fork(copies));
    for (const [name, entry] of this.durableEntries) copy.durableEntries.set(name, entry.fork(copies));
    return copy;
  }

  /** A write has completed. */
  write(id: number, position: number, bytes: Uint8Array, now: number): Change {
    const change: Change = { kind: 'write', id, position, bytes };
    this.content.write(position, bytes);
    this.#unsynced.set(change, { order: nextOrder(), atNs: now });
    this.modified(now);
    return change;
  }

  truncate(id: number, size: number, now: number): void {
    const change: Change = { kind: 'truncate', id, size, from: this.content.size };
    this.#unsynced.set(change, { order: nextOrder(), atNs: now });
    if (size === 0 && this.content.size > 0) this.isEmptied = true;
    this.content.truncate(size);
    this.modified(now);
  }

  /** Room was made, or given back. */
  allocated(change: Change & { readonly kind: 'allocate' | 'punch' }, now: number): void {
    this.#unsynced.set(change, { order: nextOrder(), atNs: now });
    applyTo(this.content, change);
    this.modified(now);
  }

  /**
   * Puts changes on the disk, in the order in which they happened. Those that are there already are left alone.
   *
   * @returns What is durable by this.
   */
  harden(changes: Iterable<Change>): Change[] {
    const hardened: Change[] = [];
    for (const change of changes) {
      if (!this.#unsynced.delete(change)) continue;
      applyTo(this.durable, change);
      hardened.push(change);
    }
    return hardened;
  }

  /** Has what is not durable written out. @param isOrdered - With the next change of metadata that becomes durable, or soon. */
  flush(isOrdered: boolean, nowNs: number): void {
    this.isEmptied = false;
    const changes = [...this.#unsynced.keys()];
    if (changes.length > 0) this.#flushes.push({ order: nextOrder(), atNs: nowNs, changes, isOrdered });
  }

  get flushes(): readonly Flush[] {
    return this.#flushes;
  }

  /** What was only to be written soon, and long enough ago, is durable. @returns That. */
  hardenFlushed(beforeNs: number): Change[] {
    const isDue = ({ isOrdered, atNs }: Flush): boolean => !isOrdered && atNs <= beforeNs;
    const hardened = this.#flushes.filter(isDue).flatMap(({ changes }) => this.harden(changes));
    this.#flushes = this.#flushes.filter((flush) => !isDue(flush));
    return hardened;
  }

  /**
   * A journal puts all changes of metadata on the disk up to one in the order of all, and the bytes that belong to them. Writes before
   * them that are not durable stay so, but what was cut off or punched away cannot come back.
   *
   * @returns What is settled by this: durable, or gone for good with what it was cut off by.
   */
  commit(upTo: number): Change[] {
    const settled: Change[] = [];
    for (const { order, changes, isOrdered } of this.#flushes) {
      if (isOrdered && order <= upTo) settled.push(...this.harden(changes));
    }
    this.#flushes = this.#flushes.filter(({ order }) => order > upTo);
    for (const [change, { order }] of this.#unsynced) {
      if (change.kind === 'write' || order > upTo) continue;
      for (const [before] of this.#unsynced) {
        if (before === change) break;
        if (before.kind !== 'write') continue;
        const fate = cutBy(change, before);
        if (fate === 'whole' && this.#unsynced.delete(before)) settled.push(before);
        // It may have been written at any time. Which part of it would be the only one left is not worth the trouble.
        if (fate === 'part') settled.push(...this.harden([before]));
      }
      settled.push(...this.harden([change]));
    }
    const then = this.#attributed.findLast(({ order }) => order <= upTo);
    if (then !== undefined) this.durableAttributes = then.attributes;
    return settled;
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
    for (const one of [...this.#unsynced.keys()].reverse()) {
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

  /** What stat(2) counts: a directory is named in itself, and in those below it, as long as it is there. */
  get nlink(): number {
    if (this.kind !== 'directory' || this.links === 0) return this.links;
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

/** What is left of a write under a change of size or room. */
function cutBy(change: Change, write: Change & { readonly kind: 'write' }): 'nothing' | 'part' | 'whole' {
  if (change.kind === 'write' || change.kind === 'allocate') return 'nothing';
  const from = change.kind === 'truncate' ? change.size : change.position;
  const to = change.kind === 'truncate' ? Number.POSITIVE_INFINITY : change.position + change.length;
  const end = write.position + write.bytes.length;
  if (end <= from || to <= write.position) return 'nothing';
  return from <= write.position && end <= to ? 'whole' : 'part';
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
