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
import type { TransferShare, transferWorker } from '../../../src/emulated/workqueue/worker-bodies.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-thread-'));
const BLOCK = 512;
/** Nothing is slow, and it looks at nothing by itself: what a busy machine does to it would be seen else. */
const NEVER_MS = Number.POSITIVE_INFINITY;
const UNWATCHED: Making = { slowMs: NEVER_MS, stuckMs: 2 ** 31 - 1, idleMs: NEVER_MS, lookoutMs: 0 };

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
  read(fd: number, block: number, writes = false): boolean {
    const berth = this.thread.take(writes);
    if (berth < 0) return false;
    const job = { berth, block };
    this.thread.post(berth, this, job, writes, fd, berth * BERTH_BYTES, BLOCK, block * BLOCK);
    return true;
  }

  write(fd: number, block: number): boolean {
    return this.read(fd, block, true);
  }

  get blocksBack(): number[] {
    return this.back.map(({ block }) => block);
  }

  /** Reads that the thread does not take, until it takes one. */
  refusals(block: number): number {
    for (let count = 0; count < 10_000; count++) if (this.read(0, block)) return count;
    return Number.POSITIVE_INFINITY;
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** A thread that has a berth to give. */
async function started(making: Making = UNWATCHED) {
  let end: { readonly failure: Error | undefined } | undefined;
  const thread = new TransferThread((failure) => {
    end = { failure };
  }, making);
  let berth = -1;
  await until(() => {
    berth = thread.take(true);
    return berth >= 0;
  });
  thread.free(berth);
  return { owner: new Owner(thread), ending: () => end };
}

/** What a puppet can be told to do, in the order of its steps. */
const STEPS = ['begin', 'end', 'slow', 'pass', 'passAll', 'tell', 'die'] as const;

/** Does with berths what it is told, a step at a time, by the last words of the memory. */
const puppet: typeof transferWorker = (threads) => {
  const { QUAY, BERTH, BERTH_STATE, control, memory, berths } = threads.workerData as TransferShare;
  const quay = new Int32Array(control, 0, QUAY.WORDS);
  const words = new Int32Array(control, 4 * QUAY.WORDS);
  const [DONE_STEPS, STEPS_TO_DO, STEP] = [0, 1, 2] as const;
  const strings = new Int32Array(memory, memory.byteLength - 16);
  let passed = 0;
  const word = (name: keyof typeof BERTH): number => (passed & (berths - 1)) * BERTH.WORDS + BERTH[name];
  const pass = (): void => {
    passed = (passed + 1) | 0;
    Atomics.store(quay, QUAY.PASSED, passed);
  };
  const steps = [
    function begin(): void {
      const { POSTED, RUNNING } = BERTH_STATE;
      if (Atomics.compareExchange(words, word('STATE'), POSTED, RUNNING) !== POSTED)
        throw new Error('nothing is there');
    },
    function end(): void {
      words[word('RESULT')] = 512;
      Atomics.store(words, word('STATE'), BERTH_STATE.DONE);
    },
    function slow(): void {
      Atomics.add(quay, QUAY.SLOW_READS, 1);
    },
    pass,
    function passAll(): void {
      while (Atomics.load(quay, QUAY.POSTED) !== passed) pass();
    },
    function tell(): void {
      if (Atomics.exchange(quay, QUAY.WAKING, 1) === 0) threads.parentPort!.postMessage(undefined);
    },
    function die(): void {
      throw new Error('there is no memory');
    },
  ];
  threads.parentPort!.postMessage(undefined);
  for (let done = 0; ; ) {
    Atomics.wait(strings, STEPS_TO_DO, done);
    steps[strings[STEP]!]!();
    Atomics.store(strings, DONE_STEPS, ++done);
  }
};

/** A thread that does what it is told. */
async function startedPuppet() {
  const { owner, ending } = await started({ ...UNWATCHED, body: puppet });
  const { buffer } = owner.thread.bytes;
  const strings = new Int32Array(buffer, buffer.byteLength - 16);
  let told = 0;
  const does = async (...names: (typeof STEPS)[number][]): Promise<void> => {
    for (const name of names) {
      strings[2] = STEPS.indexOf(name);
      Atomics.store(strings, 1, ++told);
      Atomics.notify(strings, 1);
      await until(() => Atomics.load(strings, 0) === told || ending() !== undefined);
    }
  };
  return { owner, ending, does };
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

  it.each([
    ['that is never looked for', 0],
    ['that is looked for until it is found', NEVER_MS],
    ['that is looked for in vain now and then', 0.004],
  ])('tells of the last of them, %s', async (_how, lookoutMs) => {
    const fd = openSync(fileOf(256), 'r');
    const { owner } = await started({ ...UNWATCHED, lookoutMs });
    let posted = 0;
    for (let round = 0; round < 600; round++) {
      for (let left = round % 6; left >= 0; left--) if (owner.read(fd, round % 256)) posted++;
      while (owner.count < posted) await new Promise(setImmediate);
    }
    expect(owner.results.length).toBe(posted);
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

  it('to which each is slow hardly gets any', async () => {
    const fd = openSync(fileOf(256), 'r');
    const { owner } = await started({ ...UNWATCHED, slowMs: -1 });
    let posted = 0;
    let refused = 0;
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 100; index++)
        if (owner.read(fd, index)) posted++;
        else refused++;
      await until(() => owner.count === posted);
    }
    // In whatever round it has some it finds them slow, and the rests are 64, 128, 256, 512 and 1024.
    expect(refused).toBeGreaterThan(1000);
    expect(new Set([...owner.back, ...owner.results.map(({ job }) => job)]).size).toBe(posted);
    for (const { job, first } of owner.results) expect(first).toBe(job.block);
    closeSync(fd);
  });

  it('that finds one slow hands back what it has not begun, and rests, longer each time', async () => {
    const { owner, does } = await startedPuppet();
    for (let index = 0; index < 10; index++) owner.read(0, index);
    await does('begin', 'end', 'slow', 'pass', 'tell');
    await until(() => owner.results.length === 1);
    expect(owner.blocksBack).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(owner.refusals(10)).toBe(64);
    for (let index = 1; index < 10; index++) await does('pass');
    await does('begin', 'end', 'slow', 'pass', 'tell');
    await until(() => owner.results.length === 2);
    expect(owner.results[1]!.job.block).toBe(10);
    expect(owner.refusals(11)).toBe(128);
  });

  it('that is stuck in a transfer hands back those behind it, and gets none until it is over', async () => {
    const { owner, does } = await startedPuppet();
    for (let index = 0; index < 10; index++) owner.read(0, index);
    await does('begin');
    owner.thread.look();
    expect(owner.back).toEqual([]);
    owner.thread.look();
    expect(owner.blocksBack).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (let looks = 0; looks < 10; looks++) owner.thread.look();
    expect(owner.results).toEqual([]);
    expect(owner.refusals(10)).toBe(Number.POSITIVE_INFINITY);
    await does('end', 'slow', 'pass', 'tell');
    await until(() => owner.results.length === 1);
    // One rest, however long it lasted and whichever way it was seen.
    expect(owner.refusals(10)).toBe(64);
    expect(owner.write(0, 11)).toBe(false);
    expect(owner.back.length).toBe(9);
  });

  it('that is stuck in the next tells of what it ended before', async () => {
    const { owner, does } = await startedPuppet();
    for (let index = 0; index < 10; index++) owner.read(0, index);
    owner.thread.look();
    await does('begin', 'end', 'pass', 'begin', 'end', 'pass', 'begin');
    expect(owner.results).toEqual([]);
    owner.thread.look();
    expect(owner.results.map(({ job, result }) => [job.block, result])).toEqual([
      [0, BLOCK],
      [1, BLOCK],
    ]);
    expect(owner.told).toEqual([2]);
    expect(owner.back).toEqual([]);
    owner.thread.look();
    expect(owner.blocksBack).toEqual([3, 4, 5, 6, 7, 8, 9]);
    expect(owner.results.length).toBe(2);
  });

  it('that comes too late for all of them is of use again', async () => {
    const { owner, does } = await startedPuppet();
    let posted = 0;
    while (owner.read(0, posted)) posted++;
    owner.thread.look();
    owner.thread.look();
    expect(owner.back.length).toBe(128);
    await does('passAll');
    owner.thread.look();
    expect(owner.refusals(0)).toBe(64);
    await does('begin', 'end', 'pass', 'tell');
    await until(() => owner.results.length === 1);
  });

  it('that has just got some is not stuck', async () => {
    const { owner, does } = await startedPuppet();
    owner.thread.look();
    owner.read(0, 0);
    owner.thread.look();
    await does('begin', 'end', 'pass', 'tell');
    await until(() => owner.results.length === 1);
    owner.thread.look();
    owner.read(0, 1);
    owner.read(0, 2);
    owner.thread.look();
    expect(owner.back).toEqual([]);
    owner.thread.look();
    expect(owner.blocksBack).toEqual([1, 2]);
  });

  it('is looked at every now and then', async () => {
    const stuck: typeof transferWorker = (threads) => {
      const { QUAY, BERTH, BERTH_STATE, control } = threads.workerData as TransferShare;
      const quay = new Int32Array(control, 0, QUAY.WORDS);
      const words = new Int32Array(control, 4 * QUAY.WORDS);
      const { POSTED, RUNNING } = BERTH_STATE;
      threads.parentPort!.postMessage(undefined);
      // The first that it gets: on a busy machine, some have been taken back by then.
      for (let passed = 0; ; Atomics.store(quay, QUAY.PASSED, ++passed)) {
        while (Atomics.load(quay, QUAY.POSTED) === passed) Atomics.wait(quay, QUAY.POSTED, passed, 1);
        const state = passed * BERTH.WORDS + BERTH.STATE;
        if (Atomics.compareExchange(words, state, POSTED, RUNNING) === POSTED) break;
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    };
    const { owner } = await started({ slowMs: NEVER_MS, body: stuck });
    for (let index = 0; index < 10; index++) owner.read(0, index);
    await until(() => owner.back.length >= 9);
    expect(owner.results).toEqual([]);
  });

  it('that fails hands back what it has not ended', async () => {
    const { owner, ending, does } = await startedPuppet();
    for (let index = 0; index < 10; index++) owner.read(0, index);
    await does('begin', 'die');
    expect(ending()!.failure).toMatchObject({ message: 'there is no memory' });
    expect(owner.blocksBack).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(owner.read(0, 1)).toBe(false);
  });

  it('that fails in a write does not have it written once more', async () => {
    const { owner, does } = await startedPuppet();
    for (let index = 0; index < 3; index++) owner.write(0, index);
    await does('begin', 'die');
    expect(owner.results.map(({ job, result }) => [job.block, result])).toEqual([[0, -ERRNO.EIO]]);
    expect(owner.told).toEqual([1]);
    expect(owner.blocksBack).toEqual([1, 2]);
  });

  it('that fails after a write has written it', async () => {
    const { owner, does } = await startedPuppet();
    for (let index = 0; index < 3; index++) owner.write(0, index);
    await does('begin', 'end', 'pass', 'begin', 'end', 'die');
    expect(owner.results.map(({ job, result }) => [job.block, result])).toEqual([
      [0, BLOCK],
      [1, BLOCK],
    ]);
    expect(owner.blocksBack).toEqual([2]);
  });

  it('that fails before it is ready says why', async () => {
    const failing: typeof transferWorker = () => {
      throw new Error('not here');
    };
    const failure = await new Promise((resolve) => {
      new TransferThread(resolve, { ...UNWATCHED, body: failing });
    });
    expect(failure).toMatchObject({ message: 'not here' });
    const code = await new Promise((resolve) => {
      new TransferThread(resolve, { ...UNWATCHED, body: () => process.exit(3) });
    });
    expect(code).toMatchObject({ message: 'it ended with code 3' });
  });

  it('tells its owners when all that have ended have landed, and one that throws keeps no other from it', async () => {
    const fd = openSync(fileOf(256), 'r');
    const { owner } = await started();
    const other = new Owner(owner.thread);
    const listeners = process.listeners('uncaughtException');
    for (const listener of listeners) process.off('uncaughtException', listener);
    const thrown = new Promise((resolve) => process.once('uncaughtException', resolve));
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

  it('ends when it is idle, for no other reason', async () => {
    let thread: TransferThread | undefined;
    const failure = await new Promise((resolve) => {
      thread = new TransferThread(resolve, { stuckMs: 1, idleMs: 5 });
    });
    expect(failure).toBe(undefined);
    expect(thread!.take(false)).toBe(-1);
  });
});
