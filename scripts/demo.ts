/** `npm run demo`: a real file through each backend and through fs.promises, compared byte for byte. */
import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { copyFile } from '../src/cli/copy.ts';
import { AioContext, AioStateError, type BackendPreference, selectKernel } from '../src/index.ts';

const BLOCK_BYTES = 1 << 20;
const QUEUE_DEPTH = 32;

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: BLOCK_BYTES }), hash);
  return hash.digest('hex');
}

async function throughAio(backend: BackendPreference, source: string, destination: string): Promise<void> {
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

async function main(): Promise<void> {
  const source = process.execPath;
  const { size } = await stat(source);
  const expected = await sha256(source);
  const directory = mkdtempSync(join(tmpdir(), 'kaio-demo-'));
  console.log(
    `copying ${source}, ${size} bytes, in blocks of 1 MiB, ${QUEUE_DEPTH} at once, with fdatasync at the end`,
  );
  const ways: readonly (readonly [string, (destination: string) => Promise<void>])[] = [
    ['native', (destination) => throughAio('native', source, destination)],
    ['emulated', (destination) => throughAio('emulated', source, destination)],
    ['fs.promises', (destination) => throughPromises(source, destination)],
  ];
  try {
    for (const [name, copy] of ways) {
      const destination = join(directory, name);
      const started = performance.now();
      try {
        await copy(destination);
      } catch (error) {
        if (!(error instanceof AioStateError) || error.code !== 'ERR_AIO_BACKEND_UNAVAILABLE') throw error;
        console.log(`${name.padEnd(12)} ${error.message}`);
        continue;
      }
      const seconds = (performance.now() - started) / 1000;
      const actual = await sha256(destination);
      const verdict = actual === expected ? 'same as the source' : 'DIFFERENT';
      console.log(
        `${name.padEnd(12)} ${(size / 1e6 / seconds).toFixed(0).padStart(5)} MB/s  sha256 ${actual}  ${verdict}`,
      );
      if (actual !== expected) process.exitCode = 1;
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

await main();
