/**
 * Draws `docs/images/reads.svg` of `docs/performance.json`: random reads of 4 KiB, AioFile beside FileHandle. With `--check` holds that it is
 * up to date.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { init } from 'echarts';
import type { Mode, TargetsReport } from '../../bench/index.ts';
import { packageRoot } from '../package-root.ts';

const docs = join(packageRoot(), 'docs');
const picture = join(docs, 'images/reads.svg');
const { rows, machine } = JSON.parse(readFileSync(join(docs, 'performance.json'), 'utf8')) as TargetsReport;

const SERIES = [
  { engine: 'file', name: 'kaio', color: '#1f6feb' },
  { engine: 'fs.promises', name: 'fs.promises', color: '#9a9a9a' },
] as const;
type Bar = readonly [Mode, number];
/** Each has a scale of its own: what the page cache has comes ten times as fast. */
const PANELS: readonly (readonly Bar[])[] = [
  [
    ['direct', 1],
    ['direct', 32],
    ['direct', 128],
    ['cold', 32],
  ],
  [
    ['cached', 1],
    ['cached', 32],
  ],
];
const WIDTH = 860;
const HEIGHT = 340;

function thousands(engine: string, [mode, queueDepth]: Bar): number {
  const row = rows.find(
    (one) =>
      one.engine === engine &&
      one.rw === 'randread' &&
      one.mode === mode &&
      one.blockSize === 4096 &&
      one.queueDepth === queueDepth,
  );
  if (row?.iops == null)
    throw new Error(`docs/performance.json has no ${engine}, ${mode}, depth ${queueDepth}`);
  return Math.round(row.iops / 1000);
}

function draw(): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: {
      text: 'Random reads of 4 KiB, thousands in a second',
      subtext: `${machine.cpu}, ${machine.cpus} CPUs, Node.js ${machine.node.slice(1)}: docs/performance.md`,
      left: 'center',
    },
    legend: { bottom: 0, data: SERIES.map(({ name }) => name) },
    grid: [
      { left: 50, width: 470, top: 70, bottom: 65 },
      { left: 590, width: 240, top: 70, bottom: 65 },
    ],
    xAxis: PANELS.map((bars, gridIndex) => ({
      type: 'category',
      gridIndex,
      data: bars.map(([mode, depth]) => `${mode},\n${depth} at once`),
      // Each of them, however wide.
      axisLabel: { interval: 0 },
    })),
    yAxis: PANELS.map((_, gridIndex) => ({ type: 'value', gridIndex })),
    series: PANELS.flatMap((bars, index) =>
      SERIES.map(({ engine, name, color }) => ({
        type: 'bar' as const,
        name,
        color,
        xAxisIndex: index,
        yAxisIndex: index,
        data: bars.map((bar) => thousands(engine, bar)),
        label: { show: true, position: 'top' as const },
      })),
    ),
  });
  // Names of styles in it count up with each picture of the process: this is the first.
  const svg = chart.renderToSVGString();
  // It would go on for ever.
  chart.dispose();
  return `${svg}\n`;
}

const svg = draw();
if (process.argv.includes('--check')) {
  if (!existsSync(picture) || readFileSync(picture, 'utf8') !== svg) {
    console.log('docs/images/reads.svg is not of docs/performance.json: npm run docs:performance');
    process.exitCode = 1;
  }
} else {
  mkdirSync(dirname(picture), { recursive: true });
  writeFileSync(picture, svg);
}
