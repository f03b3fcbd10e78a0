/** Random reads past the page cache, many at once: how many a second, and how late a timer is beside them. */
import { closeSync, constants, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { alignedBuffer, open } from '../../src/index.ts';
import { isUnavailable, type Way } from './ways.ts';

const BLOCK_BYTES = 4096;
const FILE_BYTES = 128 << 20;
const CHUNK_BYTES = 1 << 20;
const DEPTH = 32;
const ROUNDS = 3;
const ROUND_MS = 700;
const WARM_UP_MS = 300;
const BAR_CELLS = 40;

interface Reader {
  /** Whether it goes past the page cache. */
  readonly direct: boolean;
  read(block: Buffer, position: number): Promise<unknown>;
  close(): Promise<void>;
}

interface Row {
  readonly name: string;
  /** Of each round. */
  readonly readsPerSecond: number[];
  readonly longestMs: number[];
  readonly direct: boolean;
}

/** Each block begins with its own position: what comes back can be told from what was asked for. */
function makeFile(path: string): void {
  const fd = openSync(path, 'wx');
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    for (let position = 0; position < FILE_BYTES; position += CHUNK_BYTES) {
      for (let at = 0; at < CHUNK_BYTES; at += BLOCK_BYTES) chunk.writeDoubleLE(position + at, at);
      writeSync(fd, chunk, 0, CHUNK_BYTES, position);
    }
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

async function readerOf({ backend }: Way, path: string): Promise<Reader> {
  if (backend !== undefined) {
    const file = await open(path, 'r', 0o666, { backend, direct: 'prefer' });
    return {
      direct: file.direct,
      read: (block, position) => file.read(block, 0, BLOCK_BYTES, position),
      close: () => file.close(),
    };
  }
  // Not every host has O_DIRECT, nor every file system.
  const flag = (constants as { O_DIRECT?: number }).O_DIRECT ?? 0;
  let direct = flag !== 0;
  const handle = await openHandle(path, constants.O_RDONLY | flag).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EINVAL') throw error;
    direct = false;
    return openHandle(path, constants.O_RDONLY);
  });
  return {
    direct,
    read: (block, position) => handle.read(block, 0, BLOCK_BYTES, position),
    close: () => handle.close(),
  };
}

/** @throws Error when a block is another one than was asked for. */
async function readFor(ms: number, reader: Reader, blocks: readonly Buffer[]): Promise<number> {
  const begun = performance.now();
  let reads = 0;
  const lane = async (block: Buffer): Promise<void> => {
    while (performance.now() - begun < ms) {
      const position = Math.floor((Math.random() * FILE_BYTES) / BLOCK_BYTES) * BLOCK_BYTES;
      await reader.read(block, position);
      if (block.readDoubleLE(0) !== position) throw new Error(`the block at ${position} is another one`);
      reads++;
    }
  };
  await Promise.all(blocks.map(lane));
  return (reads * 1000) / (performance.now() - begun);
}

async function round(way: Way, path: string, row: Row): Promise<Row> {
  const reader = await readerOf(way, path);
  const blocks = Array.from({ length: DEPTH }, () => alignedBuffer(BLOCK_BYTES));
  try {
    await readFor(WARM_UP_MS, reader, blocks);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    row.readsPerSecond.push(await readFor(ROUND_MS, reader, blocks));
    delay.disable();
    row.longestMs.push(delay.max / 1e6);
  } finally {
    await reader.close();
  }
  return { ...row, direct: reader.direct };
}

const median = (values: readonly number[]): number =>
  [...values].sort((one, other) => one - other)[values.length >> 1]!;

/** Prints a line for each way, the ways in turns so that all of them meet the same disk. */
export async function showReads(directory: string, ways: readonly Way[]): Promise<void> {
  const path = join(directory, 'blocks');
  makeFile(path);
  const rows = new Map<Way, Row>();
  const missing = new Map<Way, string>();
  for (let turn = 0; turn < ROUNDS; turn++) {
    for (const way of ways) {
      if (missing.has(way)) continue;
      const row = rows.get(way) ?? { name: way.name, readsPerSecond: [], longestMs: [], direct: false };
      try {
        rows.set(way, await round(way, path, row));
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        missing.set(way, error.message);
      }
    }
  }
  const most = Math.max(...[...rows.values()].map((row) => median(row.readsPerSecond)));
  console.log(`Random reads of 4 KiB past the page cache, ${DEPTH} at once, median of ${ROUNDS} rounds:`);
  for (const way of ways) {
    const row = rows.get(way);
    if (row === undefined) {
      console.log(`  ${way.name.padEnd(14)} ${missing.get(way)}`);
      continue;
    }
    const rate = median(row.readsPerSecond);
    const bar = '█'.repeat(Math.max(1, Math.round((rate / most) * BAR_CELLS))).padEnd(BAR_CELLS);
    const late = `timer of 1 ms at most ${median(row.longestMs).toFixed(1)} ms late`;
    const note = row.direct ? '' : '  (no direct reads here: through the page cache)';
    console.log(
      `  ${way.name.padEnd(14)} ${Math.round(rate).toString().padStart(7)} /s  ${bar}  ${late}${note}`,
    );
  }
}
