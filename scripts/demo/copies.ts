/** A real file through each backend and through fs.promises, compared byte for byte. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { copyFile } from '../../src/cli/copy.ts';
import { AioContext, selectKernel } from '../../src/index.ts';
import { isUnavailable, type Way } from './ways.ts';

const BLOCK_BYTES = 1 << 20;
const QUEUE_DEPTH = 32;

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: BLOCK_BYTES }), hash);
  return hash.digest('hex');
}

async function throughAio(
  backend: 'native' | 'emulated',
  source: string,
  destination: string,
): Promise<void> {
  await using context = new AioContext({ kernel: selectKernel({ backend }).kernel, queueDepth: QUEUE_DEPTH });
  await copyFile(source, destination, {
    context,
    queueDepth: QUEUE_DEPTH,
    blockBytes: BLOCK_BYTES,
    direct: false,
  });
}

/** The same blocks at the same depth by fs.promises. */
async function throughPromises(source: string, destination: string): Promise<void> {
  const { size } = await stat(source);
  const from: FileHandle = await open(source, 'r');
  const to: FileHandle = await open(destination, 'w');
  let next = 0;
  const lane = async (): Promise<void> => {
    const block = new Uint8Array(BLOCK_BYTES);
    while (next < size) {
      const position = next;
      next += BLOCK_BYTES;
      const { bytesRead } = await from.read(block, 0, BLOCK_BYTES, position);
      await to.write(block, 0, bytesRead, position);
    }
  };
  try {
    await Promise.all(Array.from({ length: QUEUE_DEPTH }, lane));
    await to.datasync();
  } finally {
    await from.close();
    await to.close();
  }
}

/** @returns Whether every copy has the bytes of the source. */
export async function showCopies(directory: string, ways: readonly Way[]): Promise<boolean> {
  const source = process.execPath;
  const { size } = await stat(source);
  const expected = await sha256(source);
  console.log(`Copies of ${source} (${size} bytes), blocks of 1 MiB, ${QUEUE_DEPTH} at once, fdatasync:`);
  let right = true;
  for (const { name, backend } of ways) {
    const destination = join(directory, `copy-${backend ?? 'promises'}`);
    const started = performance.now();
    try {
      if (backend === undefined) await throughPromises(source, destination);
      else await throughAio(backend, source, destination);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      console.log(`  ${name.padEnd(14)} ${error.message}`);
      continue;
    }
    const seconds = (performance.now() - started) / 1000;
    const actual = await sha256(destination);
    if (actual !== expected) right = false;
    const verdict = actual === expected ? 'every byte right' : `DIFFERENT: ${actual}`;
    console.log(`  ${name.padEnd(14)} ${(size / 1e6 / seconds).toFixed(0).padStart(7)} MB/s  ${verdict}`);
  }
  return right;
}
