/**
 * A thread for short transfers of files that are in memory, handed over and taken back many at a time.
 *
 * Handing one transfer to libuv's pool and hearing of its end costs several times what copying 4 KiB out of the page cache does. So what
 * is short goes through shared memory to a thread that runs one after the other. What may be slow is not its business: when a transfer took
 * long, or does not come back, those behind it are taken back, for a pool that has more threads.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { ERRNO } from '../../common/abi/errno.ts';
import { sharedPageAlignedBuffer } from '../../common/memory/page-aligned.ts';
import { linuxErrnoOf } from '../errno-translation.ts';
import { eachAlone } from './each-alone.ts';
import { Lookout, type Watched } from './lookout.ts';
import { BERTH, BERTH_STATE, OPERATION, QUAY } from './mail.ts';
import { Pace } from './pace.ts';
import { type TransferShare, transferWorker } from './worker-bodies.ts';
import { workerSource } from './worker-source.ts';

/** Transfers with the thread, at most. A power of 2. */
const BERTHS = 128;
/** Bytes of a berth: four pages, which need not begin with one. */
export const BERTH_BYTES = 5 * 4096;
/** Idle for so long, it ends. */
export const IDLE_MS = 2000;
/** Of the page cache 4 KiB come in 2 us, from the fastest disks in 50 to 100. */
const SLOW_MS = 0.05;
/** What has not come back after so long is slow, too. */
const STUCK_MS = 5;
const BATCH = 4;
/** Half of what going to sleep and being woken takes; longer while this thread finds at once what has ended, and gives it more. */
const AWAKE_MS = [0.01, 0.1, 1];
/** For one CPU there is nothing to be found while it is looked for. */
export const LOOKOUT_MS = availableParallelism() > 1 ? 0.05 : 0;

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
  /** It is looked at every so often. What has not come back from one look to the next is stuck. */
  readonly stuckMs?: number;
  /** Idle for so long, it ends. */
  readonly idleMs?: number;
  /** So long what has ended is looked for before the worker has to ring. 0: never. */
  readonly lookoutMs?: number;
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
  /** Places that were passed at the last look, if there was anything under way. */
  #passedAtLook = Number.NaN;
  /** Nothing was passed between two looks: what is under way may take for ever. */
  #isStuck = false;
  /** Posted, and not ended. */
  #underWay = 0;
  readonly #reads = new Pace();
  readonly #writes = new Pace();
  readonly #lookout: Lookout;
  /** Whether the berth that was taken last is for one that is looked for. */
  #isFound = false;
  #isReferenced = false;
  #used = true;
  readonly #mostIdleMs: number;
  #idleMs = 0;
  #failure: Error | undefined;
  readonly #whenEnded: (failure: Error | undefined) => void;

  /**
   * @param whenEnded - Called when it has gone, with the reason if that is another than that it was idle.
   * @param making - Others for tests.
   * @throws What `new Worker` throws.
   */
  constructor(
    whenEnded: (failure: Error | undefined) => void,
    {
      body = transferWorker,
      slowMs = SLOW_MS,
      stuckMs = STUCK_MS,
      idleMs = IDLE_MS,
      lookoutMs = LOOKOUT_MS,
    }: Making = {},
  ) {
    this.#whenEnded = whenEnded;
    this.#lookout = new Lookout(this.#quay, this.#watched(), lookoutMs);
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
      awakeMs: AWAKE_MS,
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
    worker.on('error', (error: Error) => {
      this.#failure = error;
    });
    worker.on('exit', (code) => this.#left(code));
    worker.unref();
    this.#mostIdleMs = idleMs;
    this.#watchMs = stuckMs;
    this.#watch = setInterval(() => this.look(), stuckMs).unref();
  }

  /**
   * Takes a berth for a transfer.
   *
   * @param isOfFew - Whether few are under way, which the pool may serve sooner.
   * @returns Its number; -1 if the thread is not to have it: {@link TransferThread.post} has to follow a number, and some time {@link free}.
   */
  take(writes: boolean, isOfFew = false): number {
    if (!this.#isReady || this.#isStuck || this.#hasEnded) return -1;
    if (isOfFew && !this.#lookout.isOut && !this.#lookout.mayBegin()) return -1;
    if (!(writes ? this.#writes : this.#reads).mayGo()) return -1;
    const berth = this.#posted & (BERTHS - 1);
    const here = this.#berths[berth]!;
    if (here.isAhead || here.isTaken) return -1;
    here.isTaken = true;
    this.#used = true;
    this.#isFound = isOfFew;
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
    this.#underWay++;
    Atomics.store(words, first + BERTH.STATE, BERTH_STATE.POSTED);
    this.#posted = (this.#posted + 1) | 0;
    Atomics.store(this.#quay, QUAY.POSTED, this.#posted);
    const isAsleep = Atomics.load(this.#quay, QUAY.ASLEEP) === 1;
    if (isAsleep && Atomics.exchange(this.#quay, QUAY.ASLEEP, 0) === 1)
      Atomics.notify(this.#quay, QUAY.POSTED);
    if (this.#isFound || this.#lookout.isOut || this.#lookout.mayBegin()) this.#lookout.begin(isAsleep);
    this.#keepAlive();
  }

  #watched(): Watched {
    return {
      hasNews: () => this.#seen !== Atomics.load(this.#quay, QUAY.PASSED),
      isBusy: () => this.#underWay > 0,
      collect: () => {
        const owners = this.#collect();
        return () => tell(owners);
      },
      gaveUp: () => this.#keepAlive(),
    };
  }

  /** As an operation on the thread pool would: it ends some day, and somebody wants to know. */
  #keepAlive(): void {
    const mustBe = this.#underWay > 0 && !this.#lookout.isOut;
    if (mustBe === this.#isReferenced) return;
    this.#isReferenced = mustBe;
    if (mustBe) this.#worker.ref();
    else this.#worker.unref();
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
    if (this.#seen !== passed) this.#isStuck = false;
    for (; this.#seen !== passed; this.#seen = (this.#seen + 1) | 0) {
      const berth = this.#seen & (BERTHS - 1);
      const here = this.#berths[berth]!;
      here.isAhead = false;
      // Else it was taken back before the worker came to it.
      if (here.owner !== undefined) addOnce(owners, this.#land(berth));
    }
    const wereSlow = this.#reads.sees(Atomics.load(this.#quay, QUAY.SLOW_READS));
    if (this.#writes.sees(Atomics.load(this.#quay, QUAY.SLOW_WRITES)) || wereSlow) this.#takeBack();
    return owners;
  }

  /** Of a berth whose transfer has ended. */
  #land(berth: number): TransferOwner<unknown> {
    const words = this.#words;
    const first = berth * BERTH.WORDS;
    const count = words[first + BERTH.RESULT]!;
    const result = count >= 0 ? count : linuxErrnoOf(words[first + BERTH.ERRNO]!);
    words[first + BERTH.STATE] = BERTH_STATE.FREE;
    (words[first + BERTH.OPERATION] === OPERATION.READ ? this.#reads : this.#writes).ended();
    return this.#letGo(this.#berths[berth]!, (owner, job) => owner.landed(job, result));
  }

  #letGo(here: Berth, how: (owner: TransferOwner<unknown>, job: unknown) => void): TransferOwner<unknown> {
    const { owner, job } = here;
    here.owner = undefined;
    here.job = undefined;
    if (--this.#underWay === 0) this.#keepAlive();
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

  /**
   * Every now and then: what has ended and was not told, whether the worker is stuck, and whether it is needed.
   *
   * @remarks The worker tells of some that have ended together, and cannot tell while it waits in the next one.
   */
  look(): void {
    const owners = this.#collect();
    const isBusy = this.#underWay > 0;
    if (isBusy && this.#seen === this.#passedAtLook) {
      this.#takeBack();
      if (!this.#isStuck) {
        this.#isStuck = true;
        this.#reads.slowDown();
        this.#writes.slowDown();
      }
    }
    this.#passedAtLook = isBusy ? this.#seen : Number.NaN;
    this.#endIfIdle(isBusy);
    tell(owners);
  }

  #endIfIdle(isBusy: boolean): void {
    if (this.#used || isBusy || !this.#isReady) {
      this.#used = false;
      this.#idleMs = 0;
      return;
    }
    this.#idleMs += this.#watchMs;
    if (this.#idleMs < this.#mostIdleMs || this.#hasEnded) return;
    this.#hasEnded = true;
    void this.#worker.terminate();
  }

  /** The thread has gone, and nobody touches what it has left. */
  #left(code: number): void {
    const failure = this.#hasEnded ? undefined : (this.#failure ?? new Error(`it ended with code ${code}`));
    this.#hasEnded = true;
    clearInterval(this.#watch);
    this.#whenEnded(failure);
    const owners = this.#collect();
    const { DONE, RUNNING } = BERTH_STATE;
    for (let place = this.#seen; place !== this.#posted; place = (place + 1) | 0) {
      const berth = place & (BERTHS - 1);
      const here = this.#berths[berth]!;
      if (here.owner === undefined) continue;
      const first = berth * BERTH.WORDS;
      const state = this.#words[first + BERTH.STATE];
      const writes = this.#words[first + BERTH.OPERATION] === OPERATION.WRITE;
      if (state === DONE) addOnce(owners, this.#land(berth));
      // It may have been written. Once more, and a file that is only appended to would have it twice.
      else if (state === RUNNING && writes)
        addOnce(
          owners,
          this.#letGo(here, (owner, job) => owner.landed(job, -ERRNO.EIO)),
        );
      else this.#letGo(here, (owner, job) => owner.returned(job));
    }
    tell(owners);
  }
}

function addOnce(owners: TransferOwner<unknown>[], owner: TransferOwner<unknown>): void {
  if (!owners.includes(owner)) owners.push(owner);
}

function tell(owners: readonly TransferOwner<unknown>[]): void {
  eachAlone(owners, (owner) => owner.drained());
}
