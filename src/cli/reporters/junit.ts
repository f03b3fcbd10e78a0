/** JUnit's XML, as CI servers read it: `failure`, `skipped` and `error` are failed, unsupported and broken. */
import xmlbuilder from 'xmlbuilder';
import type { CaseReport } from '../../../test/conformance/index.ts';
import { type FullReport, particularsOf, type Reporter } from './report.ts';

/** Characters that XML 1.0 has no way to write. */
const REPLACEMENT = '\u{FFFD}';

interface Suite {
  readonly name: string;
  readonly cases: readonly CaseReport[];
}

function text(report: CaseReport): string {
  return particularsOf(report)
    .map(([heading, value]) => `${heading}: ${value}`)
    .join('\n');
}

function firstLine(detail: string | undefined): string {
  return detail?.split('\n')[0] ?? '';
}

function render(kernel: string, suites: readonly Suite[], brokenReason?: string): string {
  const root = xmlbuilder.create(
    'testsuites',
    { version: '1.0', encoding: 'UTF-8' },
    { invalidCharReplacement: REPLACEMENT },
  );
  root.att('name', kernel);
  for (const { name, cases } of suites) {
    const count = (outcome: CaseReport['outcome']): number =>
      cases.filter((one) => one.outcome === outcome).length;
    const suite = root.ele('testsuite', {
      name,
      tests: cases.length,
      failures: count('failed'),
      errors: count('broken'),
      skipped: count('unsupported'),
    });
    for (const report of cases) {
      const { id, rule, title, outcome, detail } = report;
      const test = suite.ele('testcase', { name: `${rule}: ${title}`, classname: id });
      if (outcome === 'unsupported') test.ele('skipped', { message: firstLine(detail) });
      if (outcome === 'failed')
        test.ele('failure', { message: firstLine(detail), type: 'failed' }, text(report));
      if (outcome === 'broken')
        test.ele('error', { message: firstLine(detail), type: 'broken' }, text(report));
    }
  }
  if (brokenReason !== undefined) {
    const suite = root.ele('testsuite', {
      name: 'environment',
      tests: 1,
      failures: 0,
      errors: 1,
      skipped: 0,
    });
    const test = suite.ele('testcase', { name: 'the suite can run', classname: 'environment' });
    test.ele('error', { message: firstLine(brokenReason), type: 'broken' }, brokenReason);
  }
  return root.end({ pretty: true });
}

function suitesOf({ cases, abi }: FullReport): Suite[] {
  const groups = new Map<string, CaseReport[]>();
  for (const one of cases) {
    const group = one.id.slice(0, one.id.indexOf('/'));
    groups.set(group, [...(groups.get(group) ?? []), one]);
  }
  const suites = [...groups].map(([name, reports]) => ({ name, cases: reports }));
  if (abi !== undefined) {
    const title = `${abi.compared} values are those of the C compiler`;
    const detail = abi.differences.join('\n');
    const outcome = abi.differences.length === 0 ? 'passed' : 'failed';
    suites.push({ name: 'abi', cases: [{ id: 'abi/oracle', rule: 'ABI', title, outcome, detail }] });
  }
  return suites;
}

export function junitReporter(print: (text: string) => void): Reporter {
  return {
    onEnd: (report) => print(render(`${report.backend}, ${report.kernel}`, suitesOf(report))),
    onBroken: (reason) => print(render('kaio conformance', [], reason)),
  };
}
