/** What keeps the process alive is not touched for each request of those who await one after the other. */
import assert from 'node:assert/strict';
import { openSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { describe, it } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { KeepAlive } from '../../../src/common/context/keep-alive.ts';
import { KERNELS, replacing } from '../../support/kernels.ts';

const READS = 100;

describe.each(KERNELS)('a context of the $name kernel', ({ open, missing }) => {
  it.skipIf(missing !== undefined)('keeps the process alive from its first request to its last', async () => {
    const kernel = open();
    const calls: string[] = [];
    const context = new AioContext({
      kernel: replacing(kernel, {
        watch: (fd, callback) => {
          const watcher = kernel.watch(fd, callback);
          return {
            ref: () => {
              calls.push('ref');
              watcher.ref();
            },
            unref: () => {
              calls.push('unref');
              watcher.unref();
            },
            close: () => watcher.close(),
          };
        },
      }),
    });
    const fd = openSync(process.execPath, 'r');
    const bytes = Buffer.alloc(4096);
    for (let index = 0; index < READS; index++) await context.read(fd, bytes, index * 4096);
    assert.deepEqual(calls, ['ref']);
    await setImmediate();
    assert.deepEqual(calls, ['ref', 'unref']);
    await context.read(fd, bytes, 0);
    context.unref();
    assert.deepEqual(calls, ['ref', 'unref', 'ref', 'unref']);
    await context.read(fd, bytes, 0);
    context.ref();
    await context.close();
    await setImmediate();
    assert.deepEqual(calls, ['ref', 'unref', 'ref', 'unref']);
  });
});

it.each([true, false])(
  'leaves a watcher alone that is about to be closed (requests end in ticks: %s)',
  async (inTicks) => {
    const calls: string[] = [];
    let isIdle = false;
    const keepAlive = new KeepAlive(
      { ref: () => calls.push('ref'), unref: () => calls.push('unref') },
      () => isIdle,
    );
    keepAlive.look(inTicks);
    isIdle = true;
    keepAlive.look(inTicks);
    keepAlive.end();
    await setImmediate();
    await setImmediate();
    assert.deepEqual(calls, ['ref']);
  },
);
