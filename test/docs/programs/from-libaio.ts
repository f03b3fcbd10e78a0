import { setImmediate } from 'node:timers/promises';
import { AioContext, abi, alignedBuffer, open, selectKernel } from 'kaio';

const { kernel } = selectKernel();
await using file = await open('data.bin', 'w+');
await file.writeFully(Buffer.from('the same bytes'), { position: 0 });

// As promises.
await using context = new AioContext({ kernel, queueDepth: 8 });
const bytes = new Uint8Array(14);
console.log(await context.read(file.fd, bytes, 0), String(Buffer.from(bytes)));

// Call by call. What the kernel reads and writes is memory of ours, by its address.
const { memory } = kernel;
const check = (answer: number): number => {
  if (answer < 0) throw new Error(abi.errnoName(answer));
  return answer;
};

const ctxp = new BigUint64Array(1);
check(kernel.io_setup(8, memory.addressOf(ctxp)));
const ctx = Number(ctxp[0]);

const buffer = alignedBuffer(4096);
const request = abi.emptyIocb();
abi.io_prep_pread(request, file.fd, memory.addressOf(buffer), buffer.length, 0);
abi.io_set_data(request, 42);
const iocb = new DataView(new ArrayBuffer(abi.IOCB_BYTES));
abi.encodeIocb(request, iocb);
const iocbpp = BigUint64Array.of(BigInt(memory.addressOf(iocb)));
console.log(check(kernel.io_submit(ctx, 1, memory.addressOf(iocbpp))));

const events = new DataView(new ArrayBuffer(abi.IO_EVENT_BYTES));
// The emulation reads when the event loop turns: only on Linux may io_getevents wait, with a min_nr of 1.
while (check(kernel.io_getevents(ctx, 0, 1, memory.addressOf(events), 0)) === 0) await setImmediate();
const { data, res } = abi.decodeIoEvent(events);
console.log(data, res, buffer.toString('utf8', 0, Number(res)));
check(kernel.io_destroy(ctx));
