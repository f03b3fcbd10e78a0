/** A history as bars for Chart.js: data alone, so that a page can carry it as JSON. */
import type { History, Mark, Span } from './history.ts';

/** One bar. */
export interface Bar {
  /** Milliseconds of virtual time. */
  readonly x: readonly [from: number, to: number];
  /** A lane, by its place among them. */
  readonly y: number;
  /** The operation's number; 0 for a note. */
  readonly id: number;
  /** What is told of it, line by line. */
  readonly tip: readonly string[];
}

/** Bars that are drawn alike. */
export interface BarSet {
  readonly label: string;
  readonly backgroundColor: string;
  readonly data: readonly Bar[];
}

/** A sync, and a change that it made durable. */
export interface Covering {
  readonly sync: number;
  readonly change: number;
  readonly from: readonly [ms: number, lane: number];
  readonly to: readonly [ms: number, lane: number];
}

export interface HistoryPlot {
  /** What stands beside each lane, from the top down; empty for a further lane of the same file. */
  readonly lanes: readonly string[];
  readonly sets: readonly BarSet[];
  readonly coverings: readonly Covering[];
  readonly marks: readonly { readonly ms: number; readonly kind: Mark['kind']; readonly text: string }[];
  /** What is shown at first, and at most. */
  readonly whole: readonly [fromMs: number, toMs: number];
  readonly first: readonly [fromMs: number, toMs: number];
}

interface Look {
  readonly label: string;
  readonly colour: string;
  readonly holds: (span: Span) => boolean;
}

const NSEC_PER_MSEC = 1_000_000;
/** Files with lanes of their own: a canvas has an end. */
const MOST_FILES = 150;
/** Lanes of one file: what is under way at once beyond that lies over each other. */
const MOST_LANES = 12;
const FIRST_SPANS = 150;
/** Room beside the first and the last operation, as a part of the whole. */
const MARGIN = 0.02;
const NOTES = 'notes';
const OTHERS = 'other files';
const SYNC = /^f(data)?sync$/;

/**
 * How bars look, the first that fits: Okabe and Ito's colours, which most people can tell apart.
 *
 * What a crash has decided comes first, because a change that it decided about was not durable.
 */
export const LOOKS: readonly Look[] = [
  { label: 'kept by luck', colour: '#56b4e9', holds: ({ fate }) => fate?.fate === 'kept' },
  { label: 'torn', colour: '#e69f00', holds: ({ fate }) => fate?.fate === 'torn' },
  { label: 'lost', colour: '#d55e00', holds: ({ fate }) => fate?.fate === 'lost' },
  { label: 'damaged otherwise', colour: '#cc79a7', holds: ({ fate }) => fate !== undefined },
  {
    label: 'given up by a sync that failed',
    colour: '#8b0000',
    holds: ({ givenUpBy }) => givenUpBy !== undefined,
  },
  { label: 'failed', colour: '#b22222', holds: ({ failed }) => failed },
  { label: 'sync', colour: '#0072b2', holds: ({ call }) => SYNC.test(call) },
  { label: 'durable', colour: '#009e73', holds: ({ coveredBy }) => coveredBy !== undefined },
  { label: 'written, not synced', colour: '#f0e442', holds: ({ call }) => call === 'write' },
  { label: 'read', colour: '#a0a0a0', holds: ({ call }) => call === 'read' },
  { label: 'other calls', colour: '#666666', holds: () => true },
];
const NOTE_COLOUR = '#8a7ad6';

/** Where the bars of one file go: as few lanes as there are operations under way at once. */
class Lanes {
  readonly labels: string[] = [];
  readonly #ends = new Map<string, { readonly lane: number; ms: number }[]>();

  /** @returns The lane of a bar; bars come in the order in which they begin. */
  laneOf(file: string, [from, to]: readonly [number, number]): number {
    const lanes = this.#ends.get(file) ?? [];
    this.#ends.set(file, lanes);
    const free = lanes.find(({ ms }) => ms <= from) ?? (lanes.length < MOST_LANES ? undefined : lanes.at(-1));
    if (free !== undefined) {
      free.ms = to;
      return free.lane;
    }
    const lane = this.labels.push(file) - 1;
    lanes.push({ lane, ms: to });
    return lane;
  }

  /** Brings the lanes of each file together. @returns For each lane, where it is now. */
  sorted(): { readonly lanes: string[]; readonly places: readonly number[] } {
    const order = [...this.#ends.values()].flat().map(({ lane }) => lane);
    const places: number[] = [];
    order.forEach((lane, place) => {
      places[lane] = place;
    });
    const lanes = order.map((lane, place) =>
      place > 0 && this.labels[lane] === this.labels[order[place - 1]!] ? '' : this.labels[lane]!,
    );
    return { lanes, places };
  }
}

/** Lays a history out. */
export function historyPlot(history: History): HistoryPlot {
  const { spans, marks } = history;
  const ended = spans.map(({ endedNs, beganNs }) => endedNs ?? beganNs);
  // Histories are long, and a call takes only so many arguments.
  const most = (numbers: Iterable<number>): number => {
    let last = 0;
    for (const one of numbers) last = Math.max(last, one);
    return last;
  };
  const lastNs = most([...ended, ...marks.map(({ ns }) => ns)]);
  const stops = marks.filter(({ kind }) => kind === 'power').map(({ ns }) => ns);
  /** What had not ended was cut off by the next crash. */
  const endOf = ({ beganNs, endedNs }: Span): number =>
    endedNs ?? stops.find((ns) => ns >= beganNs) ?? lastNs;
  const lanes = new Lanes();
  const shown = new Set<string>();
  const sets = new Map<string, Bar[]>();
  const bars = new Map<number, Bar>();
  const put = (label: string, bar: Bar): void => {
    const set = sets.get(label);
    if (set === undefined) sets.set(label, [bar]);
    else set.push(bar);
  };
  for (const { ns, text } of marks.filter(({ kind }) => kind === 'note')) {
    const at = msOf(ns);
    put(NOTES, { x: [at, at], y: lanes.laneOf(NOTES, [at, at]), id: 0, tip: [text, `at ${ms(at)}`] });
  }
  for (const span of spans) {
    if (shown.size < MOST_FILES) shown.add(span.file);
    const x = [msOf(span.beganNs), msOf(endOf(span))] as const;
    const y = lanes.laneOf(shown.has(span.file) ? span.file : OTHERS, x);
    const bar: Bar = { x, y, id: span.id, tip: tipOf(span, x) };
    bars.set(span.id, bar);
    put(LOOKS.find(({ holds }) => holds(span))!.label, bar);
  }
  const { lanes: labels, places } = lanes.sorted();
  const placed = (bar: Bar): Bar => ({ ...bar, y: places[bar.y]! });
  const looks = [...LOOKS, { label: NOTES, colour: NOTE_COLOUR }];
  const margin = Math.max(MARGIN * msOf(lastNs), 1e-6);
  const beginning = spans.at(-FIRST_SPANS);
  const whole = [msOf(spans[0]?.beganNs ?? 0) - margin, msOf(lastNs) + margin] as const;
  return {
    lanes: labels,
    sets: looks.flatMap(({ label, colour }) => {
      const data = sets.get(label);
      return data === undefined ? [] : [{ label, backgroundColor: colour, data: data.map(placed) }];
    }),
    coverings: spans.flatMap(({ id, covers }) =>
      covers.flatMap((change) => {
        const [sync, covered] = [bars.get(id)!, bars.get(change)];
        if (covered === undefined || change === id) return [];
        return [
          {
            sync: id,
            change,
            from: [covered.x[1], places[covered.y]!] as const,
            to: [sync.x[0], places[sync.y]!] as const,
          },
        ];
      }),
    ),
    marks: marks
      .filter(({ kind }) => kind !== 'note')
      .map(({ ns, kind, text }) => ({ ms: msOf(ns), kind, text })),
    whole,
    first: [beginning === undefined ? whole[0] : msOf(beginning.beganNs), whole[1]],
  };
}

function tipOf(
  { id, text, endedNs, outcome, covers, coveredBy, givenUpBy, fate }: Span,
  [from, to]: readonly [number, number],
): string[] {
  const lines = [`#${id} ${text}`];
  if (endedNs === undefined) lines.push(`from ${ms(from)}, never ended`);
  else lines.push(`from ${ms(from)} to ${ms(to)}: ${outcome}`);
  const others = covers.filter((change) => change !== id);
  if (others.length > 0) lines.push(`makes durable: ${numbers(others)}`);
  if (coveredBy !== undefined)
    lines.push(
      coveredBy === 'time'
        ? 'durable with time, without a sync'
        : coveredBy === id
          ? 'durable by itself'
          : `durable by #${coveredBy}`,
    );
  if (givenUpBy !== undefined) lines.push(`given up by #${givenUpBy}, which failed`);
  if (fate !== undefined) lines.push(`the crash: ${fate.text}`);
  return lines;
}

const SHOWN_NUMBERS = 20;

function numbers(ids: readonly number[]): string {
  const shown = ids.slice(0, SHOWN_NUMBERS).map((id) => `#${id}`);
  return ids.length > SHOWN_NUMBERS
    ? `${shown.join(' ')} and ${ids.length - SHOWN_NUMBERS} more`
    : shown.join(' ');
}

function msOf(ns: number): number {
  return ns / NSEC_PER_MSEC;
}

function ms(value: number): string {
  return `${value.toFixed(6)} ms`;
}
