/**
 * A mixed random load on AioFile and AioContext, every byte of it checked against a model in memory.
 *
 * Reads, writes, vectors, appends, truncates, aborts, closes in the middle, garbage collections and dropped buffers, from a
 * seed. Ranges are locked while an operation uses them, so that the model always knows what must be there.
 *
 *     npm run load -- --seconds 600 --backend native --seed 7
 */
import { constants, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { type FileHandle, open as openHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  AioContext,
  type AioFile,
  alignedBuffer,
  type BackendPreference,
  open,
  selectKernel,
} from '../../src/index.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    backend: { type: 'string', default: 'auto' },
    directory: { type: 'string', default: tmpdir() },
  },
});
const seconds = Number(values.seconds);
const backend = values.backend as BackendPreference;
const BLOCK_BYTES = 4096;
const BLOCKS = 256;
const LANES = 24;
const STUCK_MS = 30_000;
const RSS_SLACK_BYTES = 96 << 20;

/** mulberry32: small, seeded, good enough to choose with. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
const random = generator(Number(values.seed));
const below = (limit: number): number => Math.floor(random() * limit);
const chance = (share: number): boolean => random() < share;
const collectGarbage = (globalThis as { gc?: () => void }).gc;

const counts = new Map<string, number>();
const underWay = new Map<number, { what: string; sinceMs: number }>();
let serial = 0;

/** Counts an operation, and tells the watchdog of it. */
async function watched<T>(what: string, body: () => Promise<T>): Promise<T> {
  const id = serial++;
  underWay.set(id, { what, sinceMs: performance.now() });
  try {
    return await body();
  } finally {
    underWay.delete(id);
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
}

function check(good: boolean, message: string): asserts good {
  if (!good) throw new Error(message);
}

/** A file, what must be in it, and which of its bytes are in use. */
class Subject {
  readonly path: string;
  readonly direct: boolean;
  file: AioFile;
  model: Buffer = Buffer.alloc(BLOCKS * BLOCK_BYTES);
  size = 0;
  readonly #busy = new Set<{ from: number; to: number; writes: boolean }>();

  private constructor(path: string, direct: boolean, file: AioFile) {
    this.path = path;
    this.direct = direct;
    this.file = file;
  }

  static async make(path: string, direct: boolean): Promise<Subject> {
    return new Subject(path, direct, await Subject.open(path, direct, 'w+'));
  }

  static open(path: string, direct: boolean, flags: string): Promise<AioFile> {
    return open(path, flags, 0o600, {
      backend,
      ...(direct ? { direct: 'prefer', unaligned: 'read-modify-write' } : {}),
    });
  }

  /** Runs `body` alone in a range, or with other readers of it. Tries another time where it is taken. */
  async in(from: number, to: number, writes: boolean, body: () => Promise<void>): Promise<void> {
    for (const other of this.#busy) {
      if (other.from < to && from < other.to && (writes || other.writes)) {
        // Another lane has to get on before this can: no use in trying again at once.
        await setImmediate();
        return;
      }
    }
    const range = { from, to, writes };
    this.#busy.add(range);
    try {
      await body();
    } finally {
      this.#busy.delete(range);
    }
  }

  /** Runs `body` when nothing else is under way. */
  alone(body: () => Promise<void>): Promise<void> {
    return this.in(0, Number.POSITIVE_INFINITY, true, body);
  }

  /** A stretch that begins inside the file or at its end. */
  stretch(): { position: number; length: number } {
    const position = below(Math.min(this.size, this.model.length - BLOCK_BYTES) + 1);
    return { position, length: 1 + below(Math.min(4 * BLOCK_BYTES, this.model.length - position)) };
  }

  expected(position: number, length: number): Buffer {
    return this.model.subarray(position, Math.max(position, Math.min(position + length, this.size)));
  }

  wrote(position: number, bytes: Uint8Array): void {
    this.model.set(bytes, position);
    this.size = Math.max(this.size, position + bytes.length);
  }
}

function filled(length: number): Buffer {
  const bytes = chance(0.3) ? alignedBuffer(length) : Buffer.alloc(length);
  return bytes.fill(below(256)).fill(below(256), below(length));
}

/** An abort at a random moment, or none. */
function maybeAbort(): AbortSignal | undefined {
  if (!chance(0.1)) return undefined;
  const controller = new AbortController();
  if (chance(0.3)) controller.abort();
  else if (chance(0.5)) void setImmediate().then(() => controller.abort());
  else queueMicrotask(() => controller.abort());
  return controller.signal;
}

/** @returns Whether it was given up, which it may only be if it was to be. */
function givenUp(error: unknown, signal: AbortSignal | undefined): boolean {
  if (signal !== undefined && error instanceof Error && error.name === 'AbortError') return true;
  throw error;
}

async function read(s: Subject): Promise<void> {
  const { position, length } = s.stretch();
  await s.in(position, position + length, false, async () => {
    const signal = maybeAbort();
    const before = s.expected(position, length);
    try {
      const buffer = filled(length);
      const { bytesRead } = await s.file.readFully(buffer, { position, ...(signal ? { signal } : {}) });
      check(
        buffer.subarray(0, bytesRead).equals(before),
        `read of ${length} at ${position} brought other bytes`,
      );
    } catch (error) {
      givenUp(error, signal);
    }
  });
}

async function write(s: Subject): Promise<void> {
  const { position, length } = s.stretch();
  // A write beyond the end changes what every other request sees of the size.
  const grows = position + length > s.size;
  const work = async (): Promise<void> => {
    const signal = maybeAbort();
    const bytes = filled(length);
    const kept = Buffer.from(bytes);
    try {
      await s.file.writeFully(bytes, { position, ...(signal ? { signal } : {}) });
      s.wrote(position, kept);
    } catch (error) {
      if (givenUp(error, signal) && 'bytesDone' in (error as object)) {
        s.wrote(position, kept.subarray(0, (error as { bytesDone: number }).bytesDone));
      }
    }
  };
  // Read-modify-write touches whole blocks.
  const margin = s.direct ? BLOCK_BYTES : 0;
  await (grows ? s.alone(work) : s.in(position - margin, position + length + margin, true, work));
}

async function vectors(s: Subject): Promise<void> {
  const { position, length } = s.stretch();
  const cut = below(length + 1);
  if (chance(0.5)) {
    await s.in(position, position + length, false, async () => {
      const expected = s.expected(position, length);
      const views = [Buffer.alloc(cut), Buffer.alloc(length - cut)];
      const { bytesRead } = await s.file.readv(views, position);
      check(
        Buffer.concat(views).subarray(0, bytesRead).equals(expected.subarray(0, bytesRead)),
        'readv brought other bytes',
      );
      check(
        bytesRead === expected.length || bytesRead > 0,
        `readv brought ${bytesRead} of ${expected.length}`,
      );
    });
    return;
  }
  await s.alone(async () => {
    const bytes = filled(length);
    const { bytesWritten } = await s.file.writev([bytes.subarray(0, cut), bytes.subarray(cut)], position);
    s.wrote(position, bytes.subarray(0, bytesWritten));
  });
}

async function truncate(s: Subject): Promise<void> {
  await s.alone(async () => {
    const size = below(s.model.length);
    await s.file.truncate(size);
    if (size < s.size) s.model.fill(0, size, s.size);
    s.size = size;
  });
}

/** Through another descriptor, opened for appending. */
async function append(s: Subject): Promise<void> {
  await s.alone(async () => {
    const bytes = filled(1 + below(BLOCK_BYTES));
    if (s.size + bytes.length > s.model.length) return;
    await using other = await open(s.path, 'a', 0o600, { backend });
    await other.appendFile(bytes);
    s.wrote(s.size, bytes);
  });
}

async function whole(s: Subject): Promise<void> {
  await s.alone(async () => {
    await using other = await Subject.open(s.path, chance(0.5) && s.direct, 'r+');
    const content = await other.readFile();
    check(
      content.equals(s.model.subarray(0, s.size)),
      `the whole file (${content.length} of ${s.size}) is another`,
    );
  });
}

async function sync(s: Subject): Promise<void> {
  // Beside everything but what wants to be alone.
  await s.in(Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER, false, () =>
    chance(0.5) ? s.file.sync() : s.file.datasync(),
  );
}

/** Closes with reads under way, which must all end well, and opens again. */
async function reopen(s: Subject): Promise<void> {
  await s.alone(async () => {
    const reads = Array.from({ length: 8 }, async () => {
      const { position, length } = s.stretch();
      const buffer = Buffer.alloc(length);
      const { bytesRead } = await s.file.readFully(buffer, { position });
      check(buffer.subarray(0, bytesRead).equals(s.expected(position, length)), 'a read before the close');
    });
    const closing = s.file.close();
    await Promise.all([...reads, closing]);
    s.file = await Subject.open(s.path, s.direct, 'r+');
  });
}

/** Requests whose buffers nobody holds but the request. */
async function dropped(context: AioContext, handle: FileHandle): Promise<void> {
  const results = Array.from({ length: 16 }, (_, index) =>
    context.read(handle, Buffer.alloc(BLOCK_BYTES), index * BLOCK_BYTES),
  );
  if (chance(0.2)) collectGarbage?.();
  for (const bytes of await Promise.all(results))
    check(bytes === BLOCK_BYTES, `a dropped read brought ${bytes}`);
}

/** The context itself: a batch that writes and one that reads it back. */
async function batch(context: AioContext, handle: FileHandle, area: number): Promise<void> {
  const blocks = Array.from({ length: 8 }, () => filled(BLOCK_BYTES));
  const place = (index: number): number => (32 + area * 8 + index) * BLOCK_BYTES;
  const requests = (operation: 'read' | 'write', buffers: readonly Buffer[]) =>
    buffers.map((buffer, index) => ({ operation, fd: handle, buffer, position: place(index) }));
  const kept = blocks.map((block) => Buffer.from(block));
  for (const outcome of await context.submit(requests('write', blocks)))
    check(
      outcome.status === 'fulfilled' && outcome.value === BLOCK_BYTES,
      `a batch write: ${JSON.stringify(outcome)}`,
    );
  const back = blocks.map(() => Buffer.alloc(BLOCK_BYTES));
  await context.submit(requests('read', back));
  for (const [index, block] of back.entries())
    check(block.equals(kept[index]!), `block ${index} of a batch came back changed`);
}

interface Measure {
  readonly rss: number;
  readonly descriptors: number;
}

async function measure(): Promise<Measure> {
  for (let round = 0; round < 3; round++) {
    collectGarbage?.();
    await setTimeout(20);
  }
  const descriptors = process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
  return { rss: process.memoryUsage.rss(), descriptors };
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(values.directory, 'kaio-load-'));
  const { kernel } = selectKernel({ backend });
  console.log(`${kernel.release}, seed ${values.seed}, ${seconds} s`);
  const watchdog = setInterval(() => {
    for (const { what, sinceMs } of underWay.values()) {
      if (performance.now() - sinceMs < STUCK_MS) continue;
      console.error(`FAIL: ${what} has been under way for ${STUCK_MS} ms`);
      process.exit(1);
    }
  }, 1000);
  const context = new AioContext({ kernel, queueDepth: 32 });
  const subjects = await Promise.all([
    Subject.make(join(directory, 'buffered'), false),
    Subject.make(join(directory, 'direct'), true),
    Subject.make(join(directory, 'buffered-too'), false),
  ]);
  const area = join(directory, 'area');
  const handle = await openHandle(area, constants.O_RDWR | constants.O_CREAT);
  await handle.writeFile(Buffer.alloc(BLOCKS * BLOCK_BYTES));
  const endMs = performance.now() + seconds * 1000;
  const actions: readonly (readonly [number, string, (s: Subject) => Promise<void>])[] = [
    [40, 'read', read],
    [30, 'write', write],
    [10, 'vectors', vectors],
    [3, 'truncate', truncate],
    [4, 'append', append],
    [2, 'whole', whole],
    [4, 'sync', sync],
    [2, 'reopen', reopen],
  ];
  const tickets = actions.flatMap(([share, name, action]) =>
    Array.from({ length: share }, () => [name, action] as const),
  );
  const choose = (): (typeof tickets)[number] => tickets[below(tickets.length)]!;
  const lane = async (index: number): Promise<void> => {
    while (performance.now() < endMs) {
      if (index < 4) {
        await watched('batch', () => batch(context, handle, index));
        if (chance(0.1)) await watched('dropped', () => dropped(context, handle));
        continue;
      }
      const [name, action] = choose();
      await watched(name, () => action(subjects[index % subjects.length]!));
      if (chance(0.001)) collectGarbage?.();
    }
  };
  const lanes = Promise.all(Array.from({ length: LANES }, (_, index) => lane(index)));
  await Promise.race([lanes, setTimeout(seconds * 200)]);
  const early = await measure();
  await lanes;
  const late = await measure();
  for (const s of subjects) {
    await whole(s);
    await s.file.close();
  }
  await handle.close();
  await context.close();
  clearInterval(watchdog);
  rmSync(directory, { recursive: true, force: true });
  const grown = late.rss - early.rss;
  console.log([...counts].map(([name, count]) => `${name} ${count}`).join(', '));
  console.log(
    `descriptors ${early.descriptors} -> ${late.descriptors}, RSS ${early.rss >> 20} -> ${late.rss >> 20} MB`,
  );
  // Files that are just being opened by some lane are counted in the middle of the run.
  check(late.descriptors <= early.descriptors, 'descriptors have leaked');
  check(grown < RSS_SLACK_BYTES, 'memory has grown');
  console.log('ok: every byte was where it should be');
}

await main();
