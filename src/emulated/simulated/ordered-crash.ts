/** What a crash leaves where a journal keeps the order of metadata: the disk of one moment, and the bytes by their own rules. */
import { type Crash, settle } from './fates.ts';
import { applyTo, type Change, describeChange, type Inode } from './inode.ts';
import { catchUp, commit, everyInode, uncommitted } from './journal.ts';

const PAGE = 4096;

type Write = Change & { readonly kind: 'write' };

/**
 * Chooses the moment, and makes all metadata up to it durable.
 *
 * @remarks Whoever syncs anything has the journal written, other programs too. So any moment is possible that is not before what is durable already.
 *
 * @returns The place of that moment in the order of all changes.
 */
export function commitSome({ names, faults, random, note, wasDurable, model, nowNs }: Crash): number {
  wasDurable(catchUp(names, model, nowNs));
  const waiting = uncommitted(names);
  const draw = random.fraction();
  const isSome = draw >= faults.lost && draw < faults.lost + faults.torn;
  let upTo = draw < faults.lost ? 0 : Number.POSITIVE_INFINITY;
  if (isSome && waiting.length > 0) upTo = random.pick(waiting).order;
  for (const { order, id, what } of names.pending) note(`${order <= upTo ? 'kept' : 'lost'}: #${id} ${what}`);
  const before = [...everyInode(names)].map((inode) => ({ inode, changes: [...inode.unsynced] }));
  commit(names, upTo);
  for (const { inode, changes } of before) {
    const left = new Set(inode.unsynced);
    for (const change of changes)
      if (!left.has(change)) note(`kept: #${change.id} ${describeChange(change)}`);
  }
  return upTo;
}

/** Decides about the bytes of a file. Preconditions: what of its metadata is durable has been decided. */
export function settleBytes(context: Crash, inode: Inode, upTo: number, files: readonly Inode[]): void {
  const { model, note, faults } = context;
  const left = [...inode.stamped];
  const size = inode.durable.size;
  const end = model.appends === 'in-order' ? endOf(context, left, size, upTo) : Number.POSITIVE_INFINITY;
  let isOther = false;
  for (const [change, { order }] of left) {
    if (change.kind !== 'write') {
      note(`lost: #${change.id} ${describeChange(change)}`);
      isOther = true;
    } else if (model.appends === 'apart') settle(context, inode, change, files);
    else {
      const inside = partOf(change, 0, size);
      const beyond = partOf(change, size, Number.POSITIVE_INFINITY);
      // The room that it was given is another than what is found.
      if (isOther && inside !== undefined) note(`lost: #${change.id} ${describeChange(inside)}`);
      else if (inside !== undefined) settle(context, inode, inside, files);
      if (beyond === undefined) continue;
      if (order > upTo) note(`lost: #${change.id} ${describeChange(beyond)}`);
      else if (model.appends === 'in-order') append(context, inode, beyond, end);
      else settle({ ...context, tornBytes: PAGE, faults: { ...faults, zeroed: 0 } }, inode, beyond, files);
    }
  }
}

/** Decides about a write that had not ended. It has made no file longer yet. */
export function settleInFlight(context: Crash, inode: Inode, change: Write, files: readonly Inode[]): void {
  if (context.model.appends === 'apart') {
    settle(context, inode, change, files);
    return;
  }
  const inside = partOf(change, 0, inode.durable.size);
  if (inside !== undefined) settle(context, inode, inside, files);
  else context.note(`lost: #${change.id} ${describeChange(change)}`);
}

/** Where a file that was made longer is found to end. */
function endOf(
  { random, faults }: Crash,
  left: readonly (readonly [Change, { readonly order: number }])[],
  size: number,
  upTo: number,
): number {
  const most = left.reduce(
    (end, [change, { order }]) =>
      change.kind === 'write' && order <= upTo ? Math.max(end, change.position + change.bytes.length) : end,
    size,
  );
  const draw = random.fraction();
  if (draw < faults.lost) return size;
  if (draw >= faults.lost + faults.torn) return most;
  const pages = Math.ceil(most / PAGE) - Math.ceil(size / PAGE);
  return pages < 1 ? size : Math.min(most, (Math.ceil(size / PAGE) + random.below(pages + 1)) * PAGE);
}

function append({ note }: Crash, inode: Inode, change: Write, end: number): void {
  const kept = partOf(change, 0, end);
  const what = `#${change.id} ${describeChange(change)}`;
  if (kept === undefined) note(`lost: ${what}`);
  else {
    note(kept.bytes.length === change.bytes.length ? `kept: ${what}` : `torn: ${what}: up to ${end}`);
    applyTo(inode.durable, kept);
  }
}

/** The part of a write that lies in a range. */
function partOf(change: Write, from: number, to: number): Write | undefined {
  const start = Math.max(change.position, from);
  const end = Math.min(change.position + change.bytes.length, to);
  if (start >= end) return undefined;
  return {
    ...change,
    position: start,
    bytes: change.bytes.subarray(start - change.position, end - change.position),
  };
}
