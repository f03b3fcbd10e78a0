/** Threads that call `io_submit` for one context, each of them one call after the other. */
import { Batch } from './batch.ts';
import type { IocbSlab } from './iocb-slab.ts';
import type { Address, Memory, SubmitThread } from './kernel.ts';

/** Batches for each thread, where there are several: the next one waits for it, so that it need not go to sleep in between. */
const BATCHES_EACH = 2;
/** Bytes of a batch, where there are several threads: as much as one copies in a fraction of a millisecond. */
const BATCH_BYTES = 1 << 19;

interface Member {
  readonly thread: SubmitThread;
  calls: number;
}

/**
 * One thread takes everything that is queued as one batch, and is asked for the next when it has answered: requests enter the
 * kernel in their order. Several take smaller ones, which overtake each other.
 */
export class SubmitCrew {
  /** Bytes after which a batch is full. */
  readonly batchBytes: number;
  readonly #another: () => SubmitThread | undefined;
  #most: number;
  readonly #members: Member[] = [];
  readonly #free: Batch[];

  /**
   * @param another - Starts one more thread, when those that there are are busy and fewer than `most`.
   */
  constructor(
    first: SubmitThread,
    another: () => SubmitThread | undefined,
    most: number,
    memory: Memory,
    slab: IocbSlab,
  ) {
    this.#another = another;
    this.#most = most;
    this.#members.push({ thread: first, calls: 0 });
    this.batchBytes = most === 1 ? Number.POSITIVE_INFINITY : BATCH_BYTES;
    this.#free = Array.from({ length: most === 1 ? 1 : most * BATCHES_EACH }, () => new Batch(memory, slab));
  }

  /** Threads that have been started. */
  get threads(): number {
    return this.#members.length;
  }

  /** Whether as many calls are under way as there may be. */
  get isFull(): boolean {
    return this.#free.length === 0;
  }

  /** An empty batch, which {@link give} takes back. */
  take(): Batch | undefined {
    const batch = this.#free.pop();
    batch?.clear();
    return batch;
  }

  give(batch: Batch): void {
    this.#free.push(batch);
  }

  /** The call on the thread that has the least to do. */
  async io_submit(nr: number, iocbpp: Address): Promise<number> {
    const member = this.#chosen();
    member.calls++;
    try {
      return await member.thread.io_submit(nr, iocbpp);
    } finally {
      member.calls--;
    }
  }

  /** Resolves when the threads have ended. */
  async close(): Promise<void> {
    await Promise.all(this.#members.map(({ thread }) => thread.close()));
  }

  #chosen(): Member {
    const idlest = this.#members.reduce((least, member) => (member.calls < least.calls ? member : least));
    if (idlest.calls === 0 || this.#members.length === this.#most) return idlest;
    try {
      const thread = this.#another();
      if (thread === undefined) return idlest;
      const member = { thread, calls: 0 };
      this.#members.push(member);
      return member;
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error));
      // Those that there are do.
      this.#most = this.#members.length;
      return idlest;
    }
  }
}
