/**
 * File systems, on the kernel of this machine: what `kaio doctor` tells of each, the rules of the conformance suite that leave an answer to
 * the file system (`test/conformance/file-systems.ts`) by the native kernel, what the file layer does there, and the file tests.
 *
 * `npm run check:file-systems`, or with the names of some; with `--rules` without the file tests, which take most of the time; with `--turn`
 * of those that take turns one alone, by the day; with `--output FOLDER` the whole suite instead of those rules and of the file tests, whose reports
 * are kept there. It takes root. What is missing (the kernel's part, mkfs, a loop device) is said and skipped.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Report } from '../../test/conformance/index.ts';
import { runOrThrow } from '../build/addon-compiler.ts';
import { packageRoot } from '../package-root.ts';
import { ofToday } from '../turn.ts';
import { type FileLayer, wrongIn } from './file-layer.ts';
import { FILE_SYSTEMS, type FileSystem } from './file-system-targets.ts';
import { Missing, Mounts, requireKernel, systemPath } from './mounts.ts';
import { named } from './targets.ts';

const SECONDS = 240;
const SIGNALS_MS = 20;
const MOST_BYTES = 1 << 26;
const root = packageRoot();
const CLI = join(root, 'dist/src/cli/cli.js');
const env = { ...process.env, PATH: systemPath() };

interface Doctor {
  readonly direct: string;
  readonly direct_reason: string;
  readonly nowait: string;
  readonly alignment?: { readonly memory: number; readonly position: number };
}

/** Rules that leave an answer to the file system, or ask something of direct transfers. */
const RULES = [
  ...['BUF-05', 'BUF-07', 'OFF-03', 'VEC-10', 'BLOCK-04', 'RWF-05', 'RWF-06', 'RWF-10', 'RWF-11'],
  ...['DIO-01', 'DIO-02', 'DIO-03', 'DIO-04', 'DIO-05', 'DIO-06'],
];

/** What is asked of each. */
interface Questions {
  readonly rulesOnly: boolean;
  /** Where the reports of the whole suite are kept. */
  readonly output: string | undefined;
}

/** @returns What is wrong. */
function examine(kind: FileSystem, directory: string, { rulesOnly, output }: Questions): string[] {
  const keep = (name: string, text: string): void => {
    if (output === undefined) return;
    mkdirSync(join(output, kind.name), { recursive: true });
    writeFileSync(join(output, kind.name, name), text);
  };
  const doctor = runOrThrow(process.execPath, [CLI, 'doctor', '--json', '--directory', directory]);
  keep('doctor.json', doctor);
  const program = join(root, 'dist/scripts/kernels/file-layer.js');
  const layer = runOrThrow(process.execPath, [program, directory]);
  keep('file-layer.json', layer);
  const wrong = [
    ...wrongDoctor(kind, JSON.parse(doctor) as Doctor),
    ...wrongIn(JSON.parse(layer) as FileLayer),
  ];
  if (output !== undefined) {
    const report = conformance(directory);
    keep('native.json', JSON.stringify(report));
    return [...wrong, ...failuresOf([report])];
  }
  wrong.push(...failuresOf(RULES.map((rule) => conformance(directory, '--rule', rule))));
  if (rulesOnly || kind.isVariant === true) return wrong;
  return [...wrong, ...failingFileTests(kind, directory)];
}

function wrongDoctor({ direct, reason }: FileSystem, doctor: Doctor): string[] {
  const { alignment } = doctor;
  const multiples =
    alignment === undefined ? '' : `, memory ${alignment.memory}, position ${alignment.position}`;
  console.log(
    `  direct ${doctor.direct === 'yes' ? `yes: ${doctor.direct_reason}` : doctor.direct}${multiples}`,
  );
  console.log(`  RWF_NOWAIT ${doctor.nowait}`);
  return direct.test(doctor.direct) && reason.test(doctor.direct_reason) ? [] : ['the doctor is wrong'];
}

/** Asks the native kernel, which makes its files there. */
function conformance(directory: string, ...more: readonly string[]): Report {
  const args = ['conformance', '--backend', 'native', '--json', '--directory', directory, ...more];
  const { stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    env,
    encoding: 'utf8',
    maxBuffer: MOST_BYTES,
  });
  if (!stdout.startsWith('{')) throw new Error(`no report of ${more.join(' ')}: ${stderr}`);
  return JSON.parse(stdout) as Report;
}

/** @returns What is not as the data have it. */
function failuresOf(reports: readonly Report[]): string[] {
  const sum = (outcome: 'passed' | 'unsupported'): number =>
    reports.reduce((count, report) => count + report[outcome], 0);
  const wrong = reports.flatMap(({ cases }) =>
    cases
      .filter(({ outcome }) => outcome === 'failed' || outcome === 'broken')
      .map(({ id, rule, detail }) => `${id} (${rule}): ${detail}`),
  );
  console.log(
    `  rules: ${sum('passed')} passed, ${sum('unsupported')} not asked there, ${wrong.length} failed`,
  );
  return wrong;
}

function failingFileTests({ without }: FileSystem, directory: string): string[] {
  if (without !== undefined) console.log(`  without ${without.tests}: ${without.reason}`);
  // In one process: half of the time would go into loading the same modules again for each file.
  const vitest = [
    'node_modules/vitest/vitest.mjs',
    'run',
    'test/common/file',
    '--no-isolate',
    '--reporter=dot',
    ...(without === undefined ? [] : ['--exclude', without.tests]),
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, vitest, {
    cwd: root,
    env: { ...env, TMPDIR: directory, NO_COLOR: '1' },
    encoding: 'utf8',
    timeout: SECONDS * 1000,
  });
  console.log(`  ${/^ *Tests .*$/m.exec(stdout)?.[0].trim() ?? 'no tests were run'}`);
  if (status === 0) return [];
  console.log(`${stdout}${stderr}`.split('\n').slice(-150).join('\n'));
  return ['file tests fail'];
}

/** @returns Whether all is well. */
function check(kind: FileSystem, questions: Questions): boolean {
  console.log(`${kind.name}:`);
  using mounts = new Mounts();
  let directory: string;
  try {
    requireKernel(kind.type);
    directory = mounts.mount(kind);
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    console.log(`  skipped: ${error.message}`);
    return true;
  }
  const wrong = examine(kind, directory, questions);
  console.log(wrong.length === 0 ? '  right' : `  WRONG: ${wrong.join(', ')}`);
  return wrong.length === 0;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      rules: { type: 'boolean', default: false },
      turn: { type: 'boolean', default: false },
      output: { type: 'string' },
    },
    allowPositionals: true,
  });
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    console.log('skipped: file systems are mounted by root on Linux');
    return;
  }
  const takingTurns = FILE_SYSTEMS.filter(({ isVariant, takesTurns }) => isVariant || takesTurns);
  // With a listener a signal does not end this program before it has unmounted: the children that it is for end, and this goes on.
  let isStopped = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      isStopped = true;
      process.exitCode = 1;
    });
  for (const kind of named(FILE_SYSTEMS, positionals)) {
    if (values.turn && takingTurns.includes(kind) && kind !== ofToday(takingTurns)) continue;
    if (!check(kind, { rulesOnly: values.rules, output: values.output })) process.exitCode = 1;
    // Signals are heard between.
    await setTimeout(SIGNALS_MS);
    if (isStopped) break;
  }
}

await main();
