/** A folder of the host, put on a simulated disk. */
import {
  type BigIntStats,
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { join, posix, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ERRNO } from '../../common/abi/errno.ts';
import { AioError, errnoException } from '../../common/errors.ts';
import type { Disk } from '../simulated/disk.ts';
import { type Attributes, Inode } from '../simulated/inode.ts';
import type { Namespace } from '../simulated/namespace.ts';
import { PagedBytes } from '../simulated/paged-bytes.ts';
import { pathOf } from '../simulated/paths.ts';
import { PERMISSIONS } from '../simulated/stats.ts';
import { usedBytes } from '../simulated/storage.ts';

/** Where an imported folder is put. */
export interface ImportOptions {
  /** A directory on the simulated disk that is there already. Default the root. */
  readonly to?: string;
}

/** What was found on the host, before anything of it is on the simulated disk. */
type Found =
  | { readonly kind: 'directory'; readonly attributes: Attributes; readonly children: Map<string, Found> }
  | { readonly kind: 'file'; readonly attributes: Attributes; readonly content: PagedBytes }
  | { readonly kind: 'link'; readonly attributes: Attributes; readonly target: string };

const CHUNK_BYTES = 1 << 20;
const PAGE_BYTES = 4096;

/** A path of the host, as `import` and `export` take it. */
export function hostPath(folder: string | URL): string {
  return resolve(folder instanceof URL ? fileURLToPath(folder) : folder);
}

/**
 * Puts all that is in a folder of the host into a directory of a simulated disk, or nothing.
 *
 * @returns How many names there are.
 * @throws As `Simulation.import` says.
 */
export function importFolder(folder: string, disk: Disk, { to = '/' }: ImportOptions = {}): number {
  const { names } = disk;
  const place = names.find(pathOf(to));
  if (typeof place === 'number') throw errnoException(place, 'import', { path: to });
  const directory = place.inode;
  if (directory === undefined) throw errnoException(-ERRNO.ENOENT, 'import', { path: to });
  if (directory.kind !== 'directory') throw errnoException(-ERRNO.ENOTDIR, 'import', { path: to });
  const children = readChildren(folder, new Map());
  for (const name of children.keys()) {
    if (directory.entries.has(name))
      throw errnoException(-ERRNO.EEXIST, 'import', { path: posix.join(to, name) });
  }
  if (usedBytes(names.root) + storageOf(children.values()) > disk.drive.capacityBytes) {
    throw errnoException(-ERRNO.ENOSPC, 'import', { path: folder });
  }
  // A removal that is not durable yet must not take away later what is put there now.
  disk.settleNames(directory);
  return install(children, names, directory, new Map());
}

/** @param inodes - Of files that are there already: they may have several names. */
function install(
  children: Map<string, Found>,
  names: Namespace,
  directory: Inode,
  inodes: Map<Found, Inode>,
): number {
  let count = 0;
  for (const [name, found] of children) {
    count++;
    const known = inodes.get(found);
    if (known !== undefined) {
      names.installName(directory, name, known);
      continue;
    }
    const content = found.kind === 'file' ? found.content : undefined;
    const target = found.kind === 'link' ? found.target : undefined;
    const inode = names.install(
      directory,
      name,
      (ino) => new Inode(ino, found.kind, found.attributes, content, undefined, target),
    );
    inodes.set(found, inode);
    if (found.kind === 'directory') count += install(found.children, names, inode, inodes);
  }
  return count;
}

/** A file with several names is the same object each time. */
function storageOf(children: Iterable<Found>, counted = new Set<Found>()): number {
  let bytes = 0;
  for (const found of children) {
    if (counted.has(found)) continue;
    counted.add(found);
    if (found.kind === 'file') bytes += found.content.allocated;
    else if (found.kind === 'directory') bytes += storageOf(found.children.values(), counted);
  }
  return bytes;
}

/** @param linked - Files with several names that were found already, by device and number. */
function readChildren(folder: string, linked: Map<string, Found>): Map<string, Found> {
  const children = new Map<string, Found>();
  const names = readdirSync(folder, { encoding: 'buffer' }).map((name) => textOf(name, folder));
  // The numbers that files get, and so the history, follow from the names and not from the host's order.
  names.sort((one, other) => (one < other ? -1 : 1));
  for (const name of names) children.set(name, readOne(join(folder, name), linked));
  return children;
}

function readOne(path: string, linked: Map<string, Found>): Found {
  const stats = lstatSync(path, { bigint: true });
  const attributes = attributesOf(stats);
  if (stats.isDirectory()) {
    return { kind: 'directory', attributes, children: readChildren(path, linked) };
  }
  if (!stats.isFile() && !stats.isSymbolicLink()) {
    throw new AioError('EOPNOTSUPP', ERRNO.EOPNOTSUPP, 'import', {
      path,
      help: 'A simulated disk has files, directories and symbolic links',
    });
  }
  const identity = `${stats.dev} ${stats.ino}`;
  const known = stats.nlink > 1n ? linked.get(identity) : undefined;
  if (known !== undefined) return known;
  const found: Found = stats.isFile()
    ? { kind: 'file', attributes, content: contentOf(path) }
    : { kind: 'link', attributes, target: textOf(readlinkSync(path, { encoding: 'buffer' }), path) };
  linked.set(identity, found);
  return found;
}

/** What is zeros becomes a hole. */
function contentOf(path: string): PagedBytes {
  const content = new PagedBytes();
  const chunk = new Uint8Array(CHUNK_BYTES);
  const fd = openSync(path, 'r');
  try {
    for (let position = 0; ; ) {
      const length = readSync(fd, chunk, 0, CHUNK_BYTES, position);
      if (length === 0) return content;
      for (let at = 0; at < length; at += PAGE_BYTES) {
        const piece = chunk.subarray(at, Math.min(at + PAGE_BYTES, length));
        if (piece.some((byte) => byte !== 0)) content.write(position + at, piece);
      }
      position += length;
      content.grow(position);
    }
  } finally {
    closeSync(fd);
  }
}

/** The one user of a simulated machine owns all of it. */
function attributesOf({ mode, atimeNs, mtimeNs, ctimeNs }: BigIntStats): Attributes {
  return {
    mode: Number(mode) & PERMISSIONS,
    uid: 0,
    gid: 0,
    atimeNs: Number(atimeNs),
    mtimeNs: Number(mtimeNs),
    ctimeNs: Number(ctimeNs),
  };
}

function textOf(name: Buffer, folder: string): string {
  const text = name.toString();
  if (Buffer.from(text).equals(name)) return text;
  throw errnoException(-ERRNO.EILSEQ, 'import', { path: join(folder, text) });
}
