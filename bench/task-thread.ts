/** One of several worker threads, with a context of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { pageAlignedBuffer } from '../src/index.ts';
import { OPEN_ENGINE } from './engines/index.ts';
import { type NodeEngine, UNLIMITED } from './job.ts';
import { blockOrder } from './order.ts';
import { Phase } from './phase.ts';
import type { TaskJob } from './task-job.ts';

const BLOCK_BYTES = 4096;
const DEPTH = 32;
const WARM_UP_MS = 1000;

export interface ThreadAnswer {
  readonly operations: number;
  readonly seconds: number;
}

const { job, index } = workerData as { job: TaskJob; index: number };
const { path, size, engine } = job;
const mode = job.mode === 'direct' ? 'direct' : 'cached';
const order = blockOrder(Math.floor(size / BLOCK_BYTES), true, index + 1);
const memory = pageAlignedBuffer(DEPTH * BLOCK_BYTES);
const blocks = Array.from({ length: DEPTH }, (_, at) => Buffer.from(memory, at * BLOCK_BYTES, BLOCK_BYTES));
const work = { rw: 'randread', mode, blockSize: BLOCK_BYTES, queueDepth: DEPTH, path, blocks } as const;
const session = await OPEN_ENGINE[engine as NodeEngine](work);

async function run(ms: number): Promise<ThreadAnswer> {
  const phase = new Phase({
    order,
    blockSize: BLOCK_BYTES,
    queueDepth: DEPTH,
    length: { ms, operations: UNLIMITED },
    once: false,
    timed: false,
    verify: undefined,
    generation: 0,
  });
  phase.begin();
  const began = performance.now();
  await session.run(phase);
  return { operations: phase.completed, seconds: (performance.now() - began) / 1000 };
}

await run(WARM_UP_MS);
parentPort!.postMessage('ready');
parentPort!.once('message', () => {
  void run(job.seconds * 1000).then(async (answer) => {
    parentPort!.postMessage(answer);
    await session.close();
  });
});
