/** A worker thread of scripts/stress/torture.ts: looks after its own memory, then reads at depth until it is ended somehow. */
import { setTimeout } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { AioContext, type AioKernel, abi, selectKernel } from '../../src/index.ts';
import { openNativeKernel } from '../../src/native/index.ts';

/** How the worker ends. */
export type Ending = 'terminate' | 'exit' | 'throw' | 'natural';

export interface TortureData {
  readonly fd: number;
  readonly fileBytes: number;
  readonly blockBytes: number;
  readonly depth: number;
  readonly ending: Ending;
  readonly endAfterMs: number;
  readonly poison: number;
  /** Leaves the guard out, to show that what it prevents would be seen. */
  readonly unguarded: boolean;
}

const data = workerData as TortureData;
const { fd, fileBytes, blockBytes, depth, ending, endAfterMs, poison, unguarded } = data;
const ALIGNMENT = 4096;

/** Each in memory of its own, from the allocator: freed with this thread, and handed out again to the next. */
function block(): Uint8Array {
  const slab = new ArrayBuffer(blockBytes + ALIGNMENT);
  const misaligned = kernel.memory.addressOf(slab) % ALIGNMENT;
  return new Uint8Array(slab, misaligned === 0 ? 0 : ALIGNMENT - misaligned, blockBytes);
}

function isUntouched(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === poison);
}

function end(): void {
  if (ending === 'exit') process.exit(0);
  if (ending === 'throw') throw new Error('on purpose');
}

async function readForEver(context: AioContext, bytes: Uint8Array): Promise<never> {
  const blocks = fileBytes / blockBytes;
  for (;;) await context.read(fd, bytes, Math.floor(Math.random() * blocks) * blockBytes);
}

/** The requests as FFI alone would send them: nothing knows of the context. */
function submitUnguarded(native: AioKernel, buffers: readonly Uint8Array[]): void {
  const ctxp = new BigUint64Array(1);
  const made = native.io_setup(depth, native.memory.addressOf(ctxp));
  if (made < 0) throw new Error(`io_setup answered ${made}`);
  const iocbs = new ArrayBuffer(depth * abi.IOCB_BYTES);
  const iocbpp = new BigUint64Array(depth);
  buffers.forEach((bytes, index) => {
    const view = new DataView(iocbs, index * abi.IOCB_BYTES, abi.IOCB_BYTES);
    abi.encodeIocb(
      {
        aio_lio_opcode: abi.IOCB_CMD_PREAD,
        aio_fildes: fd,
        aio_buf: native.memory.addressOf(bytes),
        aio_nbytes: blockBytes,
        aio_offset: (index * blockBytes) % fileBytes,
      },
      view,
    );
    iocbpp[index] = BigInt(native.memory.addressOf(view));
  });
  native.io_submit(Number(ctxp[0]), depth, native.memory.addressOf(iocbpp));
}

const kernel: AioKernel = unguarded ? openNativeKernel() : selectKernel({ backend: 'native' }).kernel;
const buffers = Array.from({ length: depth }, block);
for (const bytes of buffers) bytes.fill(poison);
await setTimeout(2);
if (!buffers.every(isUntouched))
  throw new Error('MEMORY WRITTEN: the kernel wrote into memory that was handed out again');

if (unguarded) {
  submitUnguarded(kernel, buffers);
  process.exit(0);
}
const context = new AioContext({ kernel, queueDepth: depth });
for (const bytes of buffers) void readForEver(context, bytes);
parentPort!.postMessage('reading');
// The event loop then ends with everything in flight.
if (ending === 'natural') context.unref();
else await setTimeout(endAfterMs).then(end);
