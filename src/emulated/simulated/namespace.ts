/** Names: the tree of directories, and which of its changes are on the disk. */
import { ERRNO } from '../../common/abi/errno.ts';
import { type Attributes, Inode, type Stamp } from './inode.ts';
import { nextOrder } from './order.ts';
import { Watches } from './watches.ts';

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
  /** Whether the path ends with a slash: only a directory can be meant. */
  readonly slash: boolean;
  /** Whether no file can have that name: only where the end is a name. */
  readonly isTooLong: boolean;
}

const LONGEST_NAME = 255;
/** `linux/limits.h:PATH_MAX`: bytes, with the one that ends it. */
export const PATH_MAX = 4096;
/** `linux/namei.h:MAXSYMLINKS`. */
const MOST_LINKS = 40;

export class Namespace {
  readonly root: Inode;
  readonly watches = new Watches();
  /** Whether a rename that replaces a file is durable only with the bytes of the one that it gives the name to. */
  carriesData = false;
  #nextIno: number;
  readonly #pending: Set<NameChange>;

  constructor(root: Inode, nextIno: number, pending: Iterable<NameChange> = []) {
    this.root = root;
    root.links = 1;
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

  /**
   * Walks a path from the root, through the symbolic links on the way.
   *
   * @param end - Whether a symbolic link at the end is followed too. With a slash behind it, it always is, but for calls that give and
   * take names: for those the end is a name, whatever it means. What makes a file refuses a slash, also that of a link that leads there.
   * @returns What is there, or a negative errno where no file can be.
   */
  find(path: string, end: 'follow' | 'stay' | 'name' | 'make' = 'follow'): Place | number {
    if (path === '') return -ERRNO.ENOENT;
    if (Buffer.byteLength(path) >= PATH_MAX) return -ERRNO.ENAMETOOLONG;
    const ahead = partsOf(path).reverse();
    let slash = path.endsWith('/');
    let way = [this.root];
    let name = '/';
    let inode: Inode | undefined = this.root;
    let links = 0;
    for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
      if (inode === undefined) return -ERRNO.ENOENT;
      if (inode.kind !== 'directory') return -ERRNO.ENOTDIR;
      if (next === '.' || next === '..') {
        if (next === '..' && way.length > 1) way.pop();
        inode = way.at(-1)!;
        name = '.';
        continue;
      }
      const isLast = ahead.length === 0;
      if (isLast && slash && end === 'make') return -ERRNO.EISDIR;
      const isTooLong = Buffer.byteLength(next) > LONGEST_NAME;
      if (isTooLong && end === 'name' && isLast)
        return { directory: inode, name: next, inode: undefined, slash, isTooLong };
      if (isTooLong) return -ERRNO.ENAMETOOLONG;
      const found = inode.entries.get(next);
      const isFollowed = !isLast || end === 'follow' || end === 'make' || (slash && end === 'stay');
      if (found?.kind === 'link' && isFollowed) {
        if (++links > MOST_LINKS) return -ERRNO.ELOOP;
        if (isLast && found.target.endsWith('/')) slash = true;
        if (found.target.startsWith('/')) way = [this.root];
        ahead.push(...partsOf(found.target).reverse());
        inode = way.at(-1)!;
        name = '.';
        continue;
      }
      name = next;
      inode = found;
      if (inode?.kind === 'directory') way.push(inode);
    }
    if (slash && end !== 'name' && inode !== undefined && inode.kind !== 'directory') return -ERRNO.ENOTDIR;
    const isNamed = inode?.kind === 'directory' && name !== '.' && name !== '/';
    return { directory: way.at(isNamed ? -2 : -1)!, name, inode, slash, isTooLong: false };
  }

  /** The path of a directory, as it is found from the root. */
  pathOf(directory: Inode, below: Inode = this.root, path = ''): string | undefined {
    if (below === directory) return path === '' ? '/' : path;
    for (const [name, entry] of below.entries) {
      if (entry.kind !== 'directory') continue;
      const found = this.pathOf(directory, entry, `${path}/${name}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** @param target - Of a symbolic link. */
  create(id: number, place: Place, kind: Inode['kind'], attributes: Attributes, target = ''): Inode {
    const inode = new Inode(this.#nextIno++, kind, attributes, undefined, undefined, target);
    this.#change(id, `create ${place.name}`, attributes.mtimeNs, [{ ...place, to: inode }], inode);
    this.watches.named(place.directory, place.name, 'created');
    return inode;
  }

  /** Puts what was there before the machine was switched on: it is durable, and no change. */
  install(directory: Inode, name: string, inode: (ino: number) => Inode): Inode {
    const installed = inode(this.#nextIno++);
    this.installName(directory, name, installed);
    return installed;
  }

  /** One more name for what was installed. */
  installName(directory: Inode, name: string, inode: Inode): void {
    directory.entries.set(name, inode);
    directory.durableEntries.set(name, inode);
    inode.links++;
  }

  /** Gives a file one more name. */
  link(id: number, inode: Inode, place: Place, now: number): void {
    this.#change(id, `link ${place.name}`, now, [{ ...place, to: inode }], undefined);
    inode.renamed(now);
    this.watches.itself(inode, 'attributes');
    this.watches.named(place.directory, place.name, 'created');
  }

  remove(id: number, place: Place, now: number): void {
    this.#change(id, `remove ${place.name}`, now, [{ ...place, to: undefined }], undefined);
    if (place.inode!.kind !== 'directory') this.watches.itself(place.inode!, 'attributes');
    this.watches.named(place.directory, place.name, 'removed');
    this.#mayBeGone(place.inode!);
  }

  rename(id: number, from: Place, to: Place, now: number): void {
    if (this.carriesData && to.inode !== undefined) from.inode!.flush(true, now);
    const namings = [
      { ...from, to: undefined },
      { ...to, to: from.inode },
    ];
    this.#change(id, `rename ${from.name} to ${to.name}`, now, namings, undefined);
    from.inode!.renamed(now);
    this.watches.named(from.directory, from.name, 'moved from');
    this.watches.named(to.directory, to.name, 'moved to');
    if (to.inode !== undefined && to.inode.kind !== 'directory') this.watches.itself(to.inode, 'attributes');
    this.watches.itself(from.inode!, 'moved');
    if (to.inode !== undefined) this.#mayBeGone(to.inode);
  }

  /** Whoever watches what has no name any more hears that it is gone, and then that no more will come. */
  #mayBeGone(inode: Inode): void {
    if (inode.links === 0) this.watches.itself(inode, 'gone', 'ignored');
  }

  #change(
    id: number,
    what: string,
    now: number,
    namings: readonly Naming[],
    creates: Inode | undefined,
  ): void {
    for (const { directory, name, to } of namings) {
      const before = directory.entries.get(name);
      if (before !== undefined) {
        before.links--;
        before.renamed(now);
      }
      if (to === undefined) directory.entries.delete(name);
      else {
        directory.entries.set(name, to);
        to.links++;
      }
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

  /** @returns What is durable by this. */
  harden(changes: Iterable<NameChange>): NameChange[] {
    const hardened: NameChange[] = [];
    for (const change of changes) {
      if (!this.#pending.delete(change)) continue;
      applyNames(change);
      hardened.push(change);
    }
    return hardened;
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

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}
