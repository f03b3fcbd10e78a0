/**
 * Holds that AioFile leaves the event loop alone, whatever the disk does: a file system on a disk that takes 400 ms for each request, a timer
 * of 20 ms, and direct I/O of each kind that Linux carries out, in part, inside `io_submit`. All of it on ext4; what other file
 * systems may do otherwise on XFS, btrfs, btrfs that compresses, and on the FUSE file system itself that the disk is a file of.
 *
 *     npm run check:slow-disk
 *
 * Needs root, a C compiler, libfuse3, loop devices. All mounts are in a mount namespace of their own, and the loop device goes with the
 * last of them: whatever ends this program, they go too.
 */
import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AioContext, type AioFile, alignedBuffer, open } from '../../src/index.ts';
import { selectKernel } from '../../src/select.ts';
import { systemPath } from '../kernels/mounts.ts';
import { packageRoot } from '../package-root.ts';

const BLOCK = 4096;
const DISK_MS = 400;
/** Many requests at once: some ten are served at a time. */
const CROWD_MS = 100;
/** More than the 128 that a loop device takes. */
const CROWD = 170;
const TIMER_MS = 20;
/** A timer that is later than this was kept by the disk. Whoever else uses this machine may be to blame too, hence the tries. */
const LATE_MS = 200;
const TRIES = 3;
const FILE_BYTES = 2 << 20;
const BACKENDS = ['native', 'emulated'] as const;

type Backend = (typeof BACKENDS)[number];

/** What is on the disk. */
interface FileSystem {
  readonly name: string;
  /** Makes it on the device, which comes last; none: the disk itself is the file. */
  readonly mkfs?: readonly string[];
  readonly type?: string;
  readonly options?: readonly string[];
}

const FILE_SYSTEMS: readonly FileSystem[] = [
  { name: 'ext4', type: 'ext4', mkfs: ['mkfs.ext4', '-q', '-J', 'size=4'] },
  { name: 'XFS', type: 'xfs', mkfs: ['mkfs.xfs', '-q', '-f'] },
  { name: 'btrfs', type: 'btrfs', mkfs: ['mkfs.btrfs', '-q', '-f'] },
  {
    name: 'btrfs, compressed',
    type: 'btrfs',
    mkfs: ['mkfs.btrfs', '-q', '-f'],
    options: ['-o', 'compress-force=zstd'],
  },
  { name: 'FUSE' },
];

/** A disk that takes its time, and a file system on it. */
class SlowDisk {
  readonly file: string;
  readonly #fileSystem: FileSystem;
  readonly #fuse: string;
  readonly #mount: string;
  readonly #daemon: ChildProcess;
  #device = '';

  private constructor(directory: string, daemon: ChildProcess, fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
    this.#fuse = join(directory, 'fuse');
    this.#mount = join(directory, 'mount');
    this.file = fileSystem.mkfs === undefined ? join(this.#fuse, 'disk') : join(this.#mount, 'file');
    this.#daemon = daemon;
  }

  static async start(directory: string, fileSystem: FileSystem): Promise<SlowDisk> {
    const fuse = join(directory, 'fuse');
    for (const name of [fuse, join(directory, 'mount')]) mkdirSync(name);
    const daemon = spawn(join(directory, 'slow-disk'), ['-f', fuse], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const disk = new SlowDisk(directory, daemon, fileSystem);
    for (let tries = 0; !existsSync(join(fuse, 'disk')); tries++) {
      if (tries > 200 || daemon.exitCode !== null) throw new Error('the FUSE file system did not start');
      await setTimeout(20);
    }
    if (fileSystem.mkfs === undefined) return disk;
    disk.#attach();
    const [command, ...args] = fileSystem.mkfs;
    run(command!, ...args, disk.#device);
    disk.mount();
    return disk;
  }

  takes(ms: number): void {
    writeFileSync(join(this.#fuse, 'delay'), String(ms));
  }

  /** Mounts it, so that nothing of it is in memory. */
  mount(...options: string[]): void {
    const { type, options: always = [] } = this.#fileSystem;
    if (this.#device === '') this.#attach();
    run('mount', '-t', type!, ...always, ...options, this.#device, this.#mount);
    // From now on it is detached by the last who uses it.
    run('losetup', '-d', this.#device);
  }

  unmount(): void {
    run('umount', this.#mount);
    this.#device = '';
  }

  /** Its own file system has no device, and nothing of it is kept in memory but what was read through the page cache. */
  remount(...options: string[]): void {
    if (this.#fileSystem.mkfs === undefined) return;
    this.unmount();
    this.mount(...options);
  }

  /** Makes the file anew, and has it on the disk. */
  makeFile(kind: FileKind): void {
    if (this.#fileSystem.mkfs !== undefined) makeFile(this.file, kind);
  }

  async stop(): Promise<void> {
    this.takes(0);
    if (this.#fileSystem.mkfs !== undefined) this.unmount();
    const ended = new Promise((resolve) => this.#daemon.once('exit', resolve));
    this.#daemon.kill();
    await ended;
  }

  #attach(): void {
    this.#device = run('losetup', '-f', '--show', '--direct-io=on', join(this.#fuse, 'disk'));
  }
}

function run(command: string, ...args: string[]): string {
  const env = { ...process.env, PATH: systemPath() };
  return execFileSync(command, args, { encoding: 'utf8', env }).trim();
}

type FileKind = 'full' | 'hole' | 'scattered' | 'unwritten';

function makeFile(path: string, kind: FileKind): void {
  rmSync(path, { force: true });
  const fd = openSync(path, 'w');
  try {
    if (kind === 'full') writeSync(fd, Buffer.alloc(FILE_BYTES, 1));
    // An extent for each block: more than fit into the inode, so that they have blocks of their own.
    if (kind === 'scattered')
      for (let at = 0; at < 4 * FILE_BYTES; at += 2 * BLOCK)
        writeSync(fd, Buffer.alloc(BLOCK, 1), 0, BLOCK, at);
  } finally {
    closeSync(fd);
  }
  if (kind === 'hole') truncateSync(path, FILE_BYTES);
  if (kind === 'unwritten') run('fallocate', '-l', String(FILE_BYTES), path);
  run('sync');
}

/** Through the page cache, and left there. */
function dirty(path: string): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.alloc(8 * BLOCK, 2), 0, 8 * BLOCK, 0);
  closeSync(fd);
}

const PLACES = [0, 1, 2, 3];
const read = (file: AioFile, at: number): Promise<unknown> => file.read(alignedBuffer(BLOCK), 0, BLOCK, at);
const write = (file: AioFile, at: number): Promise<unknown> => file.write(alignedBuffer(BLOCK), 0, BLOCK, at);
const spread = PLACES.map((place) => place * FILE_BYTES);

interface Case {
  readonly title: string;
  readonly kind: FileKind;
  readonly before?: (disk: SlowDisk) => void;
  /** With the disk slow already when the file is opened. */
  readonly isCold?: true;
  readonly diskMs?: number;
  /** Whether the kernel can have all of it: what goes to the thread pool is a failure. */
  readonly isKernels?: true;
  readonly mount?: readonly string[];
  /** On these file systems too, beside ext4. */
  readonly also?: readonly string[];
  readonly move: (file: AioFile) => Promise<unknown>;
}

const all = (moves: readonly Promise<unknown>[]): Promise<unknown> => Promise.all(moves);
const JOURNALLED = ['-o', 'data=journal'] as const;
const OTHERS = ['XFS', 'btrfs', 'btrfs, compressed'];
const ALL = [...OTHERS, 'FUSE'];

const CASES: readonly Case[] = [
  { title: 'read', kind: 'full', isKernels: true, also: ALL, move: (file) => read(file, 2 * BLOCK) },
  {
    title: 'overwrite',
    kind: 'full',
    before: ({ file }) => settle(file),
    isKernels: true,
    also: ALL,
    move: (file) => write(file, FILE_BYTES / 2),
  },
  {
    title: 'read, cold metadata',
    kind: 'scattered',
    isCold: true,
    also: OTHERS,
    move: (file) => all(spread.map((at) => read(file, at))),
  },
  {
    title: 'overwrite, cold metadata',
    kind: 'scattered',
    isCold: true,
    also: OTHERS,
    move: (file) => all(spread.map((at) => write(file, at))),
  },
  {
    title: 'extending writes',
    kind: 'full',
    also: OTHERS,
    move: (file) => all(PLACES.map((place) => write(file, FILE_BYTES + place * BLOCK))),
  },
  {
    title: 'holes filled',
    kind: 'hole',
    also: OTHERS,
    move: (file) => all(PLACES.map((place) => write(file, place * BLOCK * 8))),
  },
  {
    title: 'room made before',
    kind: 'unwritten',
    move: (file) => all(PLACES.map((place) => write(file, place * BLOCK * 8))),
  },
  {
    title: 'reads of what is dirty in the page cache',
    kind: 'full',
    before: ({ file }) => dirty(file),
    also: OTHERS,
    move: (file) => all(PLACES.map((place) => read(file, place * BLOCK))),
  },
  {
    title: 'writes over what is dirty in the page cache',
    kind: 'full',
    before: ({ file }) => dirty(file),
    also: OTHERS,
    move: (file) => all(PLACES.map((place) => write(file, place * BLOCK))),
  },
  {
    title: 'sync',
    kind: 'full',
    before: ({ file }) => dirty(file),
    also: ALL,
    move: (file) => file.sync(),
  },
  {
    title: 'datasync after a write',
    kind: 'full',
    move: async (file) => {
      await write(file, FILE_BYTES);
      await file.datasync();
    },
  },
  {
    title: `${CROWD} reads at once`,
    kind: 'full',
    diskMs: CROWD_MS,
    move: (file) => all(Array.from({ length: CROWD }, (_, index) => read(file, index * 2 * BLOCK))),
  },
  {
    title: `${CROWD} overwrites at once`,
    kind: 'full',
    diskMs: CROWD_MS,
    before: ({ file }) => settle(file),
    move: (file) => all(Array.from({ length: CROWD }, (_, index) => write(file, index * 2 * BLOCK))),
  },
  {
    title: 'read, data=journal',
    kind: 'full',
    isCold: true,
    mount: JOURNALLED,
    // Far from what looking for the alignment has read.
    move: (file) => read(file, FILE_BYTES / 2),
  },
  {
    title: 'overwrite, data=journal',
    kind: 'full',
    mount: JOURNALLED,
    move: (file) => write(file, 2 * BLOCK),
  },
  {
    title: 'write at the end, data=journal',
    kind: 'full',
    mount: JOURNALLED,
    move: (file) => write(file, FILE_BYTES),
  },
];

/**
 * Has nothing of the file in the page cache, whose clean pages a write has to drop. A write since the mount has to have been: the first
 * takes the exclusive lock (RWF-15).
 */
function settle(path: string): void {
  dirty(path);
  run('sync');
  run(
    'dd',
    'status=none',
    'if=/dev/null',
    `of=${path}`,
    'oflag=nocache',
    'conv=notrunc,fdatasync',
    'count=0',
  );
}

/** @returns The latest that a timer came while it was made, and what went to the thread pool. */
async function measure(
  disk: SlowDisk,
  backend: Backend,
  one: Case,
): Promise<{ lateMs: number; tookMs: number; pool: string }> {
  await using context = new AioContext({ kernel: selectKernel({ backend }).kernel, queueDepth: 256 });
  if (one.mount !== undefined) disk.remount(...one.mount);
  disk.makeFile(one.kind);
  if (one.isCold) disk.remount(...(one.mount ?? []));
  const openIt = (): Promise<AioFile> => open(disk.file, 'r+', 0o666, { context, direct: 'prefer' });
  let file = one.isCold ? undefined : await openIt();
  one.before?.(disk);
  disk.takes(one.diskMs ?? DISK_MS);
  let lateMs = 0;
  let isOver = false;
  const watch = async (): Promise<void> => {
    while (!isOver) {
      const from = performance.now();
      await setTimeout(TIMER_MS);
      lateMs = Math.max(lateMs, performance.now() - from - TIMER_MS);
    }
  };
  const watched = watch();
  const startedMs = performance.now();
  let tookMs = 0;
  try {
    file ??= await openIt();
    await one.move(file);
    tookMs = performance.now() - startedMs;
  } finally {
    isOver = true;
    await watched;
    disk.takes(0);
    await file?.close();
    if (one.mount !== undefined) disk.remount();
  }
  return { lateMs, tookMs, pool: JSON.stringify(context.stats.threadPool) };
}

async function inside(directory: string): Promise<number> {
  let wrong = 0;
  for (const fileSystem of FILE_SYSTEMS) {
    const isFirst = fileSystem === FILE_SYSTEMS[0];
    const cases = CASES.filter(({ also = [] }) => isFirst || also.includes(fileSystem.name));
    const disk = await SlowDisk.start(directory, fileSystem);
    try {
      // What another file system leaves to the kernel is not asked: it is the timer that counts.
      for (const backend of BACKENDS)
        for (const one of cases) {
          const isKernels = isFirst && one.isKernels === true;
          if (!(await isRight(disk, backend, one, `${fileSystem.name}, ${backend}, ${one.title}`, isKernels)))
            wrong++;
        }
    } finally {
      await disk.stop();
    }
    for (const name of ['fuse', 'mount']) removeEmpty(join(directory, name));
  }
  return wrong === 0 ? 0 : 1;
}

async function isRight(
  disk: SlowDisk,
  backend: Backend,
  one: Case,
  title: string,
  isKernels: boolean,
): Promise<boolean> {
  let best = Number.POSITIVE_INFINITY;
  let pool = '';
  let took = 0;
  // Each with a file of its own, of which nothing has been learned.
  for (let tries = 0; tries < TRIES && best > LATE_MS; tries++) {
    const measured = await measure(disk, backend, one);
    best = Math.min(best, measured.lateMs);
    pool = measured.pool;
    took = measured.tookMs;
  }
  const isGood = best <= LATE_MS && !(isKernels && pool !== '{}');
  console.log(
    `${isGood ? 'right' : 'WRONG'}  ${title}: ${took.toFixed(0)} ms, a timer at most ${best.toFixed(0)} ms late; thread pool ${pool}`,
  );
  return isGood;
}

/** A folder that something was mounted on; a FUSE file system may be there for a moment longer than its program. */
function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    run('umount', '-l', folder);
    rmdirSync(folder);
  }
}

/** Why it cannot be done here. */
function obstacle(directory: string): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return 'loop devices and mounts take root on Linux';
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse';
  try {
    const flags = run('pkg-config', '--cflags', '--libs', 'fuse3').split(/\s+/);
    const source = join(packageRoot(), 'scripts/checks/slow-disk.c');
    run('cc', '-O1', '-Wall', source, '-o', join(directory, 'slow-disk'), ...flags);
    run('losetup', '-f');
    run('unshare', '--mount', 'true');
    return undefined;
  } catch (error) {
    return (error as Error).message.trim();
  }
}

function outside(directory: string, env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve) => {
    const child = fork(fileURLToPath(import.meta.url), ['--inside', directory], {
      execPath: 'unshare',
      execArgv: ['--mount', process.execPath],
      env: { ...process.env, ...env },
    });
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

async function main(): Promise<number> {
  const build = mkdtempSync(join(tmpdir(), 'kaio-slow-disk-'));
  const end = (): never => {
    rmSync(build, { recursive: true, force: true });
    process.exit(1);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, end);
  let wrong = 0;
  try {
    const reason = obstacle(build);
    if (reason !== undefined) {
      console.log(`the slow disk was not tried: ${reason}`);
      return 0;
    }
    for (const [title, env] of [
      ['as it is', {}],
      ['without the addon', { KAIO_ADDON: '0' }],
    ] as const) {
      console.log(`${title}:`);
      if ((await outside(build, env)) !== 0) wrong++;
      for (const name of ['fuse', 'mount']) rmSync(join(build, name), { recursive: true, force: true });
    }
  } finally {
    rmSync(build, { recursive: true, force: true });
  }
  return wrong === 0 ? 0 : 1;
}

if (process.argv[2] === '--inside') {
  // Who has started this is gone: so are the mounts, with this process.
  process.once('disconnect', () => process.exit(1));
  process.exit(await inside(process.argv[3]!));
} else process.exit(await main());
