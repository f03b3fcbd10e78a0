/** What changed between two reports of the conformance suite: two kernels, or two versions of one. */
import { readFileSync } from 'node:fs';
import type { CaseReport, Outcome } from '../../test/conformance/index.ts';
import { rulesOf } from './reporters/report.ts';

/** What is read of a report. */
export interface ComparedReport {
  readonly backend: string;
  readonly kernel: string;
  readonly cases: readonly Pick<CaseReport, 'id' | 'rule' | 'title' | 'outcome' | 'detail' | 'observed'>[];
}

type ComparedCase = ComparedReport['cases'][number];

/** A case that ended otherwise; the side that does not have it has `undefined`. */
export interface Change {
  readonly before: ComparedCase | undefined;
  readonly after: ComparedCase | undefined;
}

const OUTCOMES: readonly string[] = ['passed', 'failed', 'unsupported', 'broken'] satisfies Outcome[];

/** @throws Error where the file is no report: what `kaio conformance --json` prints. */
export function readReport(path: string): ComparedReport {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path} cannot be read as a report: ${error instanceof Error ? error.message : error}`);
  }
  if (!isReport(value)) throw new Error(`${path} is no report of kaio conformance --json`);
  return value;
}

function isReport(value: unknown): value is ComparedReport {
  const { backend, kernel, cases } = Object(value) as Partial<ComparedReport>;
  return (
    typeof backend === 'string' && typeof kernel === 'string' && Array.isArray(cases) && cases.every(isCase)
  );
}

function isCase(value: unknown): boolean {
  const { id, rule, title, outcome, detail, observed } = Object(value) as Record<string, unknown>;
  return (
    [id, rule, title].every((text) => typeof text === 'string') &&
    OUTCOMES.includes(outcome as string) &&
    [detail, observed].every((text) => text === undefined || typeof text === 'string')
  );
}

/** Cases whose outcome or failure is another, in the order of the first report; then those that only the second has. */
export function changesBetween(before: ComparedReport, after: ComparedReport): Change[] {
  const later = new Map(after.cases.map((one) => [one.id, one]));
  const earlier = new Set(before.cases.map(({ id }) => id));
  return [
    ...before.cases.map((one) => ({ before: one, after: later.get(one.id) })),
    ...after.cases.filter(({ id }) => !earlier.has(id)).map((one) => ({ before: undefined, after: one })),
  ].filter((change) => differs(change));
}

function differs({ before, after }: Change): boolean {
  if (before?.outcome !== after?.outcome) return true;
  // Why a question is not asked is worded by the kernel; a failure that observes something else is another.
  return before?.outcome === 'failed' && before.observed !== after?.observed;
}

function told(one: ComparedCase | undefined): string {
  if (one === undefined) return 'not in the report';
  const detail = (one.observed ?? one.detail ?? '').split('\n')[0]!;
  return detail === '' || one.outcome === 'passed' ? one.outcome : `${one.outcome} (${detail})`;
}

/** Lines for people. */
export function describeChanges(before: ComparedReport, after: ComparedReport): string[] {
  const changes = changesBetween(before, after);
  const lines = changes.flatMap((change) => {
    const { id, title, rule } = (change.after ?? change.before)!;
    const sources = rulesOf({ rule, id, title, outcome: 'passed' });
    return [
      `${id}: ${told(change.before)} -> ${told(change.after)}`,
      `  ${title}`,
      ...sources.map((one) => `  ${one.id}: ${one.summary} (${one.source})`),
    ];
  });
  const [from, to] = [before, after].map(({ backend, kernel }) => `${backend}, ${kernel}`);
  return [...lines, `${changes.length} of ${after.cases.length} cases differ: ${from} -> ${to}`];
}
