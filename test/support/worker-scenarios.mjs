// A worker thread of test/native/addon.test.ts: native AIO that is under way when the thread ends.
import { openSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

const { index, scenario, fd } = workerData;
const { AioContext, abi, selectKernel } = await import(index);
const { kernel, backend } = selectKernel({ backend: 'native' });
const context = new AioContext({
  kernel,
  queueDepth: 16,
  submitThread: scenario === 'blocked submit threads' && 3,
});
const eventfd = kernel.eventfd(0, abi.EFD_NONBLOCK);

const bytes = await context.read(openSync(process.execPath, 'r'), new Uint8Array(16), 0);
parentPort.postMessage({ backend, bytes });
// In flight for as long as nobody writes to the eventfd.
void context.poll(eventfd, abi.POLLIN);
// Each fills a batch and holds io_submit itself, on a thread of its own: nobody ever writes to this pipe.
if (scenario === 'blocked submit threads')
  for (let thread = 0; thread < 3; thread++) void context.read(fd, new Uint8Array(1 << 20), 0);
await new Promise((resolve) => setImmediate(resolve));
parentPort.postMessage('in flight');
if (scenario === 'exit') process.exit(0);
if (scenario === 'uncaught exception')
  setImmediate(() => {
    throw new Error('on purpose');
  });
if (scenario === 'natural end') context.unref();
