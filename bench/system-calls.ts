/** System calls per transfer: a number that does not depend on the clock. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Case, type Job, type NodeEngine, UNLIMITED } from './job.ts';
import { runProgram } from './process.ts';

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));
const LIMIT_MS = 120_000;
const NOTHING = { ms: 0, operations: 0 };

export interface CountOptions extends Case {
  readonly engine: NodeEngine;
  /** A file of stamped blocks, of `size` bytes. */
  readonly path: string;
  readonly size: number;
  readonly operations: number;
  /** For strace's summary. */
  readonly directory: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Counts by `strace -f -c`: what twice as many transfers take more, over how many more they are. What starting up takes,
 * and all threads of the process, are in both.
 *
 * @throws Error where there is no strace, or the engine fails.
 */
export async function systemCallsPerOperation(options: CountOptions): Promise<number> {
  const { operations } = options;
  const once = await count(options, operations);
  const twice = await count(options, 2 * operations);
  return (twice - once) / operations;
}

async function count(options: CountOptions, operations: number): Promise<number> {
  const { engine, rw, mode, blockSize, queueDepth, path, size, directory, signal } = options;
  const job: Job = {
    rw,
    mode,
    blockSize,
    queueDepth,
    path,
    size,
    seed: 1,
    verify: false,
    checked: 0,
    warmUp: NOTHING,
    throughput: { ms: UNLIMITED, operations },
    latency: null,
  };
  const summary = join(directory, 'system-calls');
  const { stdout, stderr } = await runProgram(
    'strace',
    [
      '-f',
      '-qq',
      '-c',
      '-U',
      'calls,name',
      '-o',
      summary,
      process.execPath,
      CHILD,
      engine,
      JSON.stringify(job),
    ],
    { limitMs: LIMIT_MS, signal },
  );
  if (!stdout.includes('"measurement"'))
    throw new Error(`the engine failed under strace: ${stdout.trim() || stderr.trim().split('\n')[0]}`);
  return totalOf(readFileSync(summary, 'utf8'));
}

/** The number of calls in the last line of strace's summary. */
export function totalOf(summary: string): number {
  const total = /^\s*(\d+)\s+total$/m.exec(summary);
  if (total === null) throw new Error('the summary of strace has no total');
  return Number(total[1]);
}
