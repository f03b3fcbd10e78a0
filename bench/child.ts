/**
 * One engine, one case, one process: what another engine has compiled, allocated or cached counts for nobody.
 *
 * Takes the engine's name and the job as JSON, and prints the answer as JSON.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { createHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { pageAlignedBuffer } from '../src/index.ts';
import { check, FRESH } from './blocks.ts';
import type { Session, Work } from './engines/engine.ts';
import { OPEN_ENGINE } from './engines/index.ts';
import { openSmallFiles } from './engines/small-files.ts';
import { messageOf } from './errors.ts';
import {
  type Answer,
  isMixed,
  isOpen,
  isRandom,
  isWrite,
  type Job,
  type Length,
  type Measurement,
  mixWrites,
  type NodeEngine,
  PERCENTILES,
  UNLIMITED,
} from './job.ts';
import { blockOrder } from './order.ts';
import { chill, warm } from './page-cache.ts';
import { Phase } from './phase.ts';

const NS_PER_MS = 1e6;
const LOOP_DELAY_RESOLUTION_MS = 1;

class Measuring {
  readonly #job: Job;
  readonly #session: Session;
  readonly #order: Uint32Array;
  #generation = FRESH;
  #verified = 0;

  constructor(job: Job, session: Session) {
    this.#job = job;
    this.#session = session;
    this.#order = blockOrder(Math.floor(job.size / job.blockSize), isRandom(job), job.seed);
  }

  async measure(): Promise<Measurement> {
    const { checked, latency, throughput, verify, warmUp } = this.#job;
    if (checked > 0) await this.#phase({ ms: UNLIMITED, operations: checked }, { verify: true });
    if (warmUp.operations > 0) await this.#phase(warmUp, { verify });
    const cpu = process.cpuUsage();
    const { phase, seconds } = await this.#phase(throughput, { verify });
    const { user, system } = process.cpuUsage(cpu);
    const timed = latency === null ? undefined : await this.#latency(latency);
    return {
      operations: phase.completed,
      seconds,
      cpuSeconds: (user + system) / 1e6,
      percentilesUs: timed?.percentilesUs ?? null,
      loopDelayMaxMs: timed?.loopDelayMaxMs ?? null,
      maxRssBytes: process.resourceUsage().maxRSS * 1024,
      verifiedBlocks: this.#verified,
    };
  }

  async #latency(length: Length): Promise<{ percentilesUs: number[]; loopDelayMaxMs: number }> {
    const delay = monitorEventLoopDelay({ resolution: LOOP_DELAY_RESOLUTION_MS });
    const { phase } = await this.#phase(length, {
      verify: this.#job.verify,
      timed: true,
      begun: async () => {
        delay.enable();
        await setTimeout(2 * LOOP_DELAY_RESOLUTION_MS);
        delay.reset();
        // It counts from one look to the next: the first one after the reset counts for nothing.
        await setTimeout(2 * LOOP_DELAY_RESOLUTION_MS);
      },
    });
    // An engine that never let the loop turn is seen by the timer now.
    await setTimeout(2 * LOOP_DELAY_RESOLUTION_MS);
    delay.disable();
    const histogram = createHistogram();
    for (const ms of phase.samples) histogram.record(Math.max(1, Math.round(ms * NS_PER_MS)));
    return {
      percentilesUs: PERCENTILES.map((percentile) => histogram.percentile(percentile) / 1000),
      loopDelayMaxMs: delay.max / NS_PER_MS,
    };
  }

  async #phase(
    length: Length,
    {
      verify,
      timed = false,
      begun = async () => {},
    }: { verify: boolean; timed?: boolean; begun?: () => Promise<void> },
  ): Promise<{ phase: Phase; seconds: number }> {
    const { blockSize, mode, path, queueDepth } = this.#job;
    const writes = isWrite(this.#job);
    const mixed = isMixed(this.#job);
    if (verify && (writes || mixed)) this.#generation++;
    const phase = new Phase({
      order: this.#order,
      blockSize,
      queueDepth,
      length,
      once: mode === 'cold',
      timed,
      verify: verify ? (mixed ? 'mixed' : writes ? 'stamp' : 'check') : undefined,
      generation: this.#generation,
    });
    if (mode === 'cold') chill(path);
    await begun();
    phase.begin();
    const started = performance.now();
    await this.#session.run(phase);
    const seconds = (performance.now() - started) / 1000;
    if (verify) {
      if (writes) this.#readBack(phase.taken);
      if (mixed) this.#readBack(phase.taken.filter(mixWrites));
      this.#verified += phase.completed;
    }
    return { phase, seconds };
  }

  /** Compares what lies in the file with what was written, by plain reads. */
  #readBack(blocks: Uint32Array): void {
    const { blockSize, path } = this.#job;
    const fd = openSync(path, 'r');
    const block = Buffer.alloc(blockSize);
    try {
      for (const number of blocks) {
        readSync(fd, block, 0, blockSize, number * blockSize);
        check(block, number * blockSize, this.#generation);
      }
    } finally {
      closeSync(fd);
    }
  }
}

function memoryFor({ blockSize, queueDepth }: Job): Buffer[] {
  // Slabs of at most 16 MiB, so that no host has to find a gigabyte in one piece.
  const perSlab = Math.max(1, Math.floor((16 << 20) / blockSize));
  const blocks: Buffer[] = [];
  while (blocks.length < queueDepth) {
    const count = Math.min(perSlab, queueDepth - blocks.length);
    const slab = pageAlignedBuffer(count * blockSize);
    for (let index = 0; index < count; index++)
      blocks.push(Buffer.from(slab, index * blockSize, blockSize).fill(0x6b));
  }
  return blocks;
}

async function answer(engine: NodeEngine, job: Job): Promise<Answer> {
  try {
    const work: Work = { ...job, blocks: memoryFor(job) };
    // Small files were written just now.
    if (job.mode === 'cached' && !isOpen(job)) warm(job.path);
    const session = await (isOpen(job) ? openSmallFiles(engine, work) : OPEN_ENGINE[engine](work));
    try {
      return { measurement: await new Measuring(job, session).measure() };
    } finally {
      await session.close();
    }
  } catch (error) {
    return { failure: messageOf(error) };
  }
}

const [engine, job] = process.argv.slice(2) as [NodeEngine, string];
writeSync(1, `${JSON.stringify(await answer(engine, JSON.parse(job) as Job))}\n`);
