import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getSystemErrorName } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, describe, it } from 'vitest';
import { EFD_NONBLOCK, POLLIN } from '../../../src/common/abi/constants.ts';
import { ERRNO } from '../../../src/common/abi/errno.ts';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import type { AioKernel } from '../../../src/common/kernel/aio-kernel.ts';
import { KERNELS, replacing } from '../../support/kernels.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-context-'));
// Some descriptors are open to the end, and Windows removes nothing that is open.
afterAll(() => {
  if (process.platform !== 'win32') rmSync(directory, { recursive: true, force: true });
});

function file(content: string | Uint8Array): { fd: number; path: string } {
  const path = join(directory, `file-${Math.random().toString(36).slice(2)}`);
  writeFileSync(path, content);
  return { fd: openSync(path, constants.O_RDWR), path };
}

/** A kernel that keeps the number of requests of each io_submit. */
function counting(kernel: AioKernel): { kernel: AioKernel; batches: number[] } {
  const batches: number[] = [];
  return {
    batches,
    kernel: replacing(kernel, {
      io_submit(ctx, nr, iocbpp) {
        batches.push(Number(nr));
        return kernel.io_submit(ctx, nr, iocbpp);
      },
    }),
  };
}

/** A kernel that knows which eventfds and contexts have not been given back: aio-nr is everybody's. */
function accounting(kernel: AioKernel): { kernel: AioKernel; held: Set<string> } {
  const held = new Set<string>();
  return {
    held,
    kernel: replacing(kernel, {
      eventfd(initval, flags) {
        const fd = kernel.eventfd(initval, flags);
        held.add(`eventfd ${fd}`);
        return fd;
      },
      close(fd) {
        held.delete(`eventfd ${fd}`);
        return kernel.close(fd);
      },
      io_setup(nr_events, ctxp) {
        held.add('context');
        return kernel.io_setup(nr_events, ctxp);
      },
      async destroyInBackground(ctx) {
        const answer = await kernel.destroyInBackground(ctx);
        if (answer === 0) held.delete('context');
        return answer;
      },
    }),
  };
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Collects garbage until `done` says so. What never is collected ends in the time limit of the test. */
async function collect(done: () => boolean): Promise<void> {
  do {
    // A turn first: what a WeakRef has shown stays until the end of that job.
    await turn();
    collectGarbage();
  } while (!done());
}

// The two below are functions of their own so that no frame of a test holds what has to go.
async function giveUpReads(context: AioContext, count: number): Promise<WeakRef<Uint8Array>[]> {
  const controller = new AbortController();
  const views = Array.from({ length: count }, () => new Uint8Array(64));
  const reads = views.map((view) => context.read(0, view, 0, { signal: controller.signal }));
  controller.abort();
  for (const read of reads) await assert.rejects(read, { code: 'ABORT_ERR' });
  return views.map((view) => new WeakRef(view));
}

async function useAndDrop(kernel: AioKernel, fd: number): Promise<void> {
  const context = new AioContext({ kernel, queueDepth: 16 });
  assert.equal(await context.read(fd, new Uint8Array(3), 0), 3);
}

for (const { name, open, missing } of KERNELS) {
  describe.skipIf(missing !== undefined)(
    `AioContext, ${name}${missing === undefined ? '' : `: ${missing}`}`,
    () => {
      it('moves bytes there and back, by one buffer and by several', async () => {
        await using context = new AioContext({ kernel: open() });
        const { fd, path } = file('');
        assert.equal(await context.write(fd, Buffer.from('hello world'), 0), 11);
        assert.equal(await context.writev(fd, [Buffer.from('HE'), Buffer.alloc(0), Buffer.from('L')], 0), 3);
        await context.fdatasync(fd);
        await context.fsync(fd);
        assert.equal(readFileSync(path, 'latin1'), 'HELlo world');
        const one = Buffer.alloc(5);
        const two = Buffer.alloc(20);
        assert.equal(await context.readv(fd, [one, two], 1), 10);
        assert.equal(one.toString('latin1') + two.toString('latin1', 0, 5), 'ELlo world');
        assert.equal(await context.read(fd, one, 100), 0);
        assert.equal(await context.read(fd, new Uint8Array(0), 0), 0);
        closeSync(fd);
      });

      it('lets the event loop have its turn after 4 MiB, which io_submit may be copying', async () => {
        const { kernel, batches } = counting(open());
        await using context = new AioContext({ kernel, queueDepth: 64 });
        const content = Buffer.alloc(1 << 20, 'kaio');
        const { fd } = file(content);
        const buffers = Array.from({ length: 10 }, () => Buffer.alloc(content.length));
        const reads = buffers.map((buffer, index) =>
          index % 2 === 0
            ? context.read(fd, buffer, 0)
            : context.readv(fd, [buffer.subarray(0, 5), buffer.subarray(5)], 0),
        );
        assert.deepEqual(await Promise.all(reads), Array<number>(10).fill(content.length));
        // What io_submit does not copy itself is held up by nothing, once that is known.
        const copies = kernel.supports.features['runs-in-submit'] === true;
        assert.deepEqual(batches, copies ? [4, 4, 2] : [4, 6]);
        for (const buffer of buffers) assert.equal(buffer.equals(content), true);
        closeSync(fd);
      });

      it('sends what is asked for in one tick in one io_submit', async () => {
        const { kernel, batches } = counting(open());
        await using context = new AioContext({ kernel, queueDepth: 64 });
        const { fd } = file('abc');
        const reads = Array.from({ length: 40 }, () => context.read(fd, new Uint8Array(3), 0));
        assert.equal(context.queued, 40);
        assert.deepEqual(await Promise.all(reads), Array<number>(40).fill(3));
        assert.deepEqual(batches, [40]);
        closeSync(fd);
      });

      it('queues beyond its depth, in order, and loses nothing', async () => {
        await using context = new AioContext({ kernel: open(), queueDepth: 4 });
        const content = Uint8Array.from({ length: 200 }, (_, index) => index);
        const { fd } = file(content);
        const bytes = Array.from({ length: 200 }, () => new Uint8Array(1));
        await Promise.all(bytes.map((view, index) => context.read(fd, view, index)));
        assert.deepEqual(
          bytes.map(([byte]) => byte),
          [...content],
        );
        assert.equal(context.inFlight + context.queued, 0);
        closeSync(fd);
      });

      it('rejects only the request that was refused', async () => {
        await using context = new AioContext({ kernel: open() });
        const { fd } = file('abc');
        const outcomes = await Promise.allSettled([
          context.read(fd, new Uint8Array(3), 0),
          context.read(999_999, new Uint8Array(3), 0),
          context.read(fd, new Uint8Array(3), 0),
        ]);
        assert.deepEqual(
          outcomes.map(({ status }) => status),
          ['fulfilled', 'rejected', 'fulfilled'],
        );
        const { reason } = outcomes[1] as PromiseRejectedResult;
        assert.deepEqual({ ...reason }, { code: 'EBADF', errno: reason.errno, syscall: 'io_submit' });
        assert.equal(getSystemErrorName(reason.errno), 'EBADF');
        assert.equal(reason.message, 'EBADF: bad file descriptor, io_submit');
        closeSync(fd);
      });

      it('continues a short submit', async () => {
        const real = open();
        const kernel = replacing(real, {
          io_submit: (ctx, nr, iocbpp) => real.io_submit(ctx, Math.min(Number(nr), 3), iocbpp),
        });
        await using context = new AioContext({ kernel });
        const { fd } = file('abc');
        const reads = Array.from({ length: 10 }, () => context.read(fd, new Uint8Array(3), 0));
        assert.deepEqual(await Promise.all(reads), Array<number>(10).fill(3));
        closeSync(fd);
      });

      it('waits for room when the kernel says EAGAIN, and tries again after EINTR', async () => {
        const real = open();
        let calls = 0;
        const kernel = replacing(real, {
          io_submit(ctx, nr, iocbpp) {
            calls++;
            if (calls === 2) return -ERRNO.EAGAIN;
            if (calls === 4) return -ERRNO.EINTR;
            return real.io_submit(ctx, Math.min(Number(nr), 2), iocbpp);
          },
        });
        await using context = new AioContext({ kernel });
        const { fd } = file('abc');
        const reads = Array.from({ length: 9 }, () => context.read(fd, new Uint8Array(3), 0));
        assert.deepEqual(await Promise.all(reads), Array<number>(9).fill(3));
        closeSync(fd);
      });

      it('waits for a poll, and gives one up when its signal says so', async () => {
        const kernel = open();
        await using context = new AioContext({ kernel });
        const eventfd = kernel.eventfd(0, EFD_NONBLOCK);
        const waiting = context.poll(eventfd, POLLIN);
        const controller = new AbortController();
        const aborted = context.poll(eventfd, POLLIN, { signal: controller.signal });
        await new Promise((resolve) => setImmediate(resolve));
        assert.equal(context.inFlight, 2);
        controller.abort('enough');
        await assert.rejects(aborted, { name: 'AbortError', code: 'ABORT_ERR', cause: 'enough' });
        kernel.eventfd_write(eventfd, 1n);
        assert.equal((await waiting) & POLLIN, POLLIN);
        kernel.close(eventfd);
      });

      it('rejects what is queued at once when its signal says so', async () => {
        const kernel = open();
        await using context = new AioContext({ kernel, queueDepth: 1 });
        const eventfd = kernel.eventfd(0, EFD_NONBLOCK);
        const head = context.poll(eventfd, POLLIN);
        await new Promise((resolve) => setImmediate(resolve));
        const { fd } = file('abc');
        const controller = new AbortController();
        const queued = context.read(fd, new Uint8Array(3), 0, { signal: controller.signal });
        controller.abort();
        await assert.rejects(queued, { name: 'AbortError' });
        assert.equal(context.queued, 0);
        await assert.rejects(context.read(fd, new Uint8Array(3), 0, { signal: AbortSignal.abort() }), {
          name: 'AbortError',
        });
        kernel.eventfd_write(eventfd, 1n);
        await head;
        kernel.close(eventfd);
        closeSync(fd);
      });

      it('rejects the head alone when the kernel has no room and nothing is in flight', async () => {
        const real = open();
        let calls = 0;
        const kernel = replacing(real, {
          io_submit: (ctx, nr, iocbpp) => (calls++ === 0 ? -ERRNO.EAGAIN : real.io_submit(ctx, nr, iocbpp)),
        });
        await using context = new AioContext({ kernel });
        const { fd } = file('abc');
        const reads = Array.from({ length: 3 }, () => context.read(fd, new Uint8Array(3), 0));
        const [head, ...rest] = await Promise.allSettled(reads);
        assert.equal((head as PromiseRejectedResult).reason.message.split(':')[0], 'EAGAIN');
        assert.deepEqual(
          rest.map(({ status }) => status),
          ['fulfilled', 'fulfilled'],
        );
        closeSync(fd);
      });

      it('settles a read in flight with its bytes although its signal fires', async () => {
        await using context = new AioContext({ kernel: open() });
        const { fd } = file('abc');
        const controller = new AbortController();
        const view = new Uint8Array(3);
        const read = context.read(fd, view, 0, { signal: controller.signal });
        process.nextTick(() => controller.abort());
        assert.equal(await read, 3);
        assert.equal(Buffer.from(view).toString('latin1'), 'abc');
        closeSync(fd);
      });

      it('works without a ring to look into, also when all was given up before it was submitted', async () => {
        const { kernel, batches } = counting(replacing(open(), { mapRing: () => undefined }));
        const context = new AioContext({ kernel, queueDepth: 2 });
        const { fd } = file('abc');
        const reads = Array.from({ length: 9 }, () => context.read(fd, new Uint8Array(3), 0));
        assert.deepEqual(await Promise.all(reads), Array<number>(9).fill(3));
        const before = batches.length;
        const controller = new AbortController();
        const aborted = context.read(fd, new Uint8Array(3), 0, { signal: controller.signal });
        controller.abort();
        // The context goes before the tick in which the read would have been submitted.
        await Promise.all([context.close(), assert.rejects(aborted, { code: 'ABORT_ERR' })]);
        assert.equal(batches.length, before);
        closeSync(fd);
      });

      it('takes one signal for any number of requests without a warning', async () => {
        const warnings: string[] = [];
        const onWarning = (warning: Error): void => void warnings.push(warning.name);
        process.on('warning', onWarning);
        await using context = new AioContext({ kernel: open() });
        const { fd } = file('abc');
        const { signal } = new AbortController();
        await Promise.all(
          Array.from({ length: 50 }, () => context.read(fd, new Uint8Array(3), 0, { signal })),
        );
        await turn();
        process.off('warning', onWarning);
        assert.deepEqual(warnings, []);
        assert.equal(getEventListeners(signal, 'abort').length, 0);
        closeSync(fd);
      });

      it('lets go of the buffers of what was given up behind a request that never ends', async () => {
        const kernel = open();
        await using context = new AioContext({ kernel, queueDepth: 1 });
        const eventfd = kernel.eventfd(0, EFD_NONBLOCK);
        const head = context.poll(eventfd, POLLIN);
        await turn();
        const last = context.poll(eventfd, POLLIN);
        const buffers = await giveUpReads(context, 100);
        // As many of them as still wait, one here, may stay in the queue.
        await collect(() => buffers.filter((buffer) => buffer.deref() !== undefined).length <= 1);
        kernel.eventfd_write(eventfd, 1n);
        await Promise.all([head, last]);
        kernel.close(eventfd);
      });

      it('is destroyed when it is dropped', async () => {
        const { kernel, held } = accounting(open());
        const { fd } = file('abc');
        await useAndDrop(kernel, fd);
        await collect(() => held.size === 0);
        closeSync(fd);
      });

      it('waits at close for what is in flight, gives everything back, and is closed then', async () => {
        const { kernel, held } = accounting(open());
        const context = new AioContext({ kernel, queueDepth: 16 });
        assert.equal(held.size, 2);
        const { fd } = file('abc');
        const read = context.read(fd, new Uint8Array(3), 0);
        const closed = context.close();
        await assert.rejects(context.read(fd, new Uint8Array(3), 0), { code: 'ERR_AIO_CLOSED' });
        assert.equal(await read, 3);
        await closed;
        await context.close();
        assert.equal(held.size, 0);
        closeSync(fd);
      });

      it('lets timers fire under a load of reads that complete at once', async () => {
        await using context = new AioContext({ kernel: open() });
        const { fd } = file('abc');
        let running = true;
        let reads = 0;
        const view = new Uint8Array(3);
        const load = (async () => {
          while (running) {
            await context.read(fd, view, 0);
            reads++;
          }
        })();
        for (let fired = 0; fired < 5; fired++) await new Promise((resolve) => setTimeout(resolve, 1));
        running = false;
        await load;
        assert.ok(reads > 0);
        closeSync(fd);
      });

      const { fd: anyFile } = file('abc');
      const eight = new Uint8Array(8);
      const wrong: readonly [string, (context: AioContext) => Promise<unknown>, string][] = [
        ['a descriptor of -1', (context) => context.read(-1, eight, 0), 'ERR_OUT_OF_RANGE'],
        [
          'a descriptor that is a string',
          (context) => context.read('1' as never, eight, 0),
          'ERR_INVALID_ARG_TYPE',
        ],
        [
          'a buffer that is a string',
          (context) => context.read(anyFile, 'x' as never, 0),
          'ERR_INVALID_ARG_TYPE',
        ],
        ['a position below 0', (context) => context.read(anyFile, eight, -1), 'ERR_OUT_OF_RANGE'],
        [
          'a position that is no integer',
          (context) => context.write(anyFile, eight, 0.5),
          'ERR_OUT_OF_RANGE',
        ],
        ['a position beyond 2^53', (context) => context.write(anyFile, eight, 2 ** 53), 'ERR_OUT_OF_RANGE'],
        [
          'buffers that are no array',
          (context) => context.readv(anyFile, eight as never, 0),
          'ERR_INVALID_ARG_TYPE',
        ],
        [
          '1025 buffers',
          (context) => context.readv(anyFile, Array<Uint8Array>(1025).fill(eight), 0),
          'ERR_OUT_OF_RANGE',
        ],
        ['a poll mask of 17 bits', (context) => context.poll(anyFile, 0x10000), 'ERR_OUT_OF_RANGE'],
        [
          'a signal that is none',
          (context) => context.read(anyFile, eight, 0, { signal: {} as never }),
          'ERR_INVALID_ARG_TYPE',
        ],
        [
          'detached memory',
          (context) => {
            const view = new Uint8Array(8);
            structuredClone(view.buffer, { transfer: [view.buffer] });
            return context.read(anyFile, view, 0);
          },
          'ERR_INVALID_ARG_VALUE',
        ],
        [
          'resizable memory',
          (context) =>
            context.read(
              anyFile,
              new Uint8Array(Reflect.construct(ArrayBuffer, [8, { maxByteLength: 16 }])),
              0,
            ),
          'ERR_INVALID_ARG_VALUE',
        ],
      ];
      for (const [what, call, code] of wrong) {
        it(`refuses ${what} with ${code}`, async () => {
          await using context = new AioContext({ kernel: open(), queueDepth: 1 });
          await assert.rejects(call(context), { code });
          assert.equal(context.inFlight + context.queued, 0);
        });
      }

      const wrongOptions: [string, unknown, RegExp][] = [
        ['no options', undefined, /"options" argument must be an object. Received undefined/],
        ['options that are null', null, /"options" argument must be an object. Received null/],
        ['no kernel', { queueDepth: 1 }, /"options.kernel" argument must be a kernel, such as selectKernel/],
        ['a latency that is no boolean', { kernel: open(), latency: 'yes' }, /"options.latency"/],
      ];
      for (const [what, options, message] of wrongOptions) {
        it(`refuses ${what} with ERR_INVALID_ARG_TYPE`, () => {
          assert.throws(() => new AioContext(options as never), { code: 'ERR_INVALID_ARG_TYPE', message });
        });
      }
    },
  );
}

it('says what to do when aio-max-nr is exhausted', async () => {
  const { emulatedKernel } = await import('../../../src/emulated/index.ts');
  const kernel = emulatedKernel({ aio_max_nr: 100 });
  assert.throws(
    () => new AioContext({ kernel, queueDepth: 101 }),
    (error: Error & { code: string }) => {
      assert.equal(error.code, 'EAGAIN');
      assert.match(
        error.message,
        /aio-nr is 0 of aio-max-nr 100: raise it with sysctl -w fs\.aio-max-nr=200/,
      );
      return true;
    },
  );
});
