/**
 * Holds that AioFile leaves the event loop alone, whatever the disk does: an ext4 on a disk that takes 400 ms for each request, a timer of
 * 20 ms, and direct I/O of each kind that Linux carries out, in part, inside `io_submit`.
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

/** A disk that takes its time, and an ext4 on it. */
class SlowDisk {
  readonly file: string;
  readonly #fuse: string;
  readonly #mount: string;
  readonly #daemon: ChildProcess;
  #device = '';

  private constructor(directory: string, daemon: ChildProcess) {
    this.#fuse = join(directory, 'fuse');
    this.#mount = join(directory, 'ext4');
    this.file = join(this.#mount, 'file');
    this.#daemon = daemon;
  }

  static async start(directory: string): Promise<SlowDisk> {
    const fuse = join(directory, 'fuse');
    for (const name of [fuse, join(directory, 'ext4')]) mkdirSync(name);
    const daemon = spawn(join(directory, 'slow-disk'), ['-f', fuse], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const disk = new SlowDisk(directory, daemon);
    for (let tries = 0; !existsSync(join(fuse, 'disk')); tries++) {
      if (tries > 200 || daemon.exitCode !== null) throw new Error('the FUSE file system did not start');
      await setTimeout(20);
    }
    disk.#attach();
    run('mkfs.ext4', '-q', '-J', 'size=4', disk.#device);
    disk.mount();
    return disk;
  }

  takes(ms: number): void {
    writeFileSync(join(this.#fuse, 'delay'), String(ms));
  }

  /** Mounts it, so that nothing of it is in memory. */
  mount(...options: string[]): void {
    if (this.#device === '') this.#attach();
    run('mount', '-t', 'ext4', ...options, this.#device, this.#mount);
    // From now on it is detached by the last who uses it.
    run('losetup', '-d', this.#device);
  }

  unmount(): void {
    run('umount', this.#mount);
    this.#device = '';
  }

  remount(...options: string[]): void {
    this.unmount();
    this.mount(...options);
  }

  stop(): void {
    this.takes(0);
    this.unmount();
    this.#daemon.kill();
  }

  #attach(): void {
    this.#device = run('losetup', '-f', '--show', '--direct-io=on', join(this.#fuse, 'disk'));
  }
}

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8' }).trim();
}

/** Makes the file anew, and has it on the disk. */
function makeFile(path: string, kind: 'full' | 'hole' | 'scattered' | 'unwritten'): void {
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
  readonly kind: Parameters<typeof makeFile>[1];
  readonly before?: (disk: SlowDisk) => void;
  /** With the disk slow already when the file is opened. */
  readonly isCold?: true;
  readonly diskMs?: number;
  /** Whether the kernel can have all of it: what goes to the thread pool is a failure. */
  readonly isKernels?: true;
  readonly mount?: readonly string[];
  readonly move: (file: AioFile) => Promise<unknown>;
}

const all = (moves: readonly Promise<unknown>[]): Promise<unknown> => Promise.all(moves);
const JOURNALLED = ['-o', 'data=journal'] as const;

const CASES: readonly Case[] = [
  { title: 'read', kind: 'full', isKernels: true, move: (file) => read(file, 2 * BLOCK) },
  {
    title: 'overwrite',
    kind: 'full',
    before: ({ file }) => settle(file),
    isKernels: true,
    move: (file) => write(file, FILE_BYTES / 2),
  },
  {
    title: 'read, cold metadata',
    kind: 'scattered',
    isCold: true,
    move: (file) => all(spread.map((at) => read(file, at))),
  },
  {
    title: 'overwrite, cold metadata',
    kind: 'scattered',
    isCold: true,
    move: (file) => all(spread.map((at) => write(file, at))),
  },
  {
    title: 'extending writes',
    kind: 'full',
    move: (file) => all(PLACES.map((place) => write(file, FILE_BYTES + place * BLOCK))),
  },
  {
    title: 'holes filled',
    kind: 'hole',
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
    move: (file) => all(PLACES.map((place) => read(file, place * BLOCK))),
  },
  {
    title: 'writes over what is dirty in the page cache',
    kind: 'full',
    before: ({ file }) => dirty(file),
    move: (file) => all(PLACES.map((place) => write(file, place * BLOCK))),
  },
  { title: 'sync', kind: 'full', before: ({ file }) => dirty(file), move: (file) => file.sync() },
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
  makeFile(disk.file, one.kind);
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
  const disk = await SlowDisk.start(directory);
  let wrong = 0;
  try {
    for (const backend of BACKENDS) {
      for (const one of CASES) {
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
        const strayed = one.isKernels === true && pool !== '{}';
        const isWrong = best > LATE_MS || strayed;
        if (isWrong) wrong++;
        const verdict = isWrong ? 'WRONG' : 'right';
        console.log(
          `${verdict}  ${backend}, ${one.title}: ${took.toFixed(0)} ms, a timer at most ${best.toFixed(0)} ms late; thread pool ${pool}`,
        );
      }
    }
  } finally {
    disk.stop();
  }
  return wrong === 0 ? 0 : 1;
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
      for (const name of ['fuse', 'ext4']) rmSync(join(build, name), { recursive: true, force: true });
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
