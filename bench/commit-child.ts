/** One way to commit, one case, one process. Takes the job as JSON, and prints the answer as JSON. */
import { constants } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { createHistogram } from 'node:perf_hooks';
import { alignedBuffer, open } from '../src/index.ts';
import {
  BLOCK_BYTES,
  type CommitAnswer,
  type CommitJob,
  type CommitMeasurement,
  REGION_BLOCKS,
} from './commit-job.ts';
import { messageOf } from './errors.ts';

type Commit = (block: Buffer, position: number) => Promise<unknown>;

/** As long as the engine compiles what runs often: its threads take the second CPU from those of the pool meanwhile. */
const WARM_UP_MS = 1500;
const NS_PER_MS = 1e6;
const NS_PER_US = 1e3;

async function committing({ way, mode, path }: CommitJob): Promise<{ commit: Commit; end(): Promise<void> }> {
  if (way === 'fs.promises') {
    const direct = mode === 'direct' ? constants.O_DIRECT : 0;
    const handle = await openHandle(path, constants.O_RDWR | direct);
    const commit: Commit = async (block, position) => {
      await handle.write(block, 0, BLOCK_BYTES, position);
      await handle.datasync();
    };
    return { commit, end: () => handle.close() };
  }
  const file = await open(path, 'r+', 0o666, {
    backend: 'native',
    direct: mode === 'direct' ? 'require' : false,
  });
  const commit: Commit =
    way === 'file.dsync'
      ? (block, position) => file.write(block, { position, dsync: true })
      : async (block, position) => {
          await file.write(block, 0, BLOCK_BYTES, position);
          await file.datasync();
        };
  return { commit, end: () => file.close() };
}

async function measure(job: CommitJob): Promise<CommitMeasurement> {
  const { writers, seconds } = job;
  const { commit, end } = await committing(job);
  const blocks = Array.from({ length: writers }, (_, index) => alignedBuffer(BLOCK_BYTES).fill(index + 1));
  const histogram = createHistogram();
  const phase = async (ms: number, isTimed: boolean): Promise<number> => {
    const begun = performance.now();
    let commits = 0;
    const writer = async (index: number): Promise<void> => {
      for (let at = 0; performance.now() - begun < ms; at++) {
        const started = performance.now();
        await commit(blocks[index]!, (index * REGION_BLOCKS + (at % REGION_BLOCKS)) * BLOCK_BYTES);
        if (isTimed) histogram.record(Math.max(1, Math.round((performance.now() - started) * NS_PER_MS)));
        commits++;
      }
    };
    await Promise.all(blocks.map((_, index) => writer(index)));
    return (commits * 1000) / (performance.now() - begun);
  };
  await phase(WARM_UP_MS, false);
  const commitsPerSecond = await phase(seconds * 1000, true);
  await end();
  return {
    medianUs: histogram.percentile(50) / NS_PER_US,
    p99Us: histogram.percentile(99) / NS_PER_US,
    commitsPerSecond,
  };
}

let answer: CommitAnswer;
try {
  answer = { measurement: await measure(JSON.parse(process.argv[2]!) as CommitJob) };
} catch (error) {
  answer = { failure: messageOf(error) };
}
console.log(JSON.stringify(answer));
