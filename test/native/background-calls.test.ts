import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, it, vi } from 'vitest';
import { ERRNO } from '../../src/common/abi/errno.ts';
import { BackgroundCalls } from '../../src/native/background-calls.ts';
import { CLI, run } from '../support/kaio.ts';

const native = pathToFileURL(join(dirname(dirname(CLI)), 'native/index.js')).href;

/** A pool that can be full, and whose calls end when they are told to. */
class Pool {
  full = false;
  readonly running: { number: number; end: (answer: number) => void }[] = [];

  syscall(number: number, _words: unknown, callback: (answer: number) => void): void {
    if (this.full) throw new Error('Too many asynchronous calls are running');
    this.running.push({ number, end: callback });
  }

  fallocate(): void {
    throw new Error('nobody asks for it');
  }

  endFirst(answer = 0): void {
    this.running.shift()!.end(answer);
  }
}

const SECOND_MS = 1000;

describe('calls in the background', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('are three at a time, in order, and bring their answers', async () => {
    const pool = new Pool();
    const calls = new BackgroundCalls(pool);
    const answers = Array.from({ length: 600 }, (_, number) => calls.syscall(number, 1, 2));
    for (let number = 0; number < 600; number++) {
      assert.equal(pool.running.length, Math.min(3, 600 - number));
      assert.equal(pool.running[0]!.number, number);
      pool.endFirst(-number);
    }
    assert.deepEqual(
      await Promise.all(answers),
      answers.map((_, number) => -number),
    );
  });

  it('are called again when there was no room, all of them, in order', async () => {
    const pool = new Pool();
    const calls = new BackgroundCalls(pool);
    pool.full = true;
    const answers = [10, 11, 12, 13].map((number) => calls.syscall(number));
    await vi.advanceTimersByTimeAsync(SECOND_MS / 2);
    assert.equal(pool.running.length, 0);
    pool.full = false;
    await vi.advanceTimersByTimeAsync(SECOND_MS / 10);
    assert.deepEqual(pool.running.map(({ number }) => number).sort(), [10, 11, 12]);
    while (pool.running.length > 0) pool.endFirst(pool.running[0]!.number);
    assert.deepEqual(await Promise.all(answers), [10, 11, 12, 13]);
  });

  it('answer -EAGAIN when there is no room for a second, and later ones still run', async () => {
    const pool = new Pool();
    const calls = new BackgroundCalls(pool);
    pool.full = true;
    const refused = [1, 2, 3].map((number) => calls.syscall(number));
    await vi.advanceTimersByTimeAsync(2 * SECOND_MS);
    assert.deepEqual(await Promise.all(refused), [-ERRNO.EAGAIN, -ERRNO.EAGAIN, -ERRNO.EAGAIN]);
    pool.full = false;
    const later = calls.syscall(4);
    await setImmediate();
    pool.endFirst(7);
    assert.equal(await later, 7);
  });
});

describe.skipIf(process.platform !== 'linux')('contexts destroyed without the addon', () => {
  it('are all gone in the end, although somebody else keeps koffi and the pool busy', () => {
    const program = `
      import { readFileSync } from 'node:fs';
      import { openNativeKernel } from '${native}';
      const kernel = openNativeKernel();
      const ctxp = new BigUint64Array(1);
      const contexts = Array.from({ length: 20 }, () => {
        ctxp[0] = 0n;
        if (kernel.io_setup(1, kernel.memory.addressOf(ctxp)) !== 0) throw new Error('no context');
        return Number(ctxp[0]);
      });
      // Fills koffi's calls, and libuv's pool for a while.
      const { default: koffi } = await import('koffi');
      const poll = koffi.load('libc.so.6').func('poll', 'int', ['int64', 'int64', 'int64']);
      const sleeping = [];
      let refused = false;
      while (!refused)
        sleeping.push(new Promise((resolve) => {
          try {
            poll.async(0, 0, 5, resolve);
          } catch {
            refused = true;
            resolve();
          }
        }));
      const answers = await Promise.all(contexts.map((ctx) => kernel.destroyInBackground(ctx)));
      await kernel.settled();
      await Promise.all(sleeping);
      const left = readFileSync('/proc/self/maps', 'latin1').split('/[aio]').length - 1;
      console.log(JSON.stringify({ answers: [...new Set(answers)], left }));`;
    const { status, stdout, stderr } = run(process.execPath, ['--input-type=module', '-e', program], {
      cwd: dirname(CLI),
      env: { ...process.env, KAIO_ADDON: '0' },
    });
    assert.equal(stderr, '');
    assert.equal(status, 0);
    assert.deepEqual(JSON.parse(stdout), { answers: [0], left: 0 });
  });
});
