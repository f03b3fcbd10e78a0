/** The other thread of a scenario: makes one call and posts its answer. */
import { parentPort, workerData } from 'node:worker_threads';
import { nativeFixture } from './scenario.ts';

/** What the other thread is to do. */
export type ThreadTask =
  | { readonly call: 'io_getevents'; readonly ctx: number; readonly min_nr: number }
  | { readonly call: 'read'; readonly ctx: number; readonly fd: number };

const { task, tid } = workerData as { task: ThreadTask; tid: Int32Array };
const f = nativeFixture();
await f.kernel.settled();
// Whoever waits for it may look up what the thread is doing from now on.
Atomics.store(tid, 0, f.host.call('gettid'));
if (task.call === 'io_getevents') {
  const { address } = f.bytes(32 * 16);
  parentPort!.postMessage(f.kernel.io_getevents(task.ctx, task.min_nr, 16, address, f.timespec(20, 0)));
} else {
  const { address } = f.bytes(8);
  parentPort!.postMessage(f.submit(task.ctx, f.read(task.fd, address, 8)));
}
