import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { open } from 'kaio';

const PATH = 'numbers.bin';
const NUMBERS = 1_000_000;
const THREADS = 4;

async function sum(from: number, to: number): Promise<number> {
  await using file = await open(PATH);
  const numbers = new Uint32Array(to - from);
  await file.readFully(numbers, { position: from * 4 });
  return numbers.reduce((total, number) => total + number, 0);
}

function sumInThread(from: number, to: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { from, to } });
    worker.once('message', resolve).once('error', reject);
  });
}

if (isMainThread) {
  await using file = await open(PATH, 'w');
  await file.writeFully(Uint32Array.from({ length: NUMBERS }, (_, index) => index));
  const part = NUMBERS / THREADS;
  const sums = Array.from({ length: THREADS }, (_, thread) =>
    sumInThread(thread * part, (thread + 1) * part),
  );
  console.log((await Promise.all(sums)).reduce((total, number) => total + number, 0));
} else {
  parentPort!.postMessage(await sum(workerData.from, workerData.to));
}
