/**
 * The page of `kaio bench` in a real browser: every plot is drawn, nothing is fetched, nothing is complained about. Then once more with
 * markup in every text of the report, of which nothing may come to life.
 *
 *     npm run check:report -- [--report FILE] [--screenshot FILE]
 *
 * Without a report a small one is measured. The browser is Debian's `chromium`, or the one that CHROMIUM names.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../package-root.ts';
import { checkPage, MARKUP } from './browser.ts';

const { values } = parseArgs({ options: { report: { type: 'string' }, screenshot: { type: 'string' } } });
const SMALL_RUN = [
  '--queue-depth',
  '1,8',
  '--mode',
  'direct,cached',
  '--rounds',
  '1',
  '--seconds',
  '0.05',
  '--size',
  '8m',
];

const directory = mkdtempSync(join(tmpdir(), 'kaio-report-'));
const page = join(directory, 'report.html');

const saved = join(directory, 'report.json');
const cli = join(packageRoot(), 'dist/src/cli/cli.js');

function makePage(): void {
  if (values.report !== undefined) copyFileSync(values.report, saved);
  const source = values.report === undefined ? [...SMALL_RUN, '--save', saved] : ['--from', saved];
  execFileSync(process.execPath, [cli, 'bench', ...source, '--html', page, '--directory', directory], {
    stdio: 'ignore',
  });
}

function marked(value: unknown, key?: string): unknown {
  // What names a choice must stay one, or the report is refused.
  if (typeof value === 'string') return ['engine', 'rw', 'mode'].includes(key ?? '') ? value : MARKUP;
  if (Array.isArray(value)) return value.map((one) => marked(one));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, marked(one, name)]));
}

/** The same report with markup for text. */
function markPage(): void {
  const report: unknown = JSON.parse(readFileSync(saved, 'utf8'));
  writeFileSync(saved, JSON.stringify(marked(report)));
  execFileSync(process.execPath, [cli, 'bench', '--from', saved, '--html', page], { stdio: 'ignore' });
}

async function check(): Promise<void> {
  const told = await checkPage(page, values.screenshot, async (opened, drawn) => {
    assert.equal(await opened.evaluate('document.documentElement.dataset.drawn'), String(drawn.length));
  });
  console.log(told);
}

try {
  makePage();
  await check();
  markPage();
  await check();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
