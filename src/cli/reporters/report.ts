/** What a reporter of `kaio conformance` gets to tell. */
import { type CaseReport, type Report, RULES, sourceOf } from '../../../test/conformance/index.ts';

/** The tables of the ABI against the C compiler's view of this machine. */
export interface AbiReport {
  readonly compared: number;
  readonly differences: readonly string[];
}

export interface FullReport extends Report {
  /** The seed of the order, where the cases were shuffled. */
  readonly order?: number;
  /** Where there is a file of expectations: how many cases ended as it says, and how many did not. */
  readonly expectations?: { readonly met: number; readonly stale: number };
  /** Where there is the addon. */
  readonly abi?: AbiReport;
}

/** Tells a run of the suite: as it goes, and when it is over. */
export interface Reporter {
  onCase?(report: CaseReport): void;
  onEnd(report: FullReport): void;
  /** The suite cannot run at all. */
  onBroken(reason: string): void;
}

const SUMMARIES: ReadonlyMap<string, string> = new Map(RULES.map(({ id, summary }) => [id, summary]));

/** A case's rules as people read them: what each says, and what it rests on. */
export function rulesOf({ rule }: CaseReport): { id: string; summary: string; source: string }[] {
  return rule
    .split(' ')
    .map((id) => ({ id, summary: SUMMARIES.get(id) ?? '', source: sourceOf(id) ?? 'unknown' }));
}

/** How the expectations fared, for people. */
export function expectationsText({ met, stale }: NonNullable<FullReport['expectations']>): string {
  return `expectations: ${met} met, ${stale} stale`;
}

/** The parts of a report that are told of every case that did not pass, with their headings. */
export function particularsOf(report: CaseReport): (readonly [heading: string, text: string])[] {
  const { title, detail = '', expected, observed, at } = report;
  return [
    ['expectation', title],
    ['observation', detail],
    ...(expected === undefined ? [] : [['expected', expected] as const]),
    ...(observed === undefined ? [] : [['observed', observed] as const]),
    ...rulesOf(report).map(
      ({ id, summary, source }) =>
        ['rule', `${id}: ${summary} (${source}; docs/internals/rules.md)`] as const,
    ),
    ...(at === undefined ? [] : [['judged at', at] as const]),
  ];
}
