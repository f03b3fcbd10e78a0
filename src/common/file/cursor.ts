/** The place that transfers without a position go on from, one after the other. */
import { ERRNO } from '../abi/errno.ts';
import { errnoException } from '../errors.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';

const SEEK_SET = 0;
const SEEK_CUR = 1;

export class Cursor {
  readonly #place: Place | undefined;
  readonly #takesTurns: boolean;
  /** Those whose turn it is or will be. */
  #inTurn = 0;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param place - `undefined`: transfers say nothing of a position, and the host goes on at the descriptor's.
   * @param takesTurns - Not where a transfer may wait for somebody who waits for another one, as on a terminal.
   */
  constructor(place: Place | undefined, takesTurns: boolean) {
    this.#place = place;
    this.#takesTurns = takesTurns;
  }

  /**
   * Runs a transfer at the cursor and moves it by what was transferred.
   *
   * Transfers wait for each other, as `read(2)` calls on one descriptor do: two reads never get the same bytes.
   *
   * @param syscall - What is refused where there is no such descriptor any more.
   */
  advance(
    transfer: (position: number | null) => Promise<number>,
    syscall: 'read' | 'write',
  ): Promise<number> {
    const place = this.#place;
    if (place === undefined) return this.inTurn(() => transfer(null));
    return this.inTurn(async () => {
      const position = place.get(syscall);
      const count = await transfer(position);
      if (count > 0) place.set(position + count);
      return count;
    });
  }

  /**
   * Runs a transfer that goes to the end of the file wherever the cursor is, and takes the cursor there.
   *
   * @param end - Where the file ends.
   */
  append(transfer: () => Promise<number>, end: () => Promise<number>): Promise<number> {
    return this.inTurn(async () => {
      const count = await transfer();
      if (count > 0) this.#place?.set(await end());
      return count;
    });
  }

  /**
   * Runs what moves the cursor by itself, when all that was asked for before has ended, however it did; at once where there is nothing, as
   * with FileHandle. Nobody but the caller waits for the promise: V8 would not know who, for the stack of an error.
   */
  async inTurn<T>(body: () => Promise<T>): Promise<T> {
    if (!this.#takesTurns) return body();
    const before = this.#last;
    let end!: () => void;
    this.#last = new Promise<void>((resolve) => {
      end = resolve;
    });
    if (this.#inTurn++ > 0) await before;
    try {
      return await body();
    } finally {
      this.#inTurn--;
      end();
    }
  }
}

/** Where a cursor is kept. */
interface Place {
  get(syscall: string): number;
  set(position: number): void;
}

/**
 * A cursor that AIO can use: the descriptor's own place where the kernel can say and set it, so that others who use the descriptor see it
 * move; else one of ours.
 */
export function placedCursor(kernel: AioKernel, fd: number): Cursor {
  const calls = kernel.files?.calls ?? kernel;
  const { lseek } = calls;
  return new Cursor(lseek === undefined ? ownPlace() : placeOf(lseek.bind(calls), fd), true);
}

function ownPlace(): Place {
  let place = 0;
  return {
    get: () => place,
    set: (position) => {
      place = position;
    },
  };
}

function placeOf(lseek: NonNullable<AioKernel['lseek']>, fd: number): Place {
  const seek = (offset: number, whence: number, syscall: string): number => {
    const answer = lseek(fd, offset, whence);
    if (answer < 0 && answer !== -ERRNO.ESPIPE)
      throw errnoException(answer, answer === -ERRNO.EBADF ? syscall : 'lseek');
    return answer;
  };
  return {
    get: (syscall) => Math.max(0, seek(0, SEEK_CUR, syscall)),
    set: (position) => {
      seek(position, SEEK_SET, 'lseek');
    },
  };
}
