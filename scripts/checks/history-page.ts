/**
 * The page of a simulated history in a real browser: everything is drawn, in the colours that it should have, and answers to buttons and
 * the pointer; nothing is fetched, nothing is complained about, and no name or note of the program comes to life.
 *
 *     npm run check:history-page -- [--screenshot FILE] [--operations COUNT]
 *
 * The browser is Debian's `chromium`, or the one that CHROMIUM names.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { AioContext, open } from '../../src/index.ts';
import { type Simulation, simulate } from '../../src/emulated/index.ts';
import type { Page } from 'playwright-core';
import { checkPage, MARKUP } from './browser.ts';

const { values } = parseArgs({
  options: { screenshot: { type: 'string' }, operations: { type: 'string', default: '10000' } },
});
const directory = mkdtempSync(join(tmpdir(), 'kaio-history-'));
const path = join(directory, 'history.html');
/** No name may have a slash. */
const NAME = MARKUP.replaceAll('/', '\u2215');

/** Some of everything that a page can show. */
async function live(simulation: Simulation, operations: number): Promise<Simulation> {
  const context = new AioContext({ kernel: simulation.kernel });
  await using log = await open('/log', 'w+', 0o666, { context });
  await using other = await open(`/${NAME}`, 'w', 0o666, { context });
  simulation.note(`begins: ${MARKUP}`);
  for (let done = 0; done < operations; done += 6) {
    await Promise.all([
      log.write(Buffer.alloc(2000, 'a'), 0, 2000, done * 2000),
      other.write(Buffer.alloc(2000, 'b'), 0, 2000, done * 2000),
      log.read(Buffer.alloc(10), 0, 10, 0),
    ]);
    if (done === 6) await other.sync().catch(() => {});
    if (done % 24 === 0) await log.datasync().catch(() => {});
    if (done % 120 === 0) simulation.note(`acknowledged ${done}`);
  }
  await simulation.fs.promises.rename('/log', '/log.old');
  await Promise.all(
    Array.from({ length: 8 }, (_, index) => log.write(Buffer.alloc(3000, 'c'), 0, 3000, index * 3000)),
  );
  await other.write(Buffer.alloc(3000, 'd'), 0, 3000, 0);
  const last = other.write(Buffer.alloc(1000), 0, 1000, 5000);
  await simulation.sleep(0.001);
  const after = simulation.crash();
  await last.catch(() => {});
  return after;
}

/** What the plot shows, read out of Chart.js. */
interface Shown {
  readonly labels: readonly string[];
  readonly min: number;
  readonly max: number;
  readonly lanes: number;
}

function shownOn(opened: Page): Promise<Shown> {
  return opened.evaluate<Shown>(`(() => {
    const { data, scales: { x }, config } = Chart.getChart('plot');
    return { labels: data.datasets.map(({ label }) => label), min: x.min, max: x.max, lanes: config.data.labels.length };
  })()`);
}

async function look(opened: Page): Promise<void> {
  const first = await shownOn(opened);
  for (const label of ['durable', 'sync', 'read', 'other calls', 'notes', 'torn', 'lost', 'kept by luck'])
    assert.ok(
      first.labels.includes(label),
      `there are bars of the kind '${label}': ${first.labels.join(', ')}`,
    );
  // Several at once of the log, and of the other file.
  assert.ok(first.lanes > 8, `${first.lanes} lanes`);
  await opened.click('button[data-view="whole"]');
  const whole = await shownOn(opened);
  assert.ok(
    whole.min <= first.min && whole.max >= first.max,
    'all of it is at least what was there at first',
  );
  await opened.click('button[data-view="closer"]');
  const closer = await shownOn(opened);
  assert.ok(closer.max - closer.min < 0.8 * (whole.max - whole.min), 'closer shows less');
  await opened.click('button[data-from]');
  const crash = await shownOn(opened);
  assert.ok(
    crash.min > whole.min && crash.max < whole.max + 0.1,
    `the crash's button shows what came before it: ${JSON.stringify({ whole, crash })}`,
  );
  const before = await opened.screenshot();
  const plot = await opened.locator('#plot').boundingBox();
  const at = await opened.evaluate<{ x: number; y: number }>(`(() => {
    const chart = Chart.getChart('plot');
    const set = chart.data.datasets.findIndex(({ label }) => label === 'lost');
    const { x, y } = chart.getDatasetMeta(set).data.at(-1).getCenterPoint();
    return { x, y };
  })()`);
  await opened.mouse.move(plot!.x + at.x, plot!.y + at.y);
  const tip = await opened.evaluate<string>(
    `Chart.getChart('plot').tooltip.body.flatMap(({ lines }) => lines.flat()).join(' ')`,
  );
  assert.match(tip, /#\d+ .*the crash: lost: #\d+ /, 'the pointer finds what a bar is');
  assert.notDeepEqual(await opened.screenshot(), before, 'and it is shown');
  await opened.mouse.move(plot!.x + plot!.width / 2, plot!.y + plot!.height / 2);
  await opened.mouse.down();
  await opened.mouse.move(plot!.x + plot!.width / 2 + 200, plot!.y + plot!.height / 2, { steps: 5 });
  await opened.mouse.up();
  const dragged = await shownOn(opened);
  assert.ok(dragged.min < crash.min, 'dragging moves it');
}

try {
  for (const operations of [48, Number(values.operations)]) {
    const simulation = simulate({ seed: 11, traceEntries: 40_000 });
    const after = await live(simulation, operations);
    const page = after.trace.html({ title: `A history ${MARKUP}`, failure: `a record is missing ${MARKUP}` });
    writeFileSync(path, page);
    const told = await checkPage(path, operations === 48 ? values.screenshot : undefined, look);
    console.log(`${operations} operations, ${Math.round(page.length / 1024)} KiB: ${told}`);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
