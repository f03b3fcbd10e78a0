/** The worker threads behind every `workers` executor of this thread: started when needed, ended when idle. */
import { Worker } from 'node:worker_threads';
import { ERRNO } from '../../common/abi/errno.ts';
import { BouncePool } from '../../common/memory/bounce-pool.ts';
import { sharedPageAlignedBuffer } from '../../common/memory/page-aligned.ts';
import { linuxErrnoOf } from '../errno-translation.ts';
import type { Done } from './executor.ts';
import { BELL, bellMemory, MAIL, mailMemory, OPERATION, STATE } from './mail.ts';
import {
  fileWorker,
  type SlabMessage,
  type WaitMessage,
  type WorkerShare,
  waitingWorker,
} from './worker-bodies.ts';
import { workerSource } from './worker-source.ts';

/** Idle for so long, the threads end. */
const IDLE_MS = 1000;

/** An operation for a worker. `views` lie in one buffer of `bounce`. */
export interface Job {
  readonly operation: number;
  readonly fd: number;
  readonly views: readonly Uint8Array[];
  readonly position: number;
  readonly done: Done;
}

/** A mailbox with the operation that is in it. */
class Mailbox {
  readonly memory = mailMemory();
  readonly words = new Int32Array(this.memory);
  job: Job | undefined;

  get hasEnded(): boolean {
    return this.job !== undefined && Atomics.load(this.words, MAIL.STATE) === STATE.DONE;
  }

  /** The result of the operation that has ended. The mailbox is free again. */
  take(): { job: Job; result: number } {
    const { job, words } = this;
    const count = words[MAIL.RESULT]!;
    const result = count >= 0 ? count : linuxErrnoOf(words[MAIL.ERRNO]!);
    this.job = undefined;
    Atomics.store(words, MAIL.STATE, STATE.IDLE);
    return { job: job!, result };
  }
}

/** A thread, and the mailboxes that it answers to. */
interface Hand {
  readonly worker: Worker;
  readonly boxes: Set<Mailbox>;
}

interface FileHand extends Hand {
  readonly box: Mailbox;
  readonly position: Float64Array;
  /** Slabs that the thread was told of. */
  readonly told: Set<number>;
}

export class Crew {
  readonly bounce = new BouncePool((bytes, kept) => this.#slab(bytes, kept));
  readonly #size: number;
  readonly #bell = bellMemory();
  readonly #files = new Set<FileHand>();
  #waiting: Hand | undefined;
  readonly #queue: Job[] = [];
  readonly #slabs = new WeakMap<ArrayBufferLike, number>();
  #lastSlab = 0;
  #idle: NodeJS.Timeout | undefined;
  #used = false;

  /** @param size - Threads for files, at most. What may have to wait for ever has one more, for all of them. */
  constructor(size: number) {
    this.#size = size;
  }

  /** Begins an operation on a file with positions, or puts it into the queue. @returns false if there is no thread to be had. */
  begin(job: Job): boolean {
    this.#used = true;
    const hand = this.#freeHand();
    if (hand !== undefined) this.#post(hand, job);
    else if (this.#files.size > 0) this.#queue.push(job);
    else return false;
    return true;
  }

  /** Begins a read of what has no position. @returns false if there is no thread to be had. */
  beginWait(job: Job): boolean {
    this.#waiting ??= this.#start(waitingWorker, {});
    if (this.#waiting === undefined) return false;
    const box = new Mailbox();
    box.job = job;
    this.#waiting.boxes.add(box);
    const buffer = job.views[0]!.buffer as SharedArrayBuffer;
    const segments = job.views.flatMap(({ byteOffset, byteLength }) => [byteOffset, byteLength]);
    const message: WaitMessage = { mail: box.memory, fd: job.fd, buffer, segments };
    this.#waiting.worker.postMessage(message);
    return true;
  }

  /** Blocks until an operation has ended or the time is over, and tells of all that have ended. @returns How many. */
  wait(ms: number): number {
    const seen = Atomics.load(this.#bell, BELL.ENDED);
    const before = this.#collect();
    if (before > 0 || ms <= 0) return before;
    Atomics.wait(this.#bell, BELL.ENDED, seen, ms);
    return this.#collect();
  }

  /** Calls back for what has ended, in the order in which it did. */
  #collect(): number {
    const ended: { box: Mailbox; hand: Hand }[] = [];
    for (const hand of this.#hands()) {
      for (const box of hand.boxes) if (box.hasEnded) ended.push({ box, hand });
    }
    ended.sort((one, other) => one.box.words[MAIL.TURN]! - other.box.words[MAIL.TURN]!);
    const results = ended.map(({ box, hand }) => {
      const result = box.take();
      if ('box' in hand) this.#next(hand as FileHand);
      else hand.boxes.delete(box);
      return result;
    });
    for (const { job, result } of results) job.done(result);
    return ended.length;
  }

  *#hands(): Iterable<Hand> {
    yield* this.#files;
    if (this.#waiting !== undefined) yield this.#waiting;
  }

  #freeHand(): FileHand | undefined {
    for (const hand of this.#files) if (hand.box.job === undefined) return hand;
    if (this.#files.size === this.#size) return undefined;
    const box = new Mailbox();
    const started = this.#start(fileWorker, { mail: box.memory });
    if (started === undefined) return undefined;
    started.boxes.add(box);
    const hand: FileHand = Object.assign(started, {
      box,
      position: new Float64Array(box.memory, 0, 1),
      told: new Set<number>(),
    });
    this.#files.add(hand);
    return hand;
  }

  #post(hand: FileHand, job: Job): void {
    const { box, position, worker } = hand;
    const { words } = box;
    const { operation, fd, views } = job;
    box.job = job;
    words[MAIL.OPERATION] = operation;
    words[MAIL.FD] = fd;
    position[0] = job.position;
    const buffer = views[0]?.buffer;
    if (buffer !== undefined) {
      const slab = this.#slabs.get(buffer)!;
      words[MAIL.SLAB] = slab;
      if (!hand.told.has(slab)) {
        if (slab > 0) hand.told.add(slab);
        const message: SlabMessage = { slab, buffer: buffer as SharedArrayBuffer };
        worker.postMessage(message);
      }
      words[MAIL.SEGMENTS] = views.length;
      views.forEach((view, index) => {
        words[MAIL.TABLE + 2 * index] = view.byteOffset;
        words[MAIL.TABLE + 2 * index + 1] = view.byteLength;
      });
    }
    // As an operation on the thread pool would: it ends some day, and somebody wants to know.
    worker.ref();
    Atomics.store(words, MAIL.STATE, STATE.POSTED);
    Atomics.notify(words, MAIL.STATE);
  }

  #next(hand: FileHand): void {
    const job = this.#queue.shift();
    if (job === undefined) hand.worker.unref();
    else this.#post(hand, job);
  }

  #start(body: typeof fileWorker | typeof waitingWorker, more: object): Hand | undefined {
    const share: WorkerShare = { MAIL, STATE, OPERATION, BELL, bell: this.#bell };
    let worker: Worker;
    try {
      worker = new Worker(workerSource(body), {
        eval: true,
        execArgv: [],
        workerData: { ...share, ...more },
      });
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error));
      return undefined;
    }
    const hand: Hand = { worker, boxes: new Set() };
    let failure: unknown;
    worker.on('message', () => this.#woken());
    worker.on('error', (error) => {
      failure = error;
    });
    worker.on('exit', () => this.#left(hand, failure));
    // Last: a listener for messages makes a thread keep the process alive.
    worker.unref();
    this.#idle ??= setInterval(() => this.#endIfIdle(), IDLE_MS).unref();
    return hand;
  }

  #woken(): void {
    // Cleared before looking: what ends after the look rings anew.
    Atomics.store(this.#bell, BELL.WAKING, 0);
    this.#collect();
  }

  /** A thread has ended. What was with it has failed, and what waits gets another thread. */
  #left(hand: Hand, failure: unknown): void {
    if (failure !== undefined)
      process.emitWarning(`a worker thread of kaio has ended: ${String(failure)}`, { code: 'KAIO_WORKER' });
    // Its message may have been the one on its way.
    this.#woken();
    this.#files.delete(hand as FileHand);
    if (this.#waiting === hand) this.#waiting = undefined;
    const lost = [...hand.boxes].flatMap(({ job }) => job ?? []);
    hand.boxes.clear();
    for (const job of lost) job.done(-ERRNO.EIO);
    for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) {
      const other = this.#freeHand();
      if (other !== undefined) this.#post(other, job);
      else if (this.#files.size === 0) job.done(-ERRNO.EIO);
      else {
        this.#queue.unshift(job);
        break;
      }
    }
  }

  /** Ends the threads unless something was begun since the last look, or goes on. */
  #endIfIdle(): void {
    const busy = [...this.#hands()].some(({ boxes }) => [...boxes].some(({ job }) => job !== undefined));
    if (busy || this.#used) {
      this.#used = false;
      return;
    }
    clearInterval(this.#idle);
    this.#idle = undefined;
    for (const { worker } of this.#hands()) void worker.terminate();
    this.#files.clear();
    this.#waiting = undefined;
  }

  #slab(bytes: number, kept: boolean): SharedArrayBuffer {
    const buffer = sharedPageAlignedBuffer(bytes);
    this.#lastSlab++;
    this.#slabs.set(buffer, kept ? this.#lastSlab : -this.#lastSlab);
    return buffer;
  }
}

const crews = new Map<number, Crew>();

/** The crew of a size. Executors share it, for threads are dear. */
export function crewOf(size: number): Crew {
  let crew = crews.get(size);
  if (crew === undefined) {
    crew = new Crew(size);
    crews.set(size, crew);
  }
  return crew;
}
