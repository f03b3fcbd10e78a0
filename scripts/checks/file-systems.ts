/**
 * The file tests on every file system that can be had here, what `kaio doctor` tells of each, and the rules of the conformance suite that
 * leave an answer to the file system (`test/conformance/file-systems.ts`), by the native kernel.
 *
 * `npm run check:file-systems`, or with the names of some; with `--rules` without the file tests, which take most of the time; with `--turn` one of the variants of ext4, by the day. Images are mounted by loop devices in a folder of their own: it takes root, and
 * what is missing (the kernel's part, mkfs, a loop device) is said and skipped. Whatever happens, all is unmounted and detached.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { runOrThrow } from '../build/addon-compiler.ts';
import type { Report } from '../../test/conformance/index.ts';
import { packageRoot } from '../package-root.ts';
import { ofToday } from '../turn.ts';

const MEBIBYTE = 1 << 20;
const SECONDS = 240;
const SIGNALS_MS = 20;
/** How long the processes of a test run that was ended may take to let go of their files. */
const BUSY_TRIES = 20;
const BUSY_MS = 250;
const root = packageRoot();
/** mkfs, mount and losetup are not in everybody's path. */
const env = { ...process.env, PATH: `${process.env.PATH}${delimiter}/usr/sbin${delimiter}/sbin` };

/** One kind of file system, and what has to be told of it. */
interface Kind {
  readonly name: string;
  /** As `/proc/filesystems` calls it. */
  readonly type: string;
  /** The command that makes it on an image, which comes last. None: it needs no device. */
  readonly mkfs?: readonly string[];
  readonly imageBytes?: number;
  readonly options?: readonly string[];
  /** Of the loop device's sectors, where they are not of 512. */
  readonly sectorBytes?: number;
  /** Like another kind to file tests: rules and doctor alone. */
  readonly isVariant?: true;
  /** The kind that is below it. */
  readonly on?: string;
  /** What `direct` and `direct_reason` of the doctor have to be. */
  readonly direct: RegExp;
  readonly reason: RegExp;
}

const TOLD = /^the kernel says that this file takes it$|^verified: /;

/** Rules that leave an answer to the file system, or ask something of direct transfers. */
const RULES = [
  ...['BUF-05', 'BUF-07', 'OFF-03', 'VEC-10', 'BLOCK-04', 'RWF-05', 'RWF-06', 'RWF-10', 'RWF-11'],
  ...['DIO-01', 'DIO-02', 'DIO-03', 'DIO-04', 'DIO-05', 'DIO-06'],
];

/** ext4, made otherwise. */
function variant(name: string, how: readonly string[]): Kind {
  return {
    name,
    type: 'ext4',
    mkfs: ['mkfs.ext4', '-qF', ...how],
    isVariant: true,
    direct: /^yes$/,
    reason: TOLD,
  };
}

const KINDS: readonly Kind[] = [
  { name: 'ext4', type: 'ext4', mkfs: ['mkfs.ext4', '-qF'], direct: /^yes$/, reason: TOLD },
  {
    name: 'ext4-data-journal',
    type: 'ext4',
    mkfs: ['mkfs.ext4', '-qF'],
    options: ['data=journal'],
    direct: /^no: /,
    reason: /data=journal/,
  },
  variant('ext4-blocks-of-1024', ['-b', '1024']),
  variant('ext4-bigalloc', ['-O', 'bigalloc']),
  variant('ext4-without-journal', ['-O', '^has_journal']),
  { ...variant('ext4-sectors-of-4096', []), sectorBytes: 4096 },
  {
    name: 'xfs',
    type: 'xfs',
    mkfs: ['mkfs.xfs', '-qf'],
    imageBytes: 512 * MEBIBYTE,
    direct: /^yes$/,
    reason: TOLD,
  },
  { name: 'btrfs', type: 'btrfs', mkfs: ['mkfs.btrfs', '-qf'], direct: /^yes$/, reason: TOLD },
  { name: 'tmpfs', type: 'tmpfs', direct: /^no: /, reason: /memory|does not open/ },
  { name: 'overlay-on-ext4', type: 'overlay', on: 'ext4', direct: /^yes$/, reason: TOLD },
  {
    name: 'overlay-on-tmpfs',
    type: 'overlay',
    on: 'tmpfs',
    direct: /^no: /,
    reason: /memory|page cache|does not open/,
  },
];

interface Doctor {
  readonly direct: string;
  readonly direct_reason: string;
  readonly nowait: string;
  readonly alignment?: { readonly memory: number; readonly position: number };
}

/** Something cannot be had on this machine. */
class Missing extends Error {}

/** What is mounted, to be taken away in the opposite order. */
class Mounts implements Disposable {
  readonly home = mkdtempSync(join(tmpdir(), 'kaio-file-systems-'));
  readonly #undo: (() => void)[] = [];

  /** @returns Where it is. @throws Missing. */
  mount(kind: Kind): string {
    const point = join(this.home, kind.name);
    mkdirSync(point);
    if (kind.on !== undefined) this.#mountOverlay(point, kind);
    else if (kind.mkfs === undefined) this.#mount(point, ['-t', kind.type, kind.name]);
    else this.#mountImage(point, kind);
    return point;
  }

  #mountOverlay(point: string, { type, on }: Kind): void {
    const below = this.mount({ ...KINDS.find(({ name }) => name === on)!, name: `below-${type}-${on}` });
    const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => join(below, name));
    for (const folder of [lower!, upper!, work!]) mkdirSync(folder);
    this.#mount(point, ['-t', type, type, '-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`]);
  }

  #mountImage(point: string, kind: Kind): void {
    const { type, mkfs, options = [], imageBytes = 256 * MEBIBYTE, sectorBytes = 512 } = kind;
    const image = `${point}.img`;
    writeFileSync(image, '');
    truncateSync(image, imageBytes);
    const [command, ...args] = mkfs!;
    const device = tried('losetup', ['-b', String(sectorBytes), '-f', '--show', image]).trim();
    try {
      tried(command!, [...args, device]);
      this.#mount(point, ['-t', type, ...(options.length > 0 ? ['-o', options.join(',')] : []), device]);
    } finally {
      // While it is mounted this is a promise: the kernel detaches it when the last one lets go of it, whatever becomes of this program.
      run('losetup', ['-d', device]);
    }
  }

  #mount(point: string, args: readonly string[]): void {
    tried('mount', [...args, point]);
    this.#undo.push(() => {
      const nobody = new Int32Array(new SharedArrayBuffer(4));
      for (let tries = 0; tries < BUSY_TRIES; tries++) {
        if (run('umount', [point]).status === 0) return;
        Atomics.wait(nobody, 0, 0, BUSY_MS);
      }
      console.error(`${point} is busy: it is unmounted when it is not`);
      run('umount', ['-l', point]);
      process.exitCode = 1;
    });
  }

  [Symbol.dispose](): void {
    for (const step of this.#undo.reverse()) step();
    // What is still mounted somewhere below must not be emptied.
    const mounted = readFileSync('/proc/self/mountinfo', 'latin1').includes(` ${this.home}/`);
    if (!mounted) rmSync(this.home, { recursive: true, force: true });
  }
}

function run(command: string, args: readonly string[]): ReturnType<typeof spawnSync> {
  return spawnSync(command, args, { env, encoding: 'utf8' });
}

/** @throws Missing with what it said. */
function tried(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = run(command, args);
  if (error !== undefined) throw new Missing(`${command}: ${error.message}`);
  if (status !== 0) throw new Missing(`${command}: ${String(stderr).trim().split('\n')[0]}`);
  return String(stdout);
}

/** Whether the kernel knows it, perhaps after a module was loaded. */
function requireKernel(type: string): void {
  const known = (): boolean =>
    readFileSync('/proc/filesystems', 'latin1')
      .split('\n')
      .some((line) => line.split('\t')[1] === type);
  if (known()) return;
  run('modprobe', [type]);
  if (!known()) throw new Missing(`the kernel has no ${type}`);
}

/** @returns What is wrong. */
function examine({ direct, reason, isVariant }: Kind, directory: string, rulesOnly: boolean): string[] {
  const wrong: string[] = [];
  const cli = join(root, 'dist/src/cli/cli.js');
  const doctor = JSON.parse(
    runOrThrow(process.execPath, [cli, 'doctor', '--json', '--directory', directory]),
  ) as Doctor;
  const { alignment } = doctor;
  const multiples =
    alignment === undefined ? '' : `, memory ${alignment.memory}, position ${alignment.position}`;
  console.log(
    `  direct ${doctor.direct === 'yes' ? `yes: ${doctor.direct_reason}` : doctor.direct}${multiples}`,
  );
  console.log(`  RWF_NOWAIT ${doctor.nowait}`);
  if (!direct.test(doctor.direct) || !reason.test(doctor.direct_reason)) wrong.push('the doctor is wrong');
  wrong.push(...brokenRules(directory));
  if (rulesOnly || isVariant === true) return wrong;
  // In one process: half of the time would go into loading the same modules again for each file.
  const vitest = [
    'node_modules/vitest/vitest.mjs',
    'run',
    'test/common/file',
    '--no-isolate',
    '--reporter=dot',
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, vitest, {
    cwd: root,
    env: { ...env, TMPDIR: directory, NO_COLOR: '1' },
    encoding: 'utf8',
    timeout: SECONDS * 1000,
  });
  console.log(`  ${/^ *Tests .*$/m.exec(stdout)?.[0].trim() ?? 'no tests were run'}`);
  if (status !== 0) {
    console.log(`${stdout}${stderr}`.split('\n').slice(-150).join('\n'));
    wrong.push('file tests fail');
  }
  return wrong;
}

/** Asks the native kernel, which makes its files there. @returns What is not as the data have it. */
function brokenRules(directory: string): string[] {
  const cli = join(root, 'dist/src/cli/cli.js');
  const counts = { passed: 0, unsupported: 0 };
  const wrong: string[] = [];
  for (const rule of RULES) {
    const args = ['conformance', '--backend', 'native', '--json', '--rule', rule, '--directory', directory];
    const { stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { env, encoding: 'utf8' });
    if (!stdout.startsWith('{')) throw new Error(`no report of ${rule}: ${stderr}`);
    const report = JSON.parse(stdout) as Report;
    counts.passed += report.passed;
    counts.unsupported += report.unsupported;
    for (const { id, outcome, detail } of report.cases)
      if (outcome === 'failed' || outcome === 'broken') wrong.push(`${id} (${rule}): ${detail}`);
  }
  console.log(
    `  rules: ${counts.passed} passed, ${counts.unsupported} not asked there, ${wrong.length} failed`,
  );
  return wrong;
}

/** @returns Whether all is well. */
function check(kind: Kind, rulesOnly: boolean): boolean {
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
  const wrong = examine(kind, directory, rulesOnly);
  console.log(wrong.length === 0 ? '  right' : `  WRONG: ${wrong.join(', ')}`);
  return wrong.length === 0;
}

async function main(args: readonly string[]): Promise<void> {
  const variantOfToday = ofToday(KINDS.filter(({ isVariant }) => isVariant));
  const rulesOnly = args.includes('--rules');
  const names = args.filter((arg) => !arg.startsWith('--'));
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    console.log('skipped: file systems are mounted by root on Linux');
    return;
  }
  const unknown = names.filter((name) => !KINDS.some((kind) => kind.name === name));
  if (unknown.length > 0)
    throw new Error(`${unknown.join(', ')}: there is ${KINDS.map(({ name }) => name).join(', ')}`);
  // With a listener a signal does not end this program before it has unmounted: the children that it is for end, and this goes on.
  let isStopped = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      isStopped = true;
      process.exitCode = 1;
    });
  for (const kind of KINDS) {
    if (names.length > 0 && !names.includes(kind.name)) continue;
    if (kind.isVariant && args.includes('--turn') && kind !== variantOfToday) continue;
    if (!check(kind, rulesOnly)) process.exitCode = 1;
    // Signals are heard between.
    await setTimeout(SIGNALS_MS);
    if (isStopped) break;
  }
}

await main(process.argv.slice(2));
