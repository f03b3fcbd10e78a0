/** A history as one HTML file that needs nothing else. */

import { NSEC_PER_MSEC } from '../../common/time-units.ts';
import { librarySource } from '../../page/libraries.ts';
import { escaped, selfContainedPage } from '../../page/self-contained-page.ts';
import type { History, Span } from './history.ts';
import { historyPlot, LOOKS } from './history-plot.ts';
import { HISTORY_SCRIPT } from './history-script.ts';

/** What a page says besides what has happened. */
export interface HistoryPageOptions {
  /** Default `'A simulated history'`. */
  readonly title?: string;
  /** What went wrong, shown at the top. */
  readonly failure?: string;
}

const LANE_PX = 20;
const FRAME_PX = 150;
/** Operations before a crash that its button shows. */
const BEFORE_CRASH = 25;
const AFTER_CRASH = 0.1;

const STYLE = `
  :root { color-scheme: light dark; --text: #1b1b1b; --faint: #6a6a6a; --line: #d0d0d0; --ground: #ffffff; --crash: #d00000; --cover: #0072b2; }
  @media (prefers-color-scheme: dark) { :root { --text: #e6e6e6; --faint: #a0a0a0; --line: #444; --ground: #16181c; --crash: #ff5050; --cover: #56b4e9; } }
  body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; color: var(--text); background: var(--ground); }
  h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
  .plot { position: relative; } p { color: var(--faint); }
  .failure { border-left: 4px solid var(--crash); padding-left: 1rem; white-space: pre-wrap; color: var(--text); overflow-wrap: anywhere; }
  table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
  td, th { padding: 0.15rem 0.7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; overflow-wrap: anywhere; } td:first-child { white-space: nowrap; }
  .chip { display: inline-block; width: 0.8em; height: 0.8em; margin-right: 0.5em; }
  button { font: inherit; font-size: 13px; } pre { overflow-x: auto; font-size: 12px; }`;

/** @param text - The whole trace. */
export function historyPage(
  history: History,
  text: string,
  { title = 'A simulated history', failure }: HistoryPageOptions,
): string {
  const plot = historyPlot(history);
  const { spans } = history;
  const crashes = history.marks.filter(({ kind }) => kind !== 'note');
  const height = FRAME_PX + LANE_PX * plot.lanes.length;
  return selfContainedPage({
    title,
    style: STYLE,
    body: `<h1>${escaped(title)}</h1>
${failure === undefined ? '' : `<p class="failure">${escaped(failure)}</p>`}
<p>${spans.length} operations. Each bar is one, from its beginning to its end, beside the file that it was asked for by. A line leads from a change
to the sync that made it durable; a red line is the loss of the power, a broken one the end of the process. Point at a bar to read it.
Drag to move, Ctrl and the wheel to magnify; a click in the legend hides a kind.</p>
<p><button data-view="whole">all of it</button> <button data-view="closer">closer</button> <button data-view="wider">wider</button>
${crashes.map((mark, index) => crashButton(spans, mark.ns, `${mark.kind === 'kill' ? 'kill' : 'crash'} ${index + 1}`)).join('\n')}</p>
<div class="plot" style="height:${height}px"><canvas id="plot" role="img" aria-label="${escaped(title)}"></canvas></div>
${history.marks
  .filter(({ kind }) => kind === 'power')
  .map(({ ns, text: what }, index) => fates(spans, ns, what, index + 1))
  .join('\n')}
<section><h2>As text</h2><details><summary>${spans.length} operations and what happened besides</summary>
<pre>${escaped(text)}</pre></details></section>`,
    data: { id: 'history', value: plot },
    scripts: [
      librarySource('hammer.js'),
      librarySource('chart.umd.js'),
      librarySource('chart-zoom.umd.js'),
      HISTORY_SCRIPT,
    ],
  });
}

/** Shows the last operations before a crash. */
function crashButton(spans: readonly Span[], ns: number, label: string): string {
  const before = spans.filter(({ beganNs }) => beganNs <= ns).slice(-BEFORE_CRASH);
  const to = ns / NSEC_PER_MSEC;
  const from = (before[0]?.beganNs ?? 0) / NSEC_PER_MSEC;
  const room = Math.max((to - from) * AFTER_CRASH, 1e-6);
  return `<button data-from="${from - room}" data-to="${to + room}">${label}</button>`;
}

/** What a crash has decided, change by change. */
function fates(spans: readonly Span[], ns: number, what: string, number: number): string {
  const decided = spans.filter(({ fate }) => fate !== undefined && fate.ns === ns);
  const rows = decided.map((span) => {
    const { colour, label } = LOOKS.find(({ holds }) => holds(span))!;
    return (
      `<tr><td><span class="chip" style="background:${colour}"></span>${escaped(label)}</td>` +
      `<td>#${span.id} ${escaped(span.text)}</td><td>${escaped(span.fate!.text)}</td></tr>`
    );
  });
  const table =
    rows.length === 0
      ? '<p>Everything was durable.</p>'
      : `<table><thead><tr><th scope="col">fate</th><th scope="col">operation</th><th scope="col">what is there</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>`;
  return `<section><h2>Crash ${number}, at ${(ns / NSEC_PER_MSEC).toFixed(6)} ms</h2><p>${escaped(what.replace(/^-- /, ''))}</p>${table}</section>`;
}
