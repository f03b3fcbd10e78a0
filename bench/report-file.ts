/** A saved report, as it comes from anywhere: nothing of it is believed before it is looked at. */
import { closeSync, openSync, readSync } from 'node:fs';
import { ENGINES, MODES, TRANSFERS } from './job.ts';
import type { Machine } from './machine.ts';
import type { BenchReport, Failure, Row } from './report.ts';

/** The largest preset makes a tenth of it. */
const MAX_BYTES = 64 << 20;
const STEP_BYTES = 1 << 20;

/** What is wrong with a value, told of the place that it is in; `undefined` when nothing is. */
type Check = (value: unknown, place: string) => string | undefined;
type ChecksOf<T> = { readonly [Key in keyof T]-?: Check };

const text: Check = (value, place) => (typeof value === 'string' ? undefined : `${place} is no text`);

/** JSON has no NaN, but a number that is too large is read as infinite. */
const number: Check = (value, place) =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0
    ? undefined
    : `${place} is no number from 0 up`;

const count: Check = (value, place) =>
  Number.isSafeInteger(value) && (value as number) > 0 ? undefined : `${place} is no whole number from 1 up`;

function oneOf(choices: readonly string[]): Check {
  return (value, place) =>
    choices.some((choice) => choice === value) ? undefined : `${place} is none of ${choices.join(', ')}`;
}

function orNull(check: Check): Check {
  return (value, place) => (value === null ? undefined : check(value, place));
}

function orMissing(check: Check): Check {
  return (value, place) => (value === undefined ? undefined : check(value, place));
}

function listOf(check: Check): Check {
  return (value, place) => {
    if (!Array.isArray(value)) return `${place} is no list`;
    for (const [index, one] of value.entries()) {
      const complaint = check(one, `${place}[${index}]`);
      if (complaint !== undefined) return complaint;
    }
    return undefined;
  };
}

function record(checks: Readonly<Record<string, Check>>): Check {
  return (value, place) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${place} is no object`;
    for (const [key, check] of Object.entries(checks)) {
      const own: unknown = Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
      const complaint = check(own, place === WHOLE ? key : `${place}.${key}`);
      if (complaint !== undefined) return complaint;
    }
    return undefined;
  };
}

const WHOLE = 'it';

const MACHINE: ChecksOf<Machine> = {
  date: text,
  cpu: text,
  cpus: number,
  memoryBytes: number,
  kernel: text,
  fileSystem: text,
  device: text,
  mountOptions: text,
  node: text,
  uv: text,
  poolThreads: number,
  kaio: text,
  koffi: text,
  addon: text,
  fio: text,
  compiler: text,
  loadBefore: number,
};

const CASE = { rw: oneOf(TRANSFERS), mode: oneOf(MODES), blockSize: count, queueDepth: count };

const ROW: ChecksOf<Row> = {
  ...CASE,
  engine: oneOf(ENGINES),
  iops: number,
  bytesPerSecond: number,
  ratioToFloor: orNull(number),
  ratioLow: orNull(number),
  ratioHigh: orNull(number),
  p50Us: orNull(number),
  p99Us: orNull(number),
  percentilesUs: orNull(listOf(number)),
  cpuSecondsPerMillion: number,
  loopDelayMaxMs: orNull(number),
  maxRssBytes: orNull(number),
  operations: number,
  verifiedBlocks: number,
  iopsByRound: listOf(orNull(number)),
  loopDelayMaxMsByRound: listOf(orNull(number)),
};

const FAILURE: ChecksOf<Failure> = {
  engine: orNull(oneOf(ENGINES)),
  reason: text,
  rw: orMissing(CASE.rw),
  mode: orMissing(CASE.mode),
  blockSize: orMissing(CASE.blockSize),
  queueDepth: orMissing(CASE.queueDepth),
};

const REPORT: ChecksOf<BenchReport> = {
  machine: record(MACHINE),
  command: text,
  rounds: count,
  percentiles: listOf(number),
  rows: listOf(record(ROW)),
  failures: listOf(record(FAILURE)),
};

/** What no single field tells. */
function contradiction({ rows, failures, percentiles }: BenchReport): string | undefined {
  for (const [index, row] of rows.entries()) {
    const { ratioToFloor, ratioLow, ratioHigh, percentilesUs } = row;
    const given = [ratioToFloor, ratioLow, ratioHigh].filter((ratio) => ratio !== null).length;
    if (given !== 0 && given !== 3)
      return `rows[${index}] has only a part of ratioToFloor, ratioLow and ratioHigh`;
    if (percentilesUs !== null && percentilesUs.length !== percentiles.length)
      return `rows[${index}].percentilesUs has ${percentilesUs.length} values for ${percentiles.length} percentiles`;
  }
  for (const [index, { rw, mode, blockSize, queueDepth }] of failures.entries()) {
    const given = [rw, mode, blockSize, queueDepth].filter((part) => part !== undefined).length;
    if (given !== 0 && given !== 4) return `failures[${index}] names only a part of its case`;
  }
  return undefined;
}

function isReport(value: unknown): value is BenchReport {
  return record(REPORT)(value, WHOLE) === undefined;
}

/**
 * Reads a report out of JSON.
 *
 * @returns What the page is made of; whatever else the text says is left out.
 * @throws An error that says what is wrong, and where.
 */
export function parseReport(json: string): BenchReport {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new Error(`it is no JSON (${error instanceof Error ? error.message : String(error)})`, {
      cause: error,
    });
  }
  if (!isReport(value)) throw new Error(record(REPORT)(value, WHOLE));
  const complaint = contradiction(value);
  if (complaint !== undefined) throw new Error(complaint);
  return value;
}

/** All of a file, also of one whose size is not known before; no more than a report can have. */
function readBounded(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    const parts: Buffer[] = [];
    for (let bytes = 0; ; ) {
      const part = Buffer.allocUnsafe(STEP_BYTES);
      const read = readSync(fd, part, 0, STEP_BYTES, null);
      if (read === 0) return Buffer.concat(parts);
      bytes += read;
      if (bytes > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES >> 20} MiB`);
      parts.push(part.subarray(0, read));
    }
  } finally {
    closeSync(fd);
  }
}

function decoded(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Error('it is no UTF-8, and so no JSON', { cause: error });
  }
}

/**
 * Reads a report that `kaio bench --save` has written, or somebody who says so.
 *
 * @throws What opening and reading throws, or an error that says in one line why it is no report.
 */
export function readReport(path: string): BenchReport {
  try {
    return parseReport(decoded(readBounded(path)));
  } catch (error) {
    if (!(error instanceof Error) || 'syscall' in error) throw error;
    throw new Error(`'${path}' is not a report of kaio bench: ${error.message}`, { cause: error });
  }
}
