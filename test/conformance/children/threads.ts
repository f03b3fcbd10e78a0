/** Scenarios in which a second thread is inside a call on the same context. */
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { IOCB_CMD_POLL, POLLIN } from '../../../src/common/abi/constants.ts';
import { SYSNO } from '../../../src/native/sysno.ts';
import type { Fixture } from '../fixture.ts';
import { SyscallWatch } from '../syscall-watch.ts';
import { run } from './scenario.ts';
import type { ThreadTask } from './thread.ts';

const numbers = SYSNO[process.arch]!;

interface Thread {
  /** What its call answered. */
  readonly answer: Promise<number>;
  /** Whether it is inside its call. */
  inside(): boolean;
}

/** Starts a thread and waits until it is inside its call. */
async function thread(task: ThreadTask): Promise<Thread> {
  const tid = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL('./thread.js', import.meta.url), { workerData: { task, tid } });
  const answer = new Promise<number>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const number = task.call === 'read' ? numbers.io_submit : numbers.io_getevents;
  let watch: SyscallWatch | undefined;
  const inside = (): boolean => {
    if (tid[0] === 0) return false;
    watch ??= new SyscallWatch(`/proc/self/task/${tid[0]}`, number);
    return watch.inside();
  };
  while (!inside()) await setImmediate();
  return { answer, inside };
}

/** Waits until one of them is inside its call, having been woken for nothing perhaps. */
async function untilInside(...threads: readonly Thread[]): Promise<void> {
  while (!threads.some((one) => one.inside())) await setImmediate();
}

/** Lets one request end. */
function event(f: Fixture, ctx: number): void {
  f.accepted(ctx, { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: f.eventfd(1), aio_buf: POLLIN });
}

await run({
  async 'wanting-3-and-1'(f) {
    const ctx = f.setup();
    const three = await thread({ call: 'io_getevents', ctx, min_nr: 3 });
    const one = await thread({ call: 'io_getevents', ctx, min_nr: 1 });
    event(f, ctx);
    const first = await one.answer;
    await untilInside(three);
    f.accepted(
      ctx,
      ...[1, 2, 3].map(() => ({ aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: f.eventfd(1), aio_buf: POLLIN })),
    );
    return [first, await three.answer];
  },
  async 'two-wanting-1'(f) {
    const ctx = f.setup();
    const waiters = [
      await thread({ call: 'io_getevents', ctx, min_nr: 1 }),
      await thread({ call: 'io_getevents', ctx, min_nr: 1 }),
    ];
    event(f, ctx);
    const first = await Promise.race(waiters.map(({ answer }) => answer));
    await untilInside(...waiters);
    event(f, ctx);
    return [first, await Promise.all(waiters.map(({ answer }) => answer))];
  },
  async 'destroyed-while-waiting'(f) {
    const ctx = f.setup();
    const nothing = await thread({ call: 'io_getevents', ctx, min_nr: 1 });
    f.destroy(ctx);
    const other = f.setup();
    event(f, other);
    const some = await thread({ call: 'io_getevents', ctx: other, min_nr: 2 });
    f.destroy(other);
    return [await nothing.answer, await some.answer];
  },
  async 'destroyed-while-submitting'(f) {
    const ctx = f.setup();
    const [reader, writer] = f.host.pipe(false);
    const submitting = await thread({ call: 'read', ctx, fd: reader });
    const destroyed = f.kernel.destroyInBackground(ctx);
    // From the moment on that the handle is gone, everybody is refused, a second destroy too.
    while (f.kernel.io_submit(ctx, 0, 0) === 0) await setImmediate();
    const refused = [
      f.kernel.io_destroy(ctx),
      f.kernel.io_getevents(ctx, 0, 0, 0, 0),
      f.kernel.io_cancel(ctx, f.iocb({}).address, 0),
    ];
    const waits = submitting.inside();
    f.host.call('write', writer, f.bytes(8).address, 8);
    return [refused, waits, await submitting.answer, await destroyed];
  },
  async 'shared-context'(f) {
    const ctx = f.setup();
    const [reader, writer] = f.host.pipe(false);
    f.host.call('write', writer, f.bytes(8).address, 8);
    // It may have gone through the call before anybody could look.
    const worker = new Worker(new URL('./thread.js', import.meta.url), {
      workerData: { task: { call: 'read', ctx, fd: reader }, tid: new Int32Array(new SharedArrayBuffer(4)) },
    });
    const accepted = await new Promise<number>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    return [accepted, Number(f.reap(ctx, 1)[0]!.res)];
  },
});
