/** Runs the suite on everything that `docs/kernels.md` has a column of, or takes what was answered before. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROFILES } from '../../src/emulated/index.ts';
import type { Report } from '../../test/conformance/index.ts';
import type { FileLayer } from '../kernels/file-layer.ts';
import { FILE_SYSTEMS } from '../kernels/file-system-targets.ts';
import { knownOfGvisor } from '../kernels/gvisor-expectations.ts';
import { MACHINES } from '../kernels/targets.ts';
import { packageRoot } from '../package-root.ts';
import { type Column, columnOf, countsOf, layerOf } from './kernel-records.ts';

const SCRIPTS = join(packageRoot(), 'dist', 'scripts', 'kernels');
const CLI = join(packageRoot(), 'dist', 'src', 'cli', 'cli.js');
const TIMEOUT_MS = 3_600_000;
const ATTEMPTS = 2;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** A column that can be recorded. */
interface Recording {
  readonly name: string;
  /** @param from - Where a check has left what was answered; it is asked anew where there is nothing. */
  record(from: string): Column;
}

/** In the order of the page. */
export const RECORDINGS: readonly Recording[] = [
  {
    name: 'host',
    record: () =>
      columnOf(
        { name: 'host', title: 'this machine’s, with the addon', kind: 'kernel' },
        conformance('--backend', 'native'),
      ),
  },
  {
    name: 'uml',
    record: (from) => {
      const output = join(from, 'uml.json');
      if (!existsSync(output)) ran('user-mode-linux.js', '--fuzz', '0', '--output', output);
      return columnOf({ name: 'uml', title: '6.1, User Mode Linux', kind: 'kernel' }, read<Report>(output));
    },
  },
  ...MACHINES.map(({ name, chooses }) => ({
    name,
    record: (from: string) => machine(name, chooses.backend, from),
  })),
  ...Object.keys(PROFILES).map((profile) => ({
    name: profile,
    record: () =>
      columnOf(
        { name: profile, title: `emulation, ${profile}`, kind: 'kernel' },
        conformance('--profile', profile),
      ),
  })),
  ...FILE_SYSTEMS.map(({ name }) => ({ name, record: (from: string) => fileSystem(name, from) })),
  { name: 'gvisor', record: gvisor },
];

/** @param names - Of columns; none: all. @param from - Of earlier answers; without it everything is asked. */
export function record(
  columns: readonly Column[],
  names: readonly string[],
  from: string | undefined,
): Column[] {
  const folder = from ?? mkdtempSync(join(tmpdir(), 'kaio-kernels-'));
  try {
    const wanted = RECORDINGS.filter(({ name }) => names.length === 0 || names.includes(name));
    const recorded = wanted.map((recording) => recording.record(folder));
    return RECORDINGS.flatMap(({ name }) => {
      const column = recorded.find((one) => one.name === name) ?? columns.find((one) => one.name === name);
      return column === undefined ? [] : [column];
    });
  } finally {
    if (from === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** A case that waits for other threads may fail on a machine that has no time for it: what fails twice has failed. */
function conformance(...args: string[]): Report {
  for (let attempt = 1; ; attempt++) {
    const { stdout } = spawnSync(process.execPath, [CLI, 'conformance', '--json', ...args], {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const report = JSON.parse(stdout) as Report;
    for (const { id, outcome, detail } of report.cases)
      if (outcome === 'failed' || outcome === 'broken') console.error(`${outcome} ${id}: ${detail}`);
    if (report.failed + report.broken === 0 || attempt === ATTEMPTS) return report;
  }
}

function ran(script: string, ...args: readonly string[]): void {
  execFileSync(process.execPath, [join(SCRIPTS, script), ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: TIMEOUT_MS,
  });
}

function read<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}

function machine(name: string, backend: 'native' | 'emulated', from: string): Column {
  const answers = join(from, name);
  if (!existsSync(answers)) ran('machines.js', name, '--output', from);
  const { what } = MACHINES.find((one) => one.name === name)!;
  const layer = read<FileLayer>(join(answers, 'file-layer.json'));
  const doctor = read<{ backend: string; reason: string }>(join(answers, 'doctor.json'));
  return {
    ...columnOf(
      { name, title: `${name} (${what})`, kind: 'kernel' },
      read<Report>(join(answers, `${backend}.json`)),
    ),
    emulated: countsOf(read<Report>(join(answers, 'emulated.json'))),
    chooses: `${doctor.backend}: ${doctor.reason}`,
    pageBytes: layer.pageBytes,
    layer: layerOf(layer),
  };
}

function fileSystem(name: string, from: string): Column {
  const answers = join(from, name);
  if (!existsSync(answers)) ran('file-systems.js', name, '--output', from);
  return {
    ...columnOf({ name, title: name, kind: 'file system' }, read<Report>(join(answers, 'native.json'))),
    layer: layerOf(read<FileLayer>(join(answers, 'file-layer.json'))),
  };
}

function gvisor(from: string): Column {
  const answers = join(from, 'gvisor');
  if (!existsSync(answers)) ran('gvisor.js', '--output', from);
  const doctor = read<{ backend: string; reason: string }>(join(answers, 'doctor.json'));
  return {
    ...columnOf(
      { name: 'gvisor', title: 'gVisor', kind: 'implementation' },
      read<Report>(join(answers, 'native.json')),
      knownOfGvisor(),
    ),
    emulated: countsOf(read<Report>(join(answers, 'emulated.json'))),
    chooses: `${doctor.backend}: ${doctor.reason}`,
  };
}
