/**
 * The tail of a file that is appended to and truncated, behind what other writes reach: an order of these that leaves what was found there.
 *
 * Where an append went is not told by anybody, so all orders are tried that their beginnings and ends allow, as far as what was found at the
 * end allows them too. Each look must then show, byte by byte, the tail as it was in some state that could be at some moment of it.
 */
import type { Append, Finding, History, Look, Truncate } from './history.ts';
import { stampAt } from './stamps.ts';

type Step = Append | Truncate;

/** Bytes of the tail that come from one place. */
interface Segment {
  readonly from: number;
  readonly to: number;
  /** `-1`: a hole. */
  readonly id: number;
}

interface State {
  /** Which steps have been taken. */
  readonly taken: bigint;
  readonly segments: readonly Segment[];
  readonly size: number;
  /** Up to there it is what was found at the end, and no truncate is left that could change it. */
  readonly settledTo: number;
  /** The states that it can come from. */
  readonly before: State[];
}

/** A state of the file alone. */
type Tail = Pick<State, 'segments' | 'size'>;

/** States that are looked at before giving up. */
const MOST_STATES = 100_000;

export class AppendModel {
  readonly #from: number;
  readonly #steps: readonly Step[];
  readonly #before: readonly bigint[];
  readonly #ended: bigint;
  readonly #states: State[] = [];
  readonly #finals: State[] = [];
  #isExhausted = false;
  readonly #final: Look;

  /** @param final - A look at the file, from the tail's beginning or before it, after everything. */
  constructor({ initialSize, changes }: History, final: Look) {
    this.#from = initialSize;
    this.#final = final;
    this.#steps = changes.filter((change): change is Step => change.kind !== 'write');
    this.#before = this.#steps.map((step) =>
      this.#maskOf((other) => other.end < step.begin || ('after' in step && isNamed(other, step.after))),
    );
    this.#ended = this.#maskOf(({ end }) => end !== Number.POSITIVE_INFINITY);
    this.#explore();
    this.#keep();
  }

  /** What is wrong with the tail at the end, or `undefined`. */
  fault(): Finding | undefined {
    if (this.#finals.length > 0) return undefined;
    const { bytes, from } = this.#final;
    const to = from + bytes.length;
    const kind = this.#isExhausted ? 'undecided' : 'append';
    const what = this.#isExhausted
      ? `too many orders of ${this.#steps.length} appends and truncates to try`
      : `no order of the appends and truncates leaves this tail: ${this.#parsed(bytes.subarray(this.#from - from))}`;
    return { kind, what, look: this.#final, from: this.#from, to, involved: this.#steps };
  }

  /** What is wrong with what a look saw of the tail. Preconditions: there is no {@link fault}. */
  lookFault(look: Look): Finding | undefined {
    const over = this.#maskOf(({ end }) => end < look.begin);
    const begun = this.#maskOf(({ begin }) => begin < look.end);
    const states = this.#states.filter(({ taken }) => (taken & over) === over && (taken & ~begun) === 0n);
    const least = states.reduce((size, state) => Math.min(size, state.size), Number.POSITIVE_INFINITY);
    const most = states.reduce((size, state) => Math.max(size, state.size), 0);
    const end = look.from + look.bytes.length;
    const finding = (
      kind: 'append' | 'size' | 'padding',
      what: string,
      from: number,
      to: number,
    ): Finding => ({
      kind,
      what,
      look,
      from,
      to,
      involved: this.#steps.filter((step) => step.begin < look.end),
    });
    if (look.size !== undefined) {
      const { size } = look;
      // Between two states there may be part of an append.
      const isPart = size > least && size < most && this.#steps.some((step) => isUnderWay(step, look));
      if (states.some((state) => state.size === size) || isPart) return undefined;
      return finding('size', `it says ${size} bytes; by any order it is ${least}-${most}`, size, size);
    }
    if (look.bytes.length > 0 && end > this.#from && end > most)
      return finding(
        'size',
        `bytes up to ${end} were read; by any order there are ${least}-${most}`,
        most,
        end,
      );
    if (look.extent === 'to the end' && end < least)
      return finding('size', `reading ended at ${end}; by any order there are ${least}-${most}`, end, least);
    const cut = this.#steps.filter(
      (step): step is Truncate => step.kind === 'truncate' && isUnderWay(step, look),
    );
    const from = Math.max(look.from, this.#from);
    const explained = this.#explained(look, states, from);
    for (let place = from; place < end; place++) {
      if (explained[place - from] === 1) continue;
      const value = look.bytes[place - look.from]!;
      if (value === 0 && cut.some(({ size }) => size <= place)) continue;
      const what =
        value === 0
          ? 'zeros that nobody wrote'
          : 'bytes that no order of the appends and truncates puts there';
      return finding(value === 0 ? 'padding' : 'append', what, place, place + 1);
    }
    return undefined;
  }

  /** Which bytes of a look are those of some of the states. */
  #explained(look: Look, states: readonly State[], from: number): Uint8Array {
    const end = look.from + look.bytes.length;
    const explained = new Uint8Array(Math.max(0, end - from));
    const seen = new Set<string>();
    for (const { segments } of states) {
      for (const segment of segments) {
        if (segment.from >= end) break;
        const key = `${segment.id},${segment.from},${segment.to}`;
        if (seen.has(key)) continue;
        seen.add(key);
        for (let place = Math.max(segment.from, from); place < Math.min(segment.to, end); place++)
          if (look.bytes[place - look.from] === byteOf(segment, place)) explained[place - from] = 1;
      }
    }
    return explained;
  }

  #maskOf(holds: (step: Step) => boolean): bigint {
    return this.#steps.reduce((mask, step, index) => (holds(step) ? mask | (1n << BigInt(index)) : mask), 0n);
  }

  #explore(): void {
    const seen = new Map<string, State>();
    const stack: State[] = [{ taken: 0n, segments: [], size: this.#from, settledTo: this.#from, before: [] }];
    for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
      const open = state.segments.filter(({ to }) => to > state.settledTo);
      const key = `${state.taken}:${state.size}:${open.map(({ id, from }) => `${id},${from}`).join(';')}`;
      const known = seen.get(key);
      if (known !== undefined) {
        known.before.push(...state.before);
        continue;
      }
      seen.set(key, state);
      if (seen.size > MOST_STATES) {
        this.#isExhausted = true;
        return;
      }
      if ((state.taken & this.#ended) === this.#ended && this.#isFinal(state)) this.#finals.push(state);
      for (const [index, step] of this.#steps.entries()) {
        const bit = 1n << BigInt(index);
        if ((state.taken & bit) !== 0n) continue;
        // What never ended need not have happened before anything that began later: its end says so.
        const before = this.#before[index]!;
        if ((state.taken & before) !== before) continue;
        for (const next of this.#taken(state, step)) {
          const taken = state.taken | bit;
          const settledTo = this.#settled(next, taken, state.settledTo);
          if (settledTo !== undefined) stack.push({ ...next, taken, settledTo, before: [state] });
        }
      }
    }
  }

  /** Keeps the states that the end can have come from. */
  #keep(): void {
    const kept = new Set<State>(this.#finals);
    for (const state of kept) for (const before of state.before) kept.add(before);
    this.#states.push(...kept);
  }

  /** The states that a step may lead to: of one that never ended, part of it may be there. */
  #taken(state: State, step: Step): Tail[] {
    if (step.kind === 'truncate') return [truncated(state, step.size)];
    const whole = appended(state, step.id, step.length);
    if (step.end !== Number.POSITIVE_INFINITY) return [whole];
    let part = 0;
    while (part < step.length && this.#found(state.size + part) === stampAt(step.id, part)) part++;
    return part === 0 || part === step.length ? [whole] : [appended(state, step.id, part), whole];
  }

  /** How far what no truncate that is left can cut off is what was found, or `undefined` where it is not. */
  #settled({ segments, size }: Tail, taken: bigint, before: number): number | undefined {
    let safe = size;
    for (const [index, step] of this.#steps.entries())
      if (step.kind === 'truncate' && (taken & (1n << BigInt(index))) === 0n)
        safe = Math.min(safe, step.size);
    for (const segment of segments) {
      if (segment.to <= before) continue;
      const to = Math.min(segment.to, safe);
      for (let place = Math.max(segment.from, before); place < to; place++)
        if (this.#found(place) !== byteOf(segment, place)) return undefined;
    }
    return Math.max(before, safe);
  }

  #isFinal({ size, segments }: State): boolean {
    if (size !== this.#final.from + this.#final.bytes.length) return false;
    return segments.every((segment) => {
      for (let place = segment.from; place < segment.to; place++)
        if (this.#found(place) !== byteOf(segment, place)) return false;
      return true;
    });
  }

  #found(place: number): number | undefined {
    return this.#final.bytes[place - this.#final.from];
  }

  /** The tail in words, record by record, as far as it has any. */
  #parsed(tail: Uint8Array): string {
    const appends = this.#steps.filter((step): step is Append => step.kind === 'append');
    const words: string[] = [];
    for (let at = 0; at < tail.length && words.length < 40; ) {
      const place = this.#from + at;
      let end = at;
      while (end < tail.length && tail[end] === 0) end++;
      if (end > at) {
        words.push(`${end - at} zeros at ${place}`);
        at = end;
        continue;
      }
      const one = appends.find(({ id }) => stampAt(id, 0) === tail[at]);
      while (one !== undefined && end - at < one.length && tail[end] === stampAt(one.id, end - at)) end++;
      if (one !== undefined && end > at + Math.min(one.length, 3) - 1) {
        words.push(`#${one.id}${end - at === one.length ? '' : ` (${end - at} of its ${one.length} bytes)`}`);
        at = end;
        continue;
      }
      const isStart = (from: number): boolean =>
        appends.some(({ id }) => stampAt(id, 0) === tail[from] && tail[from + 1] === stampAt(id, 1));
      do end++;
      while (end < tail.length && tail[end] !== 0 && !isStart(end));
      words.push(`${end - at} bytes that begin no append, at ${place}`);
      at = end;
    }
    return words.length === 0 ? 'nothing' : words.join(', ');
  }
}

function isNamed(step: Step, id: number | undefined): boolean {
  return step.kind === 'append' && step.id === id && step.end !== Number.POSITIVE_INFINITY;
}

function isUnderWay({ begin, end }: Step, look: Look): boolean {
  return begin < look.end && end >= look.begin;
}

function appended({ segments, size }: State, id: number, length: number): Tail {
  const to = size + length;
  return { segments: [...segments, { from: size, to, id }], size: to };
}

function truncated({ segments, size }: State, to: number): Tail {
  if (to >= size)
    return { segments: to === size ? segments : [...segments, { from: size, to, id: -1 }], size: to };
  const kept = segments
    .filter(({ from }) => from < to)
    .map((segment) => (segment.to > to ? { ...segment, to } : segment));
  return { segments: kept, size: to };
}

function byteOf({ id, from }: Segment, place: number): number {
  return id < 0 ? 0 : stampAt(id, place - from);
}
