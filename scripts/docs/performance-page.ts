/**
 * Makes `docs/performance.md` of `docs/performance.json`, which is a saved `kaio bench --suite targets`. With `--check` holds that the page
 * is up to date.
 *
 *     npm run bench:targets && npm run docs:performance
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  busyTitle,
  caseTitle,
  ENGINE_TITLES,
  ENGINES,
  failureLine,
  machineLines,
  type TargetsReport,
} from '../../bench/index.ts';
import { type Loss, lossesOf } from '../../bench/losses.ts';
import { ratioCell } from '../../bench/table.ts';
import type { TargetResult } from '../../bench/target-result.ts';
import { packageRoot } from '../package-root.ts';

type Row = TargetsReport['rows'][number];

const docs = join(packageRoot(), 'docs');
const page = join(docs, 'performance.md');
const notes = readFileSync(join(docs, 'internals/performance-notes.md'), 'utf8').trim();
const report = JSON.parse(readFileSync(join(docs, 'performance.json'), 'utf8')) as TargetsReport;
/** More processes than this wanted to run before it began: others were at work. */
const QUIET_LOAD = 0.5;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [
    `| ${head.join(' | ')} |`,
    `| ${head.map(() => '---').join(' | ')} |`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ];
}

function targetRow({ measure, must, bound, reached, low, high, met, reason }: TargetResult): string[] {
  const found =
    reached === null ? (reason ?? '') : `${reached.toFixed(2)} (${low!.toFixed(2)} to ${high!.toFixed(2)})`;
  return [measure, `${must} ${bound}`, found, met ? 'reached' : '**missed**'];
}

function lossRow({ case: one, engine, peer, measure, part }: Loss, busy = 0): string[] {
  return [`${caseTitle(one)}${busyTitle(busy)}`, `${engine} / ${peer}`, measure, part.toFixed(2)];
}

/** Before all else, so that nobody has to look for it. */
function lossLines(): string[] {
  const losses = lossesOf(report.rows);
  const disturbed = report.beside === undefined ? [] : lossesOf(report.beside.rows);
  if (losses.length + disturbed.length === 0) return ["kaio was nowhere behind Node's own here.", ''];
  return [
    "What kaio reached of the rate of Node's own, and how much shorter the 99th percentile of Node's own was, wherever that is below 1; the worst first.",
    '',
    ...table(
      ['case', 'engines', 'measure', 'part'],
      [
        ...losses.map((loss) => lossRow(loss)),
        ...disturbed.map((loss) => lossRow(loss, report.beside!.busy)),
      ],
    ),
    '',
  ];
}

function some(value: number | null, digits: number): string {
  return value === null ? '' : value.toFixed(digits);
}

function numbersRow(row: Row, busy = 0): string[] {
  return [
    `${caseTitle(row)}${busyTitle(busy)}`,
    row.engine,
    String(Math.round(row.iops)),
    ratioCell(row),
    some(row.p50Us, 1),
    some(row.p99Us, 1),
    some(row.percentilesUs?.[report.percentiles.indexOf(99.9)] ?? null, 1),
    row.cpuSecondsPerMillion.toFixed(2),
    some(row.loopDelayMaxMs, 1),
  ];
}

function text(): string {
  const { machine, command, rounds, rows, failures, targets } = report;
  const missed = targets.filter(({ met }) => !met).length;
  return [
    '# Performance',
    '',
    '<!-- Made by `npm run docs:performance` of docs/performance.json and docs/internals/performance-notes.md; do not edit. -->',
    '',
    `Made by \`${command}\`: ${rounds} rounds, engines in turns, each in a process of its own; medians of ratios within a round, and`,
    'the lowest and the highest of them. `npm run bench:targets` makes it again.',
    '',
    ...(machine.loadBefore > QUIET_LOAD
      ? [
          `**Other programs were at work on this machine** (load ${machine.loadBefore.toFixed(2)} before it began): the numbers below are rougher than`,
          'those of a quiet one.',
          '',
        ]
      : []),
    '## Where kaio loses',
    '',
    ...lossLines(),
    '## The machine',
    '',
    ...table(
      ['', ''],
      machineLines(machine).map(([name, value]) => [name, value]),
    ),
    '',
    '## What must be reached',
    '',
    `${targets.length - missed} of ${targets.length} measures are reached.`,
    '',
    ...table(['measure', 'must be', 'was', ''], targets.map(targetRow)),
    '',
    notes,
    '',
    '## All numbers',
    '',
    ...table(
      [
        'case',
        'engine',
        'iops',
        'of the floor',
        'p50 µs',
        'p99 µs',
        'p99.9 µs',
        'CPU s per million',
        'longest loop delay ms',
      ],
      [
        ...rows.map((row) => numbersRow(row)),
        ...(report.beside?.rows.map((row) => numbersRow(row, report.beside!.busy)) ?? []),
      ],
    ),
    '',
    ...(failures.length === 0
      ? []
      : ['Left out:', '', ...failures.map((one) => `- ${failureLine(one)}`), '']),
    '## Engines',
    '',
    ...ENGINES.map((engine) => `- \`${engine}\`: ${ENGINE_TITLES[engine]}`),
    '',
  ].join('\n');
}

if (process.argv.includes('--check')) {
  const upToDate = readFileSync(page, 'utf8') === text();
  console.log(`docs/performance.md is ${upToDate ? 'up to date' : 'out of date: npm run docs:performance'}`);
  if (!upToDate) process.exitCode = 1;
} else {
  writeFileSync(page, text());
}
