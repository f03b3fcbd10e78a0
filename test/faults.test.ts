import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, it } from 'vitest';
import { POLLIN } from '../src/common/abi/constants.ts';
import { ERRNO } from '../src/common/abi/errno.ts';
import { AioContext } from '../src/common/context/aio-context.ts';
import { AlignedBufferPool, alignedBuffer } from '../src/common/memory/aligned.ts';
import { openNativeKernel } from '../src/native/index.ts';
import { open } from '../src/open.ts';
import { faultyKernel } from './support/faulty-kernel.ts';
import { KERNELS } from './support/kernels.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-faults-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;
function path(content: string | Uint8Array = ''): string {
  const name = join(directory, `file-${files++}`);
  writeFileSync(name, content);
  return name;
}
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** A file system of 64 KiB, or why there is none. */
function smallFileSystem(): { at: string } | { missing: string } {
  const at = join(directory, 'small');
  mkdirSync(at);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', at], { stdio: 'pipe' });
  } catch (error) {
    return { missing: (error as Error).message };
  }
  return { at };
}
const small = smallFileSystem();

const RLIMIT_FSIZE = 1;
const KERNEL_MISSING = KERNELS[0]!.missing !== undefined;

/** Runs while no file of this process may grow beyond `bytes`, and SIGXFSZ does nothing. */
async function withFileSizeLimit(bytes: number, run: () => Promise<void>): Promise<void> {
  const { libc } = openNativeKernel();
  const old = new BigUint64Array(2);
  const limit = BigUint64Array.of(BigInt(bytes), 0xffff_ffff_ffff_ffffn);
  const rlimit = (call: string, at: BigUint64Array): number =>
    libc.bind(call, 'int', 2)(RLIMIT_FSIZE, openNativeKernel().memory.addressOf(at));
  const ignore = (): void => {};
  process.on('SIGXFSZ', ignore);
  assert.equal(rlimit('getrlimit', old), 0);
  limit[1] = old[1]!;
  assert.equal(rlimit('setrlimit', limit), 0);
  try {
    await run();
  } finally {
    assert.equal(rlimit('setrlimit', old), 0);
    process.off('SIGXFSZ', ignore);
  }
}
afterAll(() => {
  if ('at' in small) execFileSync('umount', [small.at]);
});

for (const { name, open: openKernel, missing } of KERNELS) {
  describe.skipIf(missing !== undefined)(`faults, ${name}`, () => {
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      it(`loses nothing on an unpleasant kernel (seed ${seed})`, async () => {
        const { kernel, struck } = faultyKernel(openKernel(), { seed });
        await using context = new AioContext({ kernel, queueDepth: 8 });
        const fd = openSync(path(), 'r+');
        try {
          // Each writes and reads its own place, on after what was short.
          const lane = async (index: number): Promise<void> => {
            const bytes = Buffer.alloc(1000, index);
            const place = index * 1000;
            for (let done = 0; done < 1000; )
              done += await context.write(fd, bytes.subarray(done), place + done);
            const back = Buffer.alloc(1000);
            for (let done = 0; done < 1000; )
              done += await context.read(fd, back.subarray(done), place + done);
            assert.deepEqual(back, bytes);
          };
          // How many calls a round takes is up to the kernel's speed, and with it whether each fault strikes.
          const faults = ['short transfer', 'EINTR', 'late events'];
          for (let round = 0; round < 50 && (round === 0 || !faults.every((one) => struck.has(one))); round++)
            await Promise.all(Array.from({ length: 60 }, (_, index) => lane(index)));
          await context.fsync(fd);
          const { submitted, completed, eagains } = context.stats;
          assert.equal(submitted, completed);
          assert.equal(eagains > 0, (struck.get('EAGAIN') ?? 0) > 0);
          for (const fault of faults) assert.ok(struck.has(fault), fault);
        } finally {
          await context.drain();
          closeSync(fd);
        }
      });
    }

    it.each([
      ['EIO', ERRNO.EIO],
      ['EDQUOT', ERRNO.EDQUOT],
    ])('rejects the one request that fails with %s', async (code, errno) => {
      const { kernel } = faultyKernel(openKernel(), { seed: 5, failEvery: 7, failWith: -errno });
      await using context = new AioContext({ kernel, queueDepth: 8 });
      const fd = openSync(path(Buffer.alloc(4096, 1)), 'r+');
      try {
        const outcomes = await Promise.allSettled(
          Array.from({ length: 70 }, (_, index) => context.read(fd, Buffer.alloc(16), index * 16)),
        );
        const failed = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
        assert.ok(failed.length >= 5 && failed.length < 20, `${failed.length}`);
        for (const { reason } of failed) {
          if (reason.syscall === 'io_submit') continue;
          assert.equal(reason.code, code);
          assert.equal(reason.syscall, 'pread');
        }
      } finally {
        closeSync(fd);
      }
    });

    it.skipIf('missing' in small)('says how many bytes fitted on a full file system', async () => {
      if (!('at' in small)) return;
      const target = join(small.at, `full-${name}`);
      await using file = await open(target, 'w+', 0o600, { backend: name });
      const error = await file.writeFully(Buffer.alloc(200_000, 7), { position: 0 }).then(
        () => assert.fail('it cannot fit'),
        (reason: NodeJS.ErrnoException & { bytesDone?: number }) => reason,
      );
      assert.equal(error.code, 'ENOSPC');
      const { size } = await file.stat();
      assert.equal(error.bytesDone, size);
      assert.ok(size > 0);
      assert.ok((await file.readFile()).equals(Buffer.alloc(size, 7)));
      rmSync(target);
    });

    it.skipIf(KERNEL_MISSING)('says how many bytes fitted below RLIMIT_FSIZE', async () => {
      await using file = await open(path(), 'r+', 0o666, { backend: name });
      await withFileSizeLimit(8192, async () => {
        const error = await file.writeFully(Buffer.alloc(20_000, 7), { position: 0 }).then(
          () => assert.fail('it cannot fit'),
          (reason: NodeJS.ErrnoException & { bytesDone?: number }) => reason,
        );
        assert.equal(error.code, 'EFBIG');
        assert.equal(error.bytesDone, 8192);
      });
      assert.equal((await file.stat()).size, 8192);
    });

    it('gives up by AbortSignal.timeout what has not begun or can be cancelled', async () => {
      await using context = new AioContext({ kernel: openKernel(), queueDepth: 1 });
      const eventfd = context.kernel.eventfd(0, 0o4000);
      const fd = openSync(path('queued'), 'r');
      const timeout = ({ name, cause }: Error): boolean =>
        name === 'AbortError' && (cause as Error).name === 'TimeoutError';
      // The second waits in the queue behind the first, which holds the only place.
      const holder = new AbortController();
      const first = assert.rejects(context.poll(eventfd, POLLIN, { signal: holder.signal }), {
        name: 'AbortError',
      });
      const second = assert.rejects(
        context.read(fd, Buffer.alloc(6), 0, { signal: AbortSignal.timeout(5) }),
        timeout,
      );
      await second;
      assert.equal(context.inFlight, 1);
      holder.abort();
      await first;
      await assert.rejects(context.poll(eventfd, POLLIN, { signal: AbortSignal.timeout(5) }), timeout);
      await context.drain();
      closeSync(fd);
      context.kernel.close(eventfd);
    });

    it('never touches the other file when a number is closed and used again in flight', async () => {
      const bytes = 1 << 20;
      const mine = path(Buffer.alloc(bytes, 'm'));
      const others = path(Buffer.alloc(bytes, 'o'));
      await using context = new AioContext({ kernel: openKernel() });
      const probe = await open(mine, 'r', 0o666, { backend: name, direct: 'prefer' });
      const direct = probe.direct ? constants.O_DIRECT : 0;
      await probe.close();
      for (let round = 0; round < 20; round++) {
        const buffer = alignedBuffer(bytes);
        // Direct reads are the ones that Linux still works on after io_submit.
        const fd = openSync(mine, constants.O_RDONLY | direct);
        const read = context.read(fd, buffer, 0).catch(({ code }: NodeJS.ErrnoException) => code);
        await setImmediate();
        closeSync(fd);
        const other = openSync(others, 'r');
        assert.equal(other, fd);
        const outcome = await read;
        closeSync(other);
        if (outcome !== bytes) assert.equal(outcome, 'EBADF');
        assert.equal(buffer.indexOf('o'), -1);
      }
    });

    it('keeps the number of an AioFile until what is under way is over', async () => {
      const bytes = 1 << 20;
      const mine = path(Buffer.alloc(bytes, 'm'));
      const others = path(Buffer.alloc(bytes, 'o'));
      for (let round = 0; round < 20; round++) {
        const file = await open(mine, 'r', 0o666, { backend: name });
        const reads = Array.from({ length: 8 }, () => file.read(Buffer.alloc(bytes), 0, bytes, 0));
        const closed = file.close();
        const other = openSync(others, 'r');
        for (const { bytesRead, buffer } of await Promise.all(reads))
          assert.ok(bytesRead === bytes && buffer.equals(Buffer.alloc(bytes, 'm')));
        await closed;
        closeSync(other);
      }
    });

    it('lets timers fire on time, and others be served, under a load of cached reads', async () => {
      await using file = await open(path(Buffer.alloc(65536, 3)), 'r', 0o666, { backend: name });
      let stop = false;
      let reads = 0;
      const lanes = Array.from({ length: 64 }, async (_, index) => {
        while (!stop) {
          await file.read(Buffer.alloc(1024), 0, 1024, index * 1024);
          reads++;
        }
      });
      let fired = 0;
      for (let round = 0; round < 20; round++) {
        await setTimeout(1);
        await setImmediate();
        fired++;
      }
      stop = true;
      await Promise.all(lanes);
      assert.equal(fired, 20);
      assert.ok(reads > 20, `${reads}`);
    });

    it('submits a batch in one call, and one that fails fails alone', async () => {
      await using context = new AioContext({ kernel: openKernel(), latency: true });
      const fd = openSync(path('0123456789'), 'r+');
      try {
        const buffer = Buffer.alloc(4);
        const outcomes = await context.submit([
          { operation: 'read', fd, buffer, position: 2 },
          { operation: 'read', fd, buffer: 7 as never, position: 0 },
          { operation: 'write', fd: 1_000_000, buffer, position: 0 },
          { operation: 'fsync', fd },
          { operation: 'nonsense' as 'fsync', fd },
          null as never,
        ]);
        assert.deepEqual(
          outcomes.map((outcome) =>
            outcome.status === 'fulfilled' ? outcome.value : (outcome.reason.code ?? 'error'),
          ),
          [4, 'ERR_INVALID_ARG_TYPE', 'EBADF', 0, 'ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_TYPE'],
        );
        assert.equal(buffer.toString(), '2345');
        const { latency, submitted } = context.stats;
        assert.equal(submitted, 2);
        assert.equal(latency?.count, 3);
        await assert.rejects(context.submit('x' as never), { code: 'ERR_INVALID_ARG_TYPE' });
      } finally {
        closeSync(fd);
      }
    });

    it('publishes what it does', async () => {
      const seen: { channel: string; about: unknown }[] = [];
      const channels = ['kaio:context:open', 'kaio:submit', 'kaio:complete', 'kaio:context:close'];
      const listeners = channels.map((channel) => (message: unknown) => {
        const { context, kernel } = message as { context?: unknown; kernel?: unknown };
        seen.push({ channel, about: context ?? kernel });
      });
      channels.forEach((channel, index) => {
        subscribe(channel, listeners[index]!);
      });
      const kernel = openKernel();
      const context = await (async () => {
        const one = new AioContext({ kernel });
        const fd = openSync(path('x'), 'r');
        await one.read(fd, Buffer.alloc(1), 0);
        closeSync(fd);
        await one.close();
        return one;
      })().finally(() => {
        channels.forEach((channel, index) => {
          unsubscribe(channel, listeners[index]!);
        });
      });
      // The shared context of files of other tests is closed when nobody has wanted it for a while: perhaps just now.
      const own = seen.filter(({ about }) => about === context || about === kernel);
      assert.deepEqual(
        own.map(({ channel }) => channel),
        channels,
      );
    });

    it('refuses a buffer that was transferred while it waited', async () => {
      await using context = new AioContext({ kernel: openKernel() });
      const fd = openSync(path('0123456789'), 'r');
      try {
        const bytes = new Uint8Array(4);
        const read = context.read(fd, bytes, 0);
        structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
        await assert.rejects(read, { code: 'ERR_INVALID_ARG_VALUE', message: /detached/ });
      } finally {
        closeSync(fd);
      }
    });

    it('keeps a buffer in flight out of reach of other threads', async () => {
      await using context = new AioContext({ kernel: openKernel() });
      const eventfd = context.kernel.eventfd(0, 0o4000);
      // A read in flight for as long as one likes is a poll; what its memory does is the same for all.
      const bytes = new Uint8Array(4096);
      const fd = openSync(path(Buffer.alloc(1 << 20)), 'r');
      const waiting = context.poll(eventfd, POLLIN);
      const reads = Promise.all(Array.from({ length: 8 }, () => context.read(fd, bytes, 0)));
      await setImmediate();
      const worker = new Worker('setTimeout(() => {}, 10)', { eval: true });
      // Refused, or copied, or moved when nothing uses it any more: never a write to memory that is gone.
      try {
        worker.postMessage(bytes.buffer, [bytes.buffer]);
      } catch (error) {
        assert.equal((error as Error).name, 'DataCloneError');
      }
      const outcome = await reads.then(
        () => 'done',
        ({ code }: NodeJS.ErrnoException) => code,
      );
      context.kernel.eventfd_write(eventfd, 1n);
      await waiting;
      assert.ok(['done', 'ERR_INVALID_ARG_VALUE', 'EFAULT'].includes(outcome!), outcome);
      await worker.terminate();
      closeSync(fd);
      context.kernel.close(eventfd);
    });

    it('closes no dropped file while a read of it is in flight', async () => {
      const bytes = 1 << 20;
      const source = path(Buffer.alloc(bytes, 'd'));
      const buffer = alignedBuffer(bytes);
      using closed = closedByCollection();
      const warnings = closed.words;
      for (let round = 0; round < 5; round++) {
        let settled = false;
        const { reads } = await begin();
        void reads.finally(() => {
          settled = true;
        });
        while (!settled) {
          collectGarbage();
          await setImmediate();
          if (!settled) assert.equal(warnings.length, round);
        }
        for (const count of await reads) assert.equal(count, bytes);
        // Then it is closed, with one warning.
        while (warnings.length === round) {
          collectGarbage();
          await setImmediate();
        }
      }

      async function countsOf(reads: Promise<{ bytesRead: number }>[]): Promise<number[]> {
        return (await Promise.all(reads)).map(({ bytesRead }) => bytesRead);
      }

      /** The file is nobody's when this is over, but of its reads. */
      async function begin(): Promise<{ reads: Promise<number[]> }> {
        const file = await open(source, 'r', 0o666, { backend: name, direct: 'prefer' });
        const reads: Promise<{ bytesRead: number }>[] = [];
        // No closure, which would hold the file.
        for (let lane = 0; lane < 128; lane++) reads.push(file.read(buffer, 0, bytes, 0));
        return { reads: countsOf(reads) };
      }
    });

    it('has Node.js close a file that was dropped, with the words that it has for a FileHandle', async () => {
      using closed = closedByCollection();
      const fds: number[] = [];
      for (let index = 0; index < 20; index++) fds.push(await dropOne());
      while (closed.words.length < 15) {
        await setImmediate();
        collectGarbage();
      }
      async function dropOne(): Promise<number> {
        const file = await open(path('dropped'), 'r', 0o666, { backend: name });
        await file.read(Buffer.alloc(4), 0, 4, 0);
        return file.fd;
      }
      assert.equal(fds.length, 20);
    });
  });
}

describe('aligned buffers', () => {
  it('start at pages, whatever their length', () => {
    const kernel = KERNELS.find(({ missing }) => missing === undefined)!.open();
    for (const bytes of [1, 100, 4096, 5000, 1 << 20, (1 << 22) + 1]) {
      const buffer = alignedBuffer(bytes);
      assert.equal(buffer.byteLength, bytes);
      assert.equal(kernel.memory.addressOf(buffer) % 4096, 0);
      assert.ok(buffer.every((byte) => byte === 0));
    }
    assert.throws(() => alignedBuffer(-1), { code: 'ERR_OUT_OF_RANGE' });
  });

  it('are handed out once, and only taken back from whom they were handed to', () => {
    const pool = new AlignedBufferPool(4096, 1);
    const one = pool.take();
    const two = pool.take();
    assert.notEqual(one.byteOffset, two.byteOffset);
    pool.give(one);
    assert.throws(() => pool.give(one), { code: 'ERR_INVALID_ARG_TYPE' });
    pool.give(two);
    assert.equal(pool.take(), one);
    assert.notEqual(pool.take(), two);
    assert.throws(() => pool.give(Buffer.alloc(4096)), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});

/** What Node.js says of handles that are closed because nobody has them any more: a warning, from 25 on an error that nobody catches. */
function closedByCollection(): Disposable & { readonly words: string[] } {
  const words: string[] = [];
  const warned = ({ message }: Error): void => {
    if (message.startsWith('Closing file descriptor')) words.push(message);
  };
  const thrown = ({ message }: Error): void => {
    words.push(message);
  };
  // Those of whoever runs the tests would take it for a failure.
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', thrown);
  process.on('warning', warned);
  return {
    words,
    [Symbol.dispose]() {
      process.off('warning', warned);
      process.off('uncaughtException', thrown);
      for (const other of others) process.on('uncaughtException', other);
    },
  };
}
