import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import { EFD_SEMAPHORE } from '../../src/common/abi/constants.ts';
import { AioContext } from '../../src/common/context.ts';
import type { SubmitThread } from '../../src/common/kernel.ts';
import { emulatedKernel } from '../../src/emulated/index.ts';
import { replacing } from '../support/kernels.ts';

const QUEUE_DEPTH = 32;
/** Of each read: two of them fill a batch. */
const BYTES = 1 << 18;

/** A context over threads that do nothing until they are told to. */
function setUp(submitThread: number, mostThreads = Number.POSITIVE_INFINITY) {
  const emulated = emulatedKernel();
  const pending: { readonly thread: number; readonly nr: number; readonly go: () => void }[] = [];
  const state = { started: 0, closed: 0, nr: [] as number[] };
  const kernel = replacing(emulated, {
    submitThread: (ctx): SubmitThread => {
      if (state.started === mostThreads) throw new Error('no more threads');
      const thread = state.started++;
      return {
        io_submit: (nr, iocbpp) =>
          new Promise((resolve) => {
            state.nr.push(nr);
            pending.push({ thread, nr, go: () => resolve(emulated.io_submit(ctx, nr, iocbpp)) });
          }),
        close: async () => {
          state.closed++;
        },
      };
    },
  });
  const context = new AioContext({ kernel, queueDepth: QUEUE_DEPTH, submitThread });
  const counter = kernel.eventfd(1000, EFD_SEMAPHORE);
  const transfer = (): Promise<number> => context.read(counter, Buffer.alloc(BYTES), 0);
  const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { context, state, pending, transfer, tick };
}

describe('a crew of submit threads', () => {
  it('has calls under way on as many threads as were asked for, each with the next one waiting', async () => {
    const { context, state, pending, transfer, tick } = setUp(2);
    assert.equal(context.submitThreads, 1);
    const transfers = Array.from({ length: 12 }, transfer);
    await tick();
    assert.equal(context.submitThreads, 2);
    assert.deepEqual(
      pending.map(({ thread }) => thread),
      [0, 1, 0, 1],
    );
    assert.deepEqual(state.nr, [2, 2, 2, 2]);
    assert.equal(context.queued, 4);
    // The last one first: what becomes free takes the next batch.
    pending.pop()!.go();
    await tick();
    assert.deepEqual(state.nr, [2, 2, 2, 2, 2]);
    assert.equal(pending.at(-1)!.thread, 1);
    while (pending.length > 0) {
      pending.shift()!.go();
      await tick();
    }
    assert.deepEqual(await Promise.all(transfers), Array(12).fill(8));
    assert.equal(context.stats.threadBatches, 6);
    await context.close();
    assert.equal(state.closed, 2);
  });

  it('of one takes everything at once, and in order', async () => {
    const { context, state, pending, transfer, tick } = setUp(1);
    const transfers = Array.from({ length: 6 }, transfer);
    await tick();
    const more = transfer();
    await tick();
    assert.deepEqual(state.nr, [6]);
    while (pending.length > 0) {
      pending.shift()!.go();
      await tick();
    }
    await Promise.all([...transfers, more]);
    await context.close();
    assert.equal(state.closed, 1);
  });

  it('starts no second thread while the first has nothing to do', async () => {
    const { context, state, pending, transfer, tick } = setUp(4);
    for (let round = 0; round < 5; round++) {
      const one = transfer();
      await tick();
      pending.pop()!.go();
      await one;
    }
    assert.equal(state.started, 1);
    await context.close();
  });

  it('makes do with the threads that could be started, and warns', async () => {
    const warnings: string[] = [];
    const listen = ({ message }: Error): number => warnings.push(message);
    process.on('warning', listen);
    const { context, pending, transfer, tick } = setUp(3, 1);
    const transfers = Array.from({ length: 4 }, transfer);
    await tick();
    assert.deepEqual(
      pending.map(({ thread }) => thread),
      [0, 0],
    );
    while (pending.length > 0) {
      pending.shift()!.go();
      await tick();
    }
    await Promise.all(transfers);
    await context.close();
    process.off('warning', listen);
    assert.deepEqual(warnings, ['no more threads']);
  });

  it('waits at close for the calls', async () => {
    const { context, pending, transfer, tick } = setUp(2);
    const transfers = Array.from({ length: 4 }, transfer);
    await tick();
    let closed = false;
    const closing = context.close().then(() => (closed = true));
    await tick();
    assert.equal(closed, false);
    while (pending.length > 0) {
      pending.shift()!.go();
      await tick();
    }
    await closing;
    await Promise.all(transfers);
  });

  it.each([0, -1, 1.5, 65])('of %s is refused', (submitThread) => {
    assert.throws(() => new AioContext({ kernel: emulatedKernel(), submitThread }), {
      code: 'ERR_OUT_OF_RANGE',
    });
  });
});
