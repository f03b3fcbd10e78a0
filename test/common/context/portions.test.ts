/** Many requests that end at a time, as a device's do: who is told first goes on while the others wait. */
import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import { EFD_NONBLOCK, POLLIN } from '../../../src/common/abi/constants.ts';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { emulatedKernel } from '../../../src/emulated/index.ts';
import { replacing } from '../../support/kernels.ts';

const WAITING = 20;

/** Requests of a kernel that says of itself that it works aside; all of them end when `signal` is called, in this order. */
async function waiting(): Promise<{
  context: AioContext;
  requests: Promise<number>[];
  log: string[];
  /** Of a descriptor that is ready. */
  poll(): Promise<number>;
  signal(): void;
}> {
  const log: string[] = [];
  const emulated = emulatedKernel();
  const kernel = replacing(emulated, {
    completesAside: true,
    io_submit: (ctx, nr, iocbpp) => {
      log.push(`submit ${nr}`);
      return emulated.io_submit(ctx, nr, iocbpp);
    },
  });
  const context = new AioContext({ kernel, queueDepth: WAITING, busyPoll: false });
  const later = kernel.eventfd(0, EFD_NONBLOCK);
  const ready = kernel.eventfd(1, EFD_NONBLOCK);
  const requests = Array.from({ length: WAITING }, () => context.poll(later, POLLIN));
  await new Promise(setImmediate);
  assert.equal(context.inFlight, WAITING);
  log.length = 0;
  return {
    context,
    // The last one that waits for a descriptor is the first that is woken.
    requests: requests.reverse(),
    log,
    poll: () => context.poll(ready, POLLIN),
    signal: () => assert.equal(kernel.eventfd_write(later, 1n), 0),
  };
}

describe('requests that end at a time', () => {
  it('are told in their order, and what the first ask for is submitted before the last are told', async () => {
    const { context, requests, log, poll, signal } = await waiting();
    const again = requests.map(async (request, index) => {
      await request;
      log.push(`told ${index}`);
      await poll();
    });
    signal();
    await Promise.all(again);
    const told = log.filter((line) => line.startsWith('told'));
    assert.deepEqual(
      told,
      requests.map((_, index) => `told ${index}`),
    );
    const firstSubmit = log.findIndex((line) => line.startsWith('submit'));
    assert.equal(firstSubmit, WAITING / 5, log.join(', '));
    assert.equal(log[firstSubmit], `submit ${firstSubmit}`);
    assert.equal(context.stats.completed, 2 * WAITING);
    await context.close();
  });

  it('are all told before the context is idle, or closed', async () => {
    const { context, requests, log, signal } = await waiting();
    let ended: Promise<void>[] = [];
    for (const [index, request] of requests.entries())
      void request.then(() => {
        log.push(`told ${index}`);
        if (index !== 0) return;
        assert.equal(context.inFlight, 0);
        ended = [
          context.drain().then(() => void log.push('idle')),
          context.close().then(() => void log.push('closed')),
        ];
      });
    signal();
    await Promise.all(requests);
    await Promise.all(ended);
    assert.deepEqual(log.slice(WAITING).sort(), ['closed', 'idle']);
    assert.ok(log.slice(0, WAITING).every((line) => line.startsWith('told')));
  });

  it('are told although one of them is aborted, and a request is given up, in between', async () => {
    const { context, requests, poll, signal } = await waiting();
    const stop = new AbortController();
    let refused: Promise<void> | undefined;
    void requests[0]!.then(() => {
      const queued = context.poll(0, POLLIN, { signal: stop.signal });
      refused = assert.rejects(queued, { name: 'AbortError' });
      stop.abort();
    });
    signal();
    assert.deepEqual(
      await Promise.all(requests),
      requests.map(() => POLLIN),
    );
    await refused;
    assert.equal(await poll(), POLLIN);
    await context.close();
  });
});
