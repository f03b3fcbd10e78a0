/** Rows as configurations for Chart.js: data alone, so that a page can carry them as JSON. */
import { bytesTitle, type Case, caseTitle, ENGINES, type EngineName } from './job.ts';
import type { BenchReport, Row } from './report.ts';

export interface Plot {
  readonly title: string;
  /** A configuration of Chart.js. */
  readonly config: {
    readonly type: 'bar' | 'line';
    readonly data: object;
    readonly options: object;
  };
  /** Bars need room for each; lines do not. */
  readonly heightPx: number;
}

export interface PlotGroup {
  readonly title: string;
  readonly explanation: string;
  readonly plots: readonly Plot[];
}

const LINE_HEIGHT_PX = 320;
const BAR_PX = 26;
const BAR_FRAME_PX = 90;

/** Okabe and Ito's colours, which most people can tell apart, and more; each engine always has the same. */
const COLOURS: Readonly<Record<EngineName, string>> = {
  c: '#555555',
  'fio-libaio': '#a6761d',
  'fio-io_uring': '#e69f00',
  calls: '#0072b2',
  context: '#009e73',
  'context.threads': '#808000',
  file: '#56b4e9',
  emulation: '#cc79a7',
  'emulation.descriptor': '#9c4f82',
  'emulation.handle': '#e3a6cb',
  'emulation.file': '#6f3d5f',
  'fs.promises': '#d55e00',
  'fs.callbacks': '#b22222',
  'fs.sync': '#8a7ad6',
};

const BASE_OPTIONS = { animation: false, responsive: true, maintainAspectRatio: false } as const;

function axis(text: string, more: object = {}): object {
  return { title: { display: true, text }, ...more };
}

function groupBy<T>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
  make: (rows: Row[]) => T | undefined,
): T[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group === undefined) groups.set(keyOf(row), [row]);
    else group.push(row);
  }
  return [...groups.values()].flatMap((group) => make(group) ?? []);
}

function caseKey({ rw, mode, blockSize, queueDepth }: Case): string {
  return `${mode} ${rw} ${blockSize} ${queueDepth}`;
}

function engineLines(
  rows: readonly Row[],
  points: (rows: readonly Row[]) => readonly { x: number | string; y: number }[],
): object[] {
  return ENGINES.flatMap((engine) => {
    const data = points(rows.filter((row) => row.engine === engine));
    if (data.length === 0) return [];
    const colour = COLOURS[engine];
    return [
      { label: engine, data, borderColor: colour, backgroundColor: colour, pointRadius: 3, borderWidth: 2 },
    ];
  });
}

function ratioPlot(rows: readonly Row[]): Plot | undefined {
  const shown = rows.filter(({ ratioToFloor }) => ratioToFloor !== null);
  if (shown.length === 0) return undefined;
  return {
    title: caseTitle(shown[0]!),
    heightPx: BAR_FRAME_PX + BAR_PX * shown.length,
    config: {
      type: 'bar',
      data: {
        labels: shown.map(({ engine }) => engine),
        datasets: [
          {
            label: 'lowest to highest round',
            data: shown.map(({ ratioLow, ratioHigh }) => [ratioLow, ratioHigh]),
            backgroundColor: '#888888',
            barThickness: 3,
            grouped: false,
          },
          {
            label: 'iops as a part of the floor',
            data: shown.map(({ ratioToFloor }) => ratioToFloor),
            backgroundColor: shown.map(({ engine }) => COLOURS[engine]),
            barThickness: 16,
            grouped: false,
          },
        ],
      },
      options: {
        ...BASE_OPTIONS,
        indexAxis: 'y',
        scales: { x: axis('iops as a part of the floor', { beginAtZero: true }) },
        plugins: { legend: { display: false } },
      },
    },
  };
}

function depthPlot(rows: readonly Row[]): Plot | undefined {
  const depths = [...new Set(rows.map(({ queueDepth }) => queueDepth))].sort((a, b) => a - b);
  if (depths.length < 2) return undefined;
  const { mode, rw, blockSize } = rows[0]!;
  return {
    title: `${mode} ${rw} ${bytesTitle(blockSize)}`,
    heightPx: LINE_HEIGHT_PX,
    config: {
      type: 'line',
      data: {
        labels: depths.map(String),
        datasets: engineLines(rows, (own) =>
          own.map(({ queueDepth, iops }) => ({ x: String(queueDepth), y: Math.round(iops) })),
        ),
      },
      options: {
        ...BASE_OPTIONS,
        scales: { x: axis('transfers under way'), y: axis('transfers per second', { beginAtZero: true }) },
      },
    },
  };
}

function latencyPlot(rows: readonly Row[], percentiles: readonly number[]): Plot | undefined {
  const shown = rows.filter(({ percentilesUs }) => percentilesUs !== null);
  if (shown.length === 0) return undefined;
  return {
    title: caseTitle(shown[0]!),
    heightPx: LINE_HEIGHT_PX,
    config: {
      type: 'line',
      data: {
        labels: percentiles.map((percentile) => `${percentile}%`),
        datasets: engineLines(shown, (own) =>
          own.flatMap(({ percentilesUs }) =>
            percentilesUs!.map((us, index) => ({ x: `${percentiles[index]}%`, y: us })),
          ),
        ),
      },
      options: {
        ...BASE_OPTIONS,
        scales: { x: axis('so many take at most'), y: axis('microseconds', { type: 'logarithmic' }) },
      },
    },
  };
}

/** Every plot of a report. */
export function plotsOf({ rows, percentiles }: BenchReport): PlotGroup[] {
  return [
    {
      title: 'Beside the floor',
      explanation:
        'Transfers per second as a part of what a loop in C reaches in the same round: the median, and the lowest and highest round.',
      plots: groupBy(rows, caseKey, ratioPlot),
    },
    {
      title: 'Throughput against depth',
      explanation: 'Transfers per second, with more and more of them under way. Medians of the rounds.',
      plots: groupBy(rows, ({ mode, rw, blockSize }) => `${mode} ${rw} ${blockSize}`, depthPlot),
    },
    {
      title: 'Latency',
      explanation:
        'How long a transfer takes, from the call to its end, in a full queue. Medians of the rounds.',
      plots: groupBy(rows, caseKey, (own) => latencyPlot(own, percentiles)),
    },
  ].filter(({ plots }) => plots.length > 0);
}
