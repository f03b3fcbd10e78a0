/** What is found after the power was lost: the durable image, and chance for what was on its way there. */
import { type Crash, settle } from './fates.ts';
import { Inode } from './inode.ts';
import { applyNames, Namespace } from './namespace.ts';
import { commitSome, settleBytes, settleInFlight } from './ordered-crash.ts';

/** Decides what has reached the disk. @returns The tree that is found after it: nothing in it is unsynced. */
export function crash(context: Crash): Namespace {
  const { names } = context;
  if (context.model.metadata === 'ordered') loseInOrder(context);
  else loseApart(context);
  const copies = new Map<Inode, Inode>();
  return new Namespace(copyOf(names.root, copies), names.nextIno);
}

/** Each change has a fate of its own. */
function loseApart(context: Crash): void {
  const { names, random, faults, note } = context;
  for (const change of names.pending) {
    const kept = !random.chance(faults.lost);
    note(`${kept ? 'kept' : 'lost'}: #${change.id} ${change.what}`);
    if (kept) applyNames(change);
  }
  const files = reachable(names.root);
  for (const inode of files) {
    if (inode.attributes !== inode.durableAttributes && !random.chance(faults.lost))
      inode.durableAttributes = inode.attributes;
    for (const change of inode.unsynced) settle(context, inode, change, files);
  }
  for (const { inode, change } of context.inFlight) {
    if (files.includes(inode)) settle(context, inode, change, files);
  }
}

/** Metadata are those of one moment. */
function loseInOrder(context: Crash): void {
  const upTo = commitSome(context);
  const files = reachable(context.names.root);
  for (const inode of files) settleBytes(context, inode, upTo, files);
  for (const { inode, change } of context.inFlight) {
    if (files.includes(inode)) settleInFlight(context, inode, change, files);
  }
}

/** Every inode that the durable tree leads to, in an order that follows from the names. */
function reachable(root: Inode): Inode[] {
  const found = new Set([root]);
  for (const inode of found) for (const entry of inode.durableEntries.values()) found.add(entry);
  return [...found];
}

function copyOf(inode: Inode, copies: Map<Inode, Inode>): Inode {
  const known = copies.get(inode);
  if (known !== undefined) return known;
  const entries = new Map<string, Inode>();
  for (const [name, entry] of inode.durableEntries) entries.set(name, copyOf(entry, copies));
  const { ino, kind, durableAttributes, durable, target } = inode;
  const copy = new Inode(ino, kind, durableAttributes, durable.clone(), entries, target);
  copies.set(inode, copy);
  return copy;
}
