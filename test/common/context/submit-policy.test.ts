import assert from 'node:assert/strict';
import { afterEach, describe, it, vi } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { SubmitPolicy } from '../../../src/common/context/submit-policy.ts';
import type { SubmitThread } from '../../../src/common/kernel/aio-kernel.ts';
import { emulatedKernel } from '../../../src/emulated/index.ts';
import { replacing } from '../../support/kernels.ts';

/** Batches that go elsewhere before one is tried here. */
function untilTrial(policy: SubmitPolicy): number {
  let batches = 0;
  while (policy.goesElsewhere()) batches++;
  return batches;
}

describe('SubmitPolicy', () => {
  it('stays here while calls are short', () => {
    const policy = new SubmitPolicy();
    for (let batch = 0; batch < 10_000; batch++) {
      assert.equal(policy.goesElsewhere(), false);
      policy.tookHere(0.4);
    }
  });

  it('leaves after one call that is very long, or several that are long', () => {
    const once = new SubmitPolicy();
    once.tookHere(5);
    assert.equal(once.goesElsewhere(), true);
    const often = new SubmitPolicy();
    let batches = 0;
    for (; !often.goesElsewhere(); batches++) often.tookHere(1);
    assert.ok(batches > 1 && batches < 10, String(batches));
  });

  it('tries again here, less and less often while that goes badly, and comes back when it goes well', () => {
    const policy = new SubmitPolicy();
    policy.tookHere(5);
    const first = untilTrial(policy);
    policy.tookHere(5);
    assert.equal(untilTrial(policy), first * 2);
    policy.tookHere(0.01);
    assert.equal(policy.goesElsewhere(), false);
    policy.tookHere(0.01);
    assert.equal(policy.goesElsewhere(), false);
  });

  it('forgets old trouble after a long good time', () => {
    const policy = new SubmitPolicy();
    policy.tookHere(5);
    const first = untilTrial(policy);
    policy.tookHere(5);
    untilTrial(policy);
    for (let batch = 0; batch < 2000; batch++) policy.tookHere(0.01);
    policy.tookHere(9);
    assert.equal(untilTrial(policy), first);
  });
});

describe('a context that may use a thread', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  function setUp(submitThread?: (start: () => SubmitThread) => SubmitThread | undefined) {
    const emulated = emulatedKernel();
    const state = { nowMs: 0, callMs: 0, onThread: 0, closed: 0 };
    let handle = 0;
    const start = (): SubmitThread => ({
      io_submit: async (nr, iocbpp) => {
        state.onThread++;
        return emulated.io_submit(handle, nr, iocbpp);
      },
      close: async () => {
        state.closed++;
      },
    });
    const kernel = replacing(emulated, {
      io_submit: (ctx, nr, iocbpp) => {
        state.nowMs += state.callMs;
        return emulated.io_submit(ctx, nr, iocbpp);
      },
      submitThread: (ctx) => {
        handle = ctx;
        return submitThread === undefined ? start() : submitThread(start);
      },
    });
    vi.spyOn(performance, 'now').mockImplementation(() => state.nowMs);
    const context = new AioContext({ kernel, queueDepth: 4, submitThread: 'auto' });
    const eventfd = kernel.eventfd(0, 0);
    const once = async (): Promise<void> => {
      kernel.eventfd_write(eventfd, 1n);
      assert.equal(await context.read(eventfd, new Uint8Array(8), 0), 8);
    };
    return { state, context, once };
  }

  it('is handed over to while calls are long, and left again', async () => {
    const { state, context, once } = setUp();
    await once();
    assert.equal(context.submitThreads, 0);
    state.callMs = 10;
    await once();
    await once();
    assert.equal(context.submitThreads, 1);
    assert.equal(state.onThread, 1);
    state.callMs = 0;
    for (let batch = 0; batch < 200; batch++) await once();
    const { onThread } = state;
    assert.ok(onThread > 1 && onThread < 200, String(onThread));
    await once();
    assert.equal(state.onThread, onThread);
    assert.equal(context.stats.threadBatches, onThread);
    await context.close();
    assert.equal(state.closed, 1);
  });

  it('does without where there is none to be had', async () => {
    const { state, context, once } = setUp(() => undefined);
    state.callMs = 10;
    for (let batch = 0; batch < 5; batch++) await once();
    assert.equal(context.submitThreads, 0);
    await context.close();
  });

  it('does without, with a warning, where it cannot be started', async () => {
    const { state, context, once } = setUp(() => {
      throw new Error('pthread_create: no more threads');
    });
    const warnings: string[] = [];
    const listen = ({ message }: Error): number => warnings.push(message);
    process.on('warning', listen);
    state.callMs = 10;
    for (let batch = 0; batch < 5; batch++) await once();
    await context.close();
    process.off('warning', listen);
    assert.deepEqual(warnings, ['pthread_create: no more threads']);
  });

  it('is a boolean or auto', () => {
    assert.throws(() => new AioContext({ kernel: emulatedKernel(), submitThread: 'yes' as never }), {
      code: 'ERR_INVALID_ARG_TYPE',
    });
  });
});
