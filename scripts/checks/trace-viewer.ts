/**
 * A trace of `kaio trace` in Chrome's own viewer, the one of chrome://tracing: it is imported without a warning, everything is there, and
 * it is drawn.
 *
 *     npm run check:trace -- [--screenshot FILE]
 *
 * The browser is Debian's `chromium`, or the one that CHROMIUM names; the viewer comes with Go's sources (`golang-src`), which bring it along
 * for traces of their own.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { packageRoot } from '../package-root.ts';

const BROWSER = process.env.CHROMIUM ?? '/usr/bin/chromium';
const VIEWPORT = { width: 1300, height: 700 };
const SOURCES = '/usr/share';
const STATIC = 'src/cmd/trace/static';
const READS = 64;
const ROUNDS = 20;

const { values } = parseArgs({ options: { screenshot: { type: 'string' } } });
const dist = join(packageRoot(), 'dist/src');
const directory = mkdtempSync(join(tmpdir(), 'kaio-trace-'));

/** Two threads, batches, writes by the thread pool, and contexts that nobody closes. */
const PROGRAM = `
import { alignedBuffer, open } from '${pathToFileURL(join(dist, 'index.js')).href}';
import { isMainThread, Worker } from 'node:worker_threads';
import { setTimeout } from 'node:timers/promises';
const file = await open(process.argv[2] + (isMainThread ? 'main' : 'worker'), 'w+', 0o666, { direct: 'prefer' });
await file.write(alignedBuffer(${READS} * 4096), { position: 0 });
const worker = isMainThread ? new Worker(new URL(import.meta.url), { argv: [process.argv[2]] }) : undefined;
for (let round = 0; round < ${ROUNDS}; round++) {
  await Promise.all(Array.from({ length: ${READS} }, (_, at) => file.read(alignedBuffer(4096), { position: at * 4096 })));
  await file.sync();
  await setTimeout(10);
}
await file.close();
if (worker !== undefined) await new Promise((resolve) => worker.on('exit', resolve));
`;

const PAGE = `<!doctype html>
<script src="/webcomponents.min.js"></script>
<link rel="import" href="/trace_viewer_full.html">
<style>html, body { margin: 0; height: 100% } body, tr-ui-timeline-view { display: flex; flex: 1 1 auto; min-width: 0 }</style>
<body></body>`;

/** What the viewer has found in a trace. */
interface Found {
  readonly warnings: readonly string[];
  readonly counters: Readonly<Record<string, number>>;
  readonly threads: Readonly<Record<string, { readonly slices: number; readonly contexts: number }>>;
}

function viewerFolder(): string {
  const folders = readdirSync(SOURCES).filter((name) => name.startsWith('go-'));
  const found = folders.map((name) => join(SOURCES, name, STATIC)).find((path) => existsSync(path));
  if (found === undefined) throw new Error("there is no viewer: install Debian's golang-src");
  return found;
}

function traced(): string {
  const program = join(directory, 'program.mjs');
  const output = join(directory, 'trace.json');
  writeFileSync(program, PROGRAM);
  const command = [join(dist, 'command/kaio.js'), 'trace', '-o', output, '--', process.execPath, program];
  const { status } = spawnSync(process.execPath, [...command, join(directory, 'file-')], {
    stdio: 'inherit',
  });
  assert.equal(status, 0, 'the program has ended well');
  return readFileSync(output, 'utf8');
}

/** Runs in the browser, whose types are not those of this program. */
const IMPORT = `async (text) => {
  const model = new tr.Model();
  await new tr.importer.Import(model).importTracesWithProgressDialog([text]);
  const view = document.createElement('tr-ui-timeline-view');
  const container = document.createElement('track-view-container');
  container.id = 'track_view_container';
  view.track_view_container = container;
  Polymer.dom(view).appendChild(container);
  document.body.appendChild(view);
  view.viewTitle = 'kaio';
  view.model = model;
  const [process] = Object.values(model.processes);
  const threads = Object.values(process.threads).map(({ name, sliceGroup, asyncSliceGroup }) => [
    name,
    { slices: sliceGroup.length, contexts: asyncSliceGroup.slices.length },
  ]);
  return {
    warnings: model.importWarnings.map(({ message }) => message),
    counters: Object.fromEntries(Object.values(process.counters).map(({ name, numSamples }) => [name, numSamples])),
    threads: Object.fromEntries(threads),
  };
}`;

async function viewed(trace: string, folder: string): Promise<Found> {
  const server = createServer((request, response) => {
    const name = /^\/(\w[\w.]*)$/.exec(request.url ?? '')?.[1];
    const isThere = name !== undefined && existsSync(join(folder, name));
    response.statusCode = isThere || request.url === '/' ? 200 : 404;
    response.setHeader('content-type', name?.endsWith('.js') ? 'text/javascript' : 'text/html');
    response.end(isThere ? readFileSync(join(folder, name)) : PAGE);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const browser = await chromium.launch({ executablePath: BROWSER, args: ['--no-sandbox'] });
  try {
    const opened = await browser.newPage({ viewport: VIEWPORT });
    await opened.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await opened.waitForFunction(
      'globalThis.tr?.Model !== undefined && document.createElement("tr-ui-timeline-view").constructor !== HTMLElement',
      undefined,
      { timeout: 30_000 },
    );
    const found = await opened.evaluate<Found>(`(${IMPORT})(${JSON.stringify(trace)})`);
    await opened.waitForTimeout(1000);
    if (values.screenshot !== undefined) await opened.screenshot({ path: values.screenshot });
    console.log(`Chrome's viewer, ${browser.version()}:`, found);
    return found;
  } finally {
    await browser.close();
    server.close();
  }
}

try {
  const { warnings, counters, threads } = await viewed(traced(), viewerFolder());
  assert.deepEqual(warnings, [], 'the viewer has nothing to complain about');
  assert.deepEqual(Object.keys(threads).sort(), ['main', 'worker 1']);
  for (const [index, [name, { slices, contexts }]] of Object.entries(threads).sort().entries()) {
    assert.ok(slices >= ROUNDS, `${name} has its batches: ${slices}`);
    assert.ok(contexts >= 1, `${name} has its context`);
    assert.ok(counters[`requests in flight (thread ${index})`]! >= READS, `${name} has requests in flight`);
    assert.ok(counters[`loop delay, ms (thread ${index})`]! >= 1, `${name} has the delay of its loop`);
  }
} finally {
  rmSync(directory, { recursive: true });
}
