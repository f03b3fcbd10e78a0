/**
 * One sync for many callers: those who ask while a sync of the file is under way get one that begins after it, all of them the same.
 *
 * Where several have shared one, the next waits for the writes that are under way, for no longer than a millisecond: whoever has been told of
 * the last one writes again and asks again, and would else wait for the end of a sync that serves half of them.
 *
 * What a caller is promised stays exact. A sync covers what had ended when it began, so it serves those alone who asked before that: one
 * that is under way already may have passed over what somebody has written since.
 */
import { withStackOfCallers } from '../callers-stack.ts';
import { whenOthersHaveGoneOn } from '../context/going-on.ts';
import { codeOf } from '../errors.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import { NSEC_PER_MSEC } from '../time-units.ts';
import type { AwakeLoop } from './awake-loop.ts';
import { FileError } from './file-error.ts';

/** As they were at load: tests put clocks of their own in their place. */
const { setImmediate, setTimeout, clearTimeout } = globalThis;
const { nextTick } = process;

/** So many are told at a time where that pays. */
const PORTION = 8;

/** A write that takes longer waits for a device. */
const MOST_WAIT_NS = NSEC_PER_MSEC;

type After = NonNullable<AioKernel['after']>;

/** What is asked for. The first does all that the second does. */
export type SyncOperation = 'fsync' | 'fdatasync';

/** Callers whom one sync will serve. */
interface Group {
  /** What serves all of them. */
  operation: SyncOperation;
  callers: number;
  /** Whether it ends with the error of another. */
  failsWithOther: boolean;
  /** What callers wait for, so many of them for each. */
  readonly portions: Portion[];
}

interface Portion {
  readonly made: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class FileSyncs {
  readonly #make: (operation: SyncOperation) => Promise<void>;
  readonly #after: After;
  readonly #awake: AwakeLoop | undefined;
  readonly #portion: number;
  /** Whom the next one will serve. */
  #next: Group | undefined;
  /** Whether one is under way, or about to be. */
  #isBusy = false;
  /** Whether the last one served more than one caller. */
  #isShared = false;
  /** As many writes as were told last have not ended since. */
  #expected = 0;
  #writesBegun = 0;
  #writesEnded = 0;
  /** Called when a write has ended. */
  #onWriteEnded: (() => void) | undefined;

  /**
   * @param make - Makes one sync, of everything that has ended when it is called.
   * @param after - The clock of a kernel that has one of its own.
   * @param awake - For files whose writes this thread gives to a device, which is not to wait for this thread: callers are told a few at a time
   * then, and what they write is submitted before the others are told; and the event loop does not sleep between the writes and the sync of many.
   */
  constructor(make: (operation: SyncOperation) => Promise<void>, after: After = byHost, awake?: AwakeLoop) {
    this.#make = make;
    this.#after = after;
    this.#awake = awake;
    this.#portion = awake === undefined ? Number.POSITIVE_INFINITY : PORTION;
  }

  /** Resolves when what has ended by now is durable. */
  async sync(operation: SyncOperation): Promise<void> {
    this.#next ??= newGroup();
    const group = this.#next;
    if (group.callers++ % this.#portion === 0) group.portions.push(newPortion());
    const { made } = group.portions.at(-1)!;
    if (operation === 'fsync') group.operation = operation;
    if (!this.#isBusy) {
      this.#isBusy = true;
      void this.#run();
    }
    try {
      await made;
    } catch (error) {
      throw withStackOfCallers(errorFor(operation, group, error));
    }
  }

  /** Tells of a write of the file that has begun: its caller may ask next. */
  expect(write: Promise<unknown>): void {
    if (!this.#isShared) return;
    this.#writesBegun++;
    write.then(this.#writeEnded, this.#writeEnded);
  }

  readonly #writeEnded = (): void => {
    this.#writesEnded++;
    if (this.#expected > 0) {
      this.#expected--;
      this.#awake?.stay();
    }
    this.#onWriteEnded?.();
  };

  async #run(): Promise<void> {
    // Not in this turn: what has ended with the caller's write, other writes' callers are told in the same one.
    await turn();
    for (;;) {
      await this.#gather();
      // With no turn of anybody's between this look and the word that nobody is busy: who asked in it would wait for ever.
      const group = this.#takeNext();
      if (group === undefined) break;
      this.#isShared = group.callers > 1;
      if (this.#isShared) this.#awake?.begin('sync');
      else this.#awake?.end();
      try {
        await this.#make(group.operation);
      } catch (error) {
        this.#expected = 0;
        this.#awake?.end();
        fail(group, error);
        // A file system tells a descriptor once that something was not written, whoever asks. Who has asked since may have been meant:
        // the next sync would find nothing wrong.
        const meanwhile = this.#takeNext();
        if (meanwhile === undefined) continue;
        meanwhile.failsWithOther = true;
        fail(meanwhile, error);
        continue;
      }
      this.#expected = this.#isShared ? group.callers : 0;
      if (this.#isShared) this.#awake?.begin('writes');
      await tell(group);
    }
    this.#isBusy = false;
  }

  /** Resolves when it is time to begin the next sync, if anybody has asked for one. */
  async #gather(): Promise<void> {
    if (this.#next === undefined || !this.#isShared) return;
    // Those who have just been told begin to write in this turn, and those whose writes have ended ask in the next.
    await turn();
    if (this.#writesEnded === this.#writesBegun) return;
    await this.#endOfWrites();
    // Those who were told of the last of them ask in this tick.
    await tick();
  }

  /** Of those that are under way now. */
  #endOfWrites(): Promise<void> {
    const last = this.#writesBegun;
    return new Promise((resolve) => {
      const end = (): void => {
        callOff();
        this.#onWriteEnded = undefined;
        resolve();
      };
      const callOff = this.#after(MOST_WAIT_NS, end);
      const onWriteEnded = (): void => {
        if (this.#writesEnded >= last) end();
      };
      this.#onWriteEnded = onWriteEnded;
    });
  }

  #takeNext(): Group | undefined {
    const group = this.#next;
    this.#next = undefined;
    return group;
  }
}

function byHost(ns: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ns / NSEC_PER_MSEC);
  return () => clearTimeout(timer);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function tick(): Promise<void> {
  return new Promise((resolve) => nextTick(resolve));
}

function newGroup(): Group {
  return { operation: 'fdatasync', callers: 0, failsWithOther: false, portions: [] };
}

function newPortion(): Portion {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const made = new Promise<void>((resolveMade, rejectMade) => {
    resolve = resolveMade;
    reject = rejectMade;
  });
  return { made, resolve, reject };
}

/** Tells a few at a time, each few when those before have gone on. */
async function tell({ portions }: Group): Promise<void> {
  for (const [index, { resolve }] of portions.entries()) {
    // A tick later what they have asked for is submitted.
    if (index > 0) await new Promise<void>((submitted) => whenOthersHaveGoneOn(() => nextTick(submitted)));
    resolve();
  }
}

function fail({ portions }: Group, error: unknown): void {
  for (const { reject } of portions) reject(error);
}

/** An error of the caller's own, of the name that he called. */
function errorFor(operation: SyncOperation, { callers, failsWithOther }: Group, error: unknown): unknown {
  const code = codeOf(error);
  // The only caller: his is the operation that was made.
  if (code === undefined || (callers === 1 && !failsWithOther)) return error;
  return new FileError(code, (error as { errno: number }).errno, operation, { cause: error });
}
