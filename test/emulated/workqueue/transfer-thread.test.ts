/** The thread for short transfers: each is ended or returned, once, whatever becomes of the thread. */
import { closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERRNO } from '../../../src/common/abi/errno.ts';
import {
  BERTH_BYTES,
  type Making,
  type TransferOwner,
  TransferThread,
} from '../../../src/emulated/workqueue/transfer-thread.ts';
import type { transferWorker } from '../../../src/emulated/workqueue/worker-bodies.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-thread-'));
const BLOCK = 512;
/** A busy machine makes any transfer take long. */
const PATIENCE_MS = 60_000;

function fileOf(blocks: number): string {
  const path = join(directory, `${blocks}-blocks`);
  writeFileSync(
    path,
    Buffer.from(Array.from({ length: blocks * BLOCK }, (_, index) => (index / BLOCK) & 255)),
  );
  return path;
}

interface Job {
  readonly berth: number;
  readonly block: number;
}

/** Keeps account of what became of jobs. */
class Owner implements TransferOwner<Job> {
  readonly thread: TransferThread;
  readonly results: { job: Job; result: number; first: number | undefined }[] = [];
  readonly back: Job[] = [];
  /** What had come by the time that it was told. */
  readonly told: number[] = [];

  constructor(thread: TransferThread) {
    this.thread = thread;
  }

  landed(job: Job, result: number): void {
    this.results.push({ job, result, first: this.thread.bytes[job.berth * BERTH_BYTES] });
    this.thread.free(job.berth);
  }

  returned(job: Job): void {
    this.back.push(job);
    this.thread.free(job.berth);
  }

  drained(): void {
    this.told.push(this.results.length);
  }

  get count(): number {
    return this.results.length + this.back.length;
  }

  /** @returns Whether the thread took it. */
  read(fd: number, block: number): boolean {
    const berth = this.thread.take(false);
    if (berth < 0) return false;
    const job = { berth, block };
    this.thread.post(berth, this, job, false, fd, berth * BERTH_BYTES, BLOCK, block * BLOCK);
    return true;
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Starts a thread, and waits until it has a berth to give. */
async function started(
  making: Making = { slowMs: PATIENCE_MS, stuckMs: PATIENCE_MS },
): Promise<{ owner: Owner; hasEnded: () => boolean }> {
  let ended = false;
  const thread = new TransferThread(() => {
    ended = true;
  }, making);
  let berth = -1;
  await until(() => {
    berth = thread.take(true);
    return berth >= 0;
  });
  thread.free(berth);
  return { owner: new Owner(thread), hasEnded: () => ended };
}

describe('a transfer thread', () => {
  it('reads what it is asked for, however many and however often', async () => {
    const fd = openSync(fileOf(256), 'r');
    const { owner } = await started();
    let posted = 0;
    for (let round = 0; round < 50; round++) {
      for (let index = 0; index < 100; index++) if (owner.read(fd, (posted * 7) % 256)) posted++;
      await until(() => owner.count === posted);
    }
    expect(posted).toBe(5000);
    expect(owner.back).toEqual([]);
    for (const { job, result, first } of owner.results)
      expect({ result, first }).toEqual({ result: BLOCK, first: job.block });
    closeSync(fd);
  });

  it('gives no more berths than there are, and each again when it is free', async () => {
    const fd = openSync(fileOf(256), 'r');
    const { owner } = await started();
    let posted = 0;
    while (owner.read(fd, posted % 256)) posted++;
    expect(posted).toBe(128);
    await until(() => owner.count === posted);
    expect(owner.read(fd, 1)).toBe(true);
    await until(() => owner.count === posted + 1);
    closeSync(fd);
  });

  it('tells the error of a transfer, and goes on', async () => {
    const fd = openSync(fileOf(256), 'r');
    const { owner } = await started();
    owner.read(1_000_000, 0);
    owner.read(fd, 3);
    await until(() => owner.count === 2);
    expect(owner.results.map(({ result }) => result)).toEqual([-ERRNO.EBADF, BLOCK]);
    closeSync(fd);
  });

  it('writes', async () => {
    const path = join(directory, 'written');
    writeFileSync(path, '');
    const fd = openSync(path, 'r+');
    const { owner } = await started();
    const berth = owner.thread.take(true);
    const at = berth * BERTH_BYTES + 100;
    owner.thread.bytes.set(Buffer.from('kaio'), at);
    owner.thread.post(berth, owner, { berth, block: 0 }, true, fd, at, 4, 2);
    await until(() => owner.count === 1);
    expect(owner.results[0]!.result).toBe(4);
    expect(readFileSync(path, 'latin1')).toBe('\0\0kaio');
    closeSync(fd);
  });

  it('that finds all slow hands back what it has not begun, and rests', async () => {
    const fd = openSync(fileOf(256), 'r');
    const { owner } = await started({ slowMs: -1, stuckMs: PATIENCE_MS });
    let posted = 0;
    let refused = 0;
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 100; index++)
        if (owner.read(fd, index)) posted++;
        else refused++;
      await until(() => owner.count === posted);
    }
    expect(refused).toBeGreaterThan(1000);
    expect(owner.back.length).toBeGreaterThan(0);
    expect(new Set([...owner.back, ...owner.results.map(({ job }) => job)]).size).toBe(posted);
    for (const { job, first } of owner.results) expect(first).toBe(job.block);
    closeSync(fd);
  });

  it('that is stuck in a transfer hands back those behind it', async () => {
    const stuck: typeof transferWorker = (threads) => {
      const { QUAY, BERTH, BERTH_STATE, control } = threads.workerData;
      const quay = new Int32Array(control, 0, QUAY.WORDS);
      const words = new Int32Array(control, 4 * QUAY.WORDS);
      threads.parentPort!.postMessage(undefined);
      while (Atomics.load(quay, QUAY.POSTED) === 0);
      Atomics.compareExchange(words, BERTH.STATE, BERTH_STATE.POSTED, BERTH_STATE.RUNNING);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    };
    const { owner } = await started({ body: stuck });
    for (let index = 0; index < 10; index++) owner.read(0, index);
    await until(() => owner.back.length === 9);
    expect(owner.back.map(({ block }) => block)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(owner.results).toEqual([]);
    expect(owner.read(0, 10)).toBe(false);
  });

  it('that fails hands back what it has not ended', async () => {
    const failing: typeof transferWorker = (threads) => {
      const { QUAY, control } = threads.workerData;
      threads.parentPort!.postMessage(undefined);
      while (Atomics.load(new Int32Array(control, 0, QUAY.WORDS), QUAY.POSTED) === 0);
      throw new Error('there is no memory');
    };
    const { owner, hasEnded } = await started({ body: failing });
    for (let index = 0; index < 10; index++) owner.read(0, index);
    await until(hasEnded);
    expect(owner.back.length).toBe(10);
    expect(owner.read(0, 1)).toBe(false);
  });

  it('tells its owners when all that have ended have landed, and one that throws keeps no other from it', async () => {
    const fd = openSync(fileOf(256), 'r');
    const { owner } = await started();
    const other = new Owner(owner.thread);
    const thrown = new Promise((resolve) => process.once('uncaughtException', resolve));
    const listeners = process.listeners('uncaughtException').filter((listener) => listener.name !== '');
    for (const listener of listeners) process.off('uncaughtException', listener);
    owner.drained = () => {
      throw new Error('mine');
    };
    owner.read(fd, 1);
    other.read(fd, 2);
    expect(await thrown).toMatchObject({ message: 'mine' });
    for (const listener of listeners) process.on('uncaughtException', listener);
    await until(() => other.told.length > 0);
    expect(other.told[0]).toBe(1);
    closeSync(fd);
  });

  it('ends when it is idle', async () => {
    const { owner, hasEnded } = await started({});
    await until(hasEnded);
    expect(owner.read(0, 0)).toBe(false);
  }, 30_000);
});
