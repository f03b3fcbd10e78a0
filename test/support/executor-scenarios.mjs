/** What a process of its own is for: a read that nobody answers, at the end of the process; and a kernel inside a worker. */
import { openSync } from 'node:fs';
import { isMainThread, Worker } from 'node:worker_threads';
import { emulatedKernel } from '../../dist/src/emulated/index.js';

const [, , scenario, path] = process.argv;
const kernel = emulatedKernel({ executor: 'workers' });
const held = [];
const addressOf = (view) => {
  held.push(view);
  return kernel.memory.addressOf(view);
};

function setup() {
  const word = new BigUint64Array(1);
  kernel.io_setup(8, addressOf(word));
  return Number(word[0]);
}

function read(ctx, fd, bytes) {
  const iocb = new DataView(new ArrayBuffer(64));
  iocb.setUint32(20, fd, true);
  iocb.setBigUint64(24, BigInt(addressOf(bytes)), true);
  iocb.setBigUint64(32, BigInt(bytes.length), true);
  const answer = kernel.io_submit(ctx, 1, addressOf(BigUint64Array.of(BigInt(addressOf(iocb)))));
  if (answer !== 1) throw new Error(`io_submit: ${answer}`);
}

function getevents(ctx, ms) {
  const events = new BigInt64Array(4);
  const answer = kernel.io_getevents(
    ctx,
    1,
    1,
    addressOf(events),
    addressOf(BigInt64Array.of(0n, BigInt(ms) * 1_000_000n)),
  );
  return { answer, result: Number(events[2]) };
}

function quietRead(fd) {
  const ctx = setup();
  read(ctx, fd, new Uint8Array(16));
  const { answer } = getevents(ctx, 20);
  console.log(`begun, ${answer} events`);
}

function fileRead() {
  const ctx = setup();
  const bytes = new Uint8Array(4);
  read(ctx, openSync(path, 'r'), bytes);
  const { answer, result } = getevents(ctx, 10_000);
  console.log(`${answer} event, ${result} bytes: ${Buffer.from(bytes)}`);
}

switch (scenario) {
  case 'exit-pipe':
    quietRead(openSync(path, 'r+'));
    process.exit(7);
    break;
  case 'end-pipe':
    quietRead(openSync(path, 'r+'));
    process.exitCode = 7;
    break;
  case 'exit-stdin':
    quietRead(0);
    process.exit(7);
    break;
  case 'end-stdin':
    quietRead(0);
    process.exitCode = 7;
    break;
  case 'in-worker':
    if (isMainThread) new Worker(new URL(import.meta.url), { argv: ['in-worker', path] });
    else fileRead();
    break;
  case 'file':
    fileRead();
    break;
  default:
    throw new Error(`no scenario ${scenario}`);
}
