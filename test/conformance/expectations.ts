/**
 * What one kernel is known to answer otherwise than Linux, read from a file, as web-platform-tests have it: a case that ends as expected
 * counts as not asked, with the reason; an expectation that the kernel no longer meets is stale, and fails.
 *
 * kaio's own differences are in `divergences.ts`, since they belong to the emulation wherever it runs.
 */
import { means } from './case-ids.ts';
import { ALL_CASES } from './cases.ts';
import type { CaseReport, Outcome } from './outcome.ts';
import { type Report, summarize } from './runner.ts';

/** How a case may be expected to end. */
const EXPECTABLE = ['failed', 'unsupported', 'broken'] as const satisfies readonly Outcome[];

/** One of the outcomes that are worth telling. */
export type Expectable = (typeof EXPECTABLE)[number];

/** Some cases that all end in the same way, and why. */
export interface Expectation {
  /** Ids of cases; `*` stands for anything. */
  readonly cases?: readonly string[];
  /** Instead of them, a rule: all of its cases. */
  readonly rule?: string;
  /** How each of them ends on this kernel; several where that is decided by a race, of which one may be `passed`, and then counts as that. */
  readonly outcome: Expectable | readonly (Expectable | 'passed')[];
  /** What the report of each that has not passed must contain as its detail: another failure is not the known one. */
  readonly detail?: string;
  /** Why the kernel does so. */
  readonly reason: string;
  /** Where that is known from: a line of its program, its documentation, or the observation. */
  readonly source: string;
}

/** The file: one kernel, and what it does otherwise. */
export interface ExpectationsFile {
  /** A regular expression for what reports call the kernel, `native, Linux 6.18.5 x64`: no other is judged by it. */
  readonly kernel: string;
  /** What is known; no case in two of them. */
  readonly expectations: readonly Expectation[];
}

/** How a report was judged by the expectations. */
export interface Judgement {
  /** Cases that ended as expected are `unsupported`; those that did not have `failed`. */
  readonly report: Report;
  /** How many cases ended as expected. */
  readonly met: number;
  /** How many were expected to end as they did not. */
  readonly stale: number;
}

const FILE_KEYS = ['kernel', 'expectations'];
const KEYS = ['cases', 'rule', 'outcome', 'detail', 'reason', 'source'];

/** Expectations of one kernel, by case. */
export class Expectations {
  readonly #kernel: RegExp;
  readonly #byCase: ReadonlyMap<string, Expectation>;

  /**
   * Takes what a file of JSON holds.
   *
   * @throws Error Saying which entry is wrong: of no such form, without reason or source, for a case or rule that is none of the suite's, or
   *   for a case that an earlier entry has.
   */
  constructor(file: unknown) {
    const { kernel, expectations } = record(file, 'the file', FILE_KEYS);
    if (!Array.isArray(expectations)) throw new Error('the file: expectations is no list');
    this.#kernel = expression(text(kernel, 'the file: kernel'));
    const byCase = new Map<string, Expectation>();
    for (const [index, value] of expectations.entries()) {
      const where = `expectation ${index + 1}`;
      const one = parse(value, where);
      for (const id of casesOf(one, where)) {
        if (byCase.has(id)) throw new Error(`${where}: an earlier one has ${id}`);
        byCase.set(id, one);
      }
    }
    this.#byCase = byCase;
  }

  /** @throws Error Where the file is about another kernel. */
  assertMeans({ name, release }: { readonly name: string; readonly release: string }): void {
    if (!this.#kernel.test(`${name}, ${release}`))
      throw new Error(`the expectations are of ${this.#kernel.source}, and this is ${name}, ${release}`);
  }

  /** How one case counts. */
  judge(report: CaseReport): CaseReport {
    const expected = this.#byCase.get(report.id);
    if (expected === undefined) return report;
    const { reason, source } = expected;
    const { detail, outcome: actual } = report;
    if (isMet(expected, report))
      return actual === 'passed'
        ? report
        : { ...report, outcome: 'unsupported', detail: `${actual} as expected: ${reason} (${source})` };
    const outcome = outcomesOf(expected).join(' or ');
    return {
      ...report,
      outcome: 'failed',
      detail:
        `the expectation is stale: ${outcome}${expected.detail === undefined ? '' : `, saying '${expected.detail}'`}, ` +
        `because ${reason} (${source}); it has ${actual}${detail === undefined ? '' : `: ${detail}`}`,
    };
  }

  /** How a run counts. */
  judgeAll({ backend, kernel, cases }: Report): Judgement {
    const expected = cases.filter(({ id }) => this.#byCase.has(id));
    const met = expected.filter((one) => isMet(this.#byCase.get(one.id)!, one)).length;
    const judged = cases.map((one) => this.judge(one));
    const report = summarize({ name: backend, release: kernel }, judged);
    return { report, met, stale: expected.length - met };
  }
}

function outcomesOf({ outcome }: Expectation): readonly Outcome[] {
  return typeof outcome === 'string' ? [outcome] : outcome;
}

function isMet(expected: Expectation, { outcome, detail = '' }: CaseReport): boolean {
  if (!outcomesOf(expected).includes(outcome)) return false;
  return outcome === 'passed' || detail.includes(expected.detail ?? '');
}

/** @throws Error for what is no outcome, and for a list that says nothing. */
function outcome(value: unknown, where: string): Expectation['outcome'] {
  if (!Array.isArray(value)) return expectable(value, where, EXPECTABLE);
  const list = value.map((one) => expectable(one, where, [...EXPECTABLE, 'passed']));
  if (!EXPECTABLE.some((one) => list.includes(one)))
    throw new Error(`${where}: of several outcomes one has to be ${EXPECTABLE.join(', ')}`);
  return list;
}

function expectable<T extends Outcome>(value: unknown, where: string, known: readonly T[]): T {
  const found = known.find((one) => one === value);
  if (found === undefined) throw new Error(`${where}: the outcome is none of ${known.join(', ')}`);
  return found;
}

function record(value: unknown, where: string, keys: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${where}: no object`);
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown !== undefined)
    throw new Error(`${where}: there is no '${unknown}', there is ${keys.join(', ')}`);
  return value as Record<string, unknown>;
}

function text(value: unknown, where: string): string {
  if (typeof value !== 'string' || value.trim() === '') throw new Error(`${where} is no text`);
  return value;
}

function expression(source: string): RegExp {
  try {
    return new RegExp(source);
  } catch (error) {
    throw new Error(`the file: kernel: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parse(value: unknown, where: string): Expectation {
  const { cases, rule, detail, reason, source, ...rest } = record(value, where, KEYS);
  if ((cases === undefined) === (rule === undefined)) throw new Error(`${where}: either cases or a rule`);
  if (cases !== undefined && !(Array.isArray(cases) && cases.length > 0))
    throw new Error(`${where}: cases is no list of ids`);
  return {
    ...(cases === undefined
      ? { rule: text(rule, `${where}: rule`) }
      : { cases: (cases as unknown[]).map((id) => text(id, `${where}: a case`)) }),
    outcome: outcome(rest.outcome, where),
    ...(detail === undefined ? {} : { detail: text(detail, `${where}: detail`) }),
    reason: text(reason, `${where}: reason`),
    source: text(source, `${where}: source`),
  };
}

/** The cases that an expectation means. @throws Error where the suite has none. */
function casesOf({ cases, rule }: Expectation, where: string): Set<string> {
  const found = new Set<string>();
  for (const pattern of cases ?? [undefined]) {
    const meant = ALL_CASES.filter((one) =>
      pattern === undefined ? one.rule.split(' ').includes(rule!) : means(pattern, one.id),
    );
    if (meant.length === 0)
      throw new Error(`${where} is stale: the suite has no case ${pattern ?? `of the rule ${rule}`}`);
    for (const { id } of meant) found.add(id);
  }
  return found;
}
