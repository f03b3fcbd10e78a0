/** Rows as lines of text. */
import { bytesTitle, type EngineName } from './job.ts';
import type { Failure, Row } from './report.ts';

type Column = readonly [title: string, width: number, cell: (row: Row) => string];

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function some(value: number | null, digits: number): string {
  return value === null ? '-' : value.toFixed(digits);
}

export function ratioCell({ ratioToFloor, ratioLow, ratioHigh }: Row): string {
  return ratioToFloor === null
    ? '-'
    : `${ratioToFloor.toFixed(2)} (${ratioLow!.toFixed(2)}..${ratioHigh!.toFixed(2)})`;
}

const COLUMNS: readonly Column[] = [
  ['engine', -15, ({ engine }) => engine],
  ['iops', 10, ({ iops }) => count(iops)],
  ['MB/s', 7, ({ bytesPerSecond }) => (bytesPerSecond / 1e6).toFixed(0)],
  ['of the floor', 18, ratioCell],
  ['p50 us', 9, ({ p50Us }) => some(p50Us, 1)],
  ['p99 us', 9, ({ p99Us }) => some(p99Us, 1)],
  ['CPU s/M', 8, ({ cpuSecondsPerMillion }) => cpuSecondsPerMillion.toFixed(2)],
  ['loop max ms', 11, ({ loopDelayMaxMs }) => some(loopDelayMaxMs, 1)],
  ['MiB', 6, ({ maxRssBytes }) => (maxRssBytes === null ? '-' : (maxRssBytes / 2 ** 20).toFixed(0))],
];

function pad(text: string, width: number): string {
  return width < 0 ? text.padEnd(-width) : text.padStart(width);
}

/** The rows of one case below each other. */
export function tableLines(rows: readonly Row[]): string[] {
  return [
    COLUMNS.map(([title, width]) => pad(title, width)).join('  '),
    ...rows.map((row) => COLUMNS.map(([, width, cell]) => pad(cell(row), width)).join('  ')),
  ];
}

/** A line for what could not be measured. */
export function failureLine({ engine, mode, rw, blockSize, queueDepth, reason }: Failure): string {
  const where = mode === undefined ? '' : ` (${mode} ${rw} ${bytesTitle(blockSize!)}, depth ${queueDepth})`;
  const who: EngineName | 'every engine' = engine ?? 'every engine';
  return `${who}${where}: left out: ${reason}`;
}
