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
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium, type Page } from 'playwright-core';
import { packageRoot } from '../package-root.ts';

const { values } = parseArgs({ options: { report: { type: 'string' }, screenshot: { type: 'string' } } });
const BROWSER = process.env.CHROMIUM ?? '/usr/bin/chromium';
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
const VIEWPORT = { width: 1200, height: 900 };

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

interface Drawn {
  readonly id: string;
  readonly colours: number;
  readonly width: number;
  readonly height: number;
}

/** Different colours of each canvas: an empty one has one. */
async function look(opened: Page): Promise<Drawn[]> {
  // Runs in the browser, whose types are not those of this program.
  return opened.evaluate<Drawn[]>(`
    [...document.querySelectorAll('canvas')].map((canvas) => {
      const { width, height } = canvas;
      const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, width, height).data.buffer);
      return { id: canvas.id, colours: new Set(pixels).size, width, height };
    })`);
}

/** Each of them marks the page if it is live. */
const MARKUP =
  `</script></title></code><script>document.body.dataset.owned = 1</script>` +
  `"><img src="/x" onerror="document.body.dataset.owned = 1">' onload='document.body.dataset.owned = 1`;

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
  const browser = await chromium.launch({ executablePath: BROWSER, args: ['--no-sandbox'] });
  try {
    const complaints: string[] = [];
    const requests: string[] = [];
    const context = await browser.newContext({ viewport: VIEWPORT, offline: true });
    const opened = await context.newPage();
    opened.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    opened.on('pageerror', (error) => complaints.push(error.message));
    opened.on('request', (request) => requests.push(request.url()));
    await opened.goto(pathToFileURL(page).href);
    await opened.waitForFunction('document.documentElement.dataset.drawn !== undefined');
    const drawn = await look(opened);
    if (values.screenshot !== undefined) await opened.screenshot({ path: values.screenshot, fullPage: true });

    assert.equal(await opened.evaluate('document.body.dataset.owned'), undefined, 'no text is live');
    assert.deepEqual(complaints, [], 'the browser has nothing to complain about');
    const fetched = requests.filter((url) => !url.startsWith('data:'));
    assert.deepEqual(fetched, [pathToFileURL(page).href], 'the page needs nothing but itself');
    assert.ok(drawn.length > 0, 'there are plots');
    assert.equal(await opened.evaluate('document.documentElement.dataset.drawn'), String(drawn.length));
    for (const { id, colours, width, height } of drawn) {
      assert.ok(width > 100 && height > 50, `${id} has a size`);
      assert.ok(colours > 5, `${id} is drawn: ${colours} colours`);
    }
    console.log(`${drawn.length} plots are drawn, nothing is fetched, no complaint (${browser.version()})`);
  } finally {
    await browser.close();
  }
}

try {
  makePage();
  await check();
  markPage();
  await check();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
