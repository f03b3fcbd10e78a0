/**
 * What reads do to the event loop: AioFile beside fs.promises, in turns, in one process.
 *
 * - The longest event-loop delay while 128 cold buffered reads of 64 KiB are outstanding.
 * - The median of `fs.stat` beside 128 outstanding direct reads of 256 KiB, against an idle loop.
 *
 *     npm run check:loop
 */
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { open as openHandle, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { alignedBuffer, open } from '../../src/index.ts';
import { openNativeKernel } from '../../src/native/index.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    directory: { type: 'string', default: tmpdir() },
  },
});
const rounds = Number(values.rounds);
const OUTSTANDING = 128;
const COLD_BYTES = 64 << 10;
const DIRECT_BYTES = 256 << 10;
const FILE_BYTES = 64 << 20;
const POSIX_FADV_DONTNEED = 4;
const STATS = 50;

interface Readable {
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<unknown>;
}

const directory = mkdtempSync(join(values.directory, 'kaio-loop-'));
const path = join(directory, 'file');

function makeFile(): void {
  const fd = openSync(path, 'w');
  const chunk = Buffer.alloc(1 << 20, 0x6b);
  for (let position = 0; position < FILE_BYTES; position += chunk.length)
    writeSync(fd, chunk, 0, chunk.length, position);
  closeSync(fd);
}

const { libc } = openNativeKernel();
const fadvise = libc.bind('posix_fadvise', 'int', 4);

/** Drops the file from the page cache. */
async function chill(): Promise<void> {
  const handle = await openHandle(path, 'r+');
  await handle.datasync();
  if (fadvise(handle.fd, 0, 0, POSIX_FADV_DONTNEED) !== 0)
    throw new Error('the page cache cannot be dropped');
  await handle.close();
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}

/** @returns The longest delay in milliseconds, and how long it all took. */
async function coldReads(file: Readable): Promise<{ delayMs: number; tookMs: number }> {
  await chill();
  const buffers = Array.from({ length: OUTSTANDING }, () => Buffer.alloc(COLD_BYTES));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await setTimeout(20);
  delay.reset();
  const started = performance.now();
  await Promise.all(
    // Spread, so that reading ahead does not serve them all at once.
    buffers.map((buffer, index) =>
      file.read(buffer, 0, COLD_BYTES, ((index * 37) % OUTSTANDING) * COLD_BYTES * 4),
    ),
  );
  const tookMs = performance.now() - started;
  await setTimeout(5);
  delay.disable();
  return { delayMs: delay.max / 1e6, tookMs };
}

async function statTimes(): Promise<number> {
  const times: number[] = [];
  for (let index = 0; index < STATS; index++) {
    const started = performance.now();
    await stat(path);
    times.push(performance.now() - started);
  }
  return median(times);
}

async function main(): Promise<void> {
  makeFile();
  const aio = await open(path, 'r', 0o666, { backend: 'native' });
  const handle = await openHandle(path, 'r');
  const delays = { kaio: [] as number[], fs: [] as number[] };
  const times = { kaio: [] as number[], fs: [] as number[] };
  // One of each first: what is compiled and allocated then counts for nobody.
  for (let round = -1; round < rounds; round++) {
    for (const [name, file] of [
      ['kaio', aio],
      ['fs', handle],
    ] as const) {
      const { delayMs, tookMs } = await coldReads(file);
      if (round < 0) continue;
      delays[name].push(delayMs);
      times[name].push(tookMs);
    }
  }
  const show = (numbers: readonly number[]): string =>
    `median ${median(numbers).toFixed(1)}, most ${Math.max(...numbers).toFixed(1)} ms`;
  console.log(
    `longest delay, ${OUTSTANDING} cold reads of 64 KiB: kaio ${show(delays.kaio)}; fs.promises ${show(delays.fs)}`,
  );
  console.log(`  ratio of medians ${(median(delays.kaio) / median(delays.fs)).toFixed(2)}`);
  console.log(`  they took: kaio ${show(times.kaio)}; fs.promises ${show(times.fs)}`);
  console.log(
    `  routes: ${JSON.stringify(aio.routes)}, thread pool: ${JSON.stringify(aio.context.stats.threadPool)}`,
  );
  await aio.close();
  await handle.close();

  const direct = await open(path, 'r', 0o666, { backend: 'native', direct: 'prefer' });
  console.log(`direct: ${direct.direct} (${direct.directReason})`);
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const idle = await statTimes();
    let stop = false;
    const buffers = Array.from({ length: OUTSTANDING }, () => alignedBuffer(DIRECT_BYTES));
    const lanes = buffers.map(async (buffer, index) => {
      for (let position = index * DIRECT_BYTES; !stop; position += OUTSTANDING * DIRECT_BYTES)
        await direct.read(buffer, 0, DIRECT_BYTES, position % FILE_BYTES);
    });
    await setTimeout(20);
    const busy = await statTimes();
    stop = true;
    await Promise.all(lanes);
    ratios.push(busy / idle);
  }
  console.log(
    `fs.stat beside ${OUTSTANDING} direct reads of 256 KiB: ${median(ratios).toFixed(2)} times the idle median`,
  );
  await direct.close();
}

try {
  await main();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
