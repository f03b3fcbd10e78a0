/** The operations of a trace as spans of time: what each was about, what a sync covered, and what a crash made of the rest. */

import type { Asked } from './operation.ts';

/** What became of a change in a crash, as the trace says it: `kept`, `lost`, `torn`, `misdirected`. */
export interface Fate {
  readonly ns: number;
  readonly fate: string;
  /** As the trace has it. */
  readonly text: string;
}

/** One operation. */
export interface Span {
  /** The number that the trace has before it. */
  readonly id: number;
  /** As the trace has it: `write /log at 0, 8 bytes (6849d5ab)`. */
  readonly text: string;
  /** What was called. */
  readonly call: string;
  /** The path that it was given; of a descriptor, the one that it was opened by. */
  readonly file: string;
  readonly beganNs: number;
  /** `undefined` while it is under way, and where the power was lost before it ended. */
  readonly endedNs: number | undefined;
  /** A count or the name of an errno, as the trace has it. */
  readonly outcome: string | undefined;
  readonly failed: boolean;
  /** The changes that this has made durable. */
  readonly covers: readonly number[];
  /** What has made this durable: a sync, or time alone, as a journal is written now and then. */
  readonly coveredBy: number | 'time' | undefined;
  /** The sync that failed and has given this up. */
  readonly givenUpBy: number | undefined;
  readonly fate: Fate | undefined;
}

/** Something that happened to the machine, or that the program has said. */
export interface Mark {
  readonly ns: number;
  readonly kind: 'power' | 'kill' | 'note';
  readonly text: string;
}

/** `kept: #3 write at 0, 8 bytes`, as a crash says it. */
const DECIDED = /^\s*(\S+): #(\d+) /;
/** `damaged: 512 bytes at 0, where #3 was being written`. */
const HARMED = /^\s*(\S+): .* #(\d+)(?: was being written)?$/;
/** What a change comes to that was decided about piece by piece, where the pieces differ. */
const WHOLE_OR_NOT = ['kept', 'lost', 'torn'];
/** Whether nothing has been said of what became of a change. */
function isOpen({ coveredBy, givenUpBy, fate }: Span): boolean {
  return coveredBy === undefined && givenUpBy === undefined && fate === undefined;
}

export class History {
  readonly #kept: number;
  #spans = new Map<number, Span>();
  #marks: Mark[] = [];

  /** @param kept - How many operations at least. */
  constructor(kept: number) {
    this.#kept = kept;
  }

  /** In the order in which they began. */
  get spans(): Span[] {
    const powerLosses = this.#marks.filter(({ kind }) => kind === 'power');
    return [...this.#spans.values()].map((span) => {
      if (span.call !== 'write' || span.failed || !isOpen(span)) return span;
      // A crash says nothing of a file that it has left no name of.
      const crash = powerLosses.find(({ ns }) => ns >= span.beganNs);
      if (crash === undefined) return span;
      return {
        ...span,
        fate: { ns: crash.ns, fate: 'lost', text: 'lost: no name leads to its file any more' },
      };
    });
  }

  get marks(): readonly Mark[] {
    return this.#marks;
  }

  began(ns: number, { id, text, syscall: call, path: file }: Asked & { readonly id: number }): void {
    this.#spans.set(id, {
      id,
      text,
      call,
      file,
      beganNs: ns,
      endedNs: undefined,
      outcome: undefined,
      failed: false,
      covers: [],
      coveredBy: undefined,
      givenUpBy: undefined,
      fate: undefined,
    });
    if (this.#spans.size <= 2 * this.#kept) return;
    for (const old of this.#spans.keys()) {
      if (this.#spans.size <= this.#kept) break;
      this.#spans.delete(old);
    }
  }

  ended(ns: number, id: number, outcome: string, failed: boolean): void {
    this.#change(id, { endedNs: ns, outcome, failed });
  }

  /** @param id - Of a sync; `undefined` where it was time alone. */
  covered(id: number | undefined, changes: readonly number[]): void {
    const covers = id === undefined ? undefined : this.#spans.get(id)?.covers;
    if (covers !== undefined) this.#change(id!, { covers: [...new Set([...covers, ...changes])] });
    for (const change of changes) {
      const span = this.#spans.get(change);
      // A sync that began before another one failed finds given up what it was to cover.
      if (span !== undefined && span.givenUpBy === undefined && span.coveredBy === undefined)
        this.#change(change, { coveredBy: id ?? 'time' });
    }
  }

  gaveUp(id: number, change: number): void {
    this.#change(change, { givenUpBy: id });
  }

  /** @param text - What a crash has said about a change. Other texts are let pass. */
  decided(ns: number, text: string): void {
    const [, fate, id] = DECIDED.exec(text) ?? HARMED.exec(text) ?? [];
    const before = this.#spans.get(Number(id))?.fate;
    if (fate === undefined) return;
    const own: Fate = { ns, fate, text: text.trim() };
    this.#change(Number(id), { fate: before?.ns === ns ? together(before, own) : own });
  }

  /** A history that has begun as this one and goes on by itself. */
  fork(): History {
    const fork = new History(this.#kept);
    fork.#spans = new Map(this.#spans);
    fork.#marks = [...this.#marks];
    return fork;
  }

  /** Spans are values: forks have them in common. */
  #change(id: number, change: Partial<Span>): void {
    const span = this.#spans.get(id);
    if (span !== undefined) this.#spans.set(id, { ...span, ...change });
  }

  mark(ns: number, kind: Mark['kind'], text: string): void {
    this.#marks.push({ ns, kind, text });
    if (this.#marks.length > 2 * this.#kept) this.#marks = this.#marks.slice(-this.#kept);
  }
}

/** One crash, two words about one change: of a write, what lies in the file as it was has a fate, and what makes it longer another. */
function together(before: Fate, own: Fate): Fate {
  const text = `${before.text}; ${own.text}`;
  if (before.fate === own.fate) return { ...own, text };
  const harmed = [own, before].find(({ fate }) => !WHOLE_OR_NOT.includes(fate));
  return { ...own, fate: harmed?.fate ?? 'torn', text };
}
