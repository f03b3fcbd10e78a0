/**
 * Whose each byte may be: that of a write that no other had to follow.
 *
 * A byte of a write is explained if the write began before the look ended, and no other change of that place both had to follow it and
 * had ended when the look began. A zero is explained by a hole: some truncate (or the beginning of the file) left nothing there, nothing had
 * to be written there since, and something made the file longer than that since. What reads while a truncate cuts its bytes off may see
 * zeros in their place.
 */
import type { Change, Finding, FindingKind, History, Look, Truncate, Write } from './history.ts';
import { MOST_IDS, writerOf } from './stamps.ts';

/** A stretch of the file in which every change has all the bytes, or none. */
interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly writes: readonly Write[];
  /** What leaves nothing there. */
  readonly cuts: readonly Truncate[];
  /** What makes the file longer than that, without writing there. */
  readonly reaching: readonly Change[];
}

export class ByteModel {
  readonly #stretches: Stretch[] = [];
  readonly #allowed = new Int32Array(MOST_IDS);
  #mark = 0;

  /** @param limit - Places from there on are not judged. */
  constructor({ initialSize, changes }: History, limit: number) {
    const initial: Write = {
      kind: 'write',
      id: 0,
      from: 0,
      to: initialSize,
      begin: -1,
      end: -1,
      by: 'the beginning',
    };
    const nothing: Truncate = {
      kind: 'truncate',
      size: initialSize,
      begin: -1,
      end: -1,
      by: 'the beginning',
    };
    const writes = [initial, ...changes.filter((change): change is Write => change.kind === 'write')];
    const cuts = [nothing, ...changes.filter((change): change is Truncate => change.kind === 'truncate')];
    const edges = new Set([0, limit]);
    for (const { from, to } of writes) edges.add(from).add(to);
    for (const { size } of cuts) edges.add(size);
    const places = [...edges].filter((place) => place <= limit).sort((a, b) => a - b);
    for (const [index, from] of places.entries()) {
      const to = places[index + 1];
      if (to === undefined) break;
      this.#stretches.push({
        from,
        to,
        writes: writes.filter((write) => write.from <= from && to <= write.to),
        cuts: cuts.filter(({ size }) => size <= from),
        reaching: [...writes.filter((write) => write.from > from), ...cuts.filter(({ size }) => size > from)],
      });
    }
  }

  /** @param most - Findings to tell at most. */
  faults(look: Look, most: number): Finding[] {
    const findings: Finding[] = [];
    const end = look.from + look.bytes.length;
    for (const stretch of this.#stretches) {
      if (stretch.to <= look.from || stretch.from >= end) continue;
      const range = { from: Math.max(stretch.from, look.from), to: Math.min(stretch.to, end) };
      this.#judge(look, stretch, range, findings);
      if (findings.length >= most) break;
    }
    return findings;
  }

  #judge(look: Look, stretch: Stretch, range: { from: number; to: number }, findings: Finding[]): void {
    const { bytes } = look;
    const allowed = this.#allow(look, stretch);
    let zero: boolean | undefined;
    const isExplained = (place: number): boolean => {
      const value = bytes[place - look.from]!;
      if (value !== 0) return this.#allowed[writerOf(value, place)] === allowed;
      zero ??= isZeroExplained(look, stretch);
      return zero;
    };
    for (let place = range.from; place < range.to; place++) {
      if (isExplained(place)) continue;
      const from = place;
      const kind = this.#kindOf(bytes[place - look.from]!, place, stretch, look);
      do place++;
      while (
        place < range.to &&
        !isExplained(place) &&
        this.#kindOf(bytes[place - look.from]!, place, stretch, look) === kind
      );
      findings.push(this.#finding(kind, look, stretch, from, place));
      place--;
    }
  }

  /** Marks the writes whose bytes may be seen there. @returns The mark. */
  #allow(look: Look, stretch: Stretch): number {
    const mark = ++this.#mark;
    const last = lastBegin(stretch, look);
    for (const { id, begin, end } of stretch.writes)
      if (begin < look.end && end >= last) this.#allowed[id] = mark;
    return mark;
  }

  #kindOf(value: number, place: number, { writes }: Stretch, look: Look): FindingKind {
    if (value === 0) return 'padding';
    const writer = writes.find(({ id }) => id === writerOf(value, place));
    return writer !== undefined && writer.begin < look.end ? 'lost' : 'stray';
  }

  #finding(kind: FindingKind, look: Look, stretch: Stretch, from: number, to: number): Finding {
    const last = lastBegin(stretch, look);
    const expected = [...stretch.writes, ...stretch.cuts].filter(
      (change) => change.begin >= 0 && change.begin < look.end && change.end >= last,
    );
    const shown = new Set<Change>();
    if (kind === 'lost') {
      for (let place = from; place < to; place++) {
        const id = writerOf(look.bytes[place - look.from]!, place);
        shown.add(stretch.writes.find((write) => write.id === id)!);
      }
    }
    const ids = [...shown].map((write) => ('id' in write ? `#${write.id}` : ''));
    const should = expected.map((change) =>
      'id' in change ? `#${change.id}` : `a truncate to ${change.size}`,
    );
    const seen = {
      lost: `bytes of ${ids.join(', ')}, which was over and overwritten`,
      padding: 'zeros that nobody wrote, and that no hole or truncate can have left',
      stray: 'bytes that nobody wrote there',
    }[kind as 'lost' | 'padding' | 'stray'];
    const what = `${seen}; by any order these are of ${should.length === 0 ? 'the beginning' : should.join(' or ')}`;
    return { kind, what, look, from, to, involved: [...new Set([...shown, ...expected])] };
  }
}

/**
 * When the last change of the place began that was over when the look began: what ended before that is not seen any more.
 */
function lastBegin({ writes, cuts }: Stretch, look: Look): number {
  let last = Number.NEGATIVE_INFINITY;
  for (const { begin, end } of writes) if (end < look.begin && begin > last) last = begin;
  for (const { begin, end } of cuts) if (end < look.begin && begin > last) last = begin;
  return last;
}

function isZeroExplained(look: Look, stretch: Stretch): boolean {
  const last = lastBegin(stretch, look);
  // What precedes a cut that was over has no part in what was there since.
  let lastCut = Number.NEGATIVE_INFINITY;
  for (const { begin, end } of stretch.cuts) if (end < look.begin) lastCut = Math.max(lastCut, begin);
  let reached = Number.NEGATIVE_INFINITY;
  for (const { begin, end } of stretch.reaching)
    if (begin >= 0 && begin < look.end && end >= lastCut) reached = Math.max(reached, end);
  return stretch.cuts.some((cut) => {
    if (cut.begin >= look.end || cut.end < last) return false;
    // It may be cutting them off just now.
    if (cut.end >= look.begin && cut.end !== Number.POSITIVE_INFINITY) return true;
    return reached >= cut.begin;
  });
}
