/**
 * What AioFile does in a folder, as data: whether transfers are direct and how that is known, which ways its requests went and why,
 * and how long they held the event loop. Every byte is compared.
 *
 * A program for the guests and file systems of this folder's checks: `node file-layer.js FOLDER`; it prints JSON ({@link FileLayer}).
 */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import {
  AioContext,
  type AioFile,
  type AioKernel,
  alignedBuffer,
  open,
  selectKernel,
} from '../../src/index.ts';

const REQUEST_BYTES = 1 << 18;
const REQUESTS = 96;
/** How many of them are asked for together. */
const AT_ONCE = 32;
/** A gap of the event loop that somebody would notice. */
const NOTICED_MS = 1;

/** What is done, each time to the whole file. */
export const DONE = ['extending writes', 'overwrites', 'cold reads', 'warm reads', 'sync'] as const;
export type Done = (typeof DONE)[number];

/** How it went. */
export interface Going {
  /** Requests that the kernel completed, io_submit's. */
  readonly kernel: number;
  /** Those of the thread pool, by reason. */
  readonly threadPool: Readonly<Record<string, number>>;
  /** Milliseconds in all, and of them those in which the event loop was held for a millisecond and more. */
  readonly tookMs: number;
  readonly heldMs: number;
  readonly longestHoldMs: number;
  /** Of the file's pages those that are in the page cache afterwards; absent where the kernel does not tell (cachestat, Linux 6.5). */
  readonly cachedPages?: number;
}

/** One way to open a file. */
export interface Way {
  readonly direct: boolean;
  readonly reason: string;
  readonly alignment: { readonly memory: number; readonly offset: number; readonly length: number };
  /** What went wrong with the bytes; empty. */
  readonly wrong: readonly string[];
  readonly done: Readonly<Record<Done, Going>>;
}

/** The whole answer. */
export interface FileLayer {
  readonly backend: string;
  /** Why that one. */
  readonly reason: string;
  readonly kernel: string;
  /** Of memory. */
  readonly pageBytes: number;
  readonly prefer: Way;
  readonly buffered: Way;
}

const tenth = (value: number): number => Math.round(value * 10) / 10;

/** Measures parts of what is done with a file: the time, and the gaps between two turns of the event loop. */
class Measure {
  readonly #file: AioFile;
  readonly #kernel: AioKernel;
  readonly #before: AioContext['stats'];
  #isWatching = false;
  #last = 0;
  #took = 0;
  #held = 0;
  #longest = 0;

  constructor(file: AioFile, kernel: AioKernel) {
    this.#file = file;
    this.#kernel = kernel;
    this.#before = file.context.stats;
  }

  async part(what: () => Promise<unknown>): Promise<void> {
    const began = performance.now();
    this.#last = began;
    this.#isWatching = true;
    setImmediate(() => this.#look());
    await what();
    this.#note();
    this.#isWatching = false;
    this.#took += performance.now() - began;
  }

  end(): Going {
    const { threadPool, completed } = this.#file.context.stats;
    const cachedPages = this.#kernel.cachedPages?.(this.#file.fd, 0, REQUESTS * REQUEST_BYTES);
    const counts = Object.entries(threadPool)
      .map(([reason, count]) => [reason, count - (this.#before.threadPool[reason] ?? 0)] as const)
      .filter(([, count]) => count > 0);
    return {
      kernel: completed - this.#before.completed,
      threadPool: Object.fromEntries(counts),
      tookMs: tenth(this.#took),
      heldMs: tenth(this.#held),
      longestHoldMs: tenth(this.#longest),
      ...(cachedPages === undefined ? {} : { cachedPages }),
    };
  }

  #look(): void {
    if (!this.#isWatching) return;
    this.#note();
    setImmediate(() => this.#look());
  }

  #note(): void {
    const now = performance.now();
    const gap = now - this.#last;
    this.#last = now;
    if (gap >= NOTICED_MS) this.#held += gap;
    this.#longest = Math.max(this.#longest, gap);
  }
}

/** Bytes that are not what was written. */
export function wrongIn({ prefer, buffered }: FileLayer): readonly string[] {
  return [prefer, buffered].flatMap(({ wrong }) => wrong);
}

/** Takes out of the page cache whatever is not needed there; root may. */
function dropCaches(): void {
  execFileSync('sync');
  writeFileSync('/proc/sys/vm/drop_caches', '1');
}

/** The transfers of one file, whose bytes tell which request and which round they are of. */
class Transfers {
  readonly wrong: string[] = [];
  readonly #file: AioFile;
  readonly #kernel: AioKernel;
  readonly #buffers = Array.from({ length: AT_ONCE }, () => alignedBuffer(REQUEST_BYTES));

  constructor(file: AioFile, kernel: AioKernel) {
    this.#file = file;
    this.#kernel = kernel;
  }

  async write(round: number): Promise<Going> {
    const measure = new Measure(this.#file, this.#kernel);
    for (let first = 0; first < REQUESTS; first += AT_ONCE) {
      for (const [at, buffer] of this.#buffers.entries()) buffer.fill(filling(first + at, round));
      await measure.part(() =>
        Promise.all(
          this.#buffers.map((buffer, at) =>
            this.#file.write(buffer, 0, REQUEST_BYTES, (first + at) * REQUEST_BYTES),
          ),
        ),
      );
    }
    return measure.end();
  }

  async read(round: number): Promise<Going> {
    const measure = new Measure(this.#file, this.#kernel);
    for (let first = 0; first < REQUESTS; first += AT_ONCE) {
      for (const buffer of this.#buffers) buffer.fill(0);
      await measure.part(() =>
        Promise.all(
          this.#buffers.map((buffer, at) =>
            this.#file.read(buffer, 0, REQUEST_BYTES, (first + at) * REQUEST_BYTES),
          ),
        ),
      );
      for (const [at, buffer] of this.#buffers.entries()) {
        const byte = filling(first + at, round);
        const other = buffer.findIndex((one) => one !== byte);
        if (other !== -1)
          this.wrong.push(`request ${first + at} has ${buffer[other]} at ${other}, not ${byte}`);
      }
    }
    return measure.end();
  }

  async sync(): Promise<Going> {
    const measure = new Measure(this.#file, this.#kernel);
    await measure.part(() => this.#file.sync());
    return measure.end();
  }
}

function filling(index: number, round: number): number {
  return (index * 7 + round) & 0xff;
}

/** Of a file that has something in it: of an empty one nothing can be verified. */
async function verdictOn(
  path: string,
  context: AioContext,
  direct: 'prefer' | false,
): Promise<Pick<Way, 'direct' | 'reason' | 'alignment'>> {
  const file = await open(path, 'r+', 0o600, { direct, context });
  const { direct: isDirect, directReason: reason, alignment } = file;
  await file.close();
  return { direct: isDirect, reason, alignment: { ...alignment } };
}

async function tried(path: string, kernel: AioKernel, direct: 'prefer' | false): Promise<Way> {
  // A context of its own, so that what it counts is of this file.
  await using context = new AioContext({ kernel, queueDepth: 64 });
  const file = await open(path, 'w+', 0o600, { direct, context });
  try {
    const transfers = new Transfers(file, kernel);
    const extending = await transfers.write(1);
    await file.sync();
    const verdict = await verdictOn(path, context, direct);
    const overwriting = await transfers.write(2);
    const sync = await transfers.sync();
    dropCaches();
    const cold = await transfers.read(2);
    const warm = await transfers.read(2);
    return {
      ...verdict,
      wrong: transfers.wrong,
      done: {
        'extending writes': extending,
        overwrites: overwriting,
        'cold reads': cold,
        'warm reads': warm,
        sync,
      },
    };
  } finally {
    await file.close();
    rmSync(path);
  }
}

async function fileLayer(folder: string): Promise<FileLayer> {
  const path = join(folder, 'file-layer');
  const { kernel, backend, reason } = selectKernel();
  // What is measured is not the compiler of JavaScript.
  await tried(path, kernel, 'prefer');
  return {
    backend,
    reason,
    kernel: kernel.release,
    pageBytes: kernel.memory.pageBytes,
    prefer: await tried(path, kernel, 'prefer'),
    buffered: await tried(path, kernel, false),
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  console.log(JSON.stringify(await fileLayer(process.argv[2] ?? '.'), undefined, 1));
