/** What programs do that mean no harm, and what those do that do: each request ends alone, and nothing is left behind. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { closeSync, constants, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promiseHooks } from 'node:v8';
import { afterAll, describe, it } from 'vitest';
import { ERRNO } from '../../../src/common/abi/errno.ts';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import type { AioKernel } from '../../../src/common/kernel/aio-kernel.ts';
import { alignedBuffer } from '../../../src/common/memory/aligned.ts';
import { emulatedKernel } from '../../../src/emulated/index.ts';
import { openNativeKernel } from '../../../src/native/index.ts';
import { growingMemory } from '../../support/growing-memory.ts';
import { KERNELS, replacing } from '../../support/kernels.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-safety-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const BYTES = 1 << 20;
const path = join(directory, 'file');
writeFileSync(path, Buffer.alloc(BYTES, 7), { flush: true });

const give = (buffer: ArrayBuffer): ArrayBuffer => structuredClone(buffer, { transfer: [buffer] });
const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;
/** The count, or the code of the error. */
const outcome = (promise: Promise<unknown>): Promise<unknown> => promise.catch(codeOf);

for (const { name, open, missing } of KERNELS) {
  describe.skipIf(missing !== undefined)(`a context among odd programs, ${name}`, () => {
    async function withContext(body: (context: AioContext, fd: number) => Promise<void>): Promise<void> {
      const fd = openSync(path, 'r');
      try {
        await using context = new AioContext({ kernel: open() });
        await body(context, fd);
        assert.deepEqual([context.inFlight, context.queued], [0, 0]);
      } finally {
        closeSync(fd);
      }
    }

    it.each([
      ['a DataView', (buffer: ArrayBuffer) => new DataView(buffer)],
      ['a typed array', (buffer: ArrayBuffer) => new Uint8Array(buffer)],
    ])('fails the request alone whose memory is given away in the same tick: %s', (_title, viewOf) =>
      withContext(async (context, fd) => {
        const buffer = new ArrayBuffer(4096);
        const outcomes = [
          outcome(context.read(fd, new Uint8Array(4096), 0)),
          outcome(context.read(fd, viewOf(buffer), 0)),
          outcome(context.readv(fd, [new Uint8Array(8), viewOf(buffer)], 0)),
          outcome(context.read(fd, new Uint8Array(4096), 4096)),
        ];
        const owner = new Uint8Array(give(buffer)).fill(1);
        assert.deepEqual(await Promise.all(outcomes), [
          4096,
          'ERR_INVALID_ARG_VALUE',
          'ERR_INVALID_ARG_VALUE',
          4096,
        ]);
        assert.ok(owner.every((byte) => byte === 1));
      }),
    );

    it('reads nothing before the last code of the caller has run', () =>
      withContext(async (context, fd) => {
        const buffer = new ArrayBuffer(4096);
        let owner: ArrayBuffer | undefined;
        const giving = {
          get fd() {
            owner ??= give(buffer);
            return fd;
          },
        };
        assert.equal(
          await outcome(context.readv(giving, [new Uint8Array(buffer)], 0)),
          'ERR_INVALID_ARG_VALUE',
        );
        assert.ok(new Uint8Array(owner!).every((byte) => byte === 0));
        const closing = {
          get fd() {
            void context.close();
            return fd;
          },
        };
        assert.equal(await outcome(context.read(closing, new Uint8Array(8), 0)), 'ERR_AIO_CLOSED');
      }));

    it('asks for each thing once', () =>
      withContext(async (context, fd) => {
        const asked: string[] = [];
        const request = new Proxy(
          { operation: 'read', fd, buffer: new Uint8Array(8), position: 0, rw_flags: 0, signal: undefined },
          {
            get(target, property, receiver) {
              asked.push(String(property));
              return Reflect.get(target, property, receiver) as unknown;
            },
          },
        );
        const [answer] = await context.submit([request as never]);
        assert.deepEqual(answer, { status: 'fulfilled', value: 8 });
        assert.deepEqual(asked.sort(), [
          'buffer',
          'fd',
          'operation',
          'position',
          'priority',
          'rw_flags',
          'signal',
        ]);
      }));

    it('refuses holes and odd elements of vectors and batches, each alone', () =>
      withContext(async (context, fd) => {
        const holed = [new Uint8Array(8)];
        holed[2] = new Uint8Array(8);
        assert.equal(await outcome(context.readv(fd, holed, 0)), 'ERR_INVALID_ARG_TYPE');
        const batch = [{ operation: 'read', fd, buffer: new Uint8Array(8), position: 0 }] as unknown[];
        batch[2] = 7;
        const outcomes = await context.submit(batch as never);
        assert.deepEqual(
          outcomes.map((one) => (one.status === 'fulfilled' ? one.value : codeOf(one.reason))),
          [8, 'ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_TYPE'],
        );
        assert.equal(
          await outcome(context.read(fd, new Uint8Array(8), 0, null as never)),
          'ERR_INVALID_ARG_TYPE',
        );
      }));

    it('hears of an abort that others keep to themselves, and whatever a signal says of itself', () =>
      withContext(async (context) => {
        const { kernel } = context;
        const quiet = kernel.eventfd(0, 0);
        const first = new AbortController();
        first.signal.addEventListener('abort', (event) => event.stopImmediatePropagation());
        const lying = new AbortController();
        for (const method of ['addEventListener', 'removeEventListener'])
          Object.defineProperty(lying.signal, method, { value: () => assert.fail('asked by name') });
        Object.defineProperty(lying.signal, 'aborted', { value: false });
        const polls = [first, lying].map(({ signal }) => outcome(context.poll(quiet, 1, { signal })));
        await setImmediate();
        first.abort();
        lying.abort();
        assert.deepEqual(await Promise.all(polls), ['ABORT_ERR', 'ABORT_ERR']);
        kernel.close(quiet);
      }));

    it('looks again at aborts that subscribers make while a batch is submitted', () =>
      withContext(async (context, fd) => {
        const { kernel } = context;
        const quiet = kernel.eventfd(0, 0);
        const controller = new AbortController();
        const abort = (): void => controller.abort();
        subscribe('kaio:submit', abort);
        try {
          // The head is refused, so that the rest takes a second call.
          const bad = outcome(context.read(1_000_000, new Uint8Array(8), 0));
          const poll = outcome(context.poll(quiet, 1, { signal: controller.signal }));
          const read = outcome(context.read(fd, new Uint8Array(8), 0));
          assert.deepEqual(await Promise.all([bad, poll, read]), ['EBADF', 'ABORT_ERR', 8]);
        } finally {
          unsubscribe('kaio:submit', abort);
          kernel.close(quiet);
        }
      }));

    it('survives who comes back from a subscriber or a promise hook: asks, aborts, closes', () =>
      withContext(async (context, fd) => {
        const more: Promise<unknown>[] = [];
        const again = (): void => {
          if (more.length < 20) more.push(outcome(context.read(fd, new Uint8Array(16), 0)));
        };
        for (const channel of ['kaio:submit', 'kaio:complete']) subscribe(channel, again);
        const stop = promiseHooks.createHook({ settled: () => again() }) as () => void;
        try {
          assert.equal(await context.read(fd, new Uint8Array(8), 0), 8);
          while (more.length < 20) await setImmediate();
          assert.deepEqual(new Set(await Promise.all(more)), new Set([16]));
        } finally {
          stop();
          for (const channel of ['kaio:submit', 'kaio:complete']) unsubscribe(channel, again);
        }
      }));

    it('settles everybody although what is told to one throws', () =>
      withContext(async (context, fd) => {
        const reads = Array.from({ length: 4 }, () => context.read(fd, new Uint8Array(8), 0));
        const { latency } = context.stats;
        assert.equal(latency, undefined);
        assert.deepEqual(await Promise.all(reads), [8, 8, 8, 8]);
        await using measured = new AioContext({ kernel: context.kernel, latency: true });
        // Whoever changes what he was shown does not get at the requests.
        Object.defineProperty(measured.stats.latency, 'record', {
          value: () => assert.fail('called by name'),
        });
        assert.equal(await measured.read(fd, new Uint8Array(8), 0), 8);
      }));
  });

  describe.skipIf(missing !== undefined)(`resources of a context, ${name}`, () => {
    const failing = (kernel: AioKernel, calls: Partial<AioKernel>, given: string[]): AioKernel =>
      replacing(kernel, {
        close: (fd) => {
          given.push('eventfd');
          return kernel.close(fd);
        },
        destroyInBackground: (ctx) => {
          given.push('context');
          return kernel.destroyInBackground(ctx);
        },
        ...calls,
      });
    const broken = (): never => {
      throw Object.assign(new Error('no more'), { code: 'EMFILE' });
    };

    it.each<[string, Partial<AioKernel>, string[]]>([
      ['the context', { io_setup: () => -ERRNO.EAGAIN }, ['eventfd']],
      ['the ring', { mapRing: broken }, ['context', 'eventfd']],
      ['the watcher', { watch: broken }, ['context', 'eventfd']],
      ['the submit thread', { submitThread: broken }, ['context', 'eventfd']],
    ])('are given back when the constructor fails at %s', async (_title, calls, expected) => {
      const kernel = open();
      const given: string[] = [];
      assert.throws(() => new AioContext({ kernel: failing(kernel, calls, given), submitThread: true }));
      assert.deepEqual(given.sort(), expected);
      await kernel.settled();
    });

    it('can be asked for once more when the kernel refused to give them back', async () => {
      const kernel = open();
      let refusals = 1;
      const context = new AioContext({
        kernel: replacing(kernel, {
          destroyInBackground: (ctx) =>
            refusals-- > 0 ? Promise.resolve(-ERRNO.EAGAIN) : kernel.destroyInBackground(ctx),
        }),
      });
      await assert.rejects(context.close(), { code: 'EAGAIN', syscall: 'io_destroy' });
      await assert.rejects(context.read(0, new Uint8Array(1), 0), { code: 'ERR_AIO_CLOSED' });
      await context.close();
      await context.close();
    });
  });
}

describe('an installed file among odd programs', () => {
  it('may abort, inside io_submit, what the same call is about to submit', async () => {
    const kernel = emulatedKernel();
    const controller = new AbortController();
    const quiet = kernel.eventfd(0, 0);
    const fd = kernel.install({
      read: () => {
        controller.abort();
        return 1;
      },
    });
    await using context = new AioContext({ kernel });
    const read = context.read(fd, new Uint8Array(1), 0);
    const poll = outcome(context.poll(quiet, 1, { signal: controller.signal }));
    assert.deepEqual(await Promise.all([read, poll]), [1, 'ABORT_ERR']);
    kernel.close(quiet);
  });
});

const native = KERNELS.find(({ name }) => name === 'native')!;
const isDirect = ((): boolean => {
  if (constants.O_DIRECT === undefined) return false;
  try {
    closeSync(openSync(path, constants.O_RDONLY | constants.O_DIRECT));
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(native.missing !== undefined || !isDirect)('memory of requests in flight, native', () => {
  /** A view for O_DIRECT on memory that can be given away. */
  function aligned(kernel: AioKernel, bytes: number): Uint8Array<ArrayBuffer> {
    const buffer = new ArrayBuffer(bytes + 4096);
    return new Uint8Array(buffer, (4096 - (kernel.memory.addressOf(buffer) % 4096)) % 4096, bytes);
  }

  async function readDirect(
    body: (read: (view: Uint8Array) => Promise<unknown>, kernel: AioKernel) => Promise<void>,
  ): Promise<void> {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT!);
    const kernel = openNativeKernel();
    try {
      await using context = new AioContext({ kernel, busyPoll: false });
      await body((view) => outcome(context.read(fd, view, 0)), kernel);
    } finally {
      closeSync(fd);
    }
  }

  it('is never written to in the hands of another owner, and is free when they have ended', () =>
    readDirect(async (read, kernel) => {
      for (let round = 0; round < 20; round++) {
        const view = aligned(kernel, BYTES);
        const { buffer, byteOffset } = view;
        let owner: Uint8Array | undefined;
        let hadArrived = false;
        const tryToGive = (): void => {
          try {
            owner = new Uint8Array(give(buffer));
            hadArrived = owner.subarray(byteOffset, byteOffset + BYTES).every((byte) => byte === 7);
            owner.fill(1);
          } catch (error) {
            assert.equal((error as Error).name, 'DataCloneError');
          }
        };
        const reading = read(view);
        subscribe('kaio:submit', tryToGive);
        const answer = await reading;
        unsubscribe('kaio:submit', tryToGive);
        if (buffer.byteLength === 0) {
          // It goes when the request has ended by then; without pins before that too, and the request fails, alone.
          assert.equal(answer, hadArrived ? BYTES : 'ERR_INVALID_ARG_VALUE');
          if (!hadArrived) assert.equal(kernel.memory.pins, undefined);
        } else {
          assert.equal(answer, BYTES);
          assert.ok(view.every((byte) => byte === 7));
          assert.equal(give(buffer).byteLength, BYTES + 4096);
          assert.equal(buffer.byteLength, 0);
        }
        // A copy (Node.js 20), or what went: nobody has written to it since.
        if (owner !== undefined) assert.ok(owner.every((byte) => byte === 1));
      }
    }));

  it('may be a WebAssembly memory that grows, during and after', () =>
    readDirect(async (read, kernel) => {
      const memory = growingMemory(32, 64);
      const answer = await read(new Uint8Array(memory.buffer, 0, BYTES));
      assert.equal(answer, BYTES);
      memory.grow(1);
      const reading = read(new Uint8Array(memory.buffer, 65536, BYTES));
      memory.grow(1);
      if (kernel.memory.pins === undefined) assert.equal(await reading, 'ERR_INVALID_ARG_VALUE');
      else {
        assert.equal(await reading, BYTES);
        assert.ok(new Uint8Array(memory.buffer, 65536, BYTES).every((byte) => byte === 7));
      }
      memory.grow(1);
      assert.equal(new Uint8Array(memory.buffer)[0], 7);
    }));

  it('needs nothing where it is our own: aligned buffers go as they are', () =>
    readDirect(async (read) => {
      const buffer = alignedBuffer(BYTES);
      assert.equal(await read(buffer), BYTES);
      assert.ok(buffer.every((byte) => byte === 7));
    }));
});

describe('descriptors', () => {
  it('are as many as before', async () => {
    const count = (): number => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);
    const kernel = KERNELS[0]!.missing === undefined ? KERNELS[0]!.open() : KERNELS[1]!.open();
    await new AioContext({ kernel, queueDepth: 1 }).close();
    const before = count();
    for (let round = 0; round < 5; round++) await new AioContext({ kernel, queueDepth: 1 }).close();
    assert.equal(count(), before);
  });
});
