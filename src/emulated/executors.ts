/** The executors by name. */
import { invalidArgValue, validateInteger } from '../common/validate.ts';
import type { Clock } from './clock.ts';
import { DEFAULT_LATENCIES, drawNs } from './simulated/latency.ts';
import { Random, type Seed } from './simulated/random.ts';
import { VirtualClock } from './simulated/virtual-clock.ts';
import { simulatedExecutor } from './simulated/virtual-executor.ts';
import type { Executor } from './workqueue/executor.ts';
import { inline, inSubmit } from './workqueue/inline.ts';
import { defaultConcurrency, threadpool } from './workqueue/threadpool.ts';
import { Workers } from './workqueue/workers.ts';

/**
 * Where the operations of an emulated kernel run.
 *
 * - `threadpool`: on libuv's thread pool. A thread that blocks in `io_getevents` cannot see the end of what has begun.
 * - `inline`: on the thread that made the kernel, a few at the end of each tick, or inside `io_getevents`. Nothing
 *   goes on in the background, and a read of an empty pipe holds the thread.
 * - `submit`: inside `io_submit`, one after the other, as Linux does it with buffered files: the event is in the ring on return,
 *   and a request may bring the iocb of the next. It holds the thread as long as they take.
 * - `workers`: on worker threads. A blocking `io_getevents` works at any moment, also for what has begun.
 * - `simulated`: on the thread that made the kernel, in virtual time, and each ends when chance by seed has it: the order of
 *   completion is another for each seed. `simulate()` has files of its own to go with it.
 */
export type ExecutorName = 'threadpool' | 'inline' | 'submit' | 'workers' | 'simulated';

/** What can run the operations of files: see `emulatedKernel()`. */
export const EXECUTORS: readonly ExecutorName[] = ['threadpool', 'inline', 'submit', 'workers', 'simulated'];

/** Threads of the `workers` executor: as many as libuv's pool has. */
const DEFAULT_WORKERS = 4;
const MAX_WORKERS = 128;

/** What the `simulated` executor starts from if nobody says. */
const DEFAULT_SEED = 1;
/** As many as there are: how long each takes is all that holds it up. */
const UNLIMITED = 1 << 20;

/** So many short operations keep the threads of the pool awake, and dns and crypto waiting for a millisecond or two. */
const POOL_BURST = 64;

/** An executor, and how many operations at a time it is given. */
export interface Chosen {
  readonly executor: Executor;
  readonly concurrency: number;
  /** The same while operations are short; as many as ever if it is left out. */
  readonly burst?: number;
  /** What the kernel measures its delays with, if it is not the host's clock. */
  readonly clock?: Clock;
}

/** @throws TypeError `ERR_INVALID_ARG_VALUE` for a name that does not exist; RangeError `ERR_OUT_OF_RANGE` for a number of workers. */
export function chooseExecutor(
  name: ExecutorName = 'threadpool',
  workers = DEFAULT_WORKERS,
  seed: Seed = DEFAULT_SEED,
): Chosen {
  validateInteger('options.workers', workers, 1, MAX_WORKERS);
  switch (name) {
    case 'threadpool':
      return { executor: threadpool, concurrency: defaultConcurrency(), burst: POOL_BURST };
    case 'inline':
      return { executor: inline, concurrency: 1 };
    case 'submit':
      return { executor: inSubmit, concurrency: 1 };
    case 'workers':
      // Twice, so that a worker that has ended one finds the next.
      return { executor: new Workers(workers), concurrency: 2 * workers };
    case 'simulated': {
      const clock = new VirtualClock();
      const times = new Random(seed, 'times');
      const executor = simulatedExecutor(clock, (kind) => drawNs(DEFAULT_LATENCIES[kind], times));
      return { executor, concurrency: UNLIMITED, clock };
    }
    default:
      throw invalidArgValue(`options.executor (there is ${EXECUTORS.join(', ')})`, name);
  }
}
