/** How much of the storage files use, and how much of a write fits into what is left. */
import type { Inode } from './inode.ts';

/** Storage that the files with names use, each counted once. */
export function usedBytes(root: Inode): number {
  const seen = new Set([root]);
  let used = 0;
  for (const inode of seen) {
    used += inode.content.allocated;
    for (const entry of inode.entries.values()) seen.add(entry);
  }
  return used;
}

/** How many of a write's bytes there is room for. @param room - Bytes that are left. */
export function fitting(inode: Inode, position: number, length: number, room: number): number {
  if (inode.content.growth(position, length) <= room) return length;
  let least = 0;
  let most = length;
  while (most - least > 1) {
    const middle = Math.floor((least + most) / 2);
    if (inode.content.growth(position, middle) <= room) least = middle;
    else most = middle;
  }
  return least;
}
