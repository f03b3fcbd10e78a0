/** A journal of metadata: what it puts on the disk, in the order in which it happened. */
import type { Change, Inode } from './inode.ts';
import type { Model } from './models.ts';
import type { NameChange, Namespace } from './namespace.ts';

const NSEC_PER_MSEC = 1e6;
/** What is written at once takes less. */
const SOON_MS = 1000;

/** Every file that is there or would be found after a crash. */
export function everyInode({ root, pending }: Namespace): Set<Inode> {
  const found = new Set([root]);
  for (const { namings } of pending) {
    for (const { directory, to } of namings) {
      found.add(directory);
      if (to !== undefined) found.add(to);
    }
  }
  for (const inode of found) {
    for (const entry of inode.entries.values()) found.add(entry);
    for (const entry of inode.durableEntries.values()) found.add(entry);
  }
  return found;
}

/** Changes of metadata that are not durable: when each happened, in their order. */
export function uncommitted(names: Namespace): { readonly order: number; readonly atNs: number }[] {
  const inodes = [...everyInode(names)];
  return [
    ...names.pending,
    ...inodes.flatMap(({ stamped, attributed, flushes }) => [
      ...[...stamped].flatMap(([{ kind }, stamp]) => (kind === 'write' ? [] : [stamp])),
      ...attributed,
      ...flushes.filter(({ isOrdered }) => isOrdered),
    ]),
  ].sort((one, other) => one.order - other.order);
}

/** What has become durable. */
type Settled = (NameChange | Change)[];

/** Makes all changes of metadata durable up to one in the order of all. @returns They, and what went with them. */
export function commit(names: Namespace, upTo: number): Settled {
  const inodes = everyInode(names);
  const settled: Settled = names.harden([...names.pending].filter(({ order }) => order <= upTo));
  for (const inode of inodes) settled.push(...inode.commit(upTo));
  return settled;
}

/**
 * Makes durable what has become so by itself meanwhile. Nothing happens at the time: nobody could see it.
 *
 * @returns What that is.
 */
export function catchUp(names: Namespace, { commitMs, writebackMs }: Model, nowNs: number): Settled {
  const settled: Settled = [];
  if (commitMs !== undefined) {
    const before = nowNs - commitMs * NSEC_PER_MSEC;
    const last = uncommitted(names).findLast(({ atNs }) => atNs <= before);
    if (last !== undefined) settled.push(...commit(names, last.order));
    for (const inode of everyInode(names))
      settled.push(...inode.hardenFlushed(before - SOON_MS * NSEC_PER_MSEC));
  }
  if (writebackMs === undefined) return settled;
  const before = nowNs - writebackMs * NSEC_PER_MSEC;
  for (const inode of everyInode(names)) {
    const old: Change[] = [];
    for (const [change, { atNs }] of inode.stamped) if (atNs <= before) old.push(change);
    settled.push(...inode.harden(old));
  }
  return settled;
}

/** Whether a sync of a file has the journal written: it has changes of metadata in it. */
export function isJournalled(
  names: Namespace,
  inode: Inode,
  changes: readonly Change[],
  datasync: boolean,
): boolean {
  return (
    names.covered(inode, false).length > 0 ||
    changes.some(
      (change) => change.kind !== 'write' || change.position + change.bytes.length > inode.durable.size,
    ) ||
    (!datasync && inode.attributed.length > 0)
  );
}
