/** What all programs of a child share: the kernel, contexts, files. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EmulatedKernel, type ExecutorName, emulatedKernel } from '../../../src/emulated/index.ts';
import {
  AioContext,
  type AioFile,
  type AioKernel,
  AlignedBufferPool,
  open,
  selectKernel,
} from '../../../src/index.ts';
import { Files } from './files.ts';
import type { CanaryMemory, OwnedMemory } from './memory.ts';
import type { Opening } from './program.ts';

export const POOLED_BYTES = 20_480;
/** Programs whose memory is looked at once more. */
const REMEMBERED = 8;
const SETTLE_MS = 5000;
const PAGE_BYTES = 4096;
/** More than after which a context has such a thread. */
const MANY_WRITES = 80;
const SHARED: readonly Opening[] = ['widened', 'written direct'];

export interface WorldOptions {
  /** What is not complained of: `'refusals'` to hand memory on that nothing uses, errors without `'codes'`. */
  readonly without: readonly string[];
  readonly backend: 'native' | 'emulated';
  readonly executor: ExecutorName;
  readonly directory: string;
}

const collect = (globalThis as { gc?: () => void }).gc;

/** Frees what can be, where the process was started for that. */
export function collectGarbage(): void {
  collect?.();
}

/** Descriptors and mapped rings of this process. */
function belongings(): { descriptors: number; rings: number } {
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    rings: readFileSync('/proc/self/maps', 'latin1').split('/[aio]').length - 1,
  };
}

export class World {
  readonly backend: 'native' | 'emulated';
  readonly without: ReadonlySet<string>;
  readonly kernel: AioKernel;
  readonly emulated: EmulatedKernel | undefined;
  readonly files: Files;
  readonly contexts: readonly AioContext[];
  readonly pool = new AlignedBufferPool(POOLED_BYTES, 4);
  /** Files that programs use which have none of their own. */
  shared: readonly { readonly file: AioFile; readonly opening: Opening }[];
  /** Polls wait for these. */
  readonly events: readonly number[];
  /** Contexts that are being closed. */
  readonly closing = new Set<Promise<void>>();
  /** A file of the context that all files of this thread share: it stays while this is open. */
  keeper: AioFile;
  #remembered: (readonly (CanaryMemory | OwnedMemory)[])[] = [];
  #start = { descriptors: 0, rings: 0 };
  #emulatedNr = 0;

  private constructor(
    { backend, without }: WorldOptions,
    kernel: AioKernel,
    emulated: EmulatedKernel | undefined,
    files: Files,
    keeper: AioFile,
    shared: World['shared'],
  ) {
    this.backend = backend;
    this.without = new Set(without);
    this.kernel = kernel;
    this.emulated = emulated;
    this.files = files;
    this.keeper = keeper;
    this.shared = shared;
    this.contexts = [
      new AioContext({ kernel, queueDepth: 4 }),
      new AioContext({ kernel, queueDepth: 64, busyPoll: false }),
      new AioContext({ kernel, queueDepth: 16, submitThread: 2 }),
      new AioContext({ kernel, queueDepth: 16, submitThread: 'auto', latency: true }),
    ];
    this.events = [kernel.eventfd(0, 0o4000), kernel.eventfd(0, 0o4000)];
  }

  static async make(options: WorldOptions): Promise<World> {
    const { backend, executor, directory } = options;
    const files = await Files.make(directory);
    const emulated = backend === 'emulated' ? emulatedKernel({ executor, debug: true }) : undefined;
    const kernel = emulated ?? selectKernel({ backend: 'native' }).kernel;
    const keeper = await open(files.read.path);
    const world = new World(options, kernel, emulated, files, keeper, await World.#openShared(files));
    await world.#warmUp();
    world.#start = belongings();
    world.#emulatedNr = emulated?.limits.aio_nr() ?? 0;
    return world;
  }

  static #openShared(files: Files): Promise<World['shared']> {
    return Promise.all(SHARED.map(async (opening) => ({ opening, file: await files.open(opening) })));
  }

  #closeShared(): Promise<unknown> {
    return Promise.all([this.keeper, ...this.shared.map(({ file }) => file)].map((file) => file.close()));
  }

  /** Opens again what uses the context that this thread shares: somebody has closed it. */
  async renew(): Promise<void> {
    await this.#closeShared();
    this.keeper = await open(this.files.read.path);
    this.shared = await World.#openShared(this.files);
    await this.#manyWrites();
  }

  /** What is made at the first use is no leak. */
  async #warmUp(): Promise<void> {
    const buffer = new Uint8Array(8);
    await this.keeper.read(buffer, { position: 0 });
    await Promise.all(this.contexts.map((context) => context.read(this.files.buffered, buffer, 0)));
    await Promise.all([...this.contexts, undefined].map((context) => this.#manyWrites(context)));
    await new AioContext({ kernel: this.kernel, queueDepth: 1, submitThread: true }).close();
    // The probe's context, whose end nobody waits for.
    await this.kernel.settled();
  }

  /** So many that a context begins its thread for short writes, with a kernel context of its own. */
  async #manyWrites(context?: AioContext): Promise<void> {
    const options = context === undefined ? {} : { context };
    await using file = await open(join(this.files.directory, 'scratch'), 'w', 0o666, options);
    await Promise.all(Array.from({ length: MANY_WRITES }, () => file.write(new Uint8Array(1), 0, 1, 0)));
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Bytes by which memory misses the start of a page. */
  readonly misalignment = (buffer: ArrayBufferLike): number =>
    this.kernel.memory.addressOf(buffer) % PAGE_BYTES;

  /** Keeps the memory of a program for a while. @returns What is wrong with that of an earlier one. */
  remember(memories: readonly (CanaryMemory | OwnedMemory)[]): string | undefined {
    this.#remembered.push(memories);
    const wrong = this.#remembered.length > REMEMBERED ? checkAll(this.#remembered.shift()!) : undefined;
    return wrong === undefined ? undefined : `after the end of its program: ${wrong}`;
  }

  /** What a look costs little at: right after a program. */
  checkSoon(): string | undefined {
    for (const [index, { inFlight, queued }] of this.contexts.entries())
      if (inFlight !== 0 || queued !== 0)
        return `context ${index} has ${inFlight} in flight and ${queued} queued at the end`;
    return undefined;
  }

  /** Waits until everything is given back. @returns What is wrong. */
  async check(): Promise<string | undefined> {
    const wrong =
      this.#remembered.flatMap((memories) => checkAll(memories) ?? []).at(0) ?? this.files.check();
    if (wrong !== undefined) return wrong;
    this.#remembered = [];
    const until = Date.now() + SETTLE_MS;
    for (let round = 0; ; round++) {
      await Promise.allSettled(this.closing);
      // A file that was dropped young is let go of a moment later.
      if (round < 3 || round % 8 === 0) collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, round === 0 ? 0 : 20));
      const now = belongings();
      const nr = (this.emulated?.limits.aio_nr() ?? 0) - this.#emulatedNr;
      if (now.descriptors === this.#start.descriptors && now.rings === this.#start.rings && nr === 0)
        return undefined;
      if (Date.now() > until)
        return `left behind: ${now.descriptors - this.#start.descriptors} descriptors, ${now.rings - this.#start.rings} mapped rings, aio-nr ${nr}`;
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.contexts.map((context) => context.close()));
    await this.#closeShared();
    await this.files.handle.close();
    for (const event of this.events) this.kernel.close(event);
    this.files.remove();
  }
}

function checkAll(memories: readonly (CanaryMemory | OwnedMemory)[]): string | undefined {
  for (const memory of memories) {
    const wrong = memory.check();
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}
