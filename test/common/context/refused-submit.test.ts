/** What AioContext does when the kernel refuses for a while. */
import assert from 'node:assert/strict';
import { it } from 'vitest';
import { EFD_NONBLOCK, POLLIN } from '../../../src/common/abi/constants.ts';
import { ERRNO } from '../../../src/common/abi/errno.ts';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { emulatedKernel } from '../../../src/emulated/index.ts';
import { replacing } from '../../support/kernels.ts';

const REFUSALS = 3;

it('submits again what was refused while nothing but a waiting poll is in flight', async () => {
  const kernel = emulatedKernel();
  let calls = 0;
  const context = new AioContext({
    kernel: replacing(kernel, {
      io_submit: (ctx, nr, iocbpp) =>
        ++calls > 1 && calls <= 1 + REFUSALS ? -ERRNO.EAGAIN : kernel.io_submit(ctx, nr, iocbpp),
    }),
  });
  const idle = kernel.eventfd(0, EFD_NONBLOCK);
  const ready = kernel.eventfd(1, EFD_NONBLOCK);
  const stop = new AbortController();
  const waiting = assert.rejects(context.poll(idle, POLLIN, { signal: stop.signal }), { name: 'AbortError' });
  await new Promise(setImmediate);
  assert.equal(context.inFlight, 1);
  assert.equal(await context.poll(ready, POLLIN), POLLIN);
  assert.equal(context.stats.eagains, REFUSALS);
  stop.abort();
  await waiting;
  await context.close();
});
