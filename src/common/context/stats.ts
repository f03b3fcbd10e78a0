/** Counting what a context does. */
import type { RecordableHistogram } from 'node:perf_hooks';
import { perfHooks } from '../lazy-builtins.ts';

/** A snapshot of what an {@link AioContext} has done so far. */
export interface AioStats {
  /** Requests that the kernel accepted. */
  readonly submitted: number;
  /** Events reaped. */
  readonly completed: number;
  /** `io_submit` calls. */
  readonly batches: number;
  /** Those of them that were made on the submit thread. */
  readonly threadBatches: number;
  /** The most requests that ever waited for room. */
  readonly queuedHighWater: number;
  /** Answers of EAGAIN to `io_submit`. */
  readonly eagains: number;
  /** Operations that files of this context sent to the thread pool instead, by reason. */
  readonly threadPool: Readonly<Record<string, number>>;
  /** Nanoseconds from the call to the settlement, where the context was made with `latency: true`. */
  readonly latency: RecordableHistogram | undefined;
}

/** The counters behind {@link AioStats}. */
export class Counters {
  submitted = 0;
  completed = 0;
  batches = 0;
  threadBatches = 0;
  queuedHighWater = 0;
  eagains = 0;
  readonly latency: RecordableHistogram | undefined;
  /** Records a time in {@link latency}, which its readers may have changed meanwhile. */
  readonly record: ((ns: bigint) => void) | undefined;
  readonly #threadPool = new Map<string, number>();

  constructor(latency: boolean) {
    if (!latency) return;
    const histogram = perfHooks().createHistogram();
    this.latency = histogram;
    this.record = histogram.record.bind(histogram);
  }

  /** Counts an operation that went to the thread pool. */
  countThreadPool(reason: string): void {
    this.#threadPool.set(reason, (this.#threadPool.get(reason) ?? 0) + 1);
  }

  /** @param others - Counted in, but for their latency. */
  snapshot(others: readonly Counters[] = []): AioStats {
    const sum = (count: (counters: Counters) => number): number =>
      others.reduce((total, one) => total + count(one), count(this));
    return {
      submitted: sum(({ submitted }) => submitted),
      completed: sum(({ completed }) => completed),
      batches: sum(({ batches }) => batches),
      threadBatches: sum(({ threadBatches }) => threadBatches),
      queuedHighWater: this.queuedHighWater,
      eagains: sum(({ eagains }) => eagains),
      threadPool: Object.fromEntries(this.#threadPool),
      latency: this.latency,
    };
  }
}
