import { AioContext, AlignedBufferPool, open, selectKernel } from 'kaio';

await using context = new AioContext({ kernel: selectKernel().kernel, queueDepth: 1 });
await using file = await open('data.bin', 'w+');
await file.writeFully(Buffer.alloc(8192, 'x'));

const pool = new AlignedBufferPool(4096);

/** Reads a block, and gives the buffer back when, and only when, nobody writes to it any more. */
async function firstByte(position: number, signal?: AbortSignal): Promise<string> {
  const buffer = pool.take();
  try {
    await context.read(file.fd, buffer, position, signal === undefined ? {} : { signal });
    return String.fromCharCode(buffer[0]!);
  } finally {
    pool.give(buffer);
  }
}

const controller = new AbortController();
const first = firstByte(0);
const second = firstByte(4096, controller.signal);
controller.abort(new Error('nobody waits for it any more'));

for (const outcome of await Promise.allSettled([first, second]))
  if (outcome.status === 'fulfilled') console.log('read', outcome.value);
  else console.log(outcome.reason.code, '-', outcome.reason.cause.message);
