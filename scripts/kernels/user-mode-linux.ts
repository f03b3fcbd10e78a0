/**
 * Boots a second real kernel, User Mode Linux (Debian's package `user-mode-linux`), on this machine's own file system, and runs the
 * native conformance suite and a short fuzz in it.
 *
 * The guest's root is the host's, by hostfs, so that Node.js and the build are there. Files are made on an ext4 image, since
 * hostfs has no O_DIRECT. Results come back as files. Nothing of the host is written to but a temporary folder.
 *
 * Options: `--output FILE` keeps the conformance report; `--fuzz SECONDS` (default 20; 0: none); `--timeout SECONDS` for the whole.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Report } from '../../test/conformance/index.ts';

const KERNEL = 'linux.uml';
const DISK_MIB = 512;
const CLI = fileURLToPath(new URL('../../src/cli/cli.js', import.meta.url));
const CONSOLE_LINES = 40;

const { values } = parseArgs({
  options: {
    output: { type: 'string' },
    fuzz: { type: 'string', default: '20' },
    timeout: { type: 'string', default: '540' },
  },
});

interface FuzzReport {
  readonly seed: number;
  readonly operations: number;
  readonly programs: number;
  readonly divergences: readonly unknown[];
}

/** Where a program is, also where only root's PATH has it. */
function programPath(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The guest's first and only program. */
function init(home: string, fuzzSeconds: number): string {
  const kaio = `${quoted(process.execPath)} ${quoted(CLI)}`;
  const at = (name: string): string => quoted(join(home, name));
  const fuzz = `${kaio} fuzz --seconds ${fuzzSeconds} --json >${at('fuzz.json')} 2>${at('fuzz.err')}; echo $? >${at('fuzz.code')}`;
  return `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=${quoted(home)} LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t ext4 /dev/ubda ${at('disk')}
ip link set lo up 2>/dev/null || ifconfig lo up
export TMPDIR=${at('disk')}
cd ${at('disk')}
uname -r >${at('release')}
${kaio} conformance --backend native --directory ${at('disk')} --json >${at('report.json')} 2>${at('report.err')}
echo $? >${at('report.code')}
${fuzzSeconds > 0 ? fuzz : ':'}
sync
poweroff -f
`;
}

function read(home: string, name: string): string {
  const path = join(home, name);
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
}

/** Boots, and waits for the end. @returns What the console said. */
async function boot(kernel: string, home: string, timeoutMs: number): Promise<string> {
  const log = join(home, 'console');
  const out = openSync(log, 'w');
  const guest = spawn(
    kernel,
    [
      'mem=1024M',
      'root=/dev/root',
      'rootfstype=hostfs',
      'rootflags=/',
      'rw',
      `init=${join(home, 'init')}`,
      `ubda=${join(home, 'ext4.img')}`,
      `uml_dir=${join(home, 'uml')}`,
      'con=null',
      'con0=fd:0,fd:1',
      'quiet',
    ],
    { stdio: ['ignore', out, out], detached: true, env: { ...process.env, TMPDIR: home } },
  );
  closeSync(out);
  // The guest's processes are processes of the host, in the group of the first.
  const kill = (): void => {
    try {
      process.kill(-guest.pid!, 'SIGKILL');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  };
  process.once('exit', kill);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
  let late = false;
  const deadline = setTimeout(() => {
    late = true;
    kill();
  }, timeoutMs);
  await new Promise((resolve, reject) => {
    guest.once('exit', resolve);
    guest.once('error', reject);
  });
  clearTimeout(deadline);
  kill();
  process.off('exit', kill);
  const text = readFileSync(log, 'utf8').split('\n').slice(-CONSOLE_LINES).join('\n');
  if (late) throw new Error(`the guest was not done within ${timeoutMs / 1000} s\n${text}`);
  return text;
}

function judgeConformance(home: string, text: string): void {
  const answer = read(home, 'report.json');
  if (answer === '') throw new Error(`the guest left no report\n${text}\n${read(home, 'report.err')}`);
  if (values.output !== undefined) copyFileSync(join(home, 'report.json'), values.output);
  const { kernel, passed, failed, unsupported, broken, cases } = JSON.parse(answer) as Report;
  for (const { id, rule, outcome, detail } of cases)
    if (outcome === 'failed' || outcome === 'broken') console.error(`${outcome} ${id} (${rule}): ${detail}`);
  console.log(
    `conformance, ${kernel} (User Mode Linux): ` +
      `${passed} passed, ${failed} failed, ${unsupported} unsupported here, ${broken} broken`,
  );
  if (read(home, 'report.code') !== '0') process.exitCode = 1;
}

function judgeFuzz(home: string): void {
  const answer = read(home, 'fuzz.json');
  if (answer === '') throw new Error(`the guest's fuzz left no report\n${read(home, 'fuzz.err')}`);
  const { seed, operations, programs, divergences } = JSON.parse(answer) as FuzzReport;
  for (const divergence of divergences) console.error(JSON.stringify(divergence));
  console.log(
    `fuzz, ${read(home, 'release')} (User Mode Linux): seed ${seed}, ${operations} operations in ${programs} programs, ` +
      `${divergences.length} divergences`,
  );
  if (read(home, 'fuzz.code') !== '0') process.exitCode = 1;
}

async function main(): Promise<void> {
  const kernel = programPath(KERNEL);
  const mkfs = programPath('mkfs.ext4');
  if (kernel === undefined || mkfs === undefined)
    throw new Error(`${KERNEL} and mkfs.ext4 are needed: bash scripts/ci-packages.sh installs them`);
  const home = mkdtempSync(join(tmpdir(), 'kaio-uml-'));
  try {
    mkdirSync(join(home, 'disk'));
    mkdirSync(join(home, 'uml'));
    writeFileSync(join(home, 'init'), init(home, Number(values.fuzz)), { mode: 0o755 });
    const image = join(home, 'ext4.img');
    execFileSync('truncate', ['-s', `${DISK_MIB}m`, image]);
    execFileSync(mkfs, ['-q', '-F', '-b', '4096', image]);
    const text = await boot(kernel, home, Number(values.timeout) * 1000);
    judgeConformance(home, text);
    if (Number(values.fuzz) > 0) judgeFuzz(home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

await main();
