/** The floor: compiled on the spot, run as a process of its own. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { type Answer, type Job, type Length, type Measurement, PERCENTILES, UNLIMITED } from '../job.ts';
import { runProgram } from '../process.ts';
import { compiled } from './compiler.ts';

/** "No limit", where C has 64 bits for it. */
const FOREVER = 2n ** 62n;

/** A compiled floor. */
export interface Floor {
  readonly program: string;
  /** Where latencies go. */
  readonly samples: string;
}

/**
 * Compiles the floor into `directory`.
 *
 * @throws Error that tells why there is none: no compiler, no headers.
 */
export async function compileFloor(directory: string, signal?: AbortSignal): Promise<Floor> {
  const program = await compiled('floor.c', directory, signal);
  return { program, samples: join(directory, 'floor-latencies') };
}

function lengthArguments(length: Length | null): string[] {
  if (length === null) return ['0', '0'];
  const { ms, operations } = length;
  return [
    String(ms < UNLIMITED ? Math.round(ms * 1e6) : FOREVER),
    String(operations < UNLIMITED ? operations : FOREVER),
  ];
}

export async function runFloor(
  { program, samples }: Floor,
  job: Job,
  limitMs: number,
  signal?: AbortSignal,
): Promise<Answer> {
  const { path, rw, mode, size, blockSize, queueDepth, seed, verify, checked } = job;
  const { stdout, stderr } = await runProgram(
    program,
    [
      ...[path, rw, mode, size, blockSize, queueDepth, seed, verify ? 1 : 0, checked].map(String),
      ...lengthArguments(job.warmUp),
      ...lengthArguments(job.throughput),
      ...lengthArguments(job.latency),
      samples,
    ],
    { limitMs, signal },
  );
  if (stdout === '') throw new Error(`no answer: ${stderr.trim().split('\n')[0]}`);
  const answer = JSON.parse(stdout) as
    | { failure: string }
    | Omit<Measurement, 'percentilesUs' | 'loopDelayMaxMs'>;
  if ('failure' in answer) return answer;
  const percentilesUs = job.latency === null ? null : percentilesOf(samples);
  return { measurement: { ...answer, percentilesUs, loopDelayMaxMs: null } };
}

function percentilesOf(samples: string): number[] {
  const bytes = readFileSync(samples);
  const histogram = createHistogram();
  for (const ns of new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4))
    histogram.record(Math.max(1, ns));
  return PERCENTILES.map((percentile) => histogram.percentile(percentile) / 1000);
}
