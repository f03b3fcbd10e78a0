/** fio, for whoever believes its numbers and nobody else's. */
import { codeOf } from '../errors.ts';
import { type Answer, isMixed, isRandom, type Job, type Length, PERCENTILES, UNLIMITED } from '../job.ts';
import { runProgram } from '../process.ts';

const VERSION_LIMIT_MS = 10_000;

/** @returns Its version. @throws Error if there is none. */
export async function fioVersion(signal?: AbortSignal): Promise<string> {
  try {
    const { stdout } = await runProgram('fio', ['--version'], { limitMs: VERSION_LIMIT_MS, signal });
    return stdout.trim();
  } catch (error) {
    signal?.throwIfAborted();
    if (codeOf(error) !== 'ENOENT') throw error;
    throw new Error('fio is not installed', { cause: error });
  }
}

/** What is read of its report. */
interface Report {
  readonly jobs: readonly {
    readonly error: number;
    readonly usr_cpu: number;
    readonly sys_cpu: number;
    readonly job_runtime: number;
    readonly read: Direction;
    readonly mixed: Direction;
    readonly write: Direction;
  }[];
}
interface Direction {
  readonly total_ios: number;
  readonly runtime: number;
  readonly iops: number;
  readonly clat_ns: { readonly percentile?: Readonly<Record<string, number>> };
  readonly lat_ns: { readonly percentile?: Readonly<Record<string, number>> };
}

/** Submits and reaps in batches, out of the ring in memory: at its fastest. */
function argumentsFor(ioengine: string, job: Job, length: Length, timed: boolean): string[] {
  const { blockSize, mode, path, queueDepth, rw, seed, size, warmUp } = job;
  return [
    '--name=kaio',
    '--output-format=json',
    `--ioengine=${ioengine}`,
    `--rw=${rw}`,
    `--bs=${blockSize}`,
    `--iodepth=${queueDepth}`,
    `--iodepth_batch_submit=${queueDepth}`,
    '--iodepth_batch_complete_min=1',
    `--iodepth_batch_complete_max=${queueDepth}`,
    `--filename=${path}`,
    `--size=${size}`,
    `--direct=${mode === 'direct' ? 1 : 0}`,
    // Drops the file from the page cache first.
    `--invalidate=${mode === 'cold' ? 1 : 0}`,
    `--randseed=${seed}`,
    '--randrepeat=1',
    '--overwrite=1',
    '--thread',
    ...(isMixed(job) ? ['--rwmixread=70', '--unified_rw_reporting=1'] : []),
    ...(isRandom(job) ? ['--random_generator=tausworthe64'] : []),
    ...(ioengine === 'libaio' ? ['--userspace_reap'] : []),
    ...(mode === 'cold' ? [] : ['--time_based', `--ramp_time=${Math.round(warmUp.ms)}ms`]),
    ...(length.ms < UNLIMITED ? [`--runtime=${Math.round(length.ms)}ms`] : []),
    ...(length.operations < UNLIMITED ? [`--number_ios=${length.operations}`] : []),
    ...(timed
      ? ['--lat_percentiles=1', '--clat_percentiles=0', `--percentile_list=${PERCENTILES.join(':')}`]
      : ['--gtod_reduce=1']),
  ];
}

async function runOnce(
  args: readonly string[],
  limitMs: number,
  signal?: AbortSignal,
): Promise<Report['jobs'][0]> {
  const { stdout, stderr, status } = await runProgram('fio', args, { limitMs, signal });
  // Notes may stand before the report.
  const from = stdout.indexOf('{');
  const job = from < 0 ? undefined : (JSON.parse(stdout.slice(from)) as Report).jobs[0];
  if (job === undefined || status !== 0 || job.error !== 0) {
    const line = `${stderr}\n${stdout}`.split('\n').find((text) => /fio|error|invalid|fail/i.test(text));
    throw new Error(`fio failed: ${line?.trim() ?? `exit code ${status}`}`);
  }
  return job;
}

export async function runFio(
  ioengine: 'libaio' | 'io_uring',
  job: Job,
  limitMs: number,
  signal?: AbortSignal,
): Promise<Answer> {
  const direction = isMixed(job) ? 'mixed' : job.rw.endsWith('write') ? 'write' : 'read';
  const report = await runOnce(argumentsFor(ioengine, job, job.throughput, false), limitMs, signal);
  const { total_ios, iops } = report[direction];
  if (total_ios === 0) throw new Error('fio transferred nothing');
  const seconds = total_ios / iops;
  let percentilesUs: number[] | null = null;
  if (job.latency !== null) {
    const timed = await runOnce(argumentsFor(ioengine, job, job.latency, true), limitMs, signal);
    const { percentile = {} } = timed[direction].lat_ns;
    percentilesUs = PERCENTILES.map((wanted) => (percentile[wanted.toFixed(6)] ?? Number.NaN) / 1000);
    if (percentilesUs.some(Number.isNaN)) percentilesUs = null;
  }
  return {
    measurement: {
      operations: total_ios,
      seconds,
      cpuSeconds: ((report.usr_cpu + report.sys_cpu) / 100) * seconds,
      percentilesUs,
      loopDelayMaxMs: null,
      maxRssBytes: null,
      verifiedBlocks: 0,
    },
  };
}
