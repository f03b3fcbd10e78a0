/** One HTML file to attach to a bug: what was asked, expected and observed, with the source of each rule. */
import type { CaseReport, Outcome } from '../../../test/conformance/index.ts';
import { escaped, selfContainedPage } from '../../page/self-contained-page.ts';
import { expectationsText, type FullReport, particularsOf, type Reporter } from './report.ts';

const STYLE = `
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1b1b1b; background: #fff; }
table { border-collapse: collapse; } td, th { padding: .2rem .7rem; text-align: left; border-bottom: 1px solid #ddd; }
article { border-left: 4px solid #999; margin: 1.2rem 0; padding: .1rem 1rem; }
article.failed { border-color: #b3261e; } article.broken { border-color: #9a6700; }
dl { display: grid; grid-template-columns: 8rem 1fr; gap: .2rem 1rem; } dt { color: #555; } dd { margin: 0; white-space: pre-wrap; font-family: ui-monospace, monospace; font-size: 13px; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616; } td, th { border-color: #333; } dt { color: #aaa; } }`;

/** Those that people look for come first. */
const TOLD: readonly Outcome[] = ['failed', 'broken'];

function article(report: CaseReport): string {
  const rows = particularsOf(report).map(
    ([heading, text]) => `<dt>${escaped(heading)}</dt><dd>${escaped(text.trimEnd())}</dd>`,
  );
  const { id, outcome } = report;
  return `<article class="${outcome}"><h2>${outcome}: ${escaped(id)}</h2><dl>${rows.join('')}</dl></article>`;
}

function listOf(cases: readonly CaseReport[], outcome: Outcome): string {
  const rows = cases
    .filter((one) => one.outcome === outcome)
    .map(({ id, rule, title, detail = '' }) =>
      [id, rule, title, detail].map((text) => `<td>${escaped(text)}</td>`).join(''),
    );
  return `<details><summary>${rows.length} ${outcome}</summary><table>${rows.map((row) => `<tr>${row}</tr>`).join('')}</table></details>`;
}

function body(report: FullReport): string {
  const { backend, kernel, passed, failed, unsupported, broken, cases, abi, order, expectations } = report;
  const counts = { passed, failed, unsupported, broken };
  return [
    `<h1>Linux AIO conformance: ${escaped(backend)}, ${escaped(kernel)}</h1>`,
    `<table><tr>${Object.keys(counts)
      .map((name) => `<th>${name}</th>`)
      .join('')}</tr>`,
    `<tr>${Object.values(counts)
      .map((count) => `<td>${count}</td>`)
      .join('')}</tr></table>`,
    ...(order === undefined ? [] : [`<p>Order: --order ${order}</p>`]),
    ...(expectations === undefined ? [] : [`<p>${expectationsText(expectations)}</p>`]),
    ...(abi === undefined
      ? []
      : [`<p>ABI: ${abi.compared} values compared, ${abi.differences.length} differ</p>`]),
    ...TOLD.flatMap((outcome) => cases.filter((one) => one.outcome === outcome).map(article)),
    listOf(cases, 'unsupported'),
    listOf(cases, 'passed'),
  ].join('\n');
}

export function htmlReporter(print: (text: string) => void): Reporter {
  const page = (title: string, content: string, value: unknown): string =>
    selfContainedPage({ title, style: STYLE, body: content, data: { id: 'report', value }, scripts: [] });
  return {
    onEnd: (report) => print(page(`Conformance of ${report.kernel}`, body(report), report)),
    onBroken: (reason) =>
      print(page('Conformance', `<h1>The environment is broken</h1><p>${escaped(reason)}</p>`, { reason })),
  };
}
