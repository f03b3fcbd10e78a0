/** Short transfers, many at once: through a thread of their own, with everything that holds for others. */
import fs, { closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { providePins } from '../../../src/common/memory/pins.ts';
import { EmulatedKernel, type EmulatedKernelOptions } from '../../../src/emulated/emulated-kernel.ts';
import { learnHostHandles } from '../../../src/emulated/files/host-handles.ts';
import { makeTransferThreadsWith } from '../../../src/emulated/workqueue/shared-transfer-thread.ts';
import { nativePins } from '../../../src/native/pins.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-short-'));
const BLOCK = 1024;
const BLOCKS = 256;
const DEPTH = 32;
const NOTHING = new Uint8Array(0);
/** No machine is as busy as that: the thread finds nothing slow, and does not end. */
const NEVER_MS = Number.POSITIVE_INFINITY;
let files = 0;

function fileOf(content: Uint8Array): string {
  const path = join(directory, `${files++}`);
  writeFileSync(path, content);
  return path;
}

const numbered = (first = 0): Buffer =>
  Buffer.from(Array.from({ length: BLOCKS * BLOCK }, (_, index) => (index / BLOCK + first) & 255));

/** How many operations node:fs gave to its pool while `body` ran. */
async function pooled(body: () => Promise<void>): Promise<number> {
  const { read, write } = fs;
  let calls = 0;
  const counted =
    (original: (...args: never[]) => void) =>
    (...args: never[]) => {
      calls++;
      original(...args);
    };
  Object.assign(fs, { read: counted(read as never), write: counted(write as never) });
  syncBuiltinESMExports();
  try {
    await body();
  } finally {
    Object.assign(fs, { read, write });
    syncBuiltinESMExports();
  }
  return calls;
}

async function withContext(
  body: (context: AioContext, kernel: EmulatedKernel) => Promise<void>,
  options?: EmulatedKernelOptions,
): Promise<void> {
  const kernel = new EmulatedKernel(options);
  await using context = new AioContext({ kernel, queueDepth: 256 });
  await body(context, kernel);
}

/** Reads blocks, `DEPTH` at a time, each of which has to be what its number says. */
async function readBlocks(
  context: AioContext,
  file: number | { fd: number },
  count: number,
  first = 0,
): Promise<void> {
  await Promise.all(
    Array.from({ length: DEPTH }, async (_, turn) => {
      for (let index = turn; index < count; index += DEPTH) {
        const block = (index * 7) % BLOCKS;
        const bytes = new Uint8Array(BLOCK);
        expect(await context.read(file as number, bytes, block * BLOCK)).toBe(BLOCK);
        if (bytes.some((byte) => byte !== ((block + first) & 255)))
          throw new Error(`block ${block} has ${bytes[0]}`);
      }
    }),
  );
}

/** Until the thread has come: it stays, and takes all that are not the first of many. */
async function warmUp(context: AioContext): Promise<void> {
  const fd = openSync(fileOf(numbered()), 'r');
  while ((await pooled(() => readBlocks(context, fd, 512))) > 256);
  closeSync(fd);
}

/** Reads `fd`, a block for each buffer. @returns Counts, or codes of errors. */
async function outcomesOf(
  context: AioContext,
  fd: number,
  buffers: readonly Uint8Array[],
  meanwhile: () => void,
): Promise<(number | string)[]> {
  const outcomes = buffers.map((bytes, index) =>
    context.read(fd, bytes, index * BLOCK).then(
      (count) => count,
      (error: { code: string }) => error.code,
    ),
  );
  await begun(context);
  meanwhile();
  return Promise.all(outcomes);
}

const emptyBlocks = (): Uint8Array[] => Array.from({ length: DEPTH }, () => new Uint8Array(BLOCK));

/** Until what was asked for is with the kernel: in the same tick, unless this turn of the loop has had its share of work. */
async function begun(context: AioContext): Promise<void> {
  do await new Promise((resolve) => process.nextTick(resolve));
  while (context.queued > 0 && (await new Promise((resolve) => setImmediate(resolve, true))));
}

beforeAll(async () => {
  makeTransferThreadsWith({ slowMs: NEVER_MS, stuckMs: 2 ** 31 - 1, idleMs: NEVER_MS, lookoutMs: NEVER_MS });
  providePins(nativePins);
  await learnHostHandles();
});

const give = (bytes: Uint8Array): Uint8Array =>
  structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });

describe('short transfers, many at once', () => {
  it('hardly come to the pool', () =>
    withContext(async (context) => {
      await warmUp(context);
      const handle = await open(fileOf(numbered(5)), 'r');
      expect(await pooled(() => readBlocks(context, handle, 1000, 5))).toBeLessThan(200);
      await handle.close();
    }));

  it('that are awaited one by one hardly do so while the thread is awake', () =>
    withContext(async (context) => {
      await warmUp(context);
      const handle = await open(fileOf(numbered(3)), 'r+');
      const bytes = new Uint8Array(BLOCK);
      const calls = await pooled(async () => {
        for (let block = 0; block < 3000; block++) {
          expect(await context.read(handle, bytes, (block % BLOCKS) * BLOCK)).toBe(BLOCK);
          if (bytes.some((byte) => byte !== ((block + 3) & 255))) throw new Error(`block ${block}`);
          expect(await context.write(handle, bytes, (block % BLOCKS) * BLOCK)).toBe(BLOCK);
        }
      });
      // How long it stays awake hangs on the machine: where it sleeps each time, eight go to it before each rest.
      expect(calls).toBeLessThan(6000);
      await handle.close();
    }));

  it('all come to the pool where the thread is not wanted', () =>
    withContext(
      async (context) => {
        const fd = openSync(fileOf(numbered()), 'r');
        expect(await pooled(() => readBlocks(context, fd, 2000))).toBe(2000);
        closeSync(fd);
      },
      { transferThread: false },
    ));

  it('write what a model has, whoever serves them', () =>
    withContext(async (context) => {
      await warmUp(context);
      const path = fileOf(numbered());
      const model = numbered();
      const handle = await open(path, 'r+');
      for (let round = 0; round < 100; round++) {
        const writes = Array.from({ length: DEPTH }, (_, index) => {
          const position = ((index * 8 + (round % 8)) % BLOCKS) * BLOCK + (round % 100);
          const bytes = new Uint8Array(1 + ((round * 31 + index) % (BLOCK - 100))).fill(round ^ index);
          model.set(bytes, position);
          return { bytes, length: bytes.length, written: context.write(handle, bytes, position) };
        });
        await begun(context);
        // What is short was copied: its owner may do with it what he likes.
        for (const { bytes } of writes) give(bytes).fill(255);
        for (const { length, written } of writes) expect(await written).toBe(length);
      }
      await context.fdatasync(handle);
      await handle.close();
      expect(readFileSync(path).equals(model)).toBe(true);
    }));

  it('of a descriptor that comes to mean another file give nothing of that', () =>
    withContext(async (context) => {
      await warmUp(context);
      const mine = fileOf(new Uint8Array(BLOCKS * BLOCK).fill(1));
      const other = fileOf(new Uint8Array(BLOCKS * BLOCK).fill(2));
      let lost = 0;
      for (let round = 0; round < 100; round++) {
        const fd = openSync(mine, 'r');
        const buffers = emptyBlocks();
        let another = -1;
        const outcomes = await outcomesOf(context, fd, buffers, () => {
          closeSync(fd);
          another = openSync(other, 'r');
        });
        closeSync(another);
        // A thread of somebody else's may have been quicker to open a file, or may have closed one.
        if (another !== fd) continue;
        for (const [index, outcome] of outcomes.entries()) {
          const { 0: byte } = buffers[index]!;
          if (outcome === 'EBADF') lost++;
          expect([outcome, byte]).toEqual(outcome === 'EBADF' ? ['EBADF', 0] : [BLOCK, 1]);
        }
      }
      expect(lost).toBeGreaterThan(0);
    }));

  it('of a FileHandle that is closed meanwhile end first', () =>
    withContext(async (context) => {
      await warmUp(context);
      for (let round = 0; round < 50; round++) {
        const handle = await open(fileOf(numbered()), 'r');
        const reading = readBlocks(context, handle, DEPTH);
        await begun(context);
        const closing = handle.close();
        await reading;
        await closing;
        expect(handle.fd).toBe(-1);
      }
    }));

  it('into memory that is given away meanwhile fail, alone', () =>
    withContext(async (context) => {
      await warmUp(context);
      const fd = openSync(fileOf(new Uint8Array(BLOCKS * BLOCK).fill(1)), 'r');
      let failed = 0;
      for (let round = 0; round < 50; round++) {
        const buffers = emptyBlocks();
        let given: Uint8Array = NOTHING;
        const results = await outcomesOf(context, fd, buffers, () => {
          given = give(buffers[0]!);
        });
        if (results[0] !== BLOCK) failed++;
        expect(given.every((byte) => byte === 0)).toBe(results[0] !== BLOCK);
        expect(new Set(results.slice(1))).toEqual(new Set([BLOCK]));
      }
      expect(failed).toBeGreaterThan(0);
      closeSync(fd);
    }));

  it('behind the end of the file read nothing, and where they may not be are refused', () =>
    withContext(async (context) => {
      await warmUp(context);
      const path = fileOf(new Uint8Array(10));
      const fd = openSync(path, 'r');
      const counts = await Promise.all(
        Array.from({ length: DEPTH }, (_, index) => context.read(fd, new Uint8Array(BLOCK), index)),
      );
      expect(counts).toEqual(Array.from({ length: DEPTH }, (_, index) => Math.max(0, 10 - index)));
      closeSync(fd);
    }));
});
