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
 * process_vm_readv(2), or forbid it, have these. Slower: two calls for each 4 KiB.
 */
export class PipeCopies {
  readonly #libc: Libc;
  readonly #read: ReturnType<Libc['bind']>;
  readonly #write: ReturnType<Libc['bind']>;
  readonly #ends: readonly [reader: number, writer: number];

  /** @throws AioError where no pipe is to be had. */
  constructor(libc: Libc) {
    this.#libc = libc;
    this.#read = libc.bind('read', 'long', 3);
    this.#write = libc.bind('write', 'long', 3);
    const ends = new Int32Array(2);
    const answer = libc.bind('pipe2', 'int', 2)(libc.addressOf(ends), O_NONBLOCK | O_CLOEXEC);
    if (answer < 0) throw errnoException(answer, 'pipe2');
    this.#ends = [ends[0]!, ends[1]!];
  }

  /** @returns Whether all of it is there: else nothing, or a part from the beginning, has been copied. */
  copy(from: Address, to: Address, bytes: number): boolean {
    const [reader, writer] = this.#ends;
    for (let done = 0; done < bytes; ) {
      const piece = Math.min(PIECE_BYTES, bytes - done);
      const put = this.#write(writer, from + done, piece);
      if (put < 0 && put !== -ERRNO.EFAULT) throw errnoException(put, 'write');
      const got = put > 0 ? this.#read(reader, to + done, put) : 0;
      if (got < put) this.#drain();
      if (put < piece || got < put) return false;
      done += piece;
    }
    return true;
  }

  /** What was put into the pipe and could not be taken out of it. */
  #drain(): void {
    const bytes = new Uint8Array(PIECE_BYTES);
    const at = this.#libc.addressOf(bytes);
    while (this.#read(this.#ends[0], at, bytes.byteLength) > 0);
  }
}
