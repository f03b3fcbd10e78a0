/** What one child process is asked to measure, and what it answers. */

/** The floor all others are measured against: a loop in C over the raw system calls. */
export const FLOOR = 'c';

/** Engines that run in a Node.js process of their own. */
export const NODE_ENGINES = [
  'calls',
  'context',
  'context.threads',
  'file',
  'emulation',
  'emulation.descriptor',
  'emulation.handle',
  'emulation.file',
  'fs.promises',
  'fs.callbacks',
  'fs.sync',
] as const;

/** Programs of others, measured beside them where they are present. */
export const OUTSIDE_ENGINES = [FLOOR, 'fio-libaio', 'fio-io_uring'] as const;

/** In the order in which they are shown. */
export const ENGINES = [...OUTSIDE_ENGINES, ...NODE_ENGINES] as const;

export type NodeEngine = (typeof NODE_ENGINES)[number];
export type OutsideEngine = (typeof OUTSIDE_ENGINES)[number];
export type EngineName = (typeof ENGINES)[number];

/** What each engine is, for people. */
export const ENGINE_TITLES: Readonly<Record<EngineName, string>> = {
  c: 'C loop over io_submit and the ring (the floor)',
  'fio-libaio': 'fio, libaio engine, batching',
  'fio-io_uring': 'fio, io_uring engine, batching',
  calls: "kaio's system calls in a tight loop",
  context: 'AioContext, native kernel',
  'context.threads': 'AioContext, native kernel, io_submit on four threads',
  file: 'AioFile, native kernel',
  emulation: 'AioContext, emulated kernel, its descriptor promised to stay',
  'emulation.descriptor': 'AioContext, emulated kernel, a bare descriptor',
  'emulation.handle': 'AioContext, emulated kernel, a FileHandle',
  'emulation.file': 'AioFile, emulated kernel',
  'fs.promises': 'fs.promises FileHandle',
  'fs.callbacks': 'fs.read and fs.write with callbacks',
  'fs.sync': 'fs.readSync and fs.writeSync, one at a time',
};

/**
 * The first five in fio's words.
 *
 * - `randrw`: 30 % of the blocks are written, always the same ones, and the others are read.
 * - `open`: one of many files of one block is opened, read and closed.
 * - `open.kept`: the same, while {@link FILES_KEPT_OPEN} files are kept open.
 */
export const TRANSFERS = ['randread', 'read', 'randwrite', 'write', 'randrw', 'open', 'open.kept'] as const;
export type Transfer = (typeof TRANSFERS)[number];

export const FILES_KEPT_OPEN = 10_000;
/** So that their inodes and blocks stay cached everywhere. */
export const MOST_SMALL_FILES = 1024;

/**
 * - `direct`: O_DIRECT.
 * - `cached`: buffered, everything in the page cache.
 * - `cold`: buffered, nothing in the page cache; each block is read once.
 */
export const MODES = ['direct', 'cached', 'cold'] as const;
export type Mode = (typeof MODES)[number];

/** Percentiles that every engine reports. */
export const PERCENTILES = [1, 5, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 100] as const;

/** What is compared: all engines do the same. */
export interface Case {
  readonly rw: Transfer;
  readonly mode: Mode;
  /** Bytes. */
  readonly blockSize: number;
  /** Transfers under way at once. */
  readonly queueDepth: number;
}

/** No limit, in a form that JSON can carry. */
export const UNLIMITED = Number.MAX_SAFE_INTEGER;

/** How long a phase lasts: whichever comes first. */
export interface Length {
  readonly ms: number;
  readonly operations: number;
}

/** A case, and where and how long. */
export interface Job extends Case {
  /** Of the file; where files are opened, of the directory that has them, by their numbers. */
  readonly path: string;
  /** Bytes of the file, or of all of them. */
  readonly size: number;
  readonly seed: number;
  /** Checks every block of every phase; otherwise only those of the first phase are checked. */
  readonly verify: boolean;
  /** Blocks to check before anything is timed. */
  readonly checked: number;
  readonly warmUp: Length;
  /** Without looking at a clock for each transfer: gives iops and CPU time. */
  readonly throughput: Length;
  /** With a look at the clock before and after each transfer, and a timer that watches the event loop. */
  readonly latency: Length | null;
}

/** One run of one engine. */
export interface Measurement {
  readonly operations: number;
  readonly seconds: number;
  /** CPU seconds of the process, user and system, during those. */
  readonly cpuSeconds: number;
  /** Microseconds, for each of {@link PERCENTILES}. */
  readonly percentilesUs: readonly number[] | null;
  /** The longest time between two turns of the event loop that a timer of 1 ms saw. */
  readonly loopDelayMaxMs: number | null;
  /** The most memory the process had, in bytes. */
  readonly maxRssBytes: number | null;
  /** Blocks whose address and checksum were compared. */
  readonly verifiedBlocks: number;
}

/** What the child prints. */
export type Answer = { readonly measurement: Measurement } | { readonly failure: string };

export function isWrite({ rw }: Pick<Case, 'rw'>): boolean {
  return rw.endsWith('write');
}

/** Whether some are reads and some are writes: which, a block's number tells (see {@link mixWrites}). */
export function isMixed({ rw }: Pick<Case, 'rw'>): boolean {
  return rw === 'randrw';
}

/** Of ten blocks. */
const MIX_WRITTEN = 3;

/** Whether a mixed transfer of this block is a write: three of ten, spread evenly. `floor.c` knows the same ones. */
export function mixWrites(block: number): boolean {
  return (Math.imul(block, 0x9e3779b1) >>> 0) % 10 < MIX_WRITTEN;
}

export function isRandom({ rw }: Pick<Case, 'rw'>): boolean {
  return rw.startsWith('rand');
}

/** Whether each transfer has a file of its own. */
export function isOpen({ rw }: Pick<Case, 'rw'>): boolean {
  return rw.startsWith('open');
}

/** Such as `direct randread 4 KiB, depth 32`. */
export function caseTitle({ rw, mode, blockSize, queueDepth }: Case): string {
  return `${mode} ${rw} ${bytesTitle(blockSize)}, depth ${queueDepth}`;
}

export function bytesTitle(bytes: number): string {
  if (bytes % (1 << 20) === 0) return `${bytes >> 20} MiB`;
  return bytes % 1024 === 0 ? `${bytes >> 10} KiB` : `${bytes} B`;
}
