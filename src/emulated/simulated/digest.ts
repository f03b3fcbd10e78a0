/** What is on a disk, in a few characters: to tell whether two crashes have left the same. */
import { createHash, type Hash } from 'node:crypto';
import type { Inode } from './inode.ts';

/** Names, kinds, modes and content of a tree of directories. Files with several names are told from copies. */
export function digestOf(root: Inode): string {
  const hash = createHash('sha256');
  add(hash, root, new Map());
  return hash.digest('base64url');
}

function add(hash: Hash, inode: Inode, seen: Map<Inode, number>): void {
  const known = seen.get(inode);
  if (known !== undefined) {
    hash.update(`=${known};`);
    return;
  }
  seen.set(inode, seen.size);
  hash.update(`${inode.kind} ${inode.attributes.mode};`);
  inode.content.digest((bytes) => hash.update(bytes));
  for (const name of [...inode.entries.keys()].sort()) {
    hash.update(`${name.length}:${name}`);
    add(hash, inode.entries.get(name)!, seen);
  }
  hash.update(';');
}
