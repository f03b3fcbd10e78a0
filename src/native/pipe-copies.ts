/** Copies of this process's own memory that answer EFAULT where a load or store would crash, by nothing but a pipe. */
import { ERRNO } from '../common/abi/errno.ts';
import { errnoException } from '../common/errors.ts';
import type { Address } from '../common/kernel/aio-kernel.ts';
import type { Libc } from './libc.ts';

const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
/** What a pipe takes as a whole (`linux/limits.h:PIPE_BUF`), so that nothing partial has to be undone. */
const PIECE_BYTES = 4096;

/**
 * write(2) to a pipe reads the memory it is given, read(2) writes to it: both look whether it is there. Sandboxes that have no
 * process_vm_readv(2), or forbid it, have these. Slower: two calls for each 4 KiB, and a pipe for each copy, so that nobody has to own one
 * when a thread ends, and what a refused copy left in it goes with it.
 */
export class PipeCopies {
  readonly #libc: Libc;
  readonly #pipe2: ReturnType<Libc['bind']>;
  readonly #read: ReturnType<Libc['bind']>;
  readonly #write: ReturnType<Libc['bind']>;
  readonly #close: ReturnType<Libc['bind']>;
  /** A field holds what the kernel is given by its address. */
  readonly #ends = new Int32Array(2);

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#pipe2 = libc.bind('pipe2', 'int', 2);
    this.#read = libc.bind('read', 'count', 3);
    this.#write = libc.bind('write', 'count', 3);
    this.#close = libc.bind('close', 'int', 1);
  }

  /**
   * @returns Whether all of it is there: else nothing, or a part from the beginning, has been copied.
   * @throws AioError where no pipe is to be had, as with `EMFILE`.
   */
  copy(from: Address, to: Address, bytes: number): boolean {
    const answer = this.#pipe2(this.#libc.addressOf(this.#ends), O_NONBLOCK | O_CLOEXEC);
    if (answer < 0) throw errnoException(answer, 'pipe2');
    const [reader, writer] = [this.#ends[0]!, this.#ends[1]!];
    try {
      for (let done = 0; done < bytes; ) {
        const piece = Math.min(PIECE_BYTES, bytes - done);
        const put = this.#write(writer, from + done, piece);
        if (put < 0 && put !== -ERRNO.EFAULT) throw errnoException(put, 'write');
        const got = put > 0 ? this.#read(reader, to + done, put) : 0;
        if (put < piece || got < put) return false;
        done += piece;
      }
      return true;
    } finally {
      this.#close(reader);
      this.#close(writer);
    }
  }
}
