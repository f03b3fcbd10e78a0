/**
 * Many contexts, then many requests on one, then many files: contexts, descriptors and memory must end where they began.
 *
 * `npm run soak -- --contexts 1000 --requests 1000000 --files 100000`
 */
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  AioContext,
  type AioKernel,
  AioStateError,
  type BackendPreference,
  open,
  selectKernel,
} from '../../src/index.ts';
import { ownContexts } from '../../test/support/own-contexts.ts';

const { values } = parseArgs({
  options: {
    contexts: { type: 'string', default: '1000' },
    requests: { type: 'string', default: '1000000' },
    files: { type: 'string', default: '100000' },
  },
});
const contexts = Number(values.contexts);
const requests = Number(values.requests);
const files = Number(values.files);
const DEPTH = 128;
const FILE_BYTES = 64 * 1024;
const BLOCK_BYTES = 512;
/** What the heap may keep of warm-up: compiled code, pools, freed pages the allocator holds on to. */
const RSS_SLACK_BYTES = 48 * 1024 * 1024;
const SETTLE_MS = 60_000;
const SETTLE_STEP_MS = 50;

interface Footprint {
  /** Rings of this process; on the emulation, which has its own, `aio-nr`. */
  readonly contexts: number;
  readonly descriptors: number;
  readonly rss: number;
}

function footprint(kernel: AioKernel): Footprint {
  globalThis.gc?.();
  return {
    contexts: kernel.name === 'native' ? ownContexts() : kernel.limits.aio_nr(),
    descriptors: existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0,
    rss: process.memoryUsage.rss(),
  };
}

/**
 * The footprint once there are no more contexts and descriptors than before: the last contexts are destroyed in the background, and threads
 * that were there before may have ended for want of work, with descriptors of their own.
 */
async function settled(kernel: AioKernel, before: Footprint): Promise<Footprint> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const now = footprint(kernel);
    if (now.contexts <= before.contexts && now.descriptors <= before.descriptors) return now;
    if (performance.now() > deadline) return now;
    await sleep(SETTLE_STEP_MS);
  }
}

async function manyContexts(kernel: AioKernel, count: number): Promise<void> {
  const AT_ONCE = 8;
  for (let opened = 0; opened < count; opened += AT_ONCE) {
    const some = Array.from(
      { length: Math.min(AT_ONCE, count - opened) },
      () => new AioContext({ kernel, queueDepth: 8 }),
    );
    await Promise.all(some.map((context) => context.close()));
  }
}

async function manyRequests(kernel: AioKernel, fd: number, count: number): Promise<void> {
  await using context = new AioContext({ kernel, queueDepth: DEPTH });
  let left = count;
  const lane = async (): Promise<void> => {
    const view = new Uint8Array(BLOCK_BYTES);
    while (left > 0) {
      const block = left-- % (FILE_BYTES / BLOCK_BYTES);
      const bytes = await context.read(fd, view, block * BLOCK_BYTES);
      if (bytes !== BLOCK_BYTES || view[0] !== block % 256) throw new Error(`block ${block} came back wrong`);
    }
  };
  await Promise.all(Array.from({ length: DEPTH }, lane));
}

/** Files that come and go, all on the thread's shared context. */
async function manyFiles(backend: BackendPreference, count: number): Promise<void> {
  const view = new Uint8Array(BLOCK_BYTES);
  for (let index = 0; index < count; index++) {
    const file = await open(path, 'r', 0, { backend });
    if (index % 100 === 0) await file.read(view, 0, BLOCK_BYTES, 0);
    await file.close();
  }
}

function compare(what: string, before: Footprint, after: Footprint): boolean {
  const grown = after.rss - before.rss;
  const good =
    after.contexts <= before.contexts && after.descriptors <= before.descriptors && grown < RSS_SLACK_BYTES;
  console.log(
    `${good ? 'ok  ' : 'FAIL'} ${what}: contexts ${before.contexts} -> ${after.contexts}, descriptors ${before.descriptors} -> ` +
      `${after.descriptors}, RSS ${(before.rss / 1e6).toFixed(0)} -> ${(after.rss / 1e6).toFixed(0)} MB`,
  );
  return good;
}

async function soak(backend: BackendPreference, fd: number): Promise<boolean> {
  const { kernel } = selectKernel({ backend });
  await manyContexts(kernel, 16);
  await manyRequests(kernel, fd, 20_000);
  let before = footprint(kernel);
  await manyContexts(kernel, contexts);
  const contextsGood = compare(`${backend}: ${contexts} contexts`, before, await settled(kernel, before));
  before = footprint(kernel);
  await manyRequests(kernel, fd, requests);
  const requestsGood = compare(`${backend}: ${requests} requests`, before, await settled(kernel, before));
  before = footprint(kernel);
  await manyFiles(backend, files);
  const filesGood = compare(`${backend}: ${files} files`, before, await settled(kernel, before));
  return contextsGood && requestsGood && filesGood;
}

const directory = mkdtempSync(join(tmpdir(), 'kaio-soak-'));
const path = join(directory, 'file');
writeFileSync(
  path,
  Uint8Array.from({ length: FILE_BYTES }, (_, index) => Math.floor(index / BLOCK_BYTES)),
);
const fd = openSync(path, 'r');
try {
  for (const backend of ['native', 'emulated'] as const) {
    try {
      if (!(await soak(backend, fd))) process.exitCode = 1;
    } catch (error) {
      if (!(error instanceof AioStateError) || error.code !== 'ERR_AIO_BACKEND_UNAVAILABLE') throw error;
      console.log(`skip ${backend}: ${error.message}`);
    }
  }
} finally {
  closeSync(fd);
  rmSync(directory, { recursive: true, force: true });
}
