/** Names: the tree of directories, and which of its changes are on the disk. */
import { ERRNO } from '../../common/abi/errno.ts';
import { type Attributes, Inode, type Stamp } from './inode.ts';
import { nextOrder } from './order.ts';

/** One name that comes to mean another file, or none. */
interface Naming {
  readonly directory: Inode;
  readonly name: string;
  readonly to: Inode | undefined;
}

/** A change of names that happens as a whole or not at all, as a journal has it: a rename is two namings. */
export interface NameChange extends Stamp {
  readonly id: number;
  readonly what: string;
  readonly namings: readonly Naming[];
  /** What got its first name. */
  readonly creates: Inode | undefined;
}

/** Where a path leads. */
export interface Place {
  readonly directory: Inode;
  readonly name: string;
  readonly inode: Inode | undefined;
}

const LONGEST_NAME = 255;

export class Namespace {
  readonly root: Inode;
  /** Whether a rename that replaces a file is durable only with the bytes of the one that it gives the name to. */
  carriesData = false;
  #nextIno: number;
  readonly #pending: Set<NameChange>;

  constructor(root: Inode, nextIno: number, pending: Iterable<NameChange> = []) {
    this.root = root;
    this.#nextIno = nextIno;
    this.#pending = new Set(pending);
  }

  /** A copy of it that goes its own way, with all files. @param copies - Receives which file is copied by which. */
  fork(copies: Map<Inode, Inode>): Namespace {
    const root = this.root.fork(copies);
    const pending = [...this.#pending].map((change) => ({
      ...change,
      namings: change.namings.map((naming) => ({
        ...naming,
        directory: naming.directory.fork(copies),
        to: naming.to?.fork(copies),
      })),
      creates: change.creates?.fork(copies),
    }));
    return new Namespace(root, this.#nextIno, pending);
  }

  get nextIno(): number {
    return this.#nextIno;
  }

  /** Changes that are not on the disk for certain, oldest first. */
  get pending(): Iterable<NameChange> {
    return this.#pending;
  }

  /** @returns What is there, or a negative errno where no file can be. */
  find(path: string): Place | number {
    const names = path.split('/').filter((name) => name !== '' && name !== '.');
    const way = [this.root];
    let name = '/';
    let inode: Inode | undefined = this.root;
    for (const next of names) {
      if (inode === undefined) return -ERRNO.ENOENT;
      if (inode.kind !== 'directory') return -ERRNO.ENOTDIR;
      if (Buffer.byteLength(next) > LONGEST_NAME) return -ERRNO.ENAMETOOLONG;
      if (next === '..') {
        if (way.length > 1) way.pop();
        inode = way.at(-1)!;
        name = '.';
        continue;
      }
      if (way.at(-1) !== inode) way.push(inode);
      name = next;
      inode = inode.entries.get(next);
    }
    if (inode !== undefined && inode.kind !== 'directory' && path.endsWith('/')) return -ERRNO.ENOTDIR;
    return { directory: way.at(-1)!, name, inode };
  }

  create(id: number, place: Place, kind: Inode['kind'], attributes: Attributes): Inode {
    const inode = new Inode(this.#nextIno++, kind, attributes);
    this.#change(id, `create ${place.name}`, attributes.mtimeNs, [{ ...place, to: inode }], inode);
    return inode;
  }

  remove(id: number, place: Place, now: number): void {
    this.#change(id, `remove ${place.name}`, now, [{ ...place, to: undefined }], undefined);
  }

  rename(id: number, from: Place, to: Place, now: number): void {
    if (this.carriesData && to.inode !== undefined) from.inode!.flush(true, now);
    const namings = [
      { ...from, to: undefined },
      { ...to, to: from.inode },
    ];
    this.#change(id, `rename ${from.name} to ${to.name}`, now, namings, undefined);
  }

  #change(
    id: number,
    what: string,
    now: number,
    namings: readonly Naming[],
    creates: Inode | undefined,
  ): void {
    for (const { directory, name, to } of namings) {
      if (to === undefined) directory.entries.delete(name);
      else directory.entries.set(name, to);
      directory.modified(now);
    }
    this.#pending.add({ id, what, namings, creates, order: nextOrder(), atNs: now });
  }

  /**
   * The changes that an fsync makes durable: of a directory all that concern it; of anything its creation, with that of the
   * directories above. With each come those before it that concern the same names.
   *
   * @param strict - Only the directory's own, as POSIX has it.
   */
  covered(inode: Inode, strict: boolean): NameChange[] {
    const created = new Set([inode]);
    const found: NameChange[] = [];
    for (const change of [...this.#pending].reverse()) {
      const concerns =
        (!strict && change.creates !== undefined && created.has(change.creates)) ||
        change.namings.some(({ directory }) => directory === inode) ||
        found.some((later) => sharesName(change, later));
      if (!concerns) continue;
      found.push(change);
      // The directories must be found after a crash, or the name in them would not be.
      for (const { directory } of change.namings) created.add(directory);
    }
    return found.reverse();
  }

  harden(changes: Iterable<NameChange>): void {
    for (const change of changes) {
      if (this.#pending.delete(change)) applyNames(change);
    }
  }
}

function sharesName(one: NameChange, other: NameChange): boolean {
  return one.namings.some(({ directory, name }) =>
    other.namings.some((naming) => naming.directory === directory && naming.name === name),
  );
}

/** Makes the durable directories agree with a change. */
export function applyNames({ namings }: NameChange): void {
  for (const { directory, name, to } of namings) {
    if (to === undefined) directory.durableEntries.delete(name);
    else directory.durableEntries.set(name, to);
  }
}
