/** The place that transfers without a position go on from, one after the other, where the host's own cannot be used: on direct files. */
import { ERRNO } from '../abi/errno.ts';
import { errnoException } from '../errors.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';

const SEEK_SET = 0;
const SEEK_CUR = 1;

export class Cursor {
  readonly #place: Place;
  #last: Promise<unknown> = Promise.resolve();

  constructor(place: Place) {
    this.#place = place;
  }

  /**
   * Runs a transfer at the cursor and moves it by what was transferred.
   *
   * Transfers wait for each other, as `read(2)` calls on one descriptor do: two reads never get the same bytes.
   */
  advance(transfer: (position: number) => Promise<number>): Promise<number> {
    const moved = this.#last.then(async () => {
      const position = this.#place.get();
      const count = await transfer(position);
      if (count > 0) this.#place.set(position + count);
      return count;
    });
    // The next one goes on whatever became of this one.
    this.#last = moved.catch(() => undefined);
    return moved;
  }
}

/** Where a cursor is kept. */
interface Place {
  get(): number;
  set(position: number): void;
}

/** The descriptor's own place where the kernel can say and set it, so that others who use the descriptor see it move; else one of ours. */
export function cursorOf(kernel: AioKernel, fd: number): Cursor {
  const calls = kernel.files?.calls ?? kernel;
  const { lseek } = calls;
  return new Cursor(lseek === undefined ? ownPlace() : placeOf(lseek.bind(calls), fd));
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
  const seek = (offset: number, whence: number): number => {
    const answer = lseek(fd, offset, whence);
    if (answer < 0 && answer !== -ERRNO.ESPIPE) throw errnoException(answer, 'lseek');
    return answer;
  };
  return {
    get: () => Math.max(0, seek(0, SEEK_CUR)),
    set: (position) => {
      seek(position, SEEK_SET);
    },
  };
}
