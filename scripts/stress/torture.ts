/**
 * Worker threads that end, at random moments and in every way there is, with direct reads in flight into their own buffers.
 *
 * Whatever the kernel still wrote to after a thread's memory was freed would show in memory handed out since: this thread
 * and each new worker fill theirs with a pattern that no file has, and look whether it stays. No ring may
 * stay mapped, and the process must live.
 *
 *     npm run torture -- --seconds 300 [--workers 4] [--directory DIR] [--unguarded] [--filtered]
 *
 * `--filtered` does it where process_vm_readv is forbidden (by strace), as in many containers: rings cannot be mapped there.
 * `--unguarded` reads without the addon's guard, to show that the damage it prevents is seen here.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { loadAddon, openNativeKernel } from '../../src/native/index.ts';
import { ownContexts } from '../../test/support/own-contexts.ts';
import type { Ending, TortureData } from './torture-worker.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '300' },
    workers: { type: 'string', default: '4' },
    directory: { type: 'string', default: tmpdir() },
    unguarded: { type: 'boolean', default: false },
    filtered: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const lanes = Number(values.workers);
const { unguarded } = values;

const FILE_BYTES = 16 << 20;
const BLOCK_BYTES = 64 << 10;
const DEPTH = 64;
const FILE_BYTE = 0x5a;
const POISON = 0xa5;
const PAGE_BYTES = 4096;
const WATCHED_MS = 100;
const MOST_MS = 40;
const SETTLE_MS = 60_000;
const GUARDED: readonly Ending[] = ['terminate', 'terminate', 'terminate', 'exit', 'throw', 'natural'];

const ended: Record<Ending, number> = { terminate: 0, exit: 0, throw: 0, natural: 0 };
const damage = new Set<string>();

/** Memory of this thread that is watched for a while and then given back. A mark in each page: transfers are of whole pages. */
class Canaries {
  readonly #kept: Uint8Array[] = [];
  checked = 0;

  /** Takes as many as a worker has just given back, not cleared by the allocator, so before the kernel is done. */
  take(count: number): void {
    for (let index = 0; index < count; index++) {
      const bytes = Buffer.allocUnsafeSlow(BLOCK_BYTES + PAGE_BYTES);
      for (let at = 0; at < bytes.length; at += PAGE_BYTES) bytes[at] = POISON;
      this.#kept.push(bytes);
    }
  }

  /** Looks at the oldest ones. */
  check(count: number): void {
    for (const bytes of this.#kept.splice(0, count)) {
      this.checked++;
      for (let at = 0; at < bytes.length; at += PAGE_BYTES)
        if (bytes[at] !== POISON) damage.add("the main thread's memory was written to");
    }
  }
}

async function runOne(fd: number, canaries: Canaries): Promise<void> {
  const ending = GUARDED[Math.floor(Math.random() * GUARDED.length)]!;
  const endAfterMs = Math.random() * MOST_MS;
  const workerData: TortureData = {
    fd,
    fileBytes: FILE_BYTES,
    blockBytes: BLOCK_BYTES,
    depth: DEPTH,
    ending,
    endAfterMs: ending === 'terminate' ? 1e6 : endAfterMs,
    poison: POISON,
    unguarded,
  };
  const worker = new Worker(new URL('./torture-worker.js', import.meta.url), { workerData });
  worker.on('error', ({ message }) => {
    if (message !== 'on purpose') damage.add(message);
  });
  const exited = new Promise((resolve) => worker.once('exit', resolve));
  // Some before they read, most while they do.
  const early = Math.random() < 0.1;
  if (ending === 'terminate' && !unguarded) {
    if (!early) await Promise.race([new Promise((resolve) => worker.once('message', resolve)), exited]);
    await sleep(endAfterMs);
    await worker.terminate();
  }
  await exited;
  canaries.take(DEPTH);
  ended[ending]++;
  await sleep(WATCHED_MS);
  canaries.check(DEPTH);
}

async function main(): Promise<number> {
  const { addon, ...state } = loadAddon();
  if (addon === undefined && !unguarded) {
    console.error(`there is no addon to be tested: ${'reason' in state ? state.reason : ''}`);
    return 2;
  }
  const directory = mkdtempSync(join(values.directory, 'kaio-torture-'));
  const path = join(directory, 'file');
  writeFileSync(path, Buffer.alloc(FILE_BYTES, FILE_BYTE), { flush: true });
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT);
  // A filter that does not filter would show nothing, so it is told.
  const kernel = openNativeKernel();
  await kernel.settled();
  const ring = kernel.ringRefusal ?? 'mapped';
  const start = ownContexts();
  const canaries = new Canaries();
  const until = Date.now() + seconds * 1000;
  try {
    await Promise.all(
      Array.from({ length: lanes }, async () => {
        while (Date.now() < until && damage.size === 0) await runOne(fd, canaries);
      }),
    );
    for (let waited = 0; ownContexts() !== start && waited < SETTLE_MS; waited += 50) await sleep(50);
  } finally {
    closeSync(fd);
    rmSync(directory, { recursive: true, force: true });
  }
  const all = Object.entries(ended).map(([ending, count]) => `${ending} ${count}`);
  const rss = Math.round(process.memoryUsage.rss() / (1 << 20));
  console.log(
    `${process.version}: ring ${ring}; workers ended: ${all.join(', ')}; ${canaries.checked} canaries; RSS ${rss} MB`,
  );
  if (ownContexts() !== start) damage.add(`${ownContexts()} rings are mapped, at the start ${start}`);
  for (const one of damage) console.error(one);
  return damage.size === 0 ? 0 : 1;
}

/** One heap for all threads, never given back to the system: memory that is freed is handed out again soon, to anyone. */
const ALLOCATOR = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: String(2 ** 40),
  MALLOC_MMAP_THRESHOLD_: String(2 ** 25),
};

/** What stands before the command where a filter is to be played. */
const FILTER = [
  'strace',
  ...['--seccomp-bpf', '-f', '-qq', '-o', '/dev/null'],
  ...['-e', 'trace=process_vm_readv,process_vm_writev'],
  ...['-e', 'inject=process_vm_readv,process_vm_writev:error=EPERM'],
];

if (process.env.MALLOC_ARENA_MAX === ALLOCATOR.MALLOC_ARENA_MAX) process.exitCode = await main();
else {
  const [command = '', ...words] = [
    ...(values.filtered ? FILTER : []),
    process.execPath,
    ...process.argv.slice(1),
  ];
  const { status, signal, error } = spawnSync(command, words, {
    stdio: 'inherit',
    env: { ...process.env, ...ALLOCATOR, ...(unguarded ? { KAIO_ADDON: '0' } : {}) },
  });
  if (error !== undefined) throw error;
  if (signal !== null) console.error(`the process ended by ${signal}`);
  process.exitCode = status ?? 1;
}
