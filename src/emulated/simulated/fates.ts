/** What a crash makes of one change that was not durable. */
import type { Faults } from './faults.ts';
import { applyTo, type Change, describeChange, type Inode } from './inode.ts';
import type { Model } from './models.ts';
import type { Namespace } from './namespace.ts';
import type { PagedBytes } from './paged-bytes.ts';
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
  readonly model: Model;
  readonly nowNs: number;
  /** What reaches the disk as a whole or not at all. */
  readonly tornBytes: number;
  readonly random: Random;
  readonly note: (text: string) => void;
  /** Told of what was durable before, without a sync. */
  readonly wasDurable: (changes: readonly { readonly id: number }[]) => void;
}

type Write = Change & { readonly kind: 'write' };
type Fate = 'kept' | 'lost' | 'torn' | 'misdirected';

/** Decides what has become of one change, by itself. */
export function settle(context: Crash, inode: Inode, change: Change, files: readonly Inode[]): void {
  const { random, faults, note, tornBytes } = context;
  if (change.kind !== 'write') {
    const kept = !random.chance(faults.lost);
    note(`${kept ? 'kept' : 'lost'}: #${change.id} ${describeChange(change)}`);
    if (kept) applyTo(inode.durable, change);
    return;
  }
  settleWrite(context, inode, change, files);
  const { durable } = inode;
  const sectors = sectorsOf(change, tornBytes);
  for (const [fault, harm] of Object.entries(HARM)) {
    if (sectors.length === 0 || !random.chance(faults[fault as keyof typeof HARM])) continue;
    const { position } = random.pick(sectors);
    const start = position - (position % tornBytes);
    const end = Math.min(start + tornBytes, durable.size);
    if (end <= start) continue;
    note(`${fault}: ${end - start} bytes at ${start}, where #${change.id} was being written`);
    harm(durable, start, end - start, random);
  }
}

/** What else can become of a sector that was being written. */
const HARM = {
  damaged: (durable: PagedBytes, position: number, length: number, random: Random): void =>
    durable.write(position, random.bytes(length)),
  unreadable: (durable: PagedBytes, position: number, length: number): void =>
    durable.spoil(position, length),
};

function settleWrite(context: Crash, inode: Inode, change: Write, files: readonly Inode[]): void {
  const { random, faults, note, tornBytes } = context;
  const sectors = sectorsOf(change, tornBytes);
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
      if (!sized) return;
      const from = durable.size;
      durable.grow(end);
      if (!random.chance(faults.garbage)) return;
      note(`garbage: ${end - from} bytes at ${from}, behind what the file was before #${change.id}`);
      durable.write(from, random.bytes(end - from));
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
export function sectorsOf({ id, position, bytes }: Write, tornBytes: number): Write[] {
  const sectors: Write[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(tornBytes - ((position + at) % tornBytes), bytes.length - at);
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
function misdirect({ random, tornBytes, note }: Crash, change: Write, what: string, files: readonly Inode[]) {
  const targets = files.filter(({ kind, durable }) => kind === 'file' && durable.size > 0);
  if (targets.length === 0) {
    note(`lost: ${what} went astray`);
    return;
  }
  const target = random.pick(targets);
  const position = random.below(Math.ceil(target.durable.size / tornBytes)) * tornBytes;
  const bytes = change.bytes.subarray(0, target.durable.size - position);
  note(`misdirected: ${what}: it is at ${position} of inode ${target.ino} instead`);
  applyTo(target.durable, { ...change, position, bytes });
}
