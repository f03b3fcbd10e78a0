/**
 * A second descriptor of a direct file, through the page cache, for what O_DIRECT does not take.
 *
 * The kernel changes parts of blocks there under a lock of the file's own, so that nobody's bytes are lost, whoever else writes.
 */
import { ERRNO } from '../abi/errno.ts';
import type { DescriptorCalls } from '../kernel/kernel-files.ts';
import { FileError } from './file-error.ts';
import { refuseStale, type TransferFile } from './file-transfer.ts';
import { fileKey } from './writers.ts';

export class CachedDescriptor {
  readonly #calls: DescriptorCalls;
  readonly #file: Pick<TransferFile, 'fd' | 'isOpen'>;
  readonly #key: string;
  #opened: Promise<number> | undefined;
  #closed: Promise<void> | undefined;

  /** @param key - Of the file, see {@link fileKey}: its descriptor may be somebody else's, who closes it meanwhile. */
  constructor(calls: DescriptorCalls, file: Pick<TransferFile, 'fd' | 'isOpen'>, key: string) {
    this.#calls = calls;
    this.#file = file;
    this.#key = key;
  }

  /**
   * Opens it, if it is not open.
   *
   * @returns The descriptor: the file's own where that takes any write.
   * @throws Error `EBADF` where the file is not open for writing; what open(2) throws, also where the file's mode no longer lets it be
   * opened.
   */
  open(): Promise<number> {
    if (this.#opened === undefined) {
      this.#opened = this.#open();
      // Another time it may work: there was no descriptor left, say.
      this.#opened.catch(() => {
        this.#opened = undefined;
      });
    }
    return this.#opened;
  }

  async #open(): Promise<number> {
    const { fd } = this.#file;
    const calls = this.#calls;
    if (calls.openCached === undefined) return fd;
    const cached = await calls.openCached(fd);
    try {
      if (fileKey(await calls.fstat(cached)) !== this.#key)
        throw new FileError('EBADF', ERRNO.EBADF, 'write');
      refuseStale(this.#file, 'write');
    } catch (error) {
      await calls.close(cached);
      throw error;
    }
    return cached;
  }

  /** Closes it, if it was opened. Preconditions: nothing of it is under way, nor will be. @returns The same end each time. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const cached = await this.#opened;
    if (cached !== undefined && cached !== this.#file.fd) await this.#calls.close(cached);
  }
}
