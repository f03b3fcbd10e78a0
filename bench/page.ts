/** A report as one HTML file that needs nothing else. */
import { librarySource } from '../src/page/libraries.ts';
import { escaped, selfContainedPage } from '../src/page/self-contained-page.ts';
import { caseTitle, ENGINE_TITLES, ENGINES } from './job.ts';
import { machineLines } from './machine.ts';
import { type Plot, type PlotGroup, plotsOf } from './plots.ts';
import type { BenchReport, Row } from './report.ts';
import { failureLine, ratioCell } from './table.ts';

const STYLE = `
  :root { color-scheme: light dark; --text: #1b1b1b; --faint: #6a6a6a; --line: #d0d0d0; --ground: #ffffff; }
  @media (prefers-color-scheme: dark) { :root { --text: #e6e6e6; --faint: #a0a0a0; --line: #444; --ground: #16181c; } }
  body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: var(--text); background: var(--ground); }
  h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
  .plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(28rem, 1fr)); gap: 1.5rem; }
  figure { margin: 0; min-width: 0; } figcaption { font-weight: 600; }
  .plot { position: relative; }
  .table { overflow-x: auto; }
  table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
  td, th { padding: 0.15rem 0.7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
  td:first-child, th:first-child { text-align: left; }
  dt { font-weight: 600; } dd { margin: 0 0 0.3rem; color: var(--faint); overflow-wrap: anywhere; }
  code { overflow-wrap: anywhere; } p { color: var(--faint); }`;

/** Draws every plot; `data-drawn` on the page tells how many, for whoever checks. */
const SCRIPT = `
  const style = getComputedStyle(document.documentElement);
  Chart.defaults.color = style.getPropertyValue('--text');
  Chart.defaults.borderColor = style.getPropertyValue('--line');
  const plots = JSON.parse(document.getElementById('plots').textContent);
  const drawn = plots.map((config, index) => new Chart(document.getElementById('plot-' + index), config));
  document.documentElement.dataset.drawn = String(drawn.length);`;

type Cell = readonly [title: string, cell: (row: Row) => string];

/** For each number of digits: a report may have many numbers, and one of these takes long to make. */
const FORMATS = [0, 1, 2].map(
  (digits) =>
    new Intl.NumberFormat('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits }),
);

function number(value: number | null, digits: 0 | 1 | 2 = 0): string {
  return value === null ? '' : FORMATS[digits]!.format(value);
}

const CELLS: readonly Cell[] = [
  ['engine', ({ engine }) => engine],
  ['case', (row) => caseTitle(row)],
  ['iops', ({ iops }) => number(iops)],
  ['MB/s', ({ bytesPerSecond }) => number(bytesPerSecond / 1e6)],
  ['of the floor', ratioCell],
  ['p50 µs', ({ p50Us }) => number(p50Us, 1)],
  ['p99 µs', ({ p99Us }) => number(p99Us, 1)],
  ['CPU s per million', ({ cpuSecondsPerMillion }) => number(cpuSecondsPerMillion, 2)],
  ['loop delay max ms', ({ loopDelayMaxMs }) => number(loopDelayMaxMs, 1)],
  ['memory MiB', ({ maxRssBytes }) => number(maxRssBytes === null ? null : maxRssBytes / 2 ** 20)],
];

function tableOf(rows: readonly Row[]): string {
  const head = CELLS.map(([title]) => `<th scope="col">${escaped(title)}</th>`).join('');
  const body = rows.map(
    (row) => `<tr>${CELLS.map(([, cell]) => `<td>${escaped(cell(row))}</td>`).join('')}</tr>`,
  );
  return `<div class="table"><table><thead><tr>${head}</tr></thead><tbody>\n${body.join('\n')}\n</tbody></table></div>`;
}

function list(entries: readonly (readonly [string, string])[]): string {
  return `<dl>${entries.map(([name, text]) => `<dt>${escaped(name)}</dt><dd>${escaped(text)}</dd>`).join('')}</dl>`;
}

function figure({ title, heightPx }: Plot, index: number, group: PlotGroup): string {
  const label = escaped(`${group.title}: ${title}`);
  return (
    `<figure><figcaption>${escaped(title)}</figcaption><div class="plot" style="height:${heightPx}px">` +
    `<canvas id="plot-${index}" role="img" aria-label="${label}"></canvas></div></figure>`
  );
}

/**
 * @param library - The source of Chart.js.
 * @returns The whole page.
 */
export function reportPage(report: BenchReport, library = librarySource('chart.umd.js')): string {
  const groups = plotsOf(report);
  let index = 0;
  const sections = groups.map(
    (
      group,
    ) => `<section><h2>${escaped(group.title)}</h2><p>${escaped(group.explanation)}</p><div class="plots">
${group.plots.map((plot) => figure(plot, index++, group)).join('\n')}
</div></section>`,
  );
  const used = ENGINES.filter((engine) => report.rows.some((row) => row.engine === engine));
  const failures = report.failures.map((failure) => `<li>${escaped(failureLine(failure))}</li>`).join('\n');
  const configs = groups.flatMap(({ plots }) => plots.map(({ config }) => config));
  return selfContainedPage({
    title: `kaio bench, ${report.machine.date}`,
    style: STYLE,
    body: `<h1>kaio bench</h1>
<p>Made by <code>${escaped(report.command)}</code>: ${escaped(String(report.rounds))} rounds, engines in turns, medians.</p>
${sections.join('\n')}
${failures === '' ? '' : `<section><h2>Left out</h2><ul>\n${failures}\n</ul></section>`}
<section><h2>All numbers</h2>
${tableOf(report.rows)}
</section>
<section><h2>Engines</h2>${list(used.map((engine) => [engine, ENGINE_TITLES[engine]]))}</section>
<section><h2>Machine</h2>${list(machineLines(report.machine))}</section>`,
    data: { id: 'plots', value: configs },
    scripts: [library, `${SCRIPT}\n`],
  });
}
