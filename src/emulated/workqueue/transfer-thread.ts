/**
 * A thread for short transfers of files that are in memory, handed over and taken back many at a time.
 *
 * Handing one transfer to libuv's pool and hearing of its end costs several times what copying 4 KiB out of the page cache does. So what
 * is short goes through shared memory to a thread that runs one after the other. What may be slow is not its business: when a transfer took
 * long, or does not come back, those behind it are taken back, for a pool that has more threads.
 */
import { Worker } from 'node:worker_threads';
import { sharedPageAlignedBuffer } from '../../common/memory/page-aligned.ts';
import { linuxErrnoOf } from '../errno-translation.ts';
import { BERTH, BERTH_STATE, OPERATION, QUAY } from './mail.ts';
import { type TransferShare, transferWorker } from './worker-bodies.ts';
import { workerSource } from './worker-source.ts';

/** Transfers with the thread, at most. A power of 2. */
const BERTHS = 128;
/** Bytes of a berth: four pages, which need not begin with one. */
export const BERTH_BYTES = 5 * 4096;
/** So many fit for it start the thread, which takes some 20 ms and some megabytes. */
const START_AT = 512;
/** Idle for so long, it ends. */
const IDLE_MS = 2000;
/** Of the page cache 4 KiB come in 2 us, from the fastest disks in 50 to 100. */
const SLOW_MS = 0.05;
/** What has not come back after so long is slow, too. */
const STUCK_MS = 5;
/** A slow one after more quick ones than this changes nothing: the thread may have waited for a CPU. */
const QUICK_BETWEEN = 16;
const LEAST_REST = 64;
const MOST_REST = 4096;
const BATCH = 4;
/** About 10 us: half of what going to sleep and being woken takes. */
const LOOKS = 2000;

/** How it goes with transfers of one direction: those that were slow give it a rest, which is longer each time. */
class Pace {
  #slow = 0;
  #quickInRow = 0;
  /** Transfers that go elsewhere before the next try. */
  #rest = 0;
  #lastRest = LEAST_REST / 2;

  /** Whether the thread is to have the next one. To be asked once for each. */
  mayGo(): boolean {
    if (this.#rest === 0) return true;
    this.#rest--;
    return false;
  }

  ended(): void {
    this.#quickInRow++;
  }

  /** @param slow - How many have been slow ever since. @returns Whether what waits behind them has to go elsewhere. */
  sees(slow: number): boolean {
    const some = (slow - this.#slow) | 0;
    if (some === 0) return false;
    this.#slow = slow;
    const isRare = some === 1 && this.#quickInRow > QUICK_BETWEEN;
    this.#quickInRow = 0;
    if (isRare) this.#lastRest = LEAST_REST / 2;
    else this.slowDown();
    return !isRare;
  }

  slowDown(): void {
    this.#lastRest = Math.min(2 * this.#lastRest, MOST_REST);
    this.#rest = this.#lastRest;
  }
}

/** Whose transfers they are. None of this runs code of anybody else's but {@link drained}. */
export interface TransferOwner<J> {
  /** A transfer has ended; its memory is its owner's until {@link TransferThread.free}. */
  landed(job: J, result: number): void;
  /** It has not begun, and will not: its owner finds another way. */
  returned(job: J): void;
  /** All have been told of that have ended by now. */
  drained(): void;
}

/** What is at a berth. */
class Berth {
  owner: TransferOwner<unknown> | undefined;
  job: unknown;
  /** The worker has not passed it yet. */
  isAhead = false;
  /** Its memory is in use. */
  isTaken = false;
}

/** How a thread is made. */
export interface Making {
  /** What runs on it. */
  readonly body?: typeof transferWorker;
  /** After so long, a transfer is slow. */
  readonly slowMs?: number;
  /** After so long without an end, it is stuck. */
  readonly stuckMs?: number;
}

export class TransferThread {
  readonly #control = new SharedArrayBuffer(4 * (QUAY.WORDS + BERTHS * BERTH.WORDS));
  readonly #quay = new Int32Array(this.#control, 0, QUAY.WORDS);
  readonly #words = new Int32Array(this.#control, 4 * QUAY.WORDS);
  readonly #positions = new Float64Array(this.#control, 4 * QUAY.WORDS);
  readonly #berths = Array.from({ length: BERTHS }, () => new Berth());
  readonly #memory: SharedArrayBuffer;
  /** All berths' memory. */
  readonly bytes: Uint8Array;
  readonly #worker: Worker;
  readonly #watch: NodeJS.Timeout;
  readonly #watchMs: number;
  #isReady = false;
  #hasEnded = false;
  /** Places that were posted, and places seen to be passed. */
  #posted = 0;
  #seen = 0;
  #seenByWatch = 0;
  /** Posted, and not ended. */
  #underWay = 0;
  readonly #reads = new Pace();
  readonly #writes = new Pace();
  #used = true;
  #idleMs = 0;
  readonly #whenEnded: () => void;

  /**
   * @param making - Others for tests.
   * @throws What `new Worker` throws.
   */
  constructor(
    whenEnded: () => void,
    { body = transferWorker, slowMs = SLOW_MS, stuckMs = STUCK_MS }: Making = {},
  ) {
    this.#whenEnded = whenEnded;
    this.#memory = sharedPageAlignedBuffer(BERTHS * BERTH_BYTES);
    this.bytes = new Uint8Array(this.#memory);
    const share: TransferShare = {
      QUAY,
      BERTH,
      BERTH_STATE,
      OPERATION,
      control: this.#control,
      memory: this.#memory,
      berths: BERTHS,
      slowMs,
      batch: BATCH,
      looks: LOOKS,
    };
    const worker = new Worker(workerSource(body), {
      eval: true,
      execArgv: [],
      env: {},
      workerData: share,
    });
    this.#worker = worker;
    worker.on('message', () => this.#woken());
    // What it leaves behind goes elsewhere, and nothing is lost by that.
    worker.on('error', () => {});
    worker.on('exit', () => this.#left());
    worker.unref();
    this.#watchMs = stuckMs;
    this.#watch = setInterval(() => this.#look(), stuckMs).unref();
  }

  /**
   * Takes a berth for a transfer.
   *
   * @returns Its number; -1 if the thread is not to have it: {@link TransferThread.post} has to follow a number, and some time {@link free}.
   */
  take(writes: boolean): number {
    this.#used = true;
    if (!this.#isReady || this.#hasEnded || !(writes ? this.#writes : this.#reads).mayGo()) return -1;
    const berth = this.#posted & (BERTHS - 1);
    const { isAhead, isTaken } = this.#berths[berth]!;
    if (isAhead || isTaken) return -1;
    this.#berths[berth]!.isTaken = true;
    return berth;
  }

  /** Hands over the transfer of the berth that was taken last. */
  post<J>(
    berth: number,
    owner: TransferOwner<J>,
    job: J,
    writes: boolean,
    fd: number,
    at: number,
    nbytes: number,
    position: number,
  ): void {
    const here = this.#berths[berth]!;
    here.owner = owner as TransferOwner<unknown>;
    here.job = job;
    here.isAhead = true;
    const words = this.#words;
    const first = berth * BERTH.WORDS;
    words[first + BERTH.OPERATION] = writes ? OPERATION.WRITE : OPERATION.READ;
    words[first + BERTH.FD] = fd;
    words[first + BERTH.AT] = at;
    words[first + BERTH.BYTES] = nbytes;
    this.#positions[(first + BERTH.POSITION) / 2] = position;
    // As an operation on the thread pool would: it ends some day, and somebody wants to know.
    if (this.#underWay++ === 0) this.#worker.ref();
    Atomics.store(words, first + BERTH.STATE, BERTH_STATE.POSTED);
    this.#posted = (this.#posted + 1) | 0;
    Atomics.store(this.#quay, QUAY.POSTED, this.#posted);
    if (Atomics.load(this.#quay, QUAY.ASLEEP) === 1 && Atomics.exchange(this.#quay, QUAY.ASLEEP, 0) === 1)
      Atomics.notify(this.#quay, QUAY.POSTED);
  }

  /** The memory of a berth is not used any more. */
  free(berth: number): void {
    this.#berths[berth]!.isTaken = false;
  }

  #woken(): void {
    this.#isReady = true;
    // Cleared before looking: what ends after the look rings anew.
    Atomics.store(this.#quay, QUAY.WAKING, 0);
    tell(this.#collect());
  }

  /** Lands all that have ended. @returns Whose they are. */
  #collect(): TransferOwner<unknown>[] {
    const owners: TransferOwner<unknown>[] = [];
    const passed = Atomics.load(this.#quay, QUAY.PASSED);
    for (; this.#seen !== passed; this.#seen = (this.#seen + 1) | 0) {
      const berth = this.#seen & (BERTHS - 1);
      const here = this.#berths[berth]!;
      here.isAhead = false;
      // Taken back before the worker came to it.
      if (here.owner === undefined) continue;
      const first = berth * BERTH.WORDS;
      const count = this.#words[first + BERTH.RESULT]!;
      const result = count >= 0 ? count : linuxErrnoOf(this.#words[first + BERTH.ERRNO]!);
      this.#words[first + BERTH.STATE] = BERTH_STATE.FREE;
      const isRead = this.#words[first + BERTH.OPERATION] === OPERATION.READ;
      (isRead ? this.#reads : this.#writes).ended();
      const owner = this.#letGo(here, (one, job) => one.landed(job, result));
      if (!owners.includes(owner)) owners.push(owner);
    }
    const wereSlow = this.#reads.sees(Atomics.load(this.#quay, QUAY.SLOW_READS));
    if (this.#writes.sees(Atomics.load(this.#quay, QUAY.SLOW_WRITES)) || wereSlow) this.#takeBack();
    return owners;
  }

  #letGo(here: Berth, how: (owner: TransferOwner<unknown>, job: unknown) => void): TransferOwner<unknown> {
    const { owner, job } = here;
    here.owner = undefined;
    here.job = undefined;
    if (--this.#underWay === 0) this.#worker.unref();
    how(owner!, job);
    return owner!;
  }

  /** Those that the worker has not come to yet. */
  #takeBack(): void {
    const { POSTED, FREE } = BERTH_STATE;
    for (let place = this.#seen; place !== this.#posted; place = (place + 1) | 0) {
      const berth = place & (BERTHS - 1);
      const here = this.#berths[berth]!;
      const state = berth * BERTH.WORDS + BERTH.STATE;
      if (here.owner === undefined || Atomics.compareExchange(this.#words, state, POSTED, FREE) !== POSTED)
        continue;
      this.#letGo(here, (owner, job) => owner.returned(job));
    }
  }

  /** Every now and then: whether it is stuck, and whether it is needed. */
  #look(): void {
    const isBusy = this.#underWay > 0;
    if (isBusy && this.#seen === this.#seenByWatch && Atomics.load(this.#quay, QUAY.PASSED) === this.#seen) {
      this.#takeBack();
      this.#reads.slowDown();
      this.#writes.slowDown();
    }
    this.#seenByWatch = isBusy ? this.#seen : Number.NaN;
    if (this.#used || isBusy) {
      this.#used = false;
      this.#idleMs = 0;
      return;
    }
    this.#idleMs += this.#watchMs;
    if (this.#idleMs < IDLE_MS) return;
    this.#hasEnded = true;
    void this.#worker.terminate();
  }

  /** The thread has gone. What it has not ended goes elsewhere: reading or writing the same bytes once more changes nothing. */
  #left(): void {
    this.#hasEnded = true;
    clearInterval(this.#watch);
    this.#whenEnded();
    const owners = this.#collect();
    for (const here of this.#berths) {
      if (here.owner !== undefined) this.#letGo(here, (owner, job) => owner.returned(job));
    }
    tell(owners);
  }
}

/** Each alone, and what one throws is thrown when all have been told. */
function tell(owners: readonly TransferOwner<unknown>[]): void {
  let thrown: { readonly error: unknown } | undefined;
  for (const owner of owners) {
    try {
      owner.drained();
    } catch (error) {
      thrown ??= { error };
    }
  }
  if (thrown !== undefined) throw thrown.error;
}

/** Only Node's descriptors are known to be the same in each thread. */
const isPossible = !('bun' in process.versions || 'deno' in process.versions);
let thread: TransferThread | undefined;
let isRefused = !isPossible;
let wanted = 0;

/** The one of this thread, if there is one. To be asked once for each transfer that is fit for it: after some it is started. */
export function transferThread(): TransferThread | undefined {
  if (thread !== undefined || isRefused || ++wanted < START_AT) return thread;
  wanted = 0;
  try {
    thread = new TransferThread(() => {
      thread = undefined;
    });
  } catch {
    // The permission model forbids threads, or there is no memory for one: the pool does all.
    isRefused = true;
  }
  return thread;
}
