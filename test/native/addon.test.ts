import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, it } from 'vitest';
import { EFD_NONBLOCK, POLLIN } from '../../src/common/abi/constants.ts';
import { AioContext } from '../../src/common/context/aio-context.ts';
import { askAbiOracle, judge, loadAddon, openNativeKernel } from '../../src/native/index.ts';
import { CLI, kaio, run } from '../support/kaio.ts';
import { ownContexts } from '../support/own-contexts.ts';

const state = loadAddon();
const index = pathToFileURL(join(dirname(dirname(CLI)), 'index.js')).href;
const here = dirname(fileURLToPath(import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'kaio-addon-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const descriptors = (): number => readdirSync('/proc/self/fd').length;

/** Long enough for a loaded machine, and shorter than what a test has. */
const SETTLE_MS = 50_000;

async function becomes(expected: number, look: () => number): Promise<void> {
  for (let waited = 0; look() !== expected && waited < SETTLE_MS; waited += 10) await setTimeout(10);
  assert.equal(look(), expected);
}

const SEAL_BYTES = 'kaio-fnv1a:01234567'.length;
const SEAL = join(here, '../../src/native/addon/seal.cjs');

const absent = state.addon === undefined;
describe.skipIf(absent)(`with the addon${absent ? `, but: ${state.reason}` : ''}`, () => {
  it('brings the ABI as the compiler saw it, and the tables agree', () => {
    const { compared, differences } = askAbiOracle(state.addon!);
    assert.deepEqual(differences, []);
    assert.ok(compared > 200, `${compared}`);
  });

  describe('the watcher', () => {
    it('calls back while the eventfd is readable, and goes on after what the callback threw', () => {
      const { status, stdout, stderr } = run(process.execPath, [
        '--input-type=module',
        '-e',
        `import { selectKernel } from '${index}';
         const { kernel } = selectKernel({ backend: 'native' });
         const eventfd = kernel.eventfd(3, 2048 | 1);
         let calls = 0;
         process.on('uncaughtException', ({ message }) => console.log(message));
         const watcher = kernel.watch(eventfd, () => {
           kernel.eventfd_read(eventfd);
           calls++;
           queueMicrotask(() => console.log('microtask', calls));
           process.nextTick(() => console.log('tick', calls));
           if (calls === 1) throw new Error('thrown');
           if (calls === 3) watcher.unref();
         });
         watcher.ref();`,
      ]);
      assert.equal(stderr, '');
      assert.equal(stdout, 'thrown\ntick 1\nmicrotask 1\ntick 2\nmicrotask 2\ntick 3\nmicrotask 3\n');
      assert.equal(status, 0);
    });

    it('may be closed twice, after its descriptor, in its own callback, or never', async () => {
      const kernel = openNativeKernel();
      const before = descriptors();
      const [first, second, third] = [0, 0, 1].map((value) => kernel.eventfd(value, EFD_NONBLOCK));
      const twice = kernel.watch(first!, () => assert.fail('nothing was written'));
      twice.close();
      twice.close();
      twice.ref();
      twice.unref();
      const late = kernel.watch(second!, () => assert.fail('nothing was written'));
      kernel.close(second!);
      late.close();
      await new Promise<void>((resolve) => {
        const own = kernel.watch(third!, () => {
          own.close();
          resolve();
        });
        own.ref();
      });
      kernel.close(first!);
      kernel.close(third!);
      await setImmediate();
      await becomes(before, descriptors);
    });

    it('says why there is nothing to watch', () => {
      assert.throws(() => openNativeKernel().watch(-1, () => {}), {
        message: 'EBADF: bad file descriptor, fcntl',
        code: 'EBADF',
        errno: -9,
        syscall: 'fcntl',
      });
    });
  });

  describe('the guard', () => {
    for (const scenario of [
      'terminate',
      'exit',
      'uncaught exception',
      'natural end',
      'blocked submit threads',
    ])
      it(`takes down what a worker thread has in the kernel: ${scenario}`, async () => {
        await openNativeKernel().settled();
        const start = ownContexts();
        const open = descriptors();
        const { r: fd, close } = pipe();
        const worker = new Worker(join(here, '../support/worker-scenarios.mjs'), {
          workerData: { index, scenario, fd },
        });
        const messages: unknown[] = [];
        const errors: string[] = [];
        worker.on('error', ({ message }) => errors.push(message));
        const exited = new Promise((resolve) => worker.once('exit', resolve));
        worker.on('message', (message) => {
          messages.push(message);
          if (message === 'in flight' && (scenario === 'terminate' || scenario === 'blocked submit threads'))
            void worker.terminate();
        });
        await exited;
        assert.deepEqual(messages, [{ backend: 'native', bytes: 16 }, 'in flight']);
        assert.deepEqual(errors, scenario === 'uncaught exception' ? ['on purpose'] : []);
        close();
        await becomes(start, ownContexts);
        // The worker's own file (Node.js itself) is closed by nobody.
        assert.ok(descriptors() <= open + 1, `${descriptors()} and ${open}`);
      });
  });

  describe('the submit thread', () => {
    it('holds nothing up while a read waits for a pipe, and settles in the order of completion', async () => {
      const { r, w, close } = pipe();
      const context = new AioContext({ kernel: openNativeKernel(), submitThread: true, queueDepth: 4 });
      assert.equal(context.submitThreads, 1);
      const order: string[] = [];
      const bytes = Buffer.alloc(4);
      const first = context.read(r, bytes, 0).then(() => order.push('pipe'));
      const second = context.fsync(openSync(directory, 'r')).then(() => order.push('behind it'));
      await setTimeout(20);
      order.push('timer');
      writeFileSync(w, 'abcd');
      await Promise.all([first, second]);
      assert.deepEqual(order.slice(0, 2), ['timer', 'pipe']);
      assert.equal(bytes.toString(), 'abcd');
      await context.close();
      close();
    });

    it('rejects only what the kernel refuses, at any place of a batch', async () => {
      const fd = openSync(process.execPath, 'r');
      const context = new AioContext({ kernel: openNativeKernel(), submitThread: true, queueDepth: 8 });
      const outcomes = await context.submit(
        Array.from({ length: 50 }, (_, nr) => ({
          operation: 'read' as const,
          fd: nr % 7 === 3 ? 1_000_000 : fd,
          buffer: new Uint8Array(8),
          position: nr,
        })),
      );
      outcomes.forEach((outcome, nr) => {
        if (nr % 7 === 3) assert.equal(outcome.status === 'rejected' && outcome.reason.code, 'EBADF');
        else assert.deepEqual(outcome, { status: 'fulfilled', value: 8 });
      });
      await context.close();
      closeSync(fd);
    });

    it('may be several, which copy at the same time, with the right bytes in the end', async () => {
      const blockBytes = 1 << 17;
      const path = join(directory, 'bulk');
      writeFileSync(path, Buffer.from(Uint8Array.from({ length: 64 * blockBytes }, (_, at) => at >> 17)));
      const fd = openSync(path, 'r');
      const context = new AioContext({ kernel: openNativeKernel(), submitThread: 3, queueDepth: 24 });
      const reads = Array.from({ length: 640 }, async (_, nr) => {
        const block = Buffer.alloc(blockBytes, 0xff);
        // Some are given up while they wait.
        const signal = AbortSignal.timeout(nr % 10 === 9 ? 1 : 60_000);
        const place = nr % 64;
        try {
          assert.equal(await context.read(fd, block, place * blockBytes, { signal }), blockBytes);
        } catch (error) {
          assert.equal(nr % 10 === 9 && (error as Error).name, 'AbortError');
          return;
        }
        assert.equal(block[0] === place && block.equals(Buffer.alloc(blockBytes, place)), true);
      });
      await Promise.all(reads);
      assert.equal(context.submitThreads, 3);
      assert.deepEqual([context.inFlight, context.queued], [0, 0]);
      // No batch is larger than the queue is deep, and the slower this machine the larger they are.
      assert.ok(context.stats.threadBatches >= 576 / 24, String(context.stats.threadBatches));
      await context.close();
      closeSync(fd);
    });

    it('gives up what was aborted before the kernel knew of it', async () => {
      const kernel = openNativeKernel();
      const eventfd = kernel.eventfd(0, EFD_NONBLOCK);
      const context = new AioContext({ kernel, submitThread: true });
      for (let round = 0; round < 50; round++) {
        const controller = new AbortController();
        const waiting = context.poll(eventfd, POLLIN, { signal: controller.signal });
        process.nextTick(() => controller.abort());
        await assert.rejects(waiting, { name: 'AbortError' });
      }
      await context.close();
      kernel.close(eventfd);
    });
  });

  describe('a file that does not fit', () => {
    const good = state.path === undefined ? Buffer.alloc(0) : readFileSync(state.path);
    const unsealed = good.subarray(0, -SEAL_BYTES);
    const seal = (bytes: Buffer): Buffer => {
      const path = join(directory, 'unsealed.node');
      writeFileSync(path, bytes);
      execFileSync(process.execPath, [SEAL, path]);
      return readFileSync(path);
    };
    const changed = (change: (bytes: Buffer) => void): Buffer => {
      const bytes = Buffer.from(unsealed);
      change(bytes);
      return seal(bytes);
    };
    const marked = (from: string, to: string): Buffer =>
      changed((bytes) => {
        const at = bytes.indexOf(from);
        assert.ok(at > 0 && from.length === to.length);
        bytes.write(to, at, 'latin1');
      });
    const libc = state.addon === undefined ? '' : state.libc;

    it('is told from a good one', () => {
      assert.equal(typeof judge(good), 'object');
    });

    it.each<[string, () => Buffer, RegExp]>([
      ['empty', () => Buffer.alloc(0), /not a shared library/],
      ['text', () => Buffer.from('#!/bin/sh\necho addon\n'.repeat(20)), /not a shared library/],
      ['cut', () => good.subarray(0, good.length / 2), /damaged/],
      ['cut within its header', () => good.subarray(0, 40), /not a shared library/],
      ['one bit flipped', () => flipped(good), /damaged/],
      ['the topmost bits of two words flipped', () => topmostFlipped(good), /damaged/],
      ['not sealed', () => unsealed, /seal/],
      [
        'another CPU',
        () => changed((bytes) => bytes.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18)),
        /was built for (x|arm)64/,
      ],
      [
        'another Node-API',
        () => marked(`napi=8 libc=${libc};${libc === 'musl' ? '\0' : ''}`, 'napi=99 libc=musl;'),
        /Node-API 99/,
      ],
      ['another interface', () => marked('interface=3', 'interface=7'), /another version of kaio/],
      [
        'another C library',
        () => marked(`libc=${libc};`, libc === 'musl' ? 'libc=bion;' : 'libc=musl; '),
        /C library/,
      ],
      ['another addon', () => marked('kaio-addon', 'wolf-addon'), /not kaio's addon/],
    ])('is refused with a reason: %s', async (title, make, reason) => {
      const bytes = make();
      assert.match(String(judge(bytes)), reason);
      // The whole way: found, judged, told by the doctor; and the native kernel works without it.
      const home = mkdtempSync(join(directory, 'bad-'));
      mkdirSync(join(home, 'build/Release'), { recursive: true });
      writeFileSync(join(home, 'build/Release/kaio.node'), bytes);
      const { status, stdout, stderr } = kaio(['doctor', '--json'], {
        env: { ...process.env, KAIO_PREBUILD: home },
      });
      assert.equal(stderr, '', title);
      assert.equal(status, 0);
      const report = JSON.parse(stdout);
      assert.match(report.addon, reason);
      assert.equal(report.backend, 'native');
    });
  });
});

/** Which a checksum by words must not take for each other. */
function topmostFlipped(bytes: Buffer): Buffer {
  const damaged = Buffer.from(bytes);
  for (const word of [-16, -12]) {
    const at = (damaged.length & ~3) + 4 * word + 3;
    damaged[at] = damaged[at]! ^ 0x80;
  }
  return damaged;
}

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[copy.length >> 1]! ^= 1;
  return copy;
}

function pipe(): { r: number; w: number; close: () => void } {
  const { libc, memory } = openNativeKernel();
  const ends = new Int32Array(2);
  assert.equal(libc.bind('pipe', 'int', 1)(memory.addressOf(ends)), 0);
  const [r, w] = [ends[0]!, ends[1]!];
  return {
    r,
    w,
    close: () => {
      closeSync(r);
      closeSync(w);
    },
  };
}
