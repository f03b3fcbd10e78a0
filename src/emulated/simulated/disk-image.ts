/** What is on a disk, as a value: to compare, to print, and to take away. */
import { createHash } from 'node:crypto';
import { ERRNO } from '../../common/abi/errno.ts';
import { errnoException } from '../../common/errors.ts';
import type { Attributes, Inode } from './inode.ts';
import type { PagedBytes } from './paged-bytes.ts';

/** One name on a disk, and what it means. */
export interface ImageEntry {
  /** From the root, with a slash. */
  readonly path: string;
  /** What it is the name of; `'link'` is a symbolic one. */
  readonly kind: Inode['kind'];
  /** Permissions, without the kind of file. */
  readonly mode: number;
  /** In bytes; 0 for what is no file. */
  readonly size: number;
  /** Tells the content; empty for what is no file. It is not what `sha256sum` prints, so that a hole takes no time. */
  readonly digest: string;
  /** Where the sectors of 512 bytes begin that cannot be read, if there are any. */
  readonly unreadable?: readonly number[];
  /** Where a symbolic link leads. */
  readonly target?: string;
  /** The first path of the same file, where this is another name of it. */
  readonly linkOf?: string;
}

/** @internal What an export needs beside the entries. */
export interface Exported {
  readonly entry: ImageEntry;
  readonly attributes: Attributes;
  readonly content: PagedBytes;
}

const DIGEST_CHARACTERS = 32;
/** What {@link PagedBytes.written} yields at most. */
const PIECE = 4096;
const SHOWN_DIGEST_CHARACTERS = 12;

/**
 * Everything that has a name on a disk, with its content, at one moment.
 *
 * @remarks Names, kinds, permissions, sizes and content count; times, owners and where the holes are do not.
 * `assert.deepStrictEqual` and vitest's `toEqual` compare two of them by {@link entries}; {@link differences} says more.
 */
export class DiskImage {
  /** In the order of their paths; the root is not among them. */
  readonly entries: readonly ImageEntry[];
  readonly #files: ReadonlyMap<string, Exported>;

  /** @internal Use `simulation.image`. */
  constructor(root: Inode) {
    const files = new Map<string, Exported>();
    collect(root, '', files, new Map());
    this.#files = files;
    this.entries = [...files.values()].map(({ entry }) => entry);
  }

  /** One word for all of it: the same for the same names, permissions and content, on every host. */
  get digest(): string {
    return createHash('sha256')
      .update(JSON.stringify(this.entries))
      .digest('hex')
      .slice(0, DIGEST_CHARACTERS);
  }

  /** The content of a file. @throws AioError `ENOENT`, `EISDIR`; `ELOOP` for a symbolic link. */
  read(path: string): Buffer {
    const file = this.#files.get(`/${path.split('/').filter(Boolean).join('/')}`);
    if (file === undefined) throw errnoException(-ERRNO.ENOENT, 'open', { path });
    if (file.entry.kind === 'directory') throw errnoException(-ERRNO.EISDIR, 'read', { path });
    if (file.entry.kind === 'link') throw errnoException(-ERRNO.ELOOP, 'open', { path });
    const { buffer, byteOffset, length } = file.content.read(0, file.content.size);
    return Buffer.from(buffer, byteOffset, length);
  }

  /** Whether the other has the same entries, with the same content. */
  equals(other: DiskImage): boolean {
    return this.differences(other).length === 0;
  }

  /** What differs, from this one to the other: a line for each path, in their order. Empty where nothing does. */
  differences(other: DiskImage): string[] {
    const paths = new Set([...this.#files.keys(), ...other.#files.keys()]);
    return [...paths].sort(byBytes).flatMap((path) => {
      const [one, two] = [this.#files.get(path), other.#files.get(path)];
      if (one === undefined) return [`+ ${described(two!.entry)}`];
      if (two === undefined) return [`- ${described(one.entry)}`];
      const changes = changesOf(one, two);
      return changes.length === 0 ? [] : [`~ ${path}: ${changes.join(', ')}`];
    });
  }

  /** A line for each entry. */
  toString(): string {
    return this.entries.map(described).join('\n');
  }

  /** @internal */
  get exported(): Iterable<Exported> {
    return this.#files.values();
  }
}

function collect(
  directory: Inode,
  path: string,
  files: Map<string, Exported>,
  firstPaths: Map<Inode, string>,
): void {
  for (const [name, inode] of [...directory.entries].sort(([one], [other]) => byBytes(one, other))) {
    const own = `${path}/${name}`;
    const linkOf = firstPaths.get(inode);
    if (linkOf === undefined) firstPaths.set(inode, own);
    const content = inode.content.clone();
    const isFile = inode.kind === 'file';
    const entry: ImageEntry = {
      path: own,
      kind: inode.kind,
      mode: inode.attributes.mode,
      size: isFile ? content.size : 0,
      digest: isFile ? digestOf(content) : '',
      ...(content.unreadable.length > 0 ? { unreadable: content.unreadable } : {}),
      ...(inode.kind === 'link' ? { target: inode.target } : {}),
      ...(linkOf === undefined ? {} : { linkOf }),
    };
    files.set(own, { entry, attributes: inode.attributes, content });
    if (inode.kind === 'directory') collect(inode, own, files, firstPaths);
  }
}

function digestOf(content: PagedBytes): string {
  const hash = createHash('sha256').update(`${content.size}`);
  for (const [position, bytes] of content.written())
    hash.update(`\n${position} ${bytes.length}\n`).update(bytes);
  return hash.digest('hex').slice(0, DIGEST_CHARACTERS);
}

function changesOf(one: Exported, two: Exported): string[] {
  const changes: string[] = [];
  const changed = (what: string, from: unknown, to: unknown): void => {
    if (from !== to) changes.push(`${what} ${from} -> ${to}`);
  };
  changed('kind', one.entry.kind, two.entry.kind);
  changed('mode', octal(one.entry.mode), octal(two.entry.mode));
  changed('size', one.entry.size, two.entry.size);
  if (one.entry.digest !== two.entry.digest && one.entry.kind === two.entry.kind) {
    const where = differingBytes(one.content, two.content);
    if (where !== undefined) changes.push(where);
  }
  changed('unreadable sectors', sectorsOf(one.entry), sectorsOf(two.entry));
  changed('leads to', one.entry.target ?? 'nothing', two.entry.target ?? 'nothing');
  changed('the same file as', one.entry.linkOf ?? 'none', two.entry.linkOf ?? 'none');
  return changes;
}

function sectorsOf({ unreadable = [] }: ImageEntry): string {
  return unreadable.length === 0 ? 'none' : `at ${unreadable.join(' ')}`;
}

/** In the part that both have. */
function differingBytes(one: PagedBytes, two: PagedBytes): string | undefined {
  const end = Math.min(one.size, two.size);
  const positions = new Set([...one.written(), ...two.written()].map(([position]) => position));
  let count = 0;
  let first = Number.POSITIVE_INFINITY;
  let last = -1;
  for (const position of positions) {
    const [left, right] = [one, two].map((content) =>
      content.read(position, Math.min(PIECE, end - position)),
    );
    left!.forEach((byte, index) => {
      if (byte === right![index]) return;
      count++;
      first = Math.min(first, position + index);
      last = Math.max(last, position + index);
    });
  }
  if (count === 0) return undefined;
  return `${count} ${count === 1 ? 'byte differs' : 'bytes differ'}, from ${first} to ${last}`;
}

function described({ path, kind, mode, size, digest, target, linkOf }: ImageEntry): string {
  const what =
    kind === 'directory'
      ? 'directory'
      : kind === 'link'
        ? `leads to ${target}`
        : `${size} bytes, ${digest.slice(0, SHOWN_DIGEST_CHARACTERS)}`;
  return `${path} (${octal(mode)}, ${what}${linkOf === undefined ? '' : `, the same file as ${linkOf}`})`;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/** The same order on every host, whatever its language. */
function byBytes(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
