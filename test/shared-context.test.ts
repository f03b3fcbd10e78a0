import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { describe, it } from 'vitest';
import type { AioKernel } from '../src/common/kernel/aio-kernel.ts';
import { open } from '../src/open.ts';
import { leaseSharedContext } from '../src/shared-context.ts';
import { KERNELS } from './support/kernels.ts';
import { ownContexts } from './support/own-contexts.ts';

const native = KERNELS.find(({ name }) => name === 'native');

const ATTEMPTS = 20;

/**
 * Runs `body` with all of aio-max-nr taken but `left`. The number is the whole machine's, and another process's context may come or go:
 * what does not hold is tried again, and must hold once.
 */
async function leaving(kernel: AioKernel, left: number, body: () => void): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await idle(kernel);
    const handle = new BigUint64Array(1);
    const taken = kernel.limits.aio_max_nr() - kernel.limits.aio_nr() - left;
    try {
      assert.equal(kernel.io_setup(taken, kernel.memory.addressOf(handle)), 0);
      try {
        body();
      } finally {
        assert.equal(kernel.io_destroy(Number(handle[0])), 0);
      }
      return;
    } catch (error) {
      if (!(error instanceof assert.AssertionError) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Longer than a context waits for its next user, and the kernel takes to destroy it. */
async function idle(kernel: AioKernel): Promise<void> {
  await setTimeout(800);
  await kernel.settled();
}

describe.skipIf(native?.missing !== undefined)('the shared context', () => {
  const kernel = native!.open();

  it('is one for all, is made on first use, and goes when nobody uses it', async () => {
    await idle(kernel);
    const before = ownContexts();
    const one = leaseSharedContext('native');
    const two = leaseSharedContext('native');
    assert.equal(one.context, two.context);
    assert.equal(one.context.queueDepth, 128);
    assert.equal(ownContexts(), before + 1);
    one.release();
    one.release();
    two.release();
    await idle(kernel);
    assert.equal(ownContexts(), before);
    const three = leaseSharedContext('native');
    assert.notEqual(three.context, one.context);
    three.release();
    await idle(kernel);
  });

  it('asks for half as much where aio-max-nr has no room, and leaves it to the emulation where it has none', async () => {
    await leaving(kernel, 40, () => {
      const lease = leaseSharedContext('auto');
      lease.release();
      assert.equal(lease.backend, 'native');
      assert.equal(lease.context.queueDepth, 32);
    });
    await leaving(kernel, 0, () => {
      const lease = leaseSharedContext('auto');
      lease.release();
      assert.equal(lease.backend, 'emulated');
      assert.match(lease.reason, /EAGAIN.*aio-max-nr/);
      assert.throws(() => leaseSharedContext('native'), {
        code: 'ERR_AIO_BACKEND_UNAVAILABLE',
        message: /aio-max-nr/,
      });
    });
    await idle(kernel);
  });

  it('is used again and again by files that come and go', async () => {
    const first = await open(process.execPath, 'r', 0, { backend: 'native' });
    for (let index = 0; index < 2000; index++) {
      const file = await open(process.execPath, 'r', 0, { backend: 'native' });
      assert.equal(file.context, first.context);
      await file.close();
    }
    await first.close();
  });
});
