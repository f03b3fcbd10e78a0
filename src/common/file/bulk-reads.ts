/** Reads of so many bytes that copying them from the page cache takes longer than handing them over to the thread pool. */

/** A read of fewer is made where it is asked for. */
export const BULK_BYTES = 1 << 17;
/** Bytes of such reads at once that this thread copies: with more, a pool of four threads on two CPUs is faster (Linux 6.18). */
const OWN_BYTES = 1 << 20;

/**
 * The bulk reads of one file.
 *
 * One after the other, they are fastest on this thread. Several at once are faster on the threads of the pool, which copy at the same
 * time, and the event loop is free meanwhile: 32 reads of 256 KiB would hold it for 2 ms.
 *
 * Those in the pool count too, else each that ends there would be followed by one here, until all are here. What turns out not to
 * be in the page cache does not: it copies nothing while it waits for the disk.
 */
export class BulkReads {
  #bytes = 0;

  /**
   * Counts one of `bytes`, which are at least {@link BULK_BYTES}, until {@link end}.
   *
   * @returns Whether it is for the thread pool.
   */
  begin(bytes: number): boolean {
    this.#bytes += bytes;
    return this.#bytes > OWN_BYTES;
  }

  end(bytes: number): void {
    this.#bytes -= bytes;
  }
}
