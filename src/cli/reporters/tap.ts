/** The Test Anything Protocol, version 14: for harnesses. */
import { type CaseReport, type Selection, selectCases } from '../../../test/conformance/index.ts';
import { expectationsText, type Reporter, rulesOf } from './report.ts';

/** A directive begins with `#`, and a backslash escapes. */
function escaped(text: string): string {
  return text.replaceAll(/[\\#]/g, '\\$&').replaceAll(/\s+/g, ' ');
}

/** A block of YAML. JSON strings are YAML. */
function diagnosis(report: CaseReport): string[] {
  const { outcome, detail, title, expected, observed, at } = report;
  const fields = { outcome, expectation: title, observation: detail, expected, observed, at };
  return [
    '  ---',
    ...Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `  ${key}: ${JSON.stringify(value)}`),
    '  rules:',
    ...rulesOf(report).map((rule) => `    - ${JSON.stringify(rule)}`),
    '  ...',
  ];
}

export function tapReporter(print: (text: string) => void, selection: Selection): Reporter {
  let number = 0;
  const begin = (): void => {
    if (number === 0) print(`TAP version 14\n1..${selectCases(selection).length}`);
  };
  return {
    onCase(report) {
      begin();
      const { outcome, id, rule, detail } = report;
      const name = `${++number} - ${escaped(`${id} (${rule})`)}`;
      if (outcome === 'passed') print(`ok ${name}`);
      else if (outcome === 'unsupported') print(`ok ${name} # SKIP ${escaped(detail!)}`);
      else print([`not ok ${name}`, ...diagnosis(report)].join('\n'));
    },
    onEnd({ backend, kernel, abi, order, expectations }) {
      print(`# ${backend}, ${kernel}`);
      if (order !== undefined) print(`# --order ${order}`);
      if (expectations !== undefined) print(`# ${expectationsText(expectations)}`);
      for (const line of abi?.differences ?? []) print(`# abi: ${line}`);
    },
    onBroken(reason) {
      begin();
      print(`Bail out! environment broken: ${escaped(reason)}`);
    },
  };
}
