/** What is found after the power was lost: the durable image, and chance for what was on its way there. */
import type { Faults } from './faults.ts';
import { applyTo, type Change, describeChange, Inode } from './inode.ts';
import { applyNames, Namespace } from './namespace.ts';
import type { Random } from './random.ts';

/** A write that had begun and not ended. */
export interface InFlightWrite {
  readonly inode: Inode;
  readonly change: Change & { readonly kind: 'write' };
}

export interface Crash {
  readonly names: Namespace;
  readonly inFlight: readonly InFlightWrite[];
  readonly faults: Faults;
  readonly sectorBytes: number;
  readonly random: Random;
  readonly note: (text: string) => void;
}

type Write = Change & { readonly kind: 'write' };
type Fate = 'kept' | 'lost' | 'torn' | 'misdirected';

/** Decides what has reached the disk. @returns The tree that is found after it: nothing in it is unsynced. */
export function crash(context: Crash): Namespace {
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
  const copies = new Map<Inode, Inode>();
  return new Namespace(copyOf(names.root, copies), names.nextIno);
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

function settle(context: Crash, inode: Inode, change: Change, files: readonly Inode[]): void {
  const { random, faults, note, sectorBytes } = context;
  if (change.kind !== 'write') {
    const kept = !random.chance(faults.lost);
    note(`${kept ? 'kept' : 'lost'}: #${change.id} ${describeChange(change)}`);
    if (kept) applyTo(inode.durable, change);
    return;
  }
  const sectors = sectorsOf(change, sectorBytes);
  const fate = fateOf(faults, random, sectors.length);
  const { durable } = inode;
  const what = `#${change.id} ${describeChange(change)}`;
  switch (fate) {
    case 'kept':
      note(`kept: ${what}`);
      applyTo(durable, change);
      return;
    case 'lost': {
      const end = change.position + change.bytes.length;
      const sized = end > durable.size && random.chance(faults.zeroed);
      note(`lost: ${what}${sized ? ', but the file is as long as if it had not been' : ''}`);
      if (sized) durable.grow(end);
      return;
    }
    case 'torn': {
      const kept = someOf(sectors, random);
      note(`torn: ${what}: ${kept.map((there) => (there ? '+' : '-')).join('')} by sectors`);
      sectors.forEach((sector, index) => {
        if (kept[index]!) applyTo(durable, sector);
      });
      return;
    }
    case 'misdirected':
      misdirect(context, change, what, files);
  }
}

function fateOf(faults: Faults, random: Random, sectors: number): Fate {
  const draw = random.fraction();
  if (draw < faults.lost) return 'lost';
  // A sector reaches the disk as a whole or not at all.
  if (draw < faults.lost + faults.torn) return sectors > 1 ? 'torn' : random.chance(0.5) ? 'lost' : 'kept';
  return draw < faults.lost + faults.torn + faults.misdirected ? 'misdirected' : 'kept';
}

/** The parts of a write that lie in one sector each. */
export function sectorsOf({ id, position, bytes }: Write, sectorBytes: number): Write[] {
  const sectors: Write[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(sectorBytes - ((position + at) % sectorBytes), bytes.length - at);
    sectors.push({ kind: 'write', id, position: position + at, bytes: bytes.subarray(at, at + length) });
    at += length;
  }
  return sectors;
}

/** At least one is there, and at least one is not. */
export function someOf(sectors: readonly unknown[], random: Random): boolean[] {
  const kept = sectors.map(() => random.chance(0.5));
  const odd = random.below(kept.length);
  if (kept.every((there) => there === kept[odd])) kept[odd] = !kept[odd]!;
  return kept;
}

/** The sectors of a write, somewhere among those of the files that are on the disk. */
function misdirect(
  { random, sectorBytes, note }: Crash,
  change: Write,
  what: string,
  files: readonly Inode[],
) {
  const targets = files.filter(({ kind, durable }) => kind === 'file' && durable.size > 0);
  if (targets.length === 0) {
    note(`lost: ${what} went astray`);
    return;
  }
  const target = random.pick(targets);
  const position = random.below(Math.ceil(target.durable.size / sectorBytes)) * sectorBytes;
  const bytes = change.bytes.subarray(0, target.durable.size - position);
  note(`misdirected: ${what}: it is at ${position} of inode ${target.ino} instead`);
  applyTo(target.durable, { ...change, position, bytes });
}
