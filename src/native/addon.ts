/**
 * The optional addon: found, judged and loaded on first use; or the reason there is none.
 *
 * Loading a file that does not fit can end the process where no `catch` helps: a symbol that is missing, a page beyond the end
 * of a cut file. So everything that can be told from the file's bytes is asked before `dlopen` sees it.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '../common/errors.ts';
import type { Word } from '../common/kernel/aio-kernel.ts';
import type { Pins } from '../common/memory/pins.ts';
import { environmentVariable } from '../common/runtime.ts';
import { type Elf, readElf } from './elf.ts';
import { loadFromNear, packageRoot } from './installed.ts';
import { loadingRefusal } from './trial.ts';

/** An open watcher of the addon's. */
export type WatcherHandle = object & { readonly __watcher: never };
/** A submit thread of the addon's. */
export type SubmitThreadHandle = object & { readonly __submitThread: never };

/** What the addon exports. Numbers are the kernel's answers: negative errnos, no exceptions, unless told otherwise. */
export interface Addon {
  /** As {@link AddonFacts}, for people. */
  readonly marker: string;
  /** The system call, and the context is guarded from the very moment that it exists. */
  io_setup(nr_events: Word, ctxp: Word): number;
  /** The system call; the context is forgotten in the same step. */
  io_destroy(ctx_id: Word): number;
  /** On a thread of its own. */
  destroyInBackground(ctx_id: Word, callback: (result: number) => void): void;
  /**
   * `syscall(2)` on a thread of libuv's pool. Node.js waits for one that has begun before it lets go of this thread's memory.
   *
   * @throws Error where nothing can be begun.
   */
  syscallAside(
    number: Word,
    a: Word,
    b: Word,
    c: Word,
    d: Word,
    e: Word,
    f: Word,
    callback: (answer: number) => void,
  ): void;
  /** Guarded as contexts are: closed when this thread ends. */
  eventfd(initval: number, flags: number): number;
  /** Closes any descriptor; one of {@link eventfd} is forgotten in the same step. */
  close(fd: number): number;
  /** Starts unreferenced. @throws Error if the event loop refuses. */
  watcherOpen(fd: number, callback: () => void): WatcherHandle;
  watcherRef(watcher: WatcherHandle): void;
  watcherUnref(watcher: WatcherHandle): void;
  watcherClose(watcher: WatcherHandle): void;
  /** @throws Error if there is no thread to be had. */
  submitThreadOpen(ctx_id: Word): SubmitThreadHandle;
  submitThreadSubmit(
    thread: SubmitThreadHandle,
    nr: Word,
    iocbpp: Word,
    callback: (result: number) => void,
  ): void;
  /** Once. Calls back when what was submitted before is done and the thread has ended. */
  submitThreadClose(thread: SubmitThreadHandle, callback: () => void): void;
  /** Once per thread, before the five that follow. @returns Why there are no pins here, and they must not be called. */
  pinsOpen(): string | undefined;
  /** Forbids that memory is moved. @returns What {@link unpin} needs; 0 for what could not be moved, and must not be unpinned. */
  pin(memory: ArrayBufferLike): number;
  /** @returns Whether it can be moved now. */
  unpin(memory: ArrayBufferLike, before: number): boolean;
  isMovable(memory: ArrayBufferLike): boolean;
  /** Another buffer over the same bytes, that keeps them. @returns `undefined` for what has no memory. */
  hold(memory: ArrayBufferLike): ArrayBuffer | undefined;
  /** Whether nothing but this buffer has its bytes. */
  isOrphan(memory: ArrayBufferLike): boolean;
  /** Those of this thread, left here by whoever opened them. */
  pins?: Pins;
  /** Sizes, offsets and numbers by the titles of `src/common/abi/expectations.ts`. */
  abi(): Readonly<Record<string, number>>;
}

/** What a file says of itself before it is loaded. */
export interface AddonFacts {
  /** Of this file's {@link Addon}. */
  readonly interface: number;
  readonly napi: number;
  readonly libc: string;
  /** As `process.arch`. */
  readonly machine: string;
  readonly wordBits: 32 | 64;
  readonly littleEndian: boolean;
}

/** The addon, or why there is none. */
export type AddonState =
  | {
      /** What was loaded. */
      readonly addon: Addon;
      /** Of its file. */
      readonly path: string;
      /** The version of Node-API that it was built for. */
      readonly napi: number;
      /** The C library that it was built for: `glibc` or `musl`. */
      readonly libc: string;
    }
  | {
      /** There is none. */
      readonly addon?: never;
      /** Of a file that was found and refused. */
      readonly path?: string;
      /** Why, for people. */
      readonly reason: string;
    };

/** Must equal KAIO_ADDON_INTERFACE in addon/module.c. */
const INTERFACE = 3;
const MARKER = /kaio-addon interface=(\d+) napi=(\d+) libc=(\w+);/;
const MARKER_BYTES = 100;
const SEAL_LABEL = 'kaio-fnv1a:';
const SEAL_BYTES = SEAL_LABEL.length + 8;
const ET_DYN = 3;
const HEADER_BYTES = 4096;
const REBUILD = 'build it again with npm run build:addon';

const MACHINES: Readonly<Record<number, string>> = {
  3: 'ia32',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64',
};

let state: AddonState | undefined;

/**
 * Loads the addon on the first call.
 *
 * `KAIO_ADDON=0` refuses it; `KAIO_PREBUILD` names another folder to look in (node-gyp-build's own variable). Never throws.
 */
export function loadAddon(): AddonState {
  state ??= load();
  return state;
}

function load(): AddonState {
  if (environmentVariable('KAIO_ADDON') === '0') return { reason: 'KAIO_ADDON=0 refuses it' };
  if (process.platform !== 'linux') return { reason: `there is none for ${process.platform}` };
  if (process.versions.bun !== undefined) return { reason: 'Bun has no event loop of libuv for it' };
  const refusal = loadingRefusal();
  if (refusal !== undefined) return { reason: refusal.reason };
  let path: string | undefined;
  try {
    path = find();
    if (path === undefined)
      return { reason: 'kaio was merged into an application, and is not installed near it' };
    const verdict = judge(readFileSync(path));
    if (typeof verdict === 'string') return { path, reason: verdict };
    const addon = createRequire(import.meta.url)(path) as Addon;
    return { addon, path, napi: verdict.napi, libc: verdict.libc };
  } catch (error) {
    const reason = firstLineOf(error);
    return path === undefined ? { reason } : { path, reason };
  }
}

function firstLineOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}

/** Where node-gyp-build finds one. @throws Error with its reason. */
function find(): string | undefined {
  const root = packageRoot();
  if (root === undefined) return undefined;
  let gyp: { path?: (root: string) => string };
  try {
    gyp = loadGyp();
  } catch (error) {
    if (codeOf(error) !== 'ERR_ACCESS_DENIED') throw error;
    // The permission model of Node.js forbids node-gyp-build to ask whether this is Alpine. So it goes by what packages have.
    return join(root, 'prebuilds', `linux-${arch()}`, `kaio.napi.${libcByReport()}.node`);
  }
  if (gyp.path === undefined) throw new Error('node-gyp-build does not look for files in this runtime');
  try {
    return gyp.path(root);
  } catch (error) {
    throw new Error(`${firstLineOf(error)}; to have it: npm run build:addon in a checkout of kaio`);
  }
}

function loadGyp(): { path?: (root: string) => string } {
  return loadFromNear(
    (place) => createRequire(place)('node-gyp-build') as { path?: (root: string) => string },
  );
}

/**
 * What a file is, by its bytes.
 *
 * @returns The reason why it is no whole addon of kaio's, as a string.
 */
export function describeAddon(bytes: Buffer): AddonFacts | string {
  const elf = readElf(bytes);
  if (elf === undefined) return 'it is not a shared library for Linux, or a damaged one';
  if (elf.type !== ET_DYN) return 'it is not a shared library';
  if (elf.neededBytes > bytes.byteLength)
    return `it is damaged: ${elf.neededBytes} bytes belong to it and ${bytes.byteLength} are there`;
  const at = bytes.indexOf('kaio-addon interface=');
  const match = at < 0 ? null : MARKER.exec(bytes.toString('latin1', at, at + MARKER_BYTES));
  if (match === null) return "it is not kaio's addon";
  if (!isWhole(bytes)) return `it is damaged or has no seal: ${REBUILD}`;
  return {
    interface: Number(match[1]),
    napi: Number(match[2]),
    libc: match[3]!,
    machine: MACHINES[elf.machine] ?? `machine ${elf.machine}`,
    wordBits: elf.wordBits,
    littleEndian: elf.littleEndian,
  };
}

/**
 * Judges whether this process can load a file.
 *
 * @returns What it says of itself, or why it must not be loaded.
 */
export function judge(bytes: Buffer): AddonFacts | string {
  const facts = describeAddon(bytes);
  if (typeof facts === 'string') return facts;
  const { machine, napi, libc } = facts;
  if (machine !== arch()) return `it was built for ${machine}, and this process is ${arch()}`;
  const own = readOwnHeader();
  if (own !== undefined && (own.wordBits !== facts.wordBits || own.littleEndian !== facts.littleEndian))
    return `it was built for another word size or byte order of ${machine}`;
  if (facts.interface !== INTERFACE)
    return `it belongs to another version of kaio (interface ${facts.interface}, not ${INTERFACE}): ${REBUILD}`;
  const offered = Number(process.versions.napi);
  if (!(napi <= offered)) return `it was built for Node-API ${napi}, and ${process.version} has ${offered}`;
  const ownLibc = libcOf(own);
  if (ownLibc !== undefined && ownLibc !== libc)
    return `it was built for the C library ${libc}, and this process uses ${ownLibc}`;
  return facts;
}

function isWhole(bytes: Buffer): boolean {
  const seal = bytes.toString('latin1', bytes.byteLength - SEAL_BYTES);
  return seal === SEAL_LABEL + checksum(bytes.subarray(0, -SEAL_BYTES));
}

/**
 * As `addon/seal.cjs` makes it: FNV-1a, by words of 32 bits instead of bytes, with a shift between them.
 *
 * Against damage, not against anybody: a cryptographic digest would cost each start 3 ms for loading node:crypto.
 */
function checksum(bytes: Buffer): string {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = bytes.byteLength & ~3;
  let hash = 0x811c9dc5;
  for (let at = 0; at < whole; at += 4) {
    hash = Math.imul(hash ^ words.getUint32(at, true), 0x01000193);
    hash ^= hash >>> 15;
  }
  for (let at = whole; at < bytes.byteLength; at++) hash = Math.imul(hash ^ words.getUint8(at), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** Node's own program, where it may be read. */
function readOwnHeader(): Elf | undefined {
  const bytes = Buffer.alloc(HEADER_BYTES);
  let fd: number;
  try {
    fd = openSync(process.execPath, 'r');
  } catch {
    // Replaced or removed since it was started, or not to be read.
    return undefined;
  }
  try {
    return readElf(bytes.subarray(0, readSync(fd, bytes, 0, HEADER_BYTES, 0)));
  } finally {
    closeSync(fd);
  }
}

function libcOf(own: Elf | undefined): string | undefined {
  if (own?.interpreter === undefined) return libcByReport();
  return own.interpreter.includes('musl') ? 'musl' : 'glibc';
}

/** Slower than to look into the program, which may not be allowed. */
function libcByReport(): string | undefined {
  const report: NodeJS.ProcessReport & { excludeNetwork?: boolean } = process.report;
  const { excludeNetwork } = report;
  // It would ask for the names of all peers.
  report.excludeNetwork = true;
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
    if (header === undefined) return undefined;
    return header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
  } finally {
    report.excludeNetwork = excludeNetwork === true;
  }
}
