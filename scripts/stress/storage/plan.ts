/** What a round does: files, handles and operations, made up from a seed and a number alone. */
import { Random } from '../../../src/fuzz/random.ts';
import { MOST_IDS } from './stamps.ts';

/** How a handle is opened. */
export interface Opening {
  readonly backend: 'native' | 'emulated';
  readonly kind: HandleKind;
}

/**
 * - `direct`, `required`: read and written, with O_DIRECT where it can be had or else not at all; unaligned too.
 * - `aligned`: O_DIRECT, and transfers in whole blocks alone.
 * - `direct-w`: O_DIRECT, O_WRONLY. `direct-a`: O_DIRECT and appending.
 * - `buffered`, `buffered-w`, `buffered-a`, `buffered-r`: without it; read and written, written, appended to, read.
 * - `plain`: a FileHandle of Node.js, in pages that nobody else touches.
 */
export type HandleKind =
  | 'direct'
  | 'required'
  | 'aligned'
  | 'direct-w'
  | 'direct-r'
  | 'direct-a'
  | 'buffered'
  | 'buffered-w'
  | 'buffered-r'
  | 'buffered-a'
  | 'plain';

/** Which handles there are. */
export type Mix = 'mixed' | 'direct' | 'buffered' | 'aligned';

/**
 * - `overlaps`: everybody writes everywhere, and truncates.
 * - `stripes`: narrow stripes of the file belong to one handle each, so that nothing may change what it has written.
 * - `appends`: appends, and writes below them. `cuts`: the same with truncates of what was appended.
 */
export type Theme = 'overlaps' | 'stripes' | 'appends' | 'cuts';

export type Operation =
  | {
      readonly do: 'write' | 'writev' | 'writeFully';
      readonly id: number;
      readonly from: number;
      readonly length: number;
      /** Bytes that the address is off a page. */
      readonly odd: number;
    }
  | { readonly do: 'append' | 'appendv'; readonly id: number; readonly length: number; readonly odd: number }
  | { readonly do: 'truncate'; readonly size: number }
  | {
      readonly do: 'read' | 'readv' | 'readFully';
      readonly from: number;
      readonly length: number;
      readonly odd: number;
    }
  | { readonly do: 'stat' | 'sync' | 'datasync' };

export interface Lane {
  readonly handle: number;
  /** One after the other; several lanes of a handle go at once. */
  readonly operations: readonly Operation[];
}

export interface Plan {
  readonly theme: Theme;
  readonly initialSize: number;
  readonly openings: readonly Opening[];
  readonly lanes: readonly Lane[];
}

export interface PlanOptions {
  readonly seed: number;
  readonly round: number;
  readonly backends: readonly Opening['backend'][];
  readonly mix: Mix;
  /** Kinds of handles, operations and themes to leave out. */
  readonly without: ReadonlySet<string>;
  /** Operations that change the file, at most. */
  readonly changes: number;
}

const HANDLES = 8;
const PAGE_BYTES = 4096;
/** What plain handles have for themselves, where there are any: more than the page cache handles at once. */
const PLAIN_BYTES = 1 << 16;
const MOST_FILE_BYTES = 1 << 20;
const MOST_WRITE_BYTES = 300_000;

const KINDS: Record<Mix, readonly HandleKind[]> = {
  mixed: [
    ...(['direct', 'direct', 'required', 'required', 'direct-w', 'direct-r', 'aligned'] as const),
    ...(['buffered', 'buffered', 'buffered-w', 'buffered-r', 'plain'] as const),
  ],
  direct: ['direct', 'required', 'direct-w', 'direct-r', 'aligned'],
  buffered: ['buffered', 'buffered', 'buffered-w', 'buffered-r', 'plain'],
  aligned: ['aligned'],
};
const APPENDING: Record<Mix, readonly HandleKind[]> = {
  mixed: ['buffered-a', 'direct-a'],
  direct: ['direct-a'],
  buffered: ['buffered-a'],
  aligned: [],
};

export function isDirect(kind: HandleKind): boolean {
  return kind === 'required' || kind === 'aligned' || kind.startsWith('direct');
}

export function canRead(kind: HandleKind): boolean {
  return !kind.endsWith('-w') && !kind.endsWith('-a');
}

function canWrite(kind: HandleKind): boolean {
  return !kind.endsWith('-r');
}

export function planOf(options: PlanOptions): Plan {
  return new Planner(options).plan();
}

class Planner {
  readonly #options: PlanOptions;
  readonly #random: Random;
  readonly #theme: Theme;
  readonly #span: number;
  readonly #stripe: number;
  /** Where everybody but plain handles writes. */
  readonly #base: number;
  readonly #initialSize: number;
  readonly #openings: readonly Opening[];
  /** Small places that many operations meet at. */
  readonly #hot: readonly number[];
  #id = 1;

  constructor(options: PlanOptions) {
    const random = new Random(options.seed, options.round);
    this.#options = options;
    this.#random = random;
    const themes: Theme[] = ['overlaps', 'overlaps', 'stripes', 'stripes'];
    if (options.mix !== 'aligned') themes.push('appends', 'cuts');
    this.#theme = random.pick(themes.filter((theme) => !options.without.has(theme)));
    this.#span = random.pick([8192, 1 << 15, 1 << 17, 1 << 18]);
    this.#stripe = random.pick([64, 100, 512, 700, 1536, 4096]);
    this.#openings = this.#handles();
    this.#base = this.#openings.some(({ kind }) => kind === 'plain') ? PLAIN_BYTES : 0;
    const filled = this.#isAppending ? this.#span : random.below(this.#span + 1);
    this.#initialSize = this.#base + this.#whole(filled);
    this.#hot = Array.from({ length: 4 }, () => this.#base + random.below(this.#span >> 9) * 512);
  }

  get #isAppending(): boolean {
    return this.#theme === 'appends' || this.#theme === 'cuts';
  }

  /** Whole blocks, where there is nothing else. */
  #whole(bytes: number): number {
    return this.#options.mix === 'aligned' ? bytes - (bytes % PAGE_BYTES) : bytes;
  }

  #handles(): Opening[] {
    const { mix, without, backends } = this.#options;
    const kinds = KINDS[mix].filter((kind) => !without.has(kind));
    const appending = APPENDING[mix].filter((kind) => !without.has(kind));
    const start = this.#random.below(2);
    return Array.from({ length: HANDLES }, (_, index) => ({
      backend: backends[(start + index) % backends.length]!,
      kind: this.#random.pick(this.#isAppending && index < 3 ? appending : kinds),
    }));
  }

  plan(): Plan {
    const lanes: { handle: number; operations: Operation[] }[] = [];
    for (const [handle, { kind }] of this.#openings.entries()) {
      // Appends at once on one handle are a lane that does not wait.
      const atOnce = kind.endsWith('-a') || kind === 'plain' ? 1 : 1 + this.#random.below(3);
      for (let lane = 0; lane < atOnce; lane++) lanes.push({ handle, operations: [] });
    }
    // All orders are tried: they must not be too many.
    let cuts = this.#theme === 'cuts' ? 1 + this.#random.below(3) : 0;
    let appends = this.#theme === 'cuts' ? 6 : 60;
    const most = Math.min(this.#options.changes, MOST_IDS - 1);
    // A round of few operations for each lane, or of many.
    const steps = 1 + this.#random.below(most * 2);
    for (let step = 0; step < steps && this.#id <= most; step++) {
      const lane = this.#random.pick(lanes);
      const { kind } = this.#openings[lane.handle]!;
      if (kind.endsWith('-a')) {
        if (appends-- > 0) this.#add(lane, this.#append());
        continue;
      }
      if (this.#random.once(this.#isAppending ? 12 : 30) && canWrite(kind) && kind !== 'plain') {
        if (this.#theme === 'overlaps') this.#add(lane, { do: 'truncate', size: this.#truncatedSize() });
        else if (cuts-- > 0)
          this.#add(lane, { do: 'truncate', size: this.#initialSize + this.#random.below(6000) });
        continue;
      }
      if (this.#random.once(25)) this.#add(lane, { do: this.#random.pick(['sync', 'datasync', 'stat']) });
      else if (canRead(kind) && (!canWrite(kind) || this.#random.once(4))) this.#add(lane, this.#read(kind));
      else if (canWrite(kind)) this.#add(lane, this.#write(lane.handle, kind));
    }
    return {
      theme: this.#theme,
      initialSize: this.#initialSize,
      openings: this.#openings,
      lanes: lanes.filter(({ operations }) => operations.length > 0),
    };
  }

  #add(lane: { operations: Operation[] }, operation: Operation | undefined): void {
    if (operation === undefined || this.#options.without.has(operation.do)) return;
    lane.operations.push(operation);
    if ('id' in operation) this.#id++;
  }

  #append(): Operation {
    const length = 1 + this.#random.below(this.#random.pick([4, 300, 2000, 9000]));
    return {
      do: this.#random.mostly(['append'], 4, ['appendv']),
      id: this.#id,
      length,
      odd: this.#odd(),
    };
  }

  #odd(): number {
    return this.#random.pick([0, 0, 1, 7, 64, 512, 511]);
  }

  /** Mostly not much less than there is: a file that is cut down all the time shows little. */
  #truncatedSize(): number {
    const { mix } = this.#options;
    const unit = mix === 'aligned' ? PAGE_BYTES : 1;
    const share = this.#random.pick([1, 1, 2, 4]);
    const size = this.#base + this.#span - this.#random.below(Math.ceil(this.#span / share));
    return size - (size % unit);
  }

  #write(handle: number, kind: HandleKind): Operation | undefined {
    const isAligned = kind === 'aligned';
    const place = this.#place(handle, kind);
    if (place === undefined) return undefined;
    return {
      do: this.#random.pick(['write', 'write', 'writev', 'writeFully']),
      id: this.#id,
      ...place,
      odd: isAligned ? 0 : this.#odd(),
    };
  }

  #read(kind: HandleKind): Operation {
    const how = this.#random.pick(['read', 'readFully', 'readFully', 'readv'] as const);
    const odd = kind === 'aligned' ? 0 : this.#odd();
    const end = this.#base + this.#span * 2;
    if (this.#random.once(6)) return { do: how, from: 0, length: end - (end % PAGE_BYTES), odd };
    const unit = kind === 'aligned' ? PAGE_BYTES : 1;
    const length = up(1 + this.#random.below(this.#random.pick([600, 9000, 70_000])), unit);
    const from = this.#base + this.#random.below(this.#span + 2000);
    return { do: how, from: from - (from % unit), length, odd };
  }

  /** Where a handle writes. */
  #place(handle: number, kind: HandleKind): { from: number; length: number } | undefined {
    const random = this.#random;
    const plains = this.#openings.flatMap((opening, index) => (opening.kind === 'plain' ? [index] : []));
    if (kind === 'plain') {
      const share = Math.floor(PLAIN_BYTES / plains.length);
      const from = plains.indexOf(handle) * share + random.below(share);
      const length = 1 + random.below(Math.min(5000, (plains.indexOf(handle) + 1) * share - from));
      // What is not there yet is no page of its own.
      return { from, length };
    }
    if (this.#theme === 'stripes') return this.#stripeOf(handle, kind);
    const limit = this.#isAppending ? this.#initialSize : MOST_FILE_BYTES;
    const from = random.once(2)
      ? random.pick(this.#hot) + random.below(1024)
      : this.#base + random.below(this.#span);
    const lengths = [
      random.below(40),
      random.below(600),
      random.below(600),
      random.below(5000),
      512 * random.below(20),
    ];
    const length = random.mostly(lengths, 8, [random.below(this.#span), random.below(MOST_WRITE_BYTES)]);
    return fitted(from, 1 + length, this.#base, limit, kind === 'aligned' || random.once(6) ? PAGE_BYTES : 1);
  }

  #stripeOf(handle: number, kind: HandleKind): { from: number; length: number } | undefined {
    const random = this.#random;
    const stripe = kind === 'aligned' ? PAGE_BYTES : this.#stripe;
    // Those that are aligned have a half of their own: they need whole blocks.
    const half = kind === 'aligned' ? this.#base + up(this.#span, PAGE_BYTES) : this.#base;
    const rows = Math.max(1, Math.floor(this.#span / (stripe * HANDLES)));
    const start = half + (random.below(rows) * HANDLES + handle) * stripe;
    if (kind === 'aligned') return { from: start, length: stripe };
    if (start + stripe > this.#base + this.#span) return undefined;
    const skip = random.once(2) ? 0 : random.below(stripe);
    const length = random.once(2) ? stripe - skip : 1 + random.below(stripe - skip);
    return { from: start + skip, length };
  }
}

function up(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** A range within limits; of whole units where it begins at one. */
function fitted(
  from: number,
  length: number,
  least: number,
  limit: number,
  unit: number,
): { from: number; length: number } | undefined {
  const start = Math.max(least, from - (from % unit));
  const end = Math.min(limit, start + up(length, unit));
  if (end <= start || (unit > 1 && (start % unit !== 0 || (end - start) % unit !== 0))) return undefined;
  return { from: start, length: end - start };
}
