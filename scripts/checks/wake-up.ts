/**
 * Promises that settle by an eventfd's wake-up go on at once, although nothing else keeps the event loop busy.
 *
 * On Node 26 koffi's own callback leaves promise reactions waiting; this ends with an unsettled await (exit code 13) there
 * if the watcher does not open a callback scope.
 */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { AioContext, abi, selectKernel } from '../../src/index.ts';

const ROUNDS = 100;
const { kernel } = selectKernel({ backend: 'native' });
const storage = new AsyncLocalStorage<number>();
await using context = new AioContext({ kernel, queueDepth: 4 });
const eventfd = kernel.eventfd(0, abi.EFD_NONBLOCK);

for (let round = 0; round < ROUNDS; round++) {
  await storage.run(round, async () => {
    const ready = context.poll(eventfd, abi.POLLIN);
    // After io_submit has run: the completion can then only be heard of through the watcher.
    setImmediate(() => kernel.eventfd_write(eventfd, 1n));
    assert.equal((await ready) & abi.POLLIN, abi.POLLIN);
    assert.equal(storage.getStore(), round);
    await new Promise<void>((resolve) => process.nextTick(resolve));
    kernel.eventfd_read(eventfd);
  });
}
kernel.close(eventfd);
console.log(`${process.version}: ${ROUNDS} wake-ups, each went on at once`);
