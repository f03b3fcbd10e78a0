import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { emulatedKernel } from '../../../src/emulated/index.ts';
import { temporaryFile, type User, user } from '../user.ts';

const PREAD = 0;
const PWRITE = 1;
const FSYNC = 2;
const PREADV = 7;
const EIO = -5;
const EFAULT = -14;
const MIB = 1 << 20;
/** The sources' folder, also for the compiled tests. */
const SUPPORT = import.meta.url.endsWith('.js') ? '../../../../test/support/' : '../../support/';
const program = fileURLToPath(new URL(`${SUPPORT}executor-scenarios.mjs`, import.meta.url));
const turn = () => new Promise((resolve) => setImmediate(resolve));
const tick = () => new Promise<void>((resolve) => process.nextTick(resolve));

/** Threads started so far, in order, as of the turn before. */
const threads: Worker[] = [];
process.on('worker', (worker) => threads.push(worker));
afterEach(turn);

const files: ReturnType<typeof temporaryFile>[] = [];
const file = (content: Uint8Array | string = '', flags = 'r+') => {
  const made = temporaryFile(content, flags);
  files.push(made);
  return made;
};
afterEach(() => {
  for (const made of files.splice(0)) made.remove();
});

/** A pipe by name, open in both directions: it never ends. */
function pipe() {
  const { directory } = file();
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', [path]);
  const fd = fs.openSync(path, 'r+');
  return { path, fd, close: () => fs.closeSync(fd) };
}

const workers = (size = 2) => user({ executor: 'workers', workers: size });

/** Blocks until there are `count` events. @param ms - Without it for ever. */
function blocked(u: User, ctx: number, count: number, ms?: number): { data: number; result: number }[] {
  const words = u.keep(new BigInt64Array(4 * count));
  const timeout = ms === undefined ? 0 : u.timespec(0, ms * 1_000_000);
  const answer = u.kernel.io_getevents(ctx, count, count, u.addressOf(words), timeout);
  if (answer < 0) throw new Error(`io_getevents: ${answer}`);
  return Array.from({ length: answer }, (_, i) => ({
    data: Number(words[4 * i]),
    result: Number(words[4 * i + 2]),
  }));
}

describe('the executor of worker threads', () => {
  it('lets a blocking io_getevents see the end of what has begun', async () => {
    const u = workers();
    expect(u.kernel.supports.features['blocking-wait']).toBe(true);
    const { fd, content } = file('x'.repeat(64));
    u.kernel.fget(fd);
    const ctx = u.setup(64);
    const source = u.addressOf(Buffer.from('ab'));
    const write = { aio_lio_opcode: PWRITE, aio_fildes: fd, aio_buf: source, aio_nbytes: 2 };
    u.submit(ctx, ...Array.from({ length: 32 }, (_, i) => ({ ...write, aio_offset: 2 * i })));
    u.submit(ctx, { aio_lio_opcode: FSYNC, aio_fildes: fd });
    await turn();
    const events = blocked(u, ctx, 33);
    expect(events.map(({ result }) => result)).toEqual([...Array<number>(32).fill(2), 0]);
    expect(content()).toBe('ab'.repeat(32));
  });

  it('wakes the event loop, and keeps the process alive until then', async () => {
    const { fd } = file('content');
    await using context = new AioContext({ kernel: emulatedKernel({ executor: 'workers' }), queueDepth: 8 });
    const buffers = Array.from({ length: 100 }, () => new Uint8Array(7));
    const counts = await Promise.all(buffers.map((buffer) => context.read(fd, buffer, 0)));
    expect(counts).toEqual(Array(100).fill(7));
    expect(new Set(buffers.map((buffer) => Buffer.from(buffer).toString()))).toEqual(new Set(['content']));
  });

  it('moves more than any bounce memory that it keeps, whole and in pieces', async () => {
    const u = workers();
    const data = Buffer.alloc(20 * MIB + 5);
    for (let i = 0; i < data.length; i += 997) data[i] = i;
    const { fd, path } = file(data);
    u.kernel.fget(fd);
    const ctx = u.setup(16);
    const target = u.keep(new Uint8Array(data.length));
    const request = {
      aio_lio_opcode: PREAD,
      aio_fildes: fd,
      aio_buf: u.addressOf(target),
      aio_nbytes: data.length,
    };
    u.submit(ctx, request);
    await turn();
    expect(blocked(u, ctx, 1)).toEqual([{ data: 0, result: data.length }]);
    expect(Buffer.compare(target, data)).toBe(0);
    target.fill(0);
    const iov = u.iovec(
      [u.addressOf(target), 3],
      [u.addressOf(target) + 3, 9 * MIB],
      [u.addressOf(target) + 3 + 9 * MIB, MIB],
    );
    u.submit(ctx, { ...request, aio_lio_opcode: PREADV, aio_buf: iov, aio_nbytes: 3 });
    expect(blocked(u, ctx, 1)).toEqual([{ data: 0, result: 10 * MIB + 3 }]);
    expect(Buffer.compare(target.subarray(0, 10 * MIB + 3), data.subarray(0, 10 * MIB + 3))).toBe(0);
    target.fill(9);
    u.submit(ctx, { ...request, aio_lio_opcode: PWRITE });
    await turn();
    expect(blocked(u, ctx, 1)).toEqual([{ data: 0, result: data.length }]);
    expect(fs.readFileSync(path).every((byte) => byte === 9)).toBe(true);
  });

  it('never writes to a buffer that was taken away or given back', async () => {
    const u = workers();
    const { fd } = file(Buffer.alloc(4 * MIB, 7));
    const ctx = u.setup(16);
    const gone = new Uint8Array(4 * MIB);
    const kept = u.keep(new Uint8Array(4 * MIB));
    const request = { aio_lio_opcode: PREAD, aio_fildes: fd, aio_nbytes: 4 * MIB };
    u.submit(ctx, { ...request, aio_buf: u.addressOf(gone) });
    // Begun at the end of the tick; nothing looks at its end before the event loop does.
    await tick();
    const moved = structuredClone(gone, { transfer: [gone.buffer] });
    expect(blocked(u, ctx, 1)).toEqual([{ data: 0, result: EFAULT }]);
    expect(moved.every((byte) => byte === 0)).toBe(true);
    u.submit(ctx, { ...request, aio_buf: u.addressOf(kept) });
    await turn();
    expect(u.kernel.io_destroy(ctx)).toBe(0);
    expect(kept.every((byte) => byte === 7)).toBe(true);
    kept.fill(1);
    await turn();
    expect(kept.every((byte) => byte === 1)).toBe(true);
  });

  it('tells errors by name', () => {
    const u = workers();
    const ctx = u.setup(16);
    const { fd, path, directory } = file('x');
    const buf = u.addressOf(new Uint8Array(8));
    const request = { aio_lio_opcode: PREAD, aio_buf: buf, aio_nbytes: 8, aio_fildes: fd };
    u.submit(ctx, request);
    fs.closeSync(fd);
    // The number means another file now, and the request must not read it.
    const other = fs.openSync(join(directory, 'other'), 'w+');
    expect(other).toBe(fd);
    expect(blocked(u, ctx, 1)).toEqual([{ data: 0, result: -9 }]);
    fs.closeSync(other);
    fs.openSync(path, 'r+');
  });
});

describe.skipIf(process.platform === 'win32')('a read of a pipe that nobody writes to', () => {
  it('holds up neither files nor a timeout, and ends when somebody writes', async () => {
    const u = workers(1);
    const { fd } = file('file');
    const pipes = Array.from({ length: 8 }, pipe);
    const ctx = u.setup(64);
    const bytes = u.keep(new Uint8Array(16));
    const request = { aio_lio_opcode: PREAD, aio_buf: u.addressOf(bytes), aio_nbytes: 16 };
    u.submit(ctx, ...pipes.map((one, i) => ({ ...request, aio_fildes: one.fd, aio_data: i })));
    await turn();
    expect(blocked(u, ctx, 1, 5)).toEqual([]);
    u.submit(ctx, { ...request, aio_fildes: fd, aio_data: 100 });
    expect(blocked(u, ctx, 1)).toEqual([{ data: 100, result: 4 }]);
    fs.writeSync(pipes[5]!.fd, 'through');
    expect(blocked(u, ctx, 1)).toEqual([{ data: 5, result: 7 }]);
    expect(Buffer.from(bytes.subarray(0, 7)).toString()).toBe('through');
    for (const [i, one] of pipes.entries()) if (i !== 5) fs.writeSync(one.fd, 'x');
    expect(
      blocked(u, ctx, 7)
        .map(({ data }) => data)
        .sort(),
    ).toEqual([0, 1, 2, 3, 4, 6, 7]);
    for (const one of pipes) one.close();
  });

  it('does not stop the process from ending', async () => {
    const { path, close } = pipe();
    // Standard input is a socket here, which nobody can open a second time.
    for (const scenario of ['exit-pipe', 'end-pipe', 'exit-stdin', 'end-stdin']) {
      const child = spawn(process.execPath, [program, scenario, path], {
        stdio: ['pipe', 'pipe', 'inherit'],
        timeout: 30_000,
        killSignal: 'SIGKILL',
      });
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
      const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
      expect({ scenario, code, signal, output }).toEqual({
        scenario,
        code: 7,
        signal: null,
        output: 'begun, 0 events\n',
      });
      child.stdin.destroy();
    }
    close();
  });

  it('ends with EIO when its thread is ended, and the next gets a new thread', async () => {
    // A crew that nobody else has.
    const u = workers(7);
    const { fd, close } = pipe();
    const ctx = u.setup(16);
    const before = threads.length;
    const bytes = u.keep(new Uint8Array(16));
    const request = { aio_lio_opcode: PREAD, aio_fildes: fd, aio_buf: u.addressOf(bytes), aio_nbytes: 16 };
    u.submit(ctx, request, request);
    await turn();
    await turn();
    const started = threads.slice(before);
    expect(started).toHaveLength(1);
    await started[0]!.terminate();
    await turn();
    expect(blocked(u, ctx, 2).map(({ result }) => result)).toEqual([EIO, EIO]);
    u.submit(ctx, request);
    fs.writeSync(fd, 'again');
    expect(blocked(u, ctx, 1)).toEqual([{ data: 0, result: 5 }]);
    close();
  });
});

describe('the threads', () => {
  it('are started when needed, end when idle, and come again', async () => {
    const u = workers(3);
    const before = threads.length;
    const { fd } = file('x');
    const ctx = u.setup(64);
    const buf = u.addressOf(new Uint8Array(8));
    const read = { aio_lio_opcode: PREAD, aio_fildes: fd, aio_buf: buf, aio_nbytes: 8 };
    expect(threads.length).toBe(before);
    for (let round = 0; round < 2; round++) {
      const first = threads.length;
      u.submit(ctx, ...Array<typeof read>(50).fill(read));
      expect(blocked(u, ctx, 50)).toHaveLength(50);
      await turn();
      const started = threads.slice(first);
      expect(started).toHaveLength(3);
      await Promise.all(
        started.map((thread) => {
          thread.ref();
          return once(thread, 'exit');
        }),
      );
    }
  });

  it('that are ended from outside take their request with them and are replaced', async () => {
    const u = workers(5);
    const { fd } = file('x');
    const ctx = u.setup(64);
    const buf = u.addressOf(new Uint8Array(8));
    const read = { aio_lio_opcode: PREAD, aio_fildes: fd, aio_buf: buf, aio_nbytes: 8 };
    // Where ending a thread takes a while, it may still run the request.
    for (let result = 1; result !== EIO; ) {
      const first = threads.length;
      u.submit(ctx, read);
      expect(blocked(u, ctx, 1)).toEqual([{ data: 0, result: 1 }]);
      await turn();
      const thread = threads.slice(first)[0] ?? threads.at(-1);
      const ended = thread!.terminate();
      // Goes to the thread that is ending: nothing here knows of that yet.
      u.submit(ctx, read);
      await turn();
      await ended;
      [result = 0] = await u.completed(ctx, 1);
      expect([1, EIO]).toContain(result);
    }
    u.submit(ctx, read);
    expect(blocked(u, ctx, 1)).toEqual([{ data: 0, result: 1 }]);
  });

  const run = (main: string, scenario: string, path: string) =>
    execFileSync(process.execPath, [main, scenario, path], { encoding: 'utf8' });

  it('can be the threads of a thread', () => {
    expect(run(program, 'in-worker', file('data').path)).toBe('1 event, 4 bytes: data\n');
  });

  // The bundler is a native program, installed for one host.
  it.skipIf(process.platform === 'win32')('need no file beside the program', async () => {
    const { rolldown } = await import('rolldown');
    const { path, directory } = file('data');
    const bundle = join(directory, 'bundle.mjs');
    const build = await rolldown({ input: program, platform: 'node' });
    await build.write({ file: bundle, format: 'esm', minify: true });
    expect(run(bundle, 'file', path)).toBe('1 event, 4 bytes: data\n');
    expect(run(bundle, 'in-worker', path)).toBe('1 event, 4 bytes: data\n');
  });
});

describe('options', () => {
  it('of a kernel name an executor and a number of workers that exist', () => {
    expect(() => emulatedKernel({ executor: 'fibers' as 'inline' })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
    );
    for (const size of [0, 1.5, 129])
      expect(() => emulatedKernel({ executor: 'workers', workers: size })).toThrow(
        expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
      );
  });
});
