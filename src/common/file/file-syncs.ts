/**
 * One sync for many callers: those who ask while a sync of the file is under way get one that begins after it, all of them the same.
 *
 * What a caller is promised stays exact. A sync covers what had ended when it began, so it serves those alone who asked before that: one
 * that is under way already may have passed over what somebody has written since.
 */
import { withStackOfCallers } from '../callers-stack.ts';
import { codeOf } from '../errors.ts';
import { FileError } from './file-error.ts';

/** As it was at load: tests put clocks of their own in its place. */
const { setImmediate } = globalThis;

/** What is asked for. The first does all that the second does. */
export type SyncOperation = 'fsync' | 'fdatasync';

/** Callers whom one sync will serve. */
interface Group {
  /** What serves all of them. */
  operation: SyncOperation;
  callers: number;
  /** Whether it ends with the error of another. */
  failsWithOther: boolean;
  readonly made: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class FileSyncs {
  readonly #make: (operation: SyncOperation) => Promise<void>;
  /** Whom the next one will serve. */
  #next: Group | undefined;
  /** Whether one is under way, or about to be. */
  #isBusy = false;

  /** @param make - Makes one sync, of everything that has ended when it is called. */
  constructor(make: (operation: SyncOperation) => Promise<void>) {
    this.#make = make;
  }

  /** Resolves when what has ended by now is durable. */
  async sync(operation: SyncOperation): Promise<void> {
    this.#next ??= newGroup();
    const group = this.#next;
    group.callers++;
    if (operation === 'fsync') group.operation = operation;
    if (!this.#isBusy) {
      this.#isBusy = true;
      this.#beginSoon();
    }
    try {
      await group.made;
    } catch (error) {
      throw withStackOfCallers(errorFor(operation, group, error));
    }
  }

  /** Not in this turn: what has ended with the caller's write, other writes' callers are told in the same one. */
  #beginSoon(): void {
    setImmediate(() => void this.#run());
  }

  async #run(): Promise<void> {
    for (let group = this.#takeNext(); group !== undefined; group = this.#takeNext()) {
      try {
        await this.#make(group.operation);
        group.resolve();
      } catch (error) {
        group.reject(error);
        // A file system tells a descriptor once that something was not written, whoever asks. Who has asked since may have been meant:
        // the next sync would find nothing wrong.
        const meanwhile = this.#takeNext();
        if (meanwhile === undefined) continue;
        meanwhile.failsWithOther = true;
        meanwhile.reject(error);
      }
    }
    this.#isBusy = false;
  }

  #takeNext(): Group | undefined {
    const group = this.#next;
    this.#next = undefined;
    return group;
  }
}

function newGroup(): Group {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const made = new Promise<void>((resolveMade, rejectMade) => {
    resolve = resolveMade;
    reject = rejectMade;
  });
  return { operation: 'fdatasync', callers: 0, failsWithOther: false, made, resolve, reject };
}

/** An error of the caller's own, of the name that he called. */
function errorFor(operation: SyncOperation, { callers, failsWithOther }: Group, error: unknown): unknown {
  const code = codeOf(error);
  // The only caller: his is the operation that was made.
  if (code === undefined || (callers === 1 && !failsWithOther)) return error;
  return new FileError(code, (error as { errno: number }).errno, operation, { cause: error });
}
