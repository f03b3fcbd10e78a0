import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import { EFD_SEMAPHORE } from '../../../src/common/abi/constants.ts';
import { ERRNO } from '../../../src/common/abi/errno.ts';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import type { SubmitThread } from '../../../src/common/kernel/aio-kernel.ts';
import { emulatedKernel } from '../../../src/emulated/index.ts';
import { replacing } from '../../support/kernels.ts';

const QUEUE_DEPTH = 32;
/** Of each read: two of them fill a batch. */
const BYTES = 1 << 18;

/** A call of io_submit that has not been made. */
interface Call {
  readonly thread: number;
  readonly nr: number;
  /** Makes it, and keeps the answer from who waits for it. */
  readonly make: () => number;
  /** Makes it, and answers. */
  readonly go: () => void;
  /** Answers only. */
  readonly answer: (answer: number) => void;
}

/** A context over threads that do nothing until they are told to. */
function setUp(submitThread: number, mostThreads = Number.POSITIVE_INFINITY) {
  const emulated = emulatedKernel();
  const pending: Call[] = [];
  const state = { started: 0, closed: 0, nr: [] as number[] };
  const kernel = replacing(emulated, {
    submitThread: (ctx): SubmitThread => {
      if (state.started === mostThreads) throw new Error('no more threads');
      const thread = state.started++;
      return {
        io_submit: (nr, iocbpp) =>
          new Promise((resolve) => {
            state.nr.push(nr);
            pending.push({
              thread,
              nr,
              make: () => emulated.io_submit(ctx, nr, iocbpp),
              go: () => resolve(emulated.io_submit(ctx, nr, iocbpp)),
              answer: resolve,
            });
          }),
        close: async () => {
          state.closed++;
        },
      };
    },
  });
  const context = new AioContext({ kernel, queueDepth: QUEUE_DEPTH, submitThread });
  const counter = kernel.eventfd(1000, EFD_SEMAPHORE);
  const transfer = (signal?: AbortSignal): Promise<number> =>
    context.read(counter, Buffer.alloc(BYTES), 0, signal === undefined ? {} : { signal });
  const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const refuse = (call: Call): void => call.answer(-ERRNO.EAGAIN);
  return { context, state, pending, transfer, tick, refuse };
}

describe('a crew of submit threads', () => {
  it('has a call under way on as many threads as were asked for, and what a thread has done it goes on with', async () => {
    const { context, state, pending, transfer, tick } = setUp(2);
    assert.equal(context.submitThreads, 1);
    const transfers = Array.from({ length: 8 }, () => transfer());
    await tick();
    assert.equal(context.submitThreads, 2);
    assert.deepEqual(
      pending.map(({ thread }) => thread),
      [0, 1],
    );
    assert.deepEqual(state.nr, [2, 2]);
    assert.equal(context.queued, 4);
    // The other one may be waiting for a pipe: nothing waits for it.
    for (let batch = 0; batch < 3; batch++) {
      pending.pop()!.go();
      await tick();
    }
    assert.deepEqual(await Promise.all(transfers.slice(2)), Array(6).fill(8));
    assert.deepEqual(
      pending.map(({ thread }) => thread),
      [0],
    );
    pending.pop()!.go();
    assert.deepEqual(await Promise.all(transfers), Array(8).fill(8));
    assert.equal(context.stats.threadBatches, 4);
    await context.close();
    assert.equal(state.closed, 2);
  });

  it('of one takes everything at once, and in order', async () => {
    const { context, state, pending, transfer, tick } = setUp(1);
    const transfers = Array.from({ length: 6 }, () => transfer());
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
    const transfers = Array.from({ length: 4 }, () => transfer());
    await tick();
    assert.deepEqual(
      pending.map(({ thread }) => thread),
      [0],
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
    const transfers = Array.from({ length: 4 }, () => transfer());
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

  it('gives up at once what was aborted meanwhile and the kernel had no room for', async () => {
    const { context, pending, transfer, tick, refuse } = setUp(2);
    const controller = new AbortController();
    const transfers = Array.from({ length: 2 }, () => transfer());
    await tick();
    const aborted = transfer(controller.signal);
    const kept = transfer();
    await tick();
    controller.abort();
    refuse(pending.pop()!);
    await assert.rejects(aborted, { name: 'AbortError' });
    while (pending.length > 0) {
      pending.shift()!.go();
      await tick();
    }
    assert.deepEqual(await Promise.all([...transfers, kept]), [8, 8, 8]);
    await context.close();
  });

  it('waits at close for the answer, too, of a call whose requests have ended', async () => {
    const { context, state, pending, transfer, tick } = setUp(2);
    const one = transfer();
    await tick();
    const call = pending.pop()!;
    const answer = call.make();
    assert.equal(await one, 8);
    assert.equal(context.inFlight, 0);
    let closed = false;
    const closing = context.close().then(() => (closed = true));
    for (let turn = 0; turn < 5; turn++) await tick();
    assert.deepEqual([closed, state.closed], [false, 0]);
    call.answer(answer);
    await closing;
    assert.equal(state.closed, 1);
  });

  it.each([0, -1, 1.5, 65])('of %s is refused', (submitThread) => {
    assert.throws(() => new AioContext({ kernel: emulatedKernel(), submitThread }), {
      code: 'ERR_OUT_OF_RANGE',
    });
  });
});
