/** One task, one engine, one process. Takes the job as JSON, and prints the answer as JSON. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as promises from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { open } from '../src/index.ts';
import { chill, warm } from './page-cache.ts';
import type { TaskAnswer, TaskJob } from './task-job.ts';
import type { ThreadAnswer } from './task-thread.ts';

const THREAD = fileURLToPath(new URL('./task-thread.js', import.meta.url));
const HASH = 'sha1';

/** A readable stream of a part of the file, by each engine. `end` is inclusive, as everywhere in Node.js. */
async function streamOf(
  { engine, path, mode }: TaskJob,
  start: number,
  end: number,
): Promise<NodeJS.ReadableStream> {
  if (engine !== 'file') return fs.createReadStream(path, { start, end });
  const file = await open(path, 'r', 0o666, {
    backend: 'native',
    direct: mode === 'direct' ? 'require' : false,
  });
  return file.createReadStream({ start, end });
}

async function readByStreams(job: TaskJob): Promise<number> {
  const { size, atOnce } = job;
  const part = size / atOnce;
  const counts = await Promise.all(
    Array.from({ length: atOnce }, async (_, index) => {
      let bytes = 0;
      const sink = new Writable({
        write(chunk: Buffer, _encoding, done) {
          bytes += chunk.length;
          done();
        },
      });
      await pipeline(await streamOf(job, index * part, (index + 1) * part - 1), sink);
      return bytes;
    }),
  );
  const bytes = counts.reduce((sum, count) => sum + count, 0);
  if (bytes !== size) throw new Error(`${bytes} bytes came of ${size}`);
  return bytes;
}

/** What becomes of one file: its size, and the digest of its bytes. */
type Visit = (path: string) => Promise<string>;

/** What is asked of a file, whoever opened it. */
interface Opened {
  stat(): Promise<unknown>;
  readFile(): Promise<Uint8Array | string>;
  close(): Promise<void>;
}

const visitBy =
  (opener: (path: string) => Promise<Opened>): Visit =>
  async (path) => {
    const file = await opener(path);
    try {
      await file.stat();
      return createHash(HASH)
        .update(await file.readFile())
        .digest('hex');
    } finally {
      await file.close();
    }
  };

function visitByCallbacks(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    fs.open(path, 'r', (refused, fd) => {
      if (refused !== null) reject(refused);
      else
        fs.fstat(fd, (unknown, stats) => {
          const bytes = Buffer.allocUnsafe(stats?.size ?? 0);
          fs.read(fd, bytes, 0, bytes.length, 0, (failed, count) => {
            fs.close(fd, (wrong) => {
              const error = unknown ?? failed ?? wrong;
              if (error) reject(error);
              else resolve(createHash(HASH).update(bytes.subarray(0, count)).digest('hex'));
            });
          });
        });
    });
  });
}

const VISITS: Readonly<Record<string, Visit>> = {
  file: visitBy((path) => open(path, 'r', 0o666, { backend: 'native' })),
  'fs.promises': visitBy((path) => promises.open(path, 'r')),
  'fs.callbacks': visitByCallbacks,
};

async function walk({ engine, path, atOnce }: TaskJob): Promise<number> {
  const visit = VISITS[engine];
  if (visit === undefined) throw new Error(`${engine} walks no trees`);
  const folders = [path];
  const files: string[] = [];
  for (const folder of folders)
    for (const entry of await promises.readdir(folder, { withFileTypes: true }))
      (entry.isDirectory() ? folders : files).push(join(folder, entry.name));
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < files.length) await visit(files[next++]!);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return files.length;
}

/** Each thread warms up, waits for the others, and measures for as long as they do. */
async function readByThreads(job: TaskJob): Promise<TaskAnswer> {
  const workers = Array.from(
    { length: job.atOnce },
    (_, index) => new Worker(THREAD, { workerData: { job, index } }),
  );
  const message = <T>(worker: Worker): Promise<T> =>
    new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
  await Promise.all(workers.map((worker) => message(worker)));
  const cpu = process.cpuUsage();
  const answers = workers.map((worker) => message<ThreadAnswer>(worker));
  for (const worker of workers) worker.postMessage('begin');
  const all = await Promise.all(answers);
  const { user, system } = process.cpuUsage(cpu);
  const seconds = Math.max(...all.map((one) => one.seconds));
  const rate = all.reduce((sum, one) => sum + one.operations / one.seconds, 0);
  return { units: rate * seconds, seconds, cpuSeconds: (user + system) / 1e6 };
}

function prepare({ name, mode, path }: TaskJob): void {
  if (name !== 'stream') return;
  if (mode === 'cached') warm(path);
  else chill(path);
}

async function answer(job: TaskJob): Promise<TaskAnswer> {
  if (job.name === 'threads') return readByThreads(job);
  const task = job.name === 'stream' ? readByStreams : walk;
  // The first time is V8's. Of a cold file it would leave nothing cold, so that is chilled again.
  prepare(job);
  await task(job);
  prepare(job);
  const cpu = process.cpuUsage();
  const began = performance.now();
  const units = await task(job);
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { units, seconds, cpuSeconds: (user + system) / 1e6 };
}

fs.writeSync(1, `${JSON.stringify(await answer(JSON.parse(process.argv[2]!) as TaskJob))}\n`);
