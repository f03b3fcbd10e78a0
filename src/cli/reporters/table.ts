/** For people: what did not pass as it happens, and a table by call at the end. */
import Table from 'cli-table3';
import type { CaseReport, Outcome } from '../../../test/conformance/index.ts';
import { expectationsText, type FullReport, particularsOf, type Reporter } from './report.ts';

const OUTCOMES: readonly Outcome[] = ['passed', 'failed', 'unsupported', 'broken'];
/** Columns of the names before a text. */
const HEADING_COLUMNS = 14;

function indented(heading: string, text: string): string {
  const margin = ' '.repeat(HEADING_COLUMNS);
  return `  ${heading.padEnd(HEADING_COLUMNS - 2)}${text.trimEnd().replaceAll(/\n+/g, `\n${margin}`)}`;
}

function byCall({ cases }: FullReport): string {
  const table = new Table({ head: ['cases', ...OUTCOMES], style: { head: [], border: [], compact: true } });
  const count = (reports: readonly CaseReport[]): number[] =>
    OUTCOMES.map((outcome) => reports.filter((one) => one.outcome === outcome).length);
  const groups = new Map<string, CaseReport[]>();
  for (const one of cases) {
    const group = one.id.slice(0, one.id.indexOf('/'));
    groups.set(group, [...(groups.get(group) ?? []), one]);
  }
  for (const [group, reports] of [...groups].sort(([a], [b]) => a.localeCompare(b)))
    table.push([group, ...count(reports)]);
  table.push(['all', ...count(cases)]);
  return table.toString();
}

export function tableReporter(print: (text: string) => void): Reporter {
  return {
    onCase(report) {
      const { outcome, id, title, detail } = report;
      if (outcome === 'passed') return;
      if (outcome === 'unsupported') print(`unsupported ${id}: ${title}\n${indented('because', detail!)}`);
      else
        print(
          [`${outcome.padEnd(11)} ${id}`, ...particularsOf(report).map((one) => indented(...one))].join('\n'),
        );
    },
    onEnd(report) {
      const { abi, backend, kernel, passed, failed, unsupported, broken, order, expectations } = report;
      print(byCall(report));
      for (const line of abi?.differences ?? []) print(`failed      abi ${line}`);
      if (abi !== undefined) print(`abi: ${abi.compared} values compared, ${abi.differences.length} differ`);
      if (order !== undefined) print(`order: --order ${order}`);
      if (expectations !== undefined) print(expectationsText(expectations));
      print(
        `${backend}, ${kernel}: ${passed} passed, ${failed} failed, ${unsupported} unsupported here, ${broken} broken`,
      );
    },
    onBroken() {},
  };
}
